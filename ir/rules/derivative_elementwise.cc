// Derivatives of elementwise rows that are more than a partial derivative in one line: linear rows, and partials that neither
// overflow, cancel nor lose their limits on the way. Tangents and cotangents are multiplied by `scale` and divided by
// `unscale`: nothing times infinity is nothing.
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {

// The extremum of x and y has the derivative; where both are it, each operand gives half. A NaN operand is the extremum. -0 and
// +0 tie. Selected, not multiplied: the other operand's tangent may be infinite.
std::vector<Value> extremum_jvp(const JvpArgs& args) {
  const Value x = args.primals[0], y = args.primals[1], r = args.results[0];
  const Value by_x = bit_or(eq(x, r), ne(x, x)), by_y = bit_or(eq(y, r), ne(y, y));
  Value sum;
  for (size_t i = 0; i < 2; ++i) {
    const Value t = args.tangents[i];
    if (!t) continue;
    const Value shared = select(i == 0 ? by_y : by_x, t * like(t, 0.5), t);
    const Value term = select(i == 0 ? by_x : by_y, shared, zeros_like(t));
    sum = sum ? sum + term : term;
  }
  return {sum};
}

// y x^(y - 1); 0 where y is 0, also at x = 0.
Value pow_by_base(Value x, Value y) { return scale(y, pow(x, y - like(y, 1))); }

// x^y log x; 0 at x = 0 for y >= 0, where the power does not depend on y from the right.
Value pow_by_exponent(Value x, Value y, Value power) {
  const Value flat = bit_and(eq(x, like(x, 0)), ge(y, like(y, 0)));
  return select(flat, like(x, 0), scale(power, log(x)));
}

// 1 / cosh(x)^2: 1 - tanh(x)^2 would cancel.
Value tanh_slope(Value x) {
  const Value s = like(x, 1) / cosh(x);
  return s * s;
}

namespace {
// x and 1 in falling order of size, as the reciprocal of the larger and the smaller's quotient by it: no square overflows.
struct Ordered {
  Value inverse, quotient;
};
Ordered beside_one(Value x) {
  const Value one = like(x, 1), large = gt(abs(x), one);
  const Value inverse = one / select(large, x, one);
  return {inverse, select(large, inverse, x)};
}
}  // namespace

// 1 / (1 + x^2)
Value atan_slope(Value x) {
  const auto [inverse, q] = beside_one(x);
  return inverse * inverse / (like(x, 1) + q * q);
}

// 1 / sqrt(1 + x^2)
Value asinh_slope(Value x) {
  const auto [inverse, q] = beside_one(x);
  return abs(inverse) * rsqrt(like(x, 1) + q * q);
}

namespace {
// 1 / (x^2 + y^2) times x (`by_second`, negated) or y, through the quotient of the smaller by the larger. Infinite operands
// give 0; so does the origin, by y.
Value atan2_slope(Value x, Value y, bool by_second) {
  const Value steep = gt(abs(x), abs(y));
  const Value large = select(steep, x, y), q = unscale(select(steep, y, x), large);
  const Value one = like(x, 1), share = by_second ? select(steep, one, q) : select(steep, q, one);
  return unscale(share / (one + q * q), large);
}
}  // namespace
Value atan2_by_first(Value x, Value y) { return atan2_slope(x, y, false); }
Value atan2_by_second(Value x, Value y) { return -atan2_slope(x, y, true); }

// 2 / sqrt(pi) e^(-x^2); what rounding took from the square is put back, for it weighs as much as the square is large.
Value erf_slope(Value x) {
  const Value square = x * x, e = exp(-square);
  return like(x, 1.1283791670955125739) * (e - scale(e, fma(x, x, -square)));
}

// logistic(x) + silu(x) logistic(-x): x logistic(x) lasts longer than logistic(x) where that vanishes.
Value silu_slope(Value x) { return logistic(x) + scale(silu(x), logistic(-x)); }

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
  ensure(!(args.linear[0] && args.linear[1]), "a product of two linear factors is not linear");
  const Value ct = args.cotangents[0];
  return {args.linear[0] ? scale(ct, args.operands[1]) : Value{},
          args.linear[1] ? scale(ct, args.operands[0]) : Value{}};
}

std::vector<Value> div_transpose(const TransposeArgs& args) {
  return {unscale(args.cotangents[0], args.operands[1]), {}};
}

// d(x / y) = (dx - r dy) / y: one division, as exact as the result.
std::vector<Value> div_jvp(const JvpArgs& args) {
  const Value tx = args.tangents[0], ty = args.tangents[1], y = args.primals[1], r = args.results[0];
  if (!ty) return {unscale(tx, y)};
  const Value change = scale(ty, r);
  return {unscale(tx ? tx - change : -change, y)};
}

std::vector<Value> scale_transpose(const TransposeArgs& args) {
  return {scale(args.cotangents[0], args.operands[1]), {}};
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
