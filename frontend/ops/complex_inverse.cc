// Inverse trigonometric and hyperbolic functions of complex numbers, after Kahan, "Branch cuts for complex elementary functions" (1987), and
// the functions that keep their digits next to 0. Cuts and signs of zeros are C99's.
#include "tenon/frontend/ops/complex_formula.h"

namespace tenon::formula {
namespace {

using ir::like;
using List = std::span<const Value>;

Value computed(ir::Op op, const Parts& z) {
  const Value operand = whole(z);
  return complex_formula(op)(std::span(&operand, 1));
}

// sqrt(1 - z) and sqrt(1 + z), or those of z - 1 and z + 1. The imaginary part keeps the sign of its zero.
struct Roots {
  Parts low, high;
};
Roots roots_beside(const Parts& z, bool shifted) {
  const Value one = like(z.re, 1);
  const auto root = [](Value re, Value im) { return parts(computed(ir::Op::sqrt, {re, im})); };
  if (shifted) return {root(z.re - one, z.im), root(z.re + one, z.im)};
  return {root(one - z.re, -z.im), root(one + z.re, z.im)};
}

Parts inverse_sine(const Parts& z) {
  const auto [low, high] = roots_beside(z, false);
  return {atan2(z.re, low.re * high.re - low.im * high.im), asinh(low.re * high.im - low.im * high.re)};
}

// -log(1 - z) / 2 + log(1 + z) / 2; odd in the real part, so that what log1p is given is not negative.
Parts inverse_hyperbolic_tangent(const Parts& z) {
  const Value one = like(z.re, 1), square = z.im * z.im, left = lt(z.re, like(z.re, 0));
  const Value x = select(left, -z.re, z.re), below = one - x;
  const Value size = log1p(like(x, 4) * x / (below * below + square)) * 0.25;
  return {select(left, -size, size), atan2(like(x, 2) * z.im, below * (one + x) - square) * 0.5};
}

Parts turned(const Parts& z) { return {-z.im, z.re}; }  // i z
Parts turned_back(const Parts& z) { return {z.im, -z.re}; }

}  // namespace

Value complex_asin(List v) { return whole(inverse_sine(parts(v[0]))); }
Value complex_asinh(List v) { return whole(turned_back(inverse_sine(turned(parts(v[0]))))); }
Value complex_atanh(List v) { return whole(inverse_hyperbolic_tangent(parts(v[0]))); }
Value complex_atan(List v) { return whole(turned_back(inverse_hyperbolic_tangent(turned(parts(v[0]))))); }
Value complex_acos(List v) {
  const auto [low, high] = roots_beside(parts(v[0]), false);
  return ir::complex(atan2(low.re, high.re) * 2.0, asinh(high.re * low.im - high.im * low.re));
}
Value complex_acosh(List v) {
  const auto [low, high] = roots_beside(parts(v[0]), true);
  return ir::complex(asinh(low.re * high.re + low.im * high.im), atan2(low.im, high.re) * 2.0);
}

// (e^x - 1) cos y - 2 sin^2(y / 2), e^x sin y
Value complex_expm1(List v) {
  const Parts z = parts(v[0]);
  const Value half = sin(z.im * 0.5);
  return ir::complex(expm1(z.re) * cos(z.im) - like(half, 2) * (half * half), exp(z.re) * sin(z.im));
}

// Next to 0 |1 + z|^2 - 1 is x (2 + x) + y^2.
Value complex_log1p(List v) {
  const Parts z = parts(v[0]);
  const Value one = like(z.re, 1), half = like(z.re, 0.5), zero = like(z.re, 0);
  const Value near = bit_and(lt(abs(z.re), half), lt(abs(z.im), half));
  const Value x = select(near, z.re, zero), y = select(near, z.im, zero);
  const Value close = log1p(x * (like(x, 2) + x) + y * y) * 0.5;
  const Parts far = parts(computed(ir::Op::log, {one + z.re, z.im}));
  return ir::complex(select(near, close, far.re), far.im);
}

// By e^z where the real part is negative, else by e^-z, neither of which is large.
Value complex_logistic(List v) {
  const Parts z = parts(v[0]);
  const Value left = lt(z.re, like(z.re, 0)), one = like(z.re, 1), zero = like(z.re, 0);
  const Parts e = parts(computed(ir::Op::exp, {select(left, z.re, -z.re), select(left, z.im, -z.im)}));
  const Value both[] = {ir::complex(select(left, e.re, one), select(left, e.im, zero)), ir::complex(one + e.re, e.im)};
  return complex_formula(ir::Op::div)(std::span<const Value>(both, 2));
}

// z / |z|, and 0 at 0.
Value complex_sign(List v) {
  const Parts z = parts(v[0]);
  const Value size = magnitude(z), none = eq(size, like(size, 0)), by = select(none, like(size, 1), size);
  return ir::complex(z.re / by, z.im / by);
}

}  // namespace tenon::formula
