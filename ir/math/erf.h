// The error function, its complement, and that times e^(x^2). erf is x + x P(x^2) up to 1; beyond, f32 takes 1 - e^q(x) with a
// polynomial q for log erfc, f64 takes 1 - erfc. erfc(x) = e^(-x^2) F(x) / (1 + 2x) with F a polynomial in
// (x - 4) / (x + 4) (Shepherd and Laframboise, Math. Comp. 36, 1981), x^2 and every factor as pairs. erfc in f32 is the
// f64 value rounded, and so is erfcx(x) = e^(x^2) erfc(x). Coefficients: fpminimax and Remez, relative error below 2^-27 (f32), 2^-56 (f64).
#pragma once

#include "tenon/ir/math/exp.h"

namespace tenon::ir::math {

// (erf(x) - x) / x as a polynomial in x^2 on |x| <= 1.01 and |x| <= 1.
inline constexpr double erf_f32[] = {0x1.06eba8p-3, -0x1.81273ep-2,  0x1.ce2ce6p-4, -0x1.b7f716p-6,
                                     0x1.53f1dep-8, -0x1.a34e4ap-11, 0x1.4766cap-14};
inline constexpr double erf_f64[] = {0x1.06eba8214db69p-3,  -0x1.812746b037a31p-2,  0x1.ce2f21a046b9fp-4,
                                     -0x1.b82ce313e17ccp-6, 0x1.565bcd4b18247p-8,   -0x1.c02dc0bb3ca52p-11,
                                     0x1.f9a4de5f4476fp-14, -0x1.f4fa17c8f5881p-17, 0x1.bc5cbb7be132ap-20,
                                     -0x1.7a3ffef3654fp-23, 0x1.c371b577d3cbbp-26,  -0x1.13faa0cf0af8cp-27,
                                     0x1.4fce61bf9e1fep-29, -0x1.90feb4b267381p-32};
// log(erfc(x)) on [0.97, 4], weighted by erfc: a constant, and the rest over x.
inline constexpr double log_erfc_constant_f32 = -0x1.334494p-12;
inline constexpr double log_erfc_f32[] = {-0x1.209562p0, -0x1.4692f4p-1, -0x1.a75f08p-4,
                                          0x1.67b964p-6, -0x1.8611e2p-9, 0x1.8cb188p-13};
// (1 + 2x) e^(x^2) erfc(x) in (x - 4) / (x + 4) on [1/2, 28]; the constant has a low part.
inline constexpr double erfcx_f64[] = {-0x1.1df1ad154a28ep-3,  0x1.f7f5df66fd53cp-7,   0x1.16ecefcfa5336p-4,
                                       -0x1.9ddb23c3e7b1bp-4,  0x1.7fee004e1365ap-4,   -0x1.0fb06dfe6e11ep-4,
                                       0x1.3079edf654032p-5,   -0x1.0962387d1929p-6,   0x1.49c6729850908p-8,
                                       -0x1.8d4aa1f41209cp-11, -0x1.a1df36e6efbedp-13, 0x1.3be0def7b1192p-13,
                                       -0x1.99568d6dcd90ep-16, -0x1.78a52e611a653p-17, 0x1.7f055c32d0f21p-18,
                                       0x1.41f03cbab8f67p-22,  -0x1.b8bcac4bb3e68p-21, 0x1.1eda771da9d6ep-24,
                                       0x1.c08c9519bc46bp-24,  -0x1.a104944c1b886p-27, -0x1.59e9dcd4626b8p-27};
// sqrt(pi) x e^(x^2) erfc(x) - 1 over sqrt(pi), in 1 / x^2.
inline constexpr double erfcx_series_f64[] = {-0x1.20dd750429b6dp-2, 0x1.b14c2f863e924p-2,  -0x1.0ecf9db3e71b7p+0,
                                              0x1.d9eb53fad4700p+1,  -0x1.0a945f3d177f0p+4, 0x1.6e8c02f4004eap+6,
                                              -0x1.29d1c266403fep+9};
inline constexpr double erfcx_constant = 0x1.3ba5916e9fd7fp0, erfcx_constant_low = -0x1.924df2867d60ap-55;

// erfc(x + x_low) = 2^n (high + low) for x within [1/2, 28], f64, the square of x + x_low given.
template <class S>
ExpParts<S> erfc_parts(S x, S x_low, Pair<S> square) {
  const auto e = normalized(exp_parts(-square.high, -square.low));
  const S inverse = like(x, 1) / (x + like(x, 4));
  const S rough = (x - like(x, 4)) * inverse;
  const S rest = fma(rough, -x, fma(rough + like(x, 1), like(x, -4), x));
  const S q = fma(rest, inverse, rough);
  const auto f = ordered_sum(like(x, erfcx_constant), q * horner(q, erfcx_f64));
  const S f_low = f.low + like(x, erfcx_constant_low);
  const auto product = exact_product(e.high, f.high);
  const S product_low = fma(e.high, f_low, fma(e.low, f.high, product.low));
  const auto sum = exact_sum(x + x, like(x, 1));
  const Pair<S> denominator{sum.high, sum.low + (x_low + x_low)};
  const auto value = quotient(Pair<S>{product.high, product_low}, denominator);
  return {e.n, value.high, value.low};
}
template <class S>
ExpParts<S> erfc_parts(S x) {
  return erfc_parts(x, like(x, 0), exact_product(x, x));
}

template <class S>
S clamp_for_erfc(S x) {
  const S magnitude = abs(x);
  const S least = select(magnitude < like(x, 0.5), like(x, 0.5), magnitude);
  return select(like(x, 28) < least, like(x, 28), least);
}

template <class S>
S erf(S x) {
  const S square = x * x;
  if (is_single(x)) {
    const S small = fma(horner(square, erf_f32), x, x);
    const S magnitude = abs(x);
    const S y = select(magnitude < like(x, 4), magnitude, like(x, 4));
    const auto exponent = exact_product(horner(y, log_erfc_f32), y);
    const S large = like(x, 1) - exp_near_zero(exponent.high, exponent.low + like(x, log_erfc_constant_f32));
    return select(like(x, 0.98) <= magnitude, copy_sign(large, x), small);
  }
  const S small = fma(horner(square, erf_f64), x, x);
  const auto parts = erfc_parts(clamp_for_erfc(x));
  const S least = like(parts.n, -200);
  const S scale = power_of_two(x, select(parts.n < least, least, parts.n));
  const auto large = ordered_sum(like(x, 1), -(parts.high * scale));
  const S value = large.high + fma(-parts.low, scale, large.low);
  return select(abs(x) < like(x, 1), small, copy_sign(value, x));
}

template <class S>
S erfc(S x) {
  if (is_single(x)) return cast(math::erfc(cast(x, DType::f64)), DType::f32);
  const auto complement = ordered_sum(like(x, 1), -x);
  const S small = complement.high + fma(-x, horner(x * x, erf_f64), complement.low);
  const auto parts = erfc_parts(clamp_for_erfc(x));
  const S positive = scale_by_power(parts.high + parts.low, parts.n);
  const auto two = ordered_sum(like(x, 2), -positive);  // only x < -1/2: n is small
  const S negative = two.high + two.low;
  return select(abs(x) < like(x, 0.5), small, select(x < like(x, 0), negative, positive));
}

// e^(x^2) erfc(x) for x >= 1/2, f64: the polynomial, and from 28 on the asymptotic series (Abramowitz and Stegun 7.1.23).
template <class S>
S erfcx_of_positive(S x) {
  const S bounded = select(x < like(x, 28), x, like(x, 28));
  const S q = (bounded - like(x, 4)) / (bounded + like(x, 4));
  const auto f = ordered_sum(like(x, erfcx_constant), q * horner(q, erfcx_f64));
  const S near = (f.high + (f.low + like(x, erfcx_constant_low))) / fma(like(x, 2), bounded, like(x, 1));
  const S inverse = like(x, 1) / x, square = inverse * inverse;
  const S series = horner(square, erfcx_series_f64);
  const S far = inverse * fma(square, series, like(x, 0x1.20dd750429b6dp-1));
  return select(x > like(x, 28), far, near);
}

template <class S>
S erfcx(S x) {
  if (is_single(x)) return cast(math::erfcx(cast(x, DType::f64)), DType::f32);
  const S a = abs(x), half = like(x, 0.5), one = like(x, 1);
  const S large = erfcx_of_positive(select(a < half, half, a));
  // e^(x^2) = 2^n (high + low)
  const S bounded = select(a < like(x, 27), a, like(x, 27));
  const auto square = exact_product(bounded, bounded);
  const auto e = normalized(exp_parts(square.high, square.low));
  const auto complement = ordered_sum(one, -x);
  const auto c = ordered_sum(complement.high, fma(-x, horner(x * x, erf_f64), complement.low));
  const auto product = exact_product(e.high, c.high);
  const S near = (product.high + fma(e.high, c.low, fma(e.low, c.high, product.low))) * power_of_two(x, e.n);
  const S negative = scale_by_power(e.high + e.low, e.n + like(e.n, 1)) - large;
  const S value = select(a < half, near, select(x < like(x, 0), negative, large));
  return select(is_nan(x), x, value);
}

}  // namespace tenon::ir::math
