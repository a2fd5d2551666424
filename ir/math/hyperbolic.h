// tanh, sinh, cosh on the parts of e^x (ir/math/exp.h). tanh in f32 is two polynomials, one of them in e^-2|x|;
// everywhere else the rounding errors of e^x travel along and one final rounding remains. Coefficients: fpminimax, relative
// error below 2^-29; those of tanh in f32 by Remez, rounded one by one with a fit of the rest, below 2^-27.5.
#pragma once

#include "tenon/ir/math/exp.h"

namespace tenon::ir::math {

// (tanh(x) - x) / x^3 as a polynomial in x^2 on |x| <= 1.
inline constexpr double tanh_f32[] = {-0x1.55553cp-2, 0x1.110be4p-3, -0x1.b9623ap-5, 0x1.6009a2p-6,
                                      -0x1.045fdp-7,  0x1.2d9f4ep-9, -0x1.77ca4cp-12};
// 2 / (1 + u) on [0, e^-2], absolute error below 2^-25.5.
inline constexpr double tanh_rest_f32[] = {0x1.ffffe8p0, -0x1.fff5aep0, 0x1.fe963ep0, -0x1.ea0c94p0, 0x1.5ecd4p0};

// x + x^3 P(x^2) up to 1, 1 - 2 u / (1 + u) for u = e^-2|x| beyond. No division, which 16 lanes wait long for.
template <class S>
S tanh_single(S x) {
  const S magnitude = abs(x);
  const S y = select(like(x, 10) < magnitude, like(x, 10), magnitude);  // NaN stays
  const auto nearest = nearest_multiple(y, like(x, -0x1.715476p1));
  const S r = fma(nearest.number, like(x, 0x1.62e43p-2), y);  // -2 r is what n ln 2 leaves of -2 y
  constexpr auto exponential = in_units(exp_f32, -2, 4);
  const S p = fma(fma(horner(r, exponential.c), r, like(x, -2)), r, like(x, 1));
  const S u = p * power_of_shifted(nearest.shifted);
  const S large = fma(-u, horner(u, tanh_rest_f32), like(x, 1));
  const S square = x * x;
  const S small = fma(square * x, horner(square, tanh_f32), x);
  return copy_sign(select(like(x, 1) <= magnitude, large, small), x);  // -0 too
}

template <class S>
S tanh(S x) {
  if (is_single(x)) return tanh_single(x);
  // (t - 1) / (t + 1) for t = e^2y >= 1, with every rounding error kept.
  const S magnitude = abs(x), limit = like(x, 22);
  const S y = select(limit < magnitude, limit, magnitude);  // NaN stays, here and below
  const auto t = normalized(exp_parts(y + y));
  const S scale = power_of_two(x, t.n);
  const S high = t.high * scale, low = t.low * scale;
  const auto above = ordered_sum(high, like(x, -1));
  const auto below = ordered_sum(high, like(x, 1));
  const auto q = quotient(Pair<S>{above.high, above.low + low}, Pair<S>{below.high, below.low + low});
  const S tiny = magnitude < like(x, 0x1p-28);
  return copy_sign(select(tiny, fma(y * y, y * like(x, -0x1.5555555555555p-2), y), q.high + q.low), x);
}

// (e^x +- e^-x) / 2 = 2^(n-1) (u +- 2^(-2n) / u) for e^|x| = 2^n u.
template <class S>
struct HyperbolicParts {
  S n, high, low, reciprocal;  // reciprocal: 2^(-2n) / u
};

template <class S>
HyperbolicParts<S> hyperbolic_parts(S x) {
  const bool single = is_single(x);
  const S magnitude = abs(x);
  const S limit = like(x, single ? 90 : 711);
  const auto t = exp_parts(select(limit < magnitude, limit, magnitude));
  const S most = like(t.n, single ? 60 : 500);  // beyond, the reciprocal is nothing
  const S bounded = select(t.n < most, t.n, most);
  return {t.n, t.high, t.low, power_of_two(x, -(bounded + bounded)) / (t.high + t.low)};
}

template <class S>
S cosh(S x) {
  const auto t = hyperbolic_parts(x);
  const auto sum = ordered_sum(t.high, t.reciprocal);
  return scale_by_power(sum.high + (sum.low + t.low), t.n - like(t.n, 1));
}

// (sinh(x) - x) / x^3 as a polynomial in x^2 on |x| <= 1.
inline constexpr double sinh_f32[] = {0x1.555556p-3, 0x1.1110eap-7, 0x1.a01c22p-13, 0x1.76771ep-19};
inline constexpr double sinh_f64[] = {0x1.5555555555555p-3,  0x1.111111111117cp-7,  0x1.a01a01a00db3ap-13,
                                      0x1.71de3a60a9f7dp-19, 0x1.ae644b32db998p-26, 0x1.612abe6b5d71ep-33,
                                      0x1.aab9951a7065bp-41, 0x1.409579384599ap-48};

template <class S>
S sinh(S x) {
  const auto t = hyperbolic_parts(x);
  const auto difference = ordered_sum(t.high, -t.reciprocal);
  const S large = scale_by_power(difference.high + (difference.low + t.low), t.n - like(t.n, 1));
  const S square = x * x;
  const S polynomial = is_single(x) ? horner(square, sinh_f32) : horner(square, sinh_f64);
  return select(abs(x) < like(x, 1), fma(square * x, polynomial, x), copy_sign(large, x));
}

}  // namespace tenon::ir::math
