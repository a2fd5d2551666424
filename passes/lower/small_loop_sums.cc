// Reductions and contractions of a few numbers, element by element, in the contract's order (ir/rules/reduction.h): a tree of one
// block, a chain of one segment. Refuses halves, which accumulate in f32, and several contracted axes.
#include "tenon/passes/lower/reduce.h"
#include "tenon/passes/lower/small_loop.h"

namespace tenon::passes {

using namespace ir;

bool is_small_sum(const Graph& g, const Node& n) {
  const OpDef& row = def(n.op);
  if (n.op != Op::dot_general && row.family != Family::reduction) return false;
  if (is_half(g.type(g.operands(n)[0]).dtype)) return false;
  if (n.op == Op::dot_general) return DotGeneral(g, n).lhs_contract.size() == 1;
  return row.combine != Op{} && !row.positional && !row.nest;
}

namespace {

// The number of an element in row-major order, an index per axis.
int64_t number_of(const Shape& shape, const std::vector<int64_t>& index) {
  int64_t number = 0;
  for (size_t d = 0; d < shape.size(); ++d) number = number * shape[d].number() + index[d];
  return number;
}
std::vector<int64_t> index_of(const Shape& shape, int64_t number) {
  std::vector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = number % shape[d].number();
    number /= shape[d].number();
  }
  return index;
}

// Lanes that no element fell to leave the others as they are.
ScalarId in_tree(KernelBuilder& b, Op combine, Tree tree, const std::vector<ScalarId>& elements) {
  const auto join = [&](ScalarId x, ScalarId y) {
    if (x == no_scalar || y == no_scalar) return x == no_scalar ? y : x;
    const ScalarId operands[] = {x, y};
    return b.scalar(combine, operands);
  };
  std::vector<ScalarId> lanes(static_cast<size_t>(tree.lanes), no_scalar);
  for (size_t i = 0; i < elements.size(); ++i) lanes[i % lanes.size()] = join(lanes[i % lanes.size()], elements[i]);
  for (size_t half = lanes.size() / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; ++i) lanes[i] = join(lanes[i], lanes[i + half]);
  return lanes[0];
}

std::vector<ScalarId> reduced(KernelBuilder& b, const Graph& g, const Node& n, const std::vector<ScalarId>& x) {
  const Shape& shape = g.type(g.operands(n)[0]).shape;
  const Tree tree = tree_of(g, n);
  std::vector<char> gone(shape.size(), 0);
  for (int64_t axis : Reduce(g, n).axes) gone[static_cast<size_t>(axis)] = 1;
  const Shape& to = g.type(g.result(n)).shape;
  std::vector<std::vector<ScalarId>> lists(static_cast<size_t>(to.numel()));
  for (int64_t e = 0; e < static_cast<int64_t>(x.size()); ++e) {
    const std::vector<int64_t> at = index_of(shape, e);
    std::vector<int64_t> kept;
    for (size_t d = 0; d < at.size(); ++d)
      if (!gone[d]) kept.push_back(at[d]);
    lists[static_cast<size_t>(number_of(to, kept))].push_back(x[static_cast<size_t>(e)]);
  }
  std::vector<ScalarId> results;
  for (const auto& list : lists) results.push_back(in_tree(b, def(n.op).combine, tree, list));
  return results;
}

// Result axes: batch, free axes of lhs, free axes of rhs.
std::vector<ScalarId> contracted(KernelBuilder& b, const Graph& g, const Node& n, const std::vector<ScalarId>& x,
                                 const std::vector<ScalarId>& y) {
  const DotGeneral dot(g, n);
  const Shape &left = g.type(g.operands(n)[0]).shape, &right = g.type(g.operands(n)[1]).shape,
              &to = g.type(g.result(n)).shape;
  const auto sum = static_cast<size_t>(dot.lhs_contract[0]), sum_right = static_cast<size_t>(dot.rhs_contract[0]);
  const auto place = [&](const Shape& shape, const std::vector<int64_t>& batch, size_t along, size_t& next,
                         const std::vector<int64_t>& at) {
    std::vector<int64_t> index(shape.size(), 0);
    std::vector<char> known(shape.size(), 0);
    for (size_t i = 0; i < batch.size(); ++i) {
      index[static_cast<size_t>(batch[i])] = at[i];
      known[static_cast<size_t>(batch[i])] = 1;
    }
    known[along] = 1;
    for (size_t d = 0; d < shape.size(); ++d)
      if (!known[d]) index[d] = at[next++];
    return index;
  };
  const DType t = g.type(g.operands(n)[0]).dtype;
  std::vector<ScalarId> results;
  for (int64_t e = 0; e < to.numel(); ++e) {
    const std::vector<int64_t> at = index_of(to, e);
    size_t next = dot.lhs_batch.size();
    std::vector<int64_t> i = place(left, dot.lhs_batch, sum, next, at),
                         j = place(right, dot.rhs_batch, sum_right, next, at);
    ScalarId chain = b.literal(t, 0);
    for (int64_t k = 0; k < left[sum].number(); ++k) {
      i[sum] = j[sum_right] = k;
      const ScalarId u = x[static_cast<size_t>(number_of(left, i))], v = y[static_cast<size_t>(number_of(right, j))];
      const ScalarId both[] = {u, v}, all[] = {u, v, chain};
      if (is_floating(t)) {
        chain = b.scalar(Op::fma, all);
      } else {
        const ScalarId added[] = {b.scalar(Op::mul, both), chain};
        chain = b.scalar(Op::add, added);
      }
    }
    results.push_back(chain);
  }
  return results;
}

}  // namespace

std::vector<ScalarId> small_sum(KernelBuilder& b, const Graph& g, const Node& n, std::span<const Held> operands) {
  return n.op == Op::dot_general ? contracted(b, g, n, operands[0].elements, operands[1].elements)
                                 : reduced(b, g, n, operands[0].elements);
}

}  // namespace tenon::passes
