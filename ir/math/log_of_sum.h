// log(e^x + e^y), and the logarithm of the normal distribution function. Both are logarithms of pairs: what is near 1 keeps its
// low part, so that the result is exact where it is near 0. Far below 0 the distribution is its asymptotic series (Abramowitz and
// Stegun 26.2.12). f32 is the f64 value rounded.
#pragma once

#include "tenon/ir/math/activation.h"

namespace tenon::ir::math {

// max + log(1 + e^-(max - min)); of equal infinities it is that infinity.
template <class S>
S logaddexp(S x, S y) {
  if (is_single(x)) return cast(math::logaddexp(cast(x, DType::f64), cast(y, DType::f64)), DType::f32);
  const S swapped = x < y;
  const S large = select(swapped, y, x), small = select(swapped, x, y);
  const auto gap = exact_sum(large, -small);
  const S bounded = select(gap.high < like(x, 747), gap.high, like(x, 747));
  const auto t = normalized(exp_parts(-bounded, select(gap.high < like(x, 747), -gap.low, like(x, 0))));
  const S floor_n = like(t.n, -100);
  const S scale = power_of_two(x, select(t.n < floor_n, floor_n, t.n));
  const auto u = ordered_sum(like(x, 1), t.high * scale);
  const auto ln = log_of_pair(u.high, fma(t.low, scale, u.low));
  const S is_tiny = t.n < like(t.n, -60);
  const S tail = select(is_tiny, scale_by_power(t.high + t.low, t.n), ln.high);
  const auto sum = exact_sum(large, tail);
  const S value = sum.high + (sum.low + select(is_tiny, like(x, 0), ln.low));
  const S finite = select(abs(large) < infinity(x), value, large);
  return select(is_nan(x) | is_nan(y), x + y, finite);
}

// log(series) / z of the tail in z = 1 / x^2.
inline constexpr double log_tail_f64[] = {-1, 2.5, -0x1.8aaaaaaaaaaabp+3, 88.25, -0x1.981999999999ap+9};

template <class S>
S log_ndtr(S x) {
  if (is_single(x)) return cast(math::log_ndtr(cast(x, DType::f64)), DType::f32);
  // Above -1 from the complement.
  const S above = x > like(x, -1);
  const auto p = normalized(distribution_parts(select(above, -x, x)));  // 2 Phi
  const S exponent = p.n - like(p.n, 1);
  const S least = like(p.n, -100);
  const S scale = power_of_two(x, select(exponent < least, least, exponent));
  const auto u = ordered_sum(like(x, 1), -(p.high * scale));
  const auto ln = log_of_pair(u.high, fma(-p.low, scale, u.low));
  const S tiny = -scale_by_power(p.high + p.low, exponent);
  const S near = select(exponent < like(p.n, -60), tiny, ln.high + ln.low);
  // Below, the logarithm of its mantissa and its exponent.
  const auto [k, m] = split_mantissa(p.high);
  const auto tail =
      log_parts(k + cast(exponent, dtype(x)), m - like(x, 1), p.low * power_of_two(x, cast(-k, integer_of(x))));
  // -x^2 / 2 - log(-x sqrt(2 pi)) + log(1 - 1 / x^2 + ...)
  const auto size = split_mantissa(abs(x));
  const auto root = log_parts(size.k, size.m - like(x, 1), like(x, 0));
  const S z = like(x, 1) / (x * x);
  const S rest = fma(z, horner(z, log_tail_f64), like(x, -0x1.d67f1c864beb5p-1)) - (root.high + root.low);
  // Where an exact square swallows the rest, a unit below it says that there was one: a half would round a tie.
  const S half = x * like(x, -0.5), square = half * x, kept = fma(half, x, rest);
  const S swallowed = (kept == square) & (fma(half, x, -square) == like(x, 0));
  const S far = select(swallowed, fma(kept, like(x, 0x1p-53), kept), kept);
  const S below = select(x < like(x, -38), far, tail.high + tail.low);
  const S finite = select(above, near, select(x > -infinity(x), below, x));
  return select(is_nan(x), x, finite);
}

}  // namespace tenon::ir::math
