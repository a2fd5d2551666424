// Which loops run in registers: one sweep over a body and the graphs inside it. Tensors in memory are told apart by the input that
// they stem from; one that was stored over is stale, and whoever still reads it keeps the loop out of registers.
#include "tenon/passes/lower/small_loop.h"

namespace tenon::passes {

using namespace ir;

int64_t small_count(const Type& type, int64_t few) {
  int64_t n = 1;
  for (Dim d : type.shape) {
    if (d.is_symbol() || d.number() > few || n > few) return -1;
    n *= d.number();
  }
  return n > few ? -1 : n;
}

namespace {

constexpr int64_t loop_kernels =
    8;  // a loop may hold that many times the ops of another kernel: it has no other kernel
constexpr int small = -1;

struct Fits {
  OpCosts& costs;
  const int64_t few;
  int64_t cost = 0, carried = 0;

  int64_t count(const Type& type) const { return small_count(type, few); }
  bool is_small(const Graph& g, ValueId v) const { return count(g.type(v)) >= 0; }

  // By value: small, or the input that it stems from.
  struct Memory {
    std::vector<int> origin;
    std::vector<char> stale;
  };

  // Whether a loop's sub-graphs fit; `in_memory` says which of its operands are.
  bool loop(const Loop& loop, const Graph& g, std::span<const ValueId> operands) {
    const auto carries = loop.carries_of(operands);
    for (ValueId v : carries)
      if (is_small(g, v)) carried += count(g.type(v));
    if (loop.condition && !graph(*loop.condition, nullptr)) return false;
    std::vector<int> last;
    if (!graph(*loop.body, &last)) return false;
    for (size_t i = 0; i < loop.carries; ++i)
      if (!is_small(g, carries[i]) && last[i] != static_cast<int>(loop.constants + i)) return false;
    for (size_t i = loop.carries; i < last.size(); ++i)
      if (last[i] != small) return false;
    return true;
  }

  bool inner_loop(const Graph& g, const Node& n, Memory& m) {
    const Loop inner = ir::loop_of(g, n);
    const auto operands = g.operands(n);
    for (size_t k = 0; k < operands.size(); ++k) {  // one tensor, two names
      if (m.origin[index(operands[k])] == small) continue;
      for (size_t j = 0; j < operands.size(); ++j)
        if (j != k && operands[j] == operands[k] && (j >= inner.constants || k >= inner.constants)) return false;
    }
    if (!loop(inner, g, operands)) return false;
    for (uint32_t k = 0; k < inner.carries; ++k) {
      const ValueId from = inner.carries_of(operands)[k], to = g.result(n, k);
      m.origin[index(to)] = m.origin[index(from)];
      if (m.origin[index(from)] != small) m.stale[index(from)] = 1;
    }
    return true;
  }

  bool node(const Graph& g, const Node& n, Memory& m) {
    const auto operands = g.operands(n);
    size_t large = 0;
    for (ValueId v : operands) {
      if (m.origin[index(v)] == small) continue;
      ++large;
      if (m.stale[index(v)]) return false;
    }
    if (n.op == Op::while_loop) return inner_loop(g, n, m);
    const OpDef& row = def(n.op);
    if (n.op == Op::dynamic_slice || n.op == Op::dynamic_update_slice) {
      if (large != 1 || m.origin[index(operands[0])] == small) return false;
      if (n.op == Op::dynamic_slice) return is_small(g, g.result(n));
      m.origin[index(g.result(n))] = m.origin[index(operands[0])];
      m.stale[index(operands[0])] = 1;
      return true;
    }
    const bool moves = (row.family == Family::movement || row.family == Family::source) && row.reads != Reads::operands;
    const bool sums = is_small_sum(g, n);
    if (large > 0 || (row.family != Family::elementwise && !moves && !sums) || !is_small(g, g.result(n))) return false;
    if (sums)
      cost += n.op == Op::dot_general ? count(g.type(operands[0])) * count(g.type(operands[1]))
                                      : count(g.type(operands[0]));
    else if (!moves)
      cost += costs.of(g, n) * count(g.type(g.result(n)));
    return true;
  }

  // last: what each output stems from; none of them are wanted of a condition.
  bool graph(const Graph& g, std::vector<int>* last) {
    Memory m{std::vector<int>(g.value_count(), small), std::vector<char>(g.value_count(), 0)};
    for (uint32_t i = 0; i < g.input_count(); ++i)
      if (!is_small(g, ValueId{i})) m.origin[i] = static_cast<int>(i);
    for (const Node& n : g.nodes())
      if (!node(g, n, m)) return false;
    for (ValueId v : g.outputs()) {
      if (m.stale[index(v)]) return false;
      if (last) last->push_back(m.origin[index(v)]);
    }
    return true;
  }
};

}  // namespace

bool is_small_loop(const Graph& graph, const Node& node, OpCosts& costs) {
  Fits fits{costs, costs.tiles.scan_tensor};
  const Loop loop = ir::loop_of(graph, node);
  if (!fits.loop(loop, graph, graph.operands(node))) return false;
  for (size_t i = loop.constants + loop.carries; i < loop.body->input_count(); ++i)  // rows
    if (!fits.is_small(*loop.body, ValueId{static_cast<uint32_t>(i)})) return false;
  return fits.carried <= costs.tiles.scan_carried && fits.cost <= loop_kernels * costs.limits.kernel_ops;
}

}  // namespace tenon::passes
