// A line or two for each family. An op that is not here takes its operands whole: control flow, argmax, random bits, what speaks with
// the outside. So do extents that are free, and those of 0.
#include "tenon/passes/ranks/factors.h"

#include <algorithm>
#include <numeric>

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

using namespace ir;

namespace {

int64_t fixed(Dim d) { return d.is_number() ? d.number() : 0; }

struct Making {
  const Graph& g;
  const Node& n;
  Factors f;

  Making(const Graph& graph, const Node& node) : g(graph), n(node) {
    for (uint32_t k = 0; k < n.operand_count; ++k) f.operands.emplace_back(operand(k).size(), -1);
    for (uint32_t r = 0; r < n.result_count; ++r) f.results.emplace_back(result(r).size(), -1);
  }
  const Shape& operand(size_t k) const { return g.type(g.operands(n)[k]).shape; }
  const Shape& result(size_t r = 0) const { return g.type(g.result(n, static_cast<uint32_t>(r))).shape; }

  int index(Dim extent, std::optional<Op> joins = {}) {
    f.all.push_back({fixed(extent), joins});
    return static_cast<int>(f.all.size()) - 1;
  }
  // Dimension d of operand k runs along dimension e of the result.
  void pair(size_t k, size_t d, size_t e) {
    f.results[0][e] = f.results[0][e] >= 0 ? f.results[0][e] : index(result()[e]);
    f.operands[k][d] = f.results[0][e];
  }

  // Operands and results of one shape: alike along every dimension but one.
  void alike(size_t except = SIZE_MAX) {
    const Shape& shape = n.operand_count > 0 ? operand(0) : result();
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d == except) continue;
      const int at = index(shape[d]);
      for (auto& dims : f.operands)
        if (dims.size() == shape.size()) dims[d] = at;
      for (auto& dims : f.results) dims[d] = at;
    }
  }
  // Of several operands, each is a result.
  void apart() {
    f.apart = true;
    for (size_t k = 0; k < f.results.size(); ++k)
      for (size_t d = 0; d < f.results[k].size(); ++d) f.operands[k][d] = f.results[k][d] = index(operand(k)[d]);
  }
  // What stands in front on either side, or on neither, is the ranks'.
  void behind(size_t in_operand, size_t in_result) {
    for (size_t d = in_operand; d < operand(0).size(); ++d) pair(0, d, d - in_operand + in_result);
  }

  void broadcast() {
    const std::vector<int64_t>& axes = Broadcast(g, n).axes;
    for (size_t e = 0; e < result().size(); ++e) f.results[0][e] = index(result()[e]);
    for (size_t d = 0; d < axes.size(); ++d)
      if (operand(0)[d] == result()[static_cast<size_t>(axes[d])]) pair(0, d, static_cast<size_t>(axes[d]));
  }
  // Runs of dimensions with one product: the first of either side is cut where the parts are runs of both.
  void reshape() {
    const Shape &a = operand(0), &b = result();
    size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
      if (a[i] == 1 || b[j] == 1) {
        (a[i] == 1 ? i : j)++;
        continue;
      }
      if (a[i] == b[j]) {
        pair(0, i++, j++);
        continue;
      }
      int64_t p = fixed(a[i]), q = fixed(b[j]);
      if (p == 0 || q == 0) return;
      const int at = index(std::gcd(p, q));
      f.operands[0][i++] = f.results[0][j++] = at;
      while (p != q) {
        const bool left = p < q;
        if (left ? i == a.size() : j == b.size()) return;
        const int64_t next = fixed(left ? a[i++] : b[j++]);
        if (next == 0) return;
        (left ? p : q) *= next;
      }
    }
  }
  void kept(const std::vector<Dim>& sizes, auto whole) {  // dimensions that stay as they are
    for (size_t d = 0; d < sizes.size(); ++d)
      if (sizes[d] == operand(0)[d] && whole(d)) pair(0, d, d);
  }
  void reduction(Op joined, const std::vector<int64_t>& axes) {
    size_t e = 0;
    for (size_t d = 0; d < operand(0).size(); ++d) {
      if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end())
        pair(0, d, e++);
      else if (joined != Op::rank_index)
        f.operands[0][d] = index(operand(0)[d], joined);
    }
  }
  void dot() {
    const DotGeneral dot(g, n);
    const std::vector<int64_t>*batch[] = {&dot.lhs_batch, &dot.rhs_batch},
          *contract[] = {&dot.lhs_contract, &dot.rhs_contract};
    for (size_t k = 0; k < 2; ++k)
      for (size_t b = 0; b < batch[k]->size(); ++b) pair(k, static_cast<size_t>((*batch[k])[b]), b);
    for (size_t c = 0; c < contract[0]->size(); ++c) {
      const auto l = static_cast<size_t>((*contract[0])[c]), r = static_cast<size_t>((*contract[1])[c]);
      f.operands[0][l] = f.operands[1][r] = index(operand(0)[l], Op::all_reduce_sum);
    }
    size_t e = batch[0]->size();
    for (size_t k = 0; k < 2; ++k)
      for (size_t d = 0; d < operand(k).size(); ++d)
        if (f.operands[k][d] < 0) pair(k, d, e++);
  }
  void convolution() {  // x[n, spatial..., c], kernel[spatial..., c, o] -> [n, spatial..., o]
    pair(0, 0, 0);
    if (Convolution(g, n).groups != 1) return;
    const size_t c = operand(0).size() - 1;
    pair(1, c, c);
    f.operands[0][c] = f.operands[1][c - 1] = index(operand(0)[c], Op::all_reduce_sum);
  }
  void gather() {
    const size_t axis = Gather(g, n).axis, more = operand(1).size();
    for (size_t d = 0; d < operand(0).size(); ++d)
      if (d != axis) pair(0, d, d < axis ? d : d + more - 1);
    for (size_t d = 0; d < more; ++d) pair(1, d, axis + d);
    if (g.type(g.result(n)).dtype != DType::boolean)  // each element is found on one rank
      f.operands[0][axis] = index(operand(0)[axis], Op::all_reduce_sum);
  }
  // Updates that ranks have of one place are summed; where places are cut, a rank drops what is not its own.
  void scatter_add() {
    const size_t axis = ScatterAdd(g, n).axis, more = operand(1).size();
    for (size_t d = 0; d < operand(0).size(); ++d) {
      pair(0, d, d);
      if (d == axis) continue;
      f.operands[2][d < axis ? d : d + more - 1] = f.results[0][d];
    }
    for (size_t d = 0; d < more; ++d)
      f.operands[1][d] = f.operands[2][axis + d] = index(operand(1)[d], Op::all_reduce_sum);
  }
};

Op collective_of(Op reduction) {
  switch (reduction) {
    case Op::reduce_sum: return Op::all_reduce_sum;
    case Op::reduce_prod: return Op::all_reduce_prod;
    case Op::reduce_max: return Op::all_reduce_max;
    case Op::reduce_min: return Op::all_reduce_min;
    default: return Op::rank_index;  // none
  }
}

void of_ranks(Making& m) {
  switch (m.n.op) {
    case Op::all_reduce_sum:
    case Op::all_reduce_prod:
    case Op::all_reduce_min:
    case Op::all_reduce_max:
    case Op::collective_permute:
    case Op::collective_broadcast:
    case Op::in_turn:
    case Op::rank_vary:
    case Op::constrain: return m.alike();
    case Op::all_to_all: return m.alike(0);
    case Op::all_gather: return m.behind(0, 1);
    case Op::reduce_scatter:
    case Op::rank_slice: return m.behind(1, 0);
    default: return;
  }
}

void of_movement(Making& m) {
  const Graph& g = m.g;
  const Node& n = m.n;
  switch (n.op) {
    case Op::reshape: return m.reshape();
    case Op::broadcast: return m.broadcast();
    case Op::transpose: {
      const std::vector<int64_t>& order = Transpose(g, n).permutation;
      for (size_t e = 0; e < order.size(); ++e) m.pair(0, static_cast<size_t>(order[e]), e);
      return;
    }
    case Op::slice: {
      const Slice s(g, n);
      return m.kept(s.sizes, [&](size_t d) { return s.starts[d] == 0 && s.strides[d] == 1; });
    }
    case Op::dynamic_slice: return m.kept(DynamicSlice(g, n).sizes, [](size_t) { return true; });
    case Op::dynamic_update_slice:
      m.kept(m.operand(1).dims(), [](size_t) { return true; });
      m.f.operands[1] = m.f.operands[0];
      return;
    case Op::pad: {
      const Pad p(g, n);
      return m.kept(m.operand(0).dims(),
                    [&](size_t d) { return p.low[d] == 0 && p.high[d] == 0 && p.interior[d] == 0; });
    }
    case Op::concat: return m.alike(Concat(g, n).axis);
    case Op::reverse: {
      const std::vector<int64_t>& axes = Reverse(g, n).axes;
      return m.kept(m.operand(0).dims(), [&](size_t d) {
        return std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end();
      });
    }
    default: return;
  }
}

}  // namespace

Factors factors_of(const Graph& graph, const Node& node) {
  Making m(graph, node);
  const OpDef& row = def(node.op);
  if (row.family == Family::elementwise) m.alike();
  if (row.family == Family::movement) of_movement(m);
  if (row.family == Family::ranks) of_ranks(m);
  if (row.family == Family::reduction && node.op != Op::cumsum)
    m.reduction(collective_of(node.op), Reduce(graph, node).axes);
  switch (node.op) {
    case Op::cumsum: m.alike(Cumsum(graph, node).axis); break;
    case Op::sort: m.alike(Sort(graph, node).axis); break;
    case Op::iota:  // counts on from rank to rank, where numbers are exact
      m.alike(is_integer(Iota(graph, node).dtype) ? SIZE_MAX : Iota(graph, node).axis);
      break;
    case Op::unset: m.alike(); break;
    case Op::dot_general: m.dot(); break;
    case Op::convolution: m.convolution(); break;
    case Op::gather: m.gather(); break;
    case Op::scatter_add: m.scatter_add(); break;
    case Op::barrier:
    case Op::named: m.apart(); break;
    default: break;
  }
  return std::move(m.f);
}

}  // namespace tenon::passes
