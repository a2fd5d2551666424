// tanh, sinh, cosh on the parts of e^x (ir/math/exp.h). tanh in f32 is a polynomial up to 1 and 1 - 2 / (e^2x + 1) beyond;
// everywhere else the rounding errors of e^x travel along and one final rounding remains.
// Coefficients: fpminimax, relative error below 2^-29.
#pragma once

#include "tenon/ir/math/exp.h"

namespace tenon::ir::math {

// (tanh(x) - x) / x^3 as a polynomial in x^2 on |x| <= 1.
inline constexpr double tanh_f32[] = {-0x1.555552p-2, 0x1.111046p-3, -0x1.b9f914p-5, 0x1.64d7eep-6,
                                      -0x1.195694p-7, 0x1.922872p-9, -0x1.b5d39p-11, 0x1.f76cb4p-14};

template <class S>
S tanh(S x) {
  const bool single = is_single(x);
  const S magnitude = abs(x);
  const S limit = like(x, single ? 10 : 22);
  const S y = select(limit < magnitude, limit, magnitude);  // NaN stays, here and below
  S value = y;
  if (single) {
    const S two_y = y + y;
    const auto nearest = nearest_multiple(two_y, like(x, 0x1.715476p0));
    const S p = exp_of_partial(subtract_long(two_y, nearest), nearest);
    const S t = add_to_exponent(p, nearest);
    const S large = like(x, 1) - like(x, 2) / (t + like(x, 1));
    const S square = y * y;
    const S small = fma(square * y, horner(square, tanh_f32), y);
    value = select(like(x, 1) <= magnitude, large, small);
  } else {
    // (t - 1) / (t + 1) for t = e^2y >= 1, with every rounding error kept.
    const auto t = normalized(exp_parts(y + y));
    const S scale = power_of_two(x, t.n);
    const S high = t.high * scale, low = t.low * scale;
    const auto above = ordered_sum(high, like(x, -1));
    const auto below = ordered_sum(high, like(x, 1));
    const auto q = quotient(Pair<S>{above.high, above.low + low}, Pair<S>{below.high, below.low + low});
    value = select(magnitude < like(x, 0x1p-28), fma(y * y, y * like(x, -0x1.5555555555555p-2), y), q.high + q.low);
  }
  return copy_sign(value, x);
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
