// Derivatives of running reductions. Refuses divisions by what may be zero: a product's tangent is a recurrence of its own.
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {

std::vector<Value> cumsum_transpose(const TransposeArgs& args) {
  const Cumulative c(args.attrs);
  return apply(args.builder, Op::cumsum, args.cotangents, CumulativeAttrs{.axis = c.axis, .reverse = !c.reverse});
}

// The product rule element by element, so that zeros are no special case: t <- t x_i + p t_i, p <- p x_i. In f32 for halves.
std::vector<Value> cumprod_jvp(const JvpArgs& args) {
  GraphBuilder& b = args.builder;
  const Cumulative c(args.attrs);
  const DType given = args.primals[0].dtype(), computed = is_half(given) ? DType::f32 : given;
  const auto in_front = [&](Value v) { return move_axis(cast(v, computed), c.axis, 0); };
  const Value x = in_front(args.primals[0]), tangents = in_front(args.tangents[0]);
  Shape row = x.shape();
  const Dim length = row[0];
  row.erase(0);

  const Type type{computed, row};
  GraphBuilder body("main", b.graph().symbols);
  Value in[4];
  for (Value& v : in) v = {&body, body.input(type)};
  const auto [p, t, x_i, t_i] = in;
  const Value next = scale(t, x_i) + scale(t_i, p);
  const ValueId outputs[] = {(p * x_i).id, next.id, next.id};
  const Value operands[] = {splat(b, computed, 1, row), zeros(b, type), x, tangents};
  const auto results = apply(
      b, Op::scan, operands,
      ScanAttrs{
          .body = body.finish(outputs), .length = length, .counts = counts_of({.carries = 2}), .reverse = c.reverse});
  return {cast(move_axis(results[2], 0, c.axis), given)};
}

// The tangent of the element that the extremum is: the last of equal ones on the way, as in PyTorch; a NaN is the extremum. Flat
// positions ascend along the axis, so the last one on the way is itself a running extremum.
std::vector<Value> cumulative_extremum_jvp(const JvpArgs& args) {
  GraphBuilder& b = args.builder;
  const Cumulative c(args.attrs);
  const Value x = args.primals[0];
  const Shape shape = x.shape(), flat({b.symbols().numel(shape)});
  const Value chosen = bit_or(eq(x, args.results[0]), ne(x, x));
  const Value position = reshape(iota(b, DType::i64, flat, 0), shape);
  const Value last = select(chosen, position, splat_integer(b, DType::i64, c.reverse ? INT64_MAX : -1, shape));
  const Value from = apply(b, c.reverse ? Op::cummin : Op::cummax, std::span(&last, 1), args.attrs)[0];
  return {take(reshape(args.tangents[0], flat), from, 0)};
}

}  // namespace tenon::ir::rules
