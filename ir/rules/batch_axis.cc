// Ops over a named axis of lanes: what they mean by themselves (nothing), their derivatives, and what they become when that axis is
// batched: a reduction over the lanes, the lanes themselves, or their numbers. Under other axes they are carried along.
#include "tenon/ir/rules/batch.h"
#include "tenon/ir/rules/derivative.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

// What a lane that takes no part contributes.
Value without_others(const BatchArgs& args, Value x, Value nothing) {
  if (!args.mask) return x;
  return select(broadcast(args.mask, x.shape(), {0}), x, nothing);
}

}  // namespace

std::vector<Type> infer_axis_index(const InferArgs&) { return {Type{DType::i64, {}}}; }

std::vector<Type> infer_axis_gather(const InferArgs& args) {
  const Dim size = AxisGather(args.attrs).size;
  check_symbols(args, {size});
  Type result = args.operands[0];
  result.shape.insert(0, size);
  return {result};
}

std::vector<Array> eval_unbatched_axis(const EvalArgs& args) {
  const std::string& axis = AxisSum(args.attrs).axis;  // the first field of each of these rows
  throw Error("there is no axis '" + axis + "' here; tn::vmap(f, {.axis_name = \"" + axis + "\"}) makes one");
}

BatchResults batch_axis_index(const BatchArgs& args) {
  if (AxisIndex(args.attrs).axis != args.batching.axis) return {apply(args.builder, args.op, {}, args.attrs), {false}};
  return {{iota(args.builder, DType::i64, Shape({args.batching.size}), 0)}};
}

BatchResults batch_axis_sum(const BatchArgs& args) {
  const Value x = args.operands[0];
  if (AxisSum(args.attrs).axis != args.batching.axis) return {{same_op(args, {x}, args.attrs)}, args.batched};
  if (!args.batched[0] && !args.mask)
    return {{x * broadcast_to(cast(extent_value(args.builder, args.batching.size), x.dtype()), x.shape())}, {false}};
  const Value all = lifted(args, 0);
  return {{reduce(Op::reduce_sum, without_others(args, all, zeros_like(all)), {0})}, {false}};
}

BatchResults batch_axis_max(const BatchArgs& args) {
  const Value x = args.operands[0];
  if (AxisSum(args.attrs).axis != args.batching.axis) return {{same_op(args, {x}, args.attrs)}, args.batched};
  if (!args.batched[0]) return {{x}, {false}};
  const uint64_t bits = nothing_bits(Op::max, x.dtype());
  const Value lowest =
      broadcast_to(constant(args.builder, x.dtype(), {},
                            std::string(reinterpret_cast<const char*>(&bits), static_cast<size_t>(bytes(x.dtype())))),
                   x.shape());
  return {{reduce(Op::reduce_max, without_others(args, x, lowest), {0})}, {false}};
}

BatchResults batch_axis_gather(const BatchArgs& args) {
  const AxisGather a(args.attrs);
  if (a.axis == args.batching.axis) return {{lifted(args, 0)}, {false}};
  const Value x = args.operands[0];
  const Value gathered = same_op(args, {x}, args.attrs);
  if (!args.batched[0]) return {{gathered}, {false}};
  return {{move_axis(gathered, 1, 0)}};  // these lanes go before those of the other axis
}

// ---- derivatives: every lane's result is made from every lane's operand

std::vector<Value> axis_sum_transpose(const TransposeArgs& args) {
  return {apply(args.builder, Op::axis_sum, args.cotangents, args.attrs)[0]};
}

// The sum of what all lanes give for this lane's part.
std::vector<Value> axis_gather_transpose(const TransposeArgs& args) {
  GraphBuilder& b = args.builder;
  const std::string& axis = AxisGather(args.attrs).axis;
  const Value sum = apply(b, Op::axis_sum, args.cotangents, AxisSumAttrs{.axis = axis})[0];
  const Value lane = apply(b, Op::axis_index, {}, AxisIndexAttrs{.axis = axis})[0];
  const Shape shape = args.operand_types[0].shape;
  std::vector<Value> starts = {lane};
  starts.resize(shape.size() + 1, i64_scalar(b, 0));
  return {reshape(dynamic_slice(sum, starts, with_lanes(1, shape).dims()), shape)};
}

// As of a maximum along an axis: lanes that tie share the tangent.
std::vector<Value> axis_max_jvp(const JvpArgs& args) {
  if (!args.tangents[0]) return absent(1);
  GraphBuilder& b = args.builder;
  const Value x = args.primals[0], t = args.tangents[0], highest = eq(x, args.results[0]);
  const auto sum = [&](Value v) { return apply(b, Op::axis_sum, std::span(&v, 1), args.attrs)[0]; };
  const Value ones = splat(b, x.dtype(), 1, x.shape());
  return {unscale(sum(select(highest, t, zeros_like(t))), sum(select(highest, ones, zeros_like(ones))))};
}

}  // namespace tenon::ir::rules
