// Derivatives of elementwise rows that are more than a partial derivative: linear rows, and partials at singular points.
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {

// 1 where x is the extremum of x and other, 1/2 where both are (each operand gets half, in either mode), 0 elsewhere. A NaN
// operand is the extremum. -0 and +0 tie.
Value tie_mask(Value x, Value other, Value extremum) {
  const Value chosen = bit_or(eq(x, extremum), ne(x, x)), tied = bit_or(eq(other, extremum), ne(other, other));
  return select(chosen, select(tied, like(x, 0.5), like(x, 1)), like(x, 0));
}

// y x^(y - 1); 0 where y is 0, also at x = 0.
Value pow_by_base(Value x, Value y) { return scale(y, pow(x, y - like(y, 1))); }

// x^y log x; 0 at x = 0 for y >= 0, where the power does not depend on y from the right.
Value pow_by_exponent(Value x, Value y, Value power) {
  const Value flat = bit_and(eq(x, like(x, 0)), ge(y, like(y, 0)));
  return select(flat, like(x, 0), power * log(x));
}

std::vector<Value> neg_transpose(const TransposeArgs& args) { return {-args.cotangents[0]}; }

std::vector<Value> add_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  return {args.linear[0] ? ct : Value{}, args.linear[1] ? ct : Value{}};
}

std::vector<Value> add_jvp(const JvpArgs& args) {
  const Value tx = args.tangents[0], ty = args.tangents[1];
  return {tx && ty ? tx + ty : tx ? tx : ty};
}

std::vector<Value> sub_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  return {args.linear[0] ? ct : Value{}, args.linear[1] ? -ct : Value{}};
}

std::vector<Value> sub_jvp(const JvpArgs& args) {
  const Value tx = args.tangents[0], ty = args.tangents[1];
  return {tx && ty ? tx - ty : tx ? tx : -ty};
}

std::vector<Value> mul_transpose(const TransposeArgs& args) {
  check(!(args.linear[0] && args.linear[1]), "a product of two linear factors is not linear");
  const Value ct = args.cotangents[0];
  return {args.linear[0] ? ct * args.operands[1] : Value{}, args.linear[1] ? ct * args.operands[0] : Value{}};
}

std::vector<Value> div_transpose(const TransposeArgs& args) { return {args.cotangents[0] / args.operands[1], {}}; }

// d(x / y) = (dx - r dy) / y: one division, as exact as the result.
std::vector<Value> div_jvp(const JvpArgs& args) {
  const Value tx = args.tangents[0], ty = args.tangents[1], y = args.primals[1], r = args.results[0];
  if (!ty) return {tx / y};
  const Value change = ty * r;
  return {(tx ? tx - change : -change) / y};
}

std::vector<Value> scale_transpose(const TransposeArgs& args) {
  return {scale(args.cotangents[0], args.operands[1]), {}};
}

// scale(x, y) is x y, and 0 where x is 0 whatever y is: there the tangent of y must not count.
std::vector<Value> scale_jvp(const JvpArgs& args) {
  const Value x = args.primals[0], y = args.primals[1], tx = args.tangents[0], ty = args.tangents[1];
  Value t;
  if (tx) t = scale(tx, y);
  if (ty) {
    const Value term = select(ne(x, like(x, 0)), scale(ty, x), zeros_like(x));
    t = t ? t + term : term;
  }
  return {t};
}

std::vector<Value> select_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0], p = args.operands[0];
  const Value zero = zeros_like(ct);
  return {Value{}, args.linear[1] ? select(p, ct, zero) : Value{}, args.linear[2] ? select(p, zero, ct) : Value{}};
}

std::vector<Value> select_jvp(const JvpArgs& args) {
  const Value r = args.results[0];
  return {select(args.primals[0], or_zeros(args.tangents[1], r), or_zeros(args.tangents[2], r))};
}

std::vector<Value> cast_transpose(const TransposeArgs& args) {
  return {cast(args.cotangents[0], args.operand_types[0].dtype)};
}

std::vector<Value> cast_jvp(const JvpArgs& args) {
  const DType to = args.results[0].dtype();
  return {is_floating(to) ? cast(args.tangents[0], to) : Value{}};  // a cast to integers is piecewise constant
}

}  // namespace tenon::ir::rules
