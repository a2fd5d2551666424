// Derivatives of gather, scatter and sort. Reading clamps and writing drops, so the transpose of a gather writes at the clamped
// index, and the transpose of a scatter reads zero for what was dropped.
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

// Indices as a gather along an axis of this extent reads them; works for symbolic extents, which are no values of the graph.
Value clamped(Value indices, Dim extent) {
  const Value operands[] = {iota(*indices.builder, i64, {extent}, 0), indices};
  return apply(*indices.builder, Op::gather, operands, GatherAttrs{.axis = 0})[0];
}

}  // namespace

std::vector<Value> gather_transpose(const TransposeArgs& args) {
  const size_t axis = Gather(args.attrs).axis;
  const Type x = args.operand_types[0];
  const Value operands[] = {zeros(args.builder, x), clamped(args.operands[1], x.shape[axis]), args.cotangents[0]};
  return {apply(args.builder, Op::scatter_add, operands, ScatterAddAttrs{.axis = axis})[0], {}};
}

std::vector<Value> scatter_add_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0], indices = args.operands[1];
  std::vector<Value> result = absent(3);
  if (args.linear[0]) result[0] = ct;
  if (args.linear[2]) {
    const size_t axis = ScatterAdd(args.attrs).axis;
    const Shape shape = args.operand_types[2].shape;
    const Dim extent = args.operand_types[0].shape[axis];
    const Value operands[] = {ct, indices};
    const Value read = apply(args.builder, Op::gather, operands, GatherAttrs{.axis = axis})[0];
    std::vector<int64_t> axes;
    for (size_t i = 0; i < indices.shape().size(); ++i) axes.push_back(static_cast<int64_t>(axis + i));
    const Value inside = broadcast(eq(clamped(indices, extent), indices), shape, std::move(axes));
    result[2] = select(inside, read, zeros_like(read));
  }
  return result;
}

// Tangents move as their primals do: the flat position of every element travels through the sort, and each tangent is
// gathered from there.
std::vector<Value> sort_jvp(const JvpArgs& args) {
  GraphBuilder& b = args.builder;
  const Shape shape = args.primals[0].shape();
  const Shape flat({b.symbols().numel(shape)});
  const Value keyed[] = {args.primals[0], reshape(iota(b, i64, flat, 0), shape)};
  const Value from = apply(b, Op::sort, keyed, args.attrs)[1];
  std::vector<Value> result = absent(args.tangents.size());
  for (size_t k = 0; k < result.size(); ++k) {
    if (!args.tangents[k]) continue;
    const Value operands[] = {reshape(args.tangents[k], flat), from};
    result[k] = apply(b, Op::gather, operands, GatherAttrs{.axis = 0})[0];
  }
  return result;
}

}  // namespace tenon::ir::rules
