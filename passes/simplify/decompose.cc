// Rewrites ops with a general form into several with the one form that lowering knows.
//   reduce_sum(x, axes {0, 2})   ->  reduce_sum(reduce_sum(x, {2}), {0})     the last group of adjacent axes first
//   check(mask, x: bool[8])      ->  check(reduce_and(x | ~mask))             a scan of prints, where print has lanes
//   reduce_sum(x: f32[0, 4], {0}) -> 0, broadcast                            nothing to reduce: the identity, and +0 for a sum
//   replay                        -> loops over what a forward run has kept (ir/rules/replay_loops.cc)
//   rank_slice x                  -> the row of x that the rank's number names; rank_vary x, in_turn x, constrain x -> x
//   scan {unroll = [3]}           -> a scan of a third of the iterations, and the rest (simplify/unroll.cc)
// Halves of several groups go through f32, so that they are rounded once. Refuses to choose an order: the contract
// (ir/rules/reduction.h) has fixed it.
#include <algorithm>
#include <limits>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/rules/replay.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"
#include "tenon/passes/simplify/lanes.h"
#include "tenon/passes/simplify/simplify.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool is_tree_reduction(Op op) {
  const OpDef& row = def(op);
  return row.family == Family::reduction && row.combine != Op{} && !row.positional && !row.nest;
}

// The last run of adjacent axes, taken off the end of the sorted list.
std::vector<int64_t> take_last_group(std::vector<int64_t>& axes) {
  size_t first = axes.size() - 1;
  while (first > 0 && axes[first - 1] + 1 == axes[first]) --first;
  std::vector<int64_t> group(axes.begin() + static_cast<std::ptrdiff_t>(first), axes.end());
  axes.resize(first);
  return group;
}

// The result of reducing nothing.
Value nothing(GraphBuilder& b, Op combine, DType t, const Shape& shape) {
  if (is_complex(t)) return splat(b, t, 0, shape);  // only sums are complex
  const uint64_t bits = nothing_bits(combine, t);
  std::string raw(reinterpret_cast<const char*>(&bits), static_cast<size_t>(bytes(t)));
  return broadcast_to(constant(b, t, {}, std::move(raw)), shape);
}

void loops(Rebuild& to, const Node& node) {
  std::vector<Value> operands;
  for (ValueId v : to.operands(node)) operands.push_back({&to.builder, v});
  const Attrs& attrs = to.from.attrs(node);
  const auto results =
      node.op == Op::scan ? unrolled(to.builder, attrs, operands) : rules::replay_loops(to.builder, attrs, operands);
  for (uint32_t r = 0; r < node.result_count; ++r) to.set(node, r, results[r].id);
}

// A row by the rank's number.
void own_part(Rebuild& to, const Node& node) {
  const Collective c(to.from, node);
  const Value all{&to.builder, to.operands(node)[0]};
  const Value rank = apply(to.builder, Op::rank_index, {}, RankIndexAttrs{.size = c.size, .stride = c.stride})[0];
  std::vector<Value> starts(all.shape().size(), splat_integer(to.builder, DType::i64, 0, {}));
  starts[0] = rank;
  Shape one = all.shape();
  one[0] = Dim(1);
  to.set(node, 0, reshape(dynamic_slice(all, starts, one.dims()), to.from.type(to.from.result(node)).shape).id);
}

}  // namespace

GraphPtr decompose(const Graph& graph) {
  Rebuild to(graph);
  return to.sweep([&](const Node& node) {
    if (node.op == Op::check || node.op == Op::print) return lane_by_lane(to, node);
    if (node.op == Op::replay || (node.op == Op::scan && Scan(graph, node).unroll > 1)) return loops(to, node);
    if (node.op == Op::rank_vary || node.op == Op::in_turn || node.op == Op::constrain)
      return to.set(node, 0, to.operands(node)[0]);
    if (node.op == Op::rank_slice) return own_part(to, node);
    if (!is_tree_reduction(node.op)) return to.copy(node);
    Value x{&to.builder, to.operands(node)[0]};
    std::vector<int64_t> axes = Reduce(graph, node).axes;
    std::sort(axes.begin(), axes.end());
    for (int64_t axis : axes)
      if (x.shape()[axis] == 0)
        return to.set(node, 0,
                      nothing(to.builder, def(node.op).combine, x.dtype(), graph.type(graph.result(node)).shape).id);
    std::vector<int64_t> rest = axes;
    if (axes.empty()) return to.set(node, 0, x.id);
    take_last_group(rest);
    if (rest.empty()) return to.copy(node);
    const DType type = x.dtype();
    if (is_half(type)) x = cast(x, DType::f32);
    while (!axes.empty()) x = reduce(node.op, x, take_last_group(axes));
    if (is_half(type)) x = cast(x, type);
    to.set(node, 0, x.id);
  });
}

}  // namespace tenon::passes
