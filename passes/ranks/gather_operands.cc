// A sum over ranks of products, of which each rank is to have its rows, is products over what the ranks multiply: where operands are
// smaller than what they make, as in the gradients of wide layers over small batches, the operands travel and each rank makes its rows of
// every rank's product. The tree that joins them is the one that the ranks would have joined by, so the bits are the same.
//   %2 = dot_general %0, %1 : f32[4, 512, 256]    %3 = its sum by pairs, in blocks : f32[2, 65536]    %4 = reduce_scatter %3
//   ->   %0, %1 of all ranks : f32[8, ...]    the rank's rows of %0    dot_general : f32[8, 256, 256]    its sum by pairs
// An all_reduce is that, and an all_gather of the rows. What every rank can make of what it has whole is not sent (`whole`).
// Refuses sums of halves, which ranks join in f32, and products that somebody else reads.
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/kernel/collectives.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int deepest = 8;  // elementwise ops between what a rank cuts out of a whole and an operand

const Node* producer(const Graph& g, ValueId v, Op op) {
  const NodeId n = g.producer(v);
  return n != no_node && g.node(n).op == op ? &g.node(n) : nullptr;
}

// v without reshapes, where nobody else reads any of it; v itself has `readers`.
ValueId alone(const Graph& g, ValueId v, const std::vector<uint32_t>& uses, uint32_t readers) {
  for (; uses[index(v)] == readers; readers = 1) {
    const Node* n = producer(g, v, Op::reshape);
    if (n == nullptr) return v;
    v = g.operands(*n)[0];
  }
  return no_value;
}

// What v takes every second row of, from row `first` on.
ValueId rows_of(const Graph& g, ValueId v, int64_t first) {
  const Node* n = producer(g, v, Op::slice);
  if (n == nullptr) return no_value;
  const ValueId from = g.operands(*n)[0];
  const Slice s(g, *n);
  const Shape& all = g.type(from).shape;
  if (all.rank() == 0 || !all[0].is_number() || all[0].number() % 2 != 0) return no_value;
  if (!(s.starts[0] == first) || !(s.sizes[0] == all[0].number() / 2)) return no_value;
  if (s.strides[0] != 2 && !(s.sizes[0] == 1)) return no_value;
  for (int64_t axis = 1; axis < all.rank(); ++axis)
    if (!(s.starts[axis] == 0) || !(s.sizes[axis] == all[axis]) || s.strides[axis] != 1) return no_value;
  return from;
}

bool is_numeric(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d.is_number(); });
}

struct Products {  // of one rank: a contraction for each of its shards, joined by pairs
  const Node* dot = nullptr;
  bool shards = false;  // axis 0 of both operands is the shards
  DType summed = DType::f32;  // that a product is cast to before
  std::optional<int64_t> rows = {};  // the axis of the left operand that is the slowest of a product
};

std::optional<Products> products_of(const Graph& g, ValueId sum, const std::vector<uint32_t>& uses) {
  ValueId v = alone(g, sum, uses, 1);
  if (v == no_value) return {};
  int64_t shards = 1;
  while (const Node* n = producer(g, v, Op::add)) {
    const ValueId first = g.operands(*n)[0], second = g.operands(*n)[1];
    const ValueId even = rows_of(g, first, 0), odd = rows_of(g, second, 1);
    if (even == no_value || even != odd) return {};
    if (uses[index(first)] != 1 || uses[index(second)] != 1 || uses[index(even)] != 2) return {};
    v = even, shards *= 2;
  }
  if (shards > 1 && !(g.type(v).shape[0] == shards)) return {};
  ValueId product = alone(g, v, uses, shards > 1 ? 2 : 1);
  if (product == no_value) return {};
  if (const Node* wider = producer(g, product, Op::cast)) product = alone(g, g.operands(*wider)[0], uses, 1);
  if (product == no_value) return {};
  Products p{.dot = producer(g, product, Op::dot_general), .summed = g.type(sum).dtype};
  if (p.dot == nullptr) return {};
  const DotGeneral d(g, *p.dot);
  const Type& made = g.type(product);
  if (is_half(p.summed) || d.lhs_batch.size() > 1) return {};
  for (ValueId operand : g.operands(*p.dot))
    if (!is_numeric(g.type(operand).shape)) return {};
  p.shards = !d.lhs_batch.empty();
  if (p.shards && (d.lhs_batch[0] != 0 || d.rhs_batch[0] != 0 || !(made.shape[0] == shards))) return {};
  if (!p.shards && shards > 1) return {};
  for (int64_t axis = g.type(g.operands(*p.dot)[0]).shape.rank(); axis-- > (p.shards ? 1 : 0);)
    if (std::find(d.lhs_contract.begin(), d.lhs_contract.end(), axis) == d.lhs_contract.end()) p.rows = axis;
  return p;
}

bool cuts_whole(const Graph& g, const Node& n, const Collective& c) {
  return n.op == Op::rank_slice && Collective(g, n).size == c.size && Collective(g, n).stride == c.stride;
}

// Whether each rank can make v of all ranks: of constants, and of wholes that they cut.
bool is_whole(const Graph& g, ValueId v, const Collective& c, int depth = deepest) {
  const NodeId id = g.producer(v);
  if (id == no_node || depth == 0) return false;
  const Node& n = g.node(id);
  if (cuts_whole(g, n, c)) return true;
  const std::span<const ValueId> operands = g.operands(n);
  if (n.op == Op::broadcast)
    return g.type(operands[0]).shape.rank() == 0 && producer(g, operands[0], Op::constant) != nullptr;
  return (n.op == Op::reshape || def(n.op).family == Family::elementwise) &&
         std::all_of(operands.begin(), operands.end(), [&](ValueId x) { return is_whole(g, x, c, depth - 1); });
}

class Gathering {
 public:
  explicit Gathering(const Graph& graph) : g(graph), to(graph) {
    std::vector<uint32_t> uses(g.value_count());
    for (const Node& n : g.nodes())
      for (ValueId v : g.operands(n)) ++uses[index(v)];
    for (ValueId v : g.outputs()) ++uses[index(v)];
    for (const Node& n : g.nodes()) plan(n, uses);
  }
  GraphPtr run() {
    for (uint32_t i = 0; i < g.input_count(); ++i) send(ValueId{i});
    return to.sweep([&](const Node& node) {
      if (const auto found = planned_.find(g.result(node)); node.result_count == 1 && found != planned_.end())
        make(node, found->second);
      else
        to.copy(node);
      for (uint32_t r = 0; r < node.result_count; ++r) send(g.result(node, r));
    });
  }

 private:
  void plan(const Node& node, const std::vector<uint32_t>& uses);
  void send(ValueId v);
  void make(const Node& node, const Products& p);
  Value whole(ValueId v, const Collective& c);
  Value of_all(ValueId v, const Collective& c);
  Value over(Op op, Value x, const Collective& c) {
    const size_t after = c.place.find(" over ");
    return apply(
        to.builder, op, {&x, 1},
        CollectiveAttrs{
            .size = c.size,
            .stride = c.stride,
            .place = std::string(name(op)) + (after == std::string::npos ? "" : std::string(c.place.substr(after))),
            .numbers = op == Op::all_gather ? std::vector<int64_t>{1} : std::vector<int64_t>{}})[0];
  }

  const Graph& g;
  Rebuild to;
  std::map<ValueId, Products> planned_;  // by what the collective gives
  std::map<ValueId, std::vector<const Node*>> wanted_;  // of all ranks, by the collectives that were to be
  std::map<std::tuple<ValueId, int64_t, int64_t>, Value> sent_;  // by value and group: nothing is sent twice
};

void Gathering::plan(const Node& node, const std::vector<uint32_t>& uses) {
  if (node.op != Op::reduce_scatter && node.op != Op::all_reduce_sum) return;
  const Collective c(g, node);
  const std::optional<Products> p = products_of(g, g.operands(node)[0], uses);
  if (!p || !p->rows) return;
  const Type& sum = g.type(g.operands(node)[0]);
  if (g.type(g.operands(*p->dot)[0]).shape[*p->rows].number() % c.size != 0) return;
  const int64_t size = sum.shape.numel() * bytes(sum.dtype);
  if (size <= one_message) return;
  int64_t sent = 0;
  for (ValueId v : g.operands(*p->dot))
    if (!is_whole(g, v, c)) sent += g.type(v).shape.numel() * bytes(g.type(v).dtype);
  if (sent >= size / c.size) return;
  planned_.emplace(g.result(node), *p);
  for (ValueId v : g.operands(*p->dot))
    if (!is_whole(g, v, c)) wanted_[v].push_back(&node);
}

// As soon as it is there, so that it travels behind what comes next.
void Gathering::send(ValueId v) {
  const auto wanted = wanted_.find(v);
  if (wanted == wanted_.end()) return;
  for (const Node* node : wanted->second) {
    const Collective c(g, *node);
    const auto key = std::tuple(v, c.size, c.stride);
    if (sent_.contains(key)) continue;
    to.builder.set_location(g.location(*node));
    sent_.emplace(key, over(Op::all_gather, {&to.builder, to.values[index(v)]}, c));
  }
}

// v of all ranks, [ranks, ...], as is_whole finds it.
Value Gathering::whole(ValueId v, const Collective& c) {
  const Node& n = g.node(g.producer(v));
  const Value first{&to.builder, to.operands(n)[0]};
  if (cuts_whole(g, n, c)) return first;
  Shape all = g.type(v).shape;
  all.insert(0, Dim(c.size));
  if (n.op == Op::broadcast) return broadcast(first, all, {});
  if (n.op == Op::reshape) return reshape(whole(g.operands(n)[0], c), all);
  std::vector<Value> operands;
  for (ValueId operand : g.operands(n)) operands.push_back(whole(operand, c));
  const std::vector<Value> made = apply(to.builder, n.op, operands, g.attrs(n));
  return made[0];
}

Value Gathering::of_all(ValueId v, const Collective& c) {
  const auto found = sent_.find(std::tuple(v, c.size, c.stride));
  return found != sent_.end() ? found->second : whole(v, c);
}

void Gathering::make(const Node& node, const Products& p) {
  const Collective c(g, node);
  const DotGeneral d(g, *p.dot);
  const int64_t moved = p.shards ? 0 : 1;  // the ranks are a new axis in front
  const auto by_shard = [&](ValueId v) {  // [all shards, ...]
    const Value all = of_all(v, c);
    if (!p.shards) return all;
    Shape shape = g.type(v).shape;
    shape[0] = Dim(shape[0].number() * c.size);
    return reshape(all, shape);
  };
  std::vector<int64_t> left(d.lhs_contract.begin(), d.lhs_contract.end()),
      right(d.rhs_contract.begin(), d.rhs_contract.end());
  for (int64_t& axis : left) axis += moved;
  for (int64_t& axis : right) axis += moved;
  const Value all = by_shard(g.operands(*p.dot)[0]), other = by_shard(g.operands(*p.dot)[1]);
  const Value own = over(Op::rank_slice, split_blocks(all, static_cast<size_t>(*p.rows + moved), c.size), c);
  const Value sum = tree_sum(cast(dot_general(own, other, {0}, {0}, std::move(left), std::move(right)), p.summed));
  const Value part = reshape(sum, Shape({sum.shape().numel()}));
  const Shape& shape = g.type(g.result(node)).shape;
  to.set(node, 0, reshape(node.op == Op::reduce_scatter ? part : over(Op::all_gather, part, c), shape).id);
}

}  // namespace

GraphPtr gather_operands(const Graph& graph) {
  const auto sums = [](const Node& n) { return n.op == Op::reduce_scatter || n.op == Op::all_reduce_sum; };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), sums)) return std::make_shared<Graph>(graph);
  const GraphPtr live = dce(graph);
  return Gathering(*live).run();
}

}  // namespace tenon::passes
