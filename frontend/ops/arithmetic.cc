// Arithmetic that PyTorch and NumPy have names for beyond the operators: quotients by their rounding, remainders, scaled sums, bounds.
// Formulas are part of the contract on numbers (docs/numbers.md).
#include <array>
#include <numbers>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/composed.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

Value square(Values x) { return product_of(x[0], x[0]); }
Value reciprocal(Values x) { return quotient_of(literal(x[0], 1), x[0]); }
Value true_divide(Values x) { return quotient_of(x[0], x[1]); }

Value unlike_signs(Value x, Value y) {
  const Value zero = literal(x, 0);
  return ne(lt(x, zero), lt(y, zero));
}

// x - y floor(x / y), with the sign of y: what x % y leaves, moved once.
Value remainder(Values v) {
  const Value r = rem(v[0], v[1]);
  const Value moves = bit_and(ne(r, literal(r, 0)), unlike_signs(r, v[1]));
  return select(moves, r + v[1], r);
}

// Of floats through the exact remainder, so that the quotient of 1 by 0.1 is 9, and its sign at 0 that of x / y (Python's rule). Of
// integers x / 0 is 0.
Value floor_divide(Values v) {
  const Value x = v[0], y = v[1];
  if (!is_floating(x.dtype())) {
    const Value q = x / y, zero = literal(x, 0), r = x - q * y;
    const Value below = bit_and(bit_and(ne(r, zero), unlike_signs(r, y)), ne(y, zero));
    return q - cast(below, x.dtype());
  }
  const Value whole = x - remainder(v), q = stop_gradient(whole / y), down = floor(q);
  const Value nearest = select(gt(q - down, like(x, 0.5)), down + 1, down), quotient = stop_gradient(x / y);
  const Value signed_zero = select(lt(quotient, literal(x, 0.0)), like(x, -0.0), like(x, 0.0));
  const Value value = select(eq(q, literal(x, 0.0)), signed_zero, nearest);
  return select(eq(y, literal(x, 0.0)), quotient, value);
}
Value trunc_divide(Values v) { return is_floating(v[0].dtype()) ? trunc(v[0] / v[1]) : v[0] / v[1]; }

// In two steps, neither of which leaves the range where the product does not.
Value ldexp(Values v) {
  const Value half = floor(v[1] * 0.5), rest = select(is_finite(v[1]), v[1] - half, ir::zeros_like(half));
  return v[0] * exp2(half) * exp2(rest);
}

Value frac(Values x) { return x[0] - trunc(x[0]); }
Value deg2rad(Values x) { return x[0] * (std::numbers::pi / 180); }
Value rad2deg(Values x) { return x[0] * (180 / std::numbers::pi); }

Value add_scaled(Values x) { return x[0] + product_of(x[2], x[1]); }
Value subtract_scaled(Values x) { return x[0] - product_of(x[2], x[1]); }
Value addcmul(Values x) { return x[0] + product_of(product_of(x[3], x[1]), x[2]); }
Value addcdiv(Values x) { return x[0] + product_of(x[3], quotient_of(x[1], x[2])); }

// From the nearer end, so that both ends are met.
Value lerp(Values v) {
  const Value start = v[0], end = v[1], weight = v[2], gap = end - start;
  return select(lt(abs(weight), like(weight, 0.5)), start + weight * gap, end - gap * (1 - weight));
}

// A bound that x has not passed gives x the derivative; NaN, of either, propagates. Bools stay bools.
Value raised(Value x, Value low) {
  if (x.dtype() == boolean) return bit_or(x, low);
  const Value below = lt(x, low);
  return select(is_floating(x.dtype()) ? bit_or(below, ne(low, low)) : below, low, x);
}
Value lowered(Value x, Value high) {
  if (x.dtype() == boolean) return bit_and(x, high);
  const Value above = gt(x, high);
  return select(is_floating(x.dtype()) ? bit_or(above, ne(high, high)) : above, high, x);
}
Value clamp(Values v) { return lowered(raised(v[0], v[1]), v[2]); }
Value clamp_min(Values v) { return raised(v[0], v[1]); }
Value clamp_max(Values v) { return lowered(v[0], v[1]); }

}  // namespace
}  // namespace formula

TENON_COMPOSED_1(square, rings)
TENON_COMPOSED_1(reciprocal, fields)
TENON_COMPOSED_1(frac, floats)
TENON_COMPOSED_1(deg2rad, floats)
TENON_COMPOSED_1(rad2deg, floats)
TENON_COMPOSED_2(true_divide, fields)
TENON_COMPOSED_2(remainder, numbers)
TENON_COMPOSED_2(floor_divide, numbers)
TENON_COMPOSED_2(ldexp, floats)
TENON_COMPOSED_3(lerp, floats)

Tensor div(Operand x, Operand y) { return true_divide(x, y); }

namespace {

Tensor divided(const char* name, const Operand& x, const Operand& y, const Division& d) try {
  const std::string& mode = d.rounding.empty() ? d.rounding_mode : d.rounding;
  if (mode.empty()) return true_divide(x, y);
  check_real(name, {&x, &y});
  if (mode == "floor") return floor_divide(x, y);
  if (mode == "trunc")
    return compose({"trunc_divide", formula::build_composed<formula::trunc_divide>}, Takes::numbers, {&x, &y});
  throw Error(std::string(name) + ": .rounding is \"floor\" or \"trunc\", not \"" + mode + "\"", x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor div(Operand x, Operand y, Division d) { return divided("div", x, y, d); }
Tensor divide(Operand x, Operand y) { return true_divide(x, y); }
Tensor divide(Operand x, Operand y, Division d) { return divided("divide", x, y, d); }

Tensor add(Operand x, Operand y) { return elementwise::add(x, y); }
Tensor add(Operand x, Operand y, Operand alpha) {
  return compose({"add", formula::build_composed<formula::add_scaled>}, Takes::rings, {&x, &y, &alpha});
}
Tensor add(Operand x, Operand y, Alpha a) { return add(x, y, number(a.alpha, x.where())); }
Tensor subtract(Operand x, Operand y) { return elementwise::sub(x, y); }
Tensor subtract(Operand x, Operand y, Operand alpha) {
  return compose({"subtract", formula::build_composed<formula::subtract_scaled>}, Takes::rings, {&x, &y, &alpha});
}
Tensor subtract(Operand x, Operand y, Alpha a) { return subtract(x, y, number(a.alpha, x.where())); }
Tensor multiply(Operand x, Operand y) { return elementwise::mul(x, y); }
Tensor negative(Operand x) { return elementwise::neg(x); }
Tensor absolute(Operand x) { return elementwise::abs(x); }
Tensor positive(Operand x) try { return as_tensor(x, "positive"); } catch (...) {
  leave_with_error("positive", x.where());
}
Tensor sub(Operand x, Operand y) { return subtract(std::move(x), std::move(y)); }
Tensor sub(Operand x, Operand y, Operand alpha) { return subtract(std::move(x), std::move(y), std::move(alpha)); }
Tensor sub(Operand x, Operand y, Alpha a) { return subtract(std::move(x), std::move(y), a); }
Tensor rsub(Operand x, Operand y) { return subtract(std::move(y), std::move(x)); }
Tensor rsub(Operand x, Operand y, Operand alpha) { return subtract(std::move(y), std::move(x), std::move(alpha)); }
Tensor rsub(Operand x, Operand y, Alpha a) { return subtract(std::move(y), std::move(x), a); }
Tensor mul(Operand x, Operand y) { return multiply(std::move(x), std::move(y)); }
Tensor neg(Operand x) { return negative(std::move(x)); }
Tensor fix(Operand x) { return renamed("fix", elementwise::trunc, x); }
Tensor sgn(Operand x) { return sign(std::move(x)); }
Tensor clone(Operand x) { return positive(std::move(x)); }
Tensor type_as(Operand x, const Tensor& other) { return cast_to(as_tensor(x, "type_as"), other.dtype(), x.where()); }
Tensor float_power(Operand x, Operand y) try {
  const Location& at = x.where();
  const bool complex = is_complex(common_dtype(std::array<const Operand*, 2>{&x, &y}, "float_power"));
  return pow(Operand(cast_to(as_tensor(x, "float_power"), complex ? c128 : f64, at), at), y);
} catch (...) {
  leave_with_error("float_power", x.where());
}
Tensor fmod(Operand x, Operand y) { return renamed("fmod", elementwise::rem, x, y); }

Tensor addcmul(Operand x, Operand a, Operand b, Operand value) {
  return compose({"addcmul", formula::build_composed<formula::addcmul>}, Takes::rings, {&x, &a, &b, &value});
}
Tensor addcmul(Operand x, Operand a, Operand b, Weighted w) { return addcmul(x, a, b, number(w.value, x.where())); }
Tensor addcmul(Operand x, Operand a, Operand b) { return addcmul(x, a, b, Weighted{}); }
Tensor addcdiv(Operand x, Operand a, Operand b, Operand value) {
  return compose({"addcdiv", formula::build_composed<formula::addcdiv>}, Takes::fields, {&x, &a, &b, &value});
}
Tensor addcdiv(Operand x, Operand a, Operand b, Weighted w) { return addcdiv(x, a, b, number(w.value, x.where())); }
Tensor addcdiv(Operand x, Operand a, Operand b) { return addcdiv(x, a, b, Weighted{}); }

Tensor clamp(Operand x, Operand low, Operand high) {
  return compose({"clamp", formula::build_composed<formula::clamp>}, Takes::anything, {&x, &low, &high});
}
Tensor clamp_min(Operand x, Operand low) {
  return compose({"clamp_min", formula::build_composed<formula::clamp_min>}, Takes::anything, {&x, &low});
}
Tensor clamp_max(Operand x, Operand high) {
  return compose({"clamp_max", formula::build_composed<formula::clamp_max>}, Takes::anything, {&x, &high});
}
Tensor clamp(Operand x, Bounds b) try {
  if (!b.min && !b.max) throw Error("clamp: give .min, .max or both", x.where());
  const Operand low = number(b.min.value_or(0), x.where()), high = number(b.max.value_or(0), x.where());
  return !b.max ? clamp_min(x, low) : !b.min ? clamp_max(x, high) : clamp(x, low, high);
} catch (...) {
  leave_with_error("clamp", x.where());
}

}  // namespace tenon
