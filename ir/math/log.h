// log, log2, log10, log1p, and the logarithm's parts for other functions. x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1
// exact; log(1 + f) by a polynomial in f (f32) or through s = f / (2 + f), log(1 + f) = 2 atanh(s) (Muller, Elementary
// Functions, 3rd ed., 11.4; the summation order is that of Sun's fdlibm). Zero, negative, infinite and NaN arguments are
// selected at the end. Coefficients: fpminimax, relative error below 2^-26 (f32) and 2^-58 (f64).
#pragma once

#include "tenon/ir/math/parts.h"

namespace tenon::ir::math {

// (log(1 + f) - f + f^2 / 2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1].
inline constexpr double log_f32[] = {0x1.55558p-2,  -0x1.000244p-2, 0x1.998dc8p-3, -0x1.545e3ep-3,
                                     0x1.24040ap-3, -0x1.0f40fap-3, 0x1.feb664p-4, -0x1.22cec4p-4};
// (2 atanh(s) - 2 s) / s^3 as a polynomial in s^2 on |s| <= 0.1718.
inline constexpr double atanh_f32[] = {0x1.555554p-1, 0x1.999bd2p-2, 0x1.23f252p-2, 0x1.ec004ep-3};
inline constexpr double atanh_f64[] = {0x1.5555555555593p-1, 0x1.999999997f957p-2, 0x1.2492494239a4p-2,
                                       0x1.c71c51c70a8a6p-3, 0x1.74664de26594ep-3, 0x1.39a017b678884p-3,
                                       0x1.2f171455cee48p-3};

// x = 2^k m.
template <class S>
struct Mantissa {
  S k, m;
};

// For a positive normal x; k as an integer.
template <class S>
Mantissa<S> split_normal(S x) {
  const bool single = is_single(x);
  const S bits = bitcast(x, integer_of(x));
  const S offset = like_bits(bits, single ? 0x3f3504f3u : 0x3fe6a09e667f3bcdu);  // sqrt(1/2)
  const S shift = like(bits, single ? 23 : 52);
  const S exponent = (bits - offset) >> shift;
  return {exponent, bitcast(bits - (exponent << shift), dtype(x))};
}

// For a positive finite x, subnormals included; k as a float.
template <class S>
Mantissa<S> split_mantissa(S x) {
  const S small = x < pick(x, 0x1p-126, 0x1p-1022);
  const auto normal = split_normal(select(small, x * pick(x, 0x1p25, 0x1p54), x));
  return {cast(normal.k, dtype(x)) - select(small, pick(x, 25, 54), like(x, 0)), normal.m};
}

// x_low 2^-k for the k of split_normal(x) and |x_low| <= ulp(x).
template <class S>
S low_of_mantissa(S k, S x_low) {
  const S most = like(k, 100);  // beyond, x_low is nothing
  return x_low * power_of_two(x_low, -select(k < most, k, most));
}

// log(1 + f + f_low) + k ln 2 as a pair, f within [-0.3, 0.42].
template <class S>
Pair<S> log_parts(S k, S f, S f_low) {
  const S s = f / (like(f, 2) + f);
  const S z = s * s;
  const S r = z * (is_single(f) ? horner(z, atanh_f32) : horner(z, atanh_f64));
  const S half_f = like(f, 0.5) * f;
  const auto square = exact_product(half_f, f);
  const auto base = ordered_sum(f, -square.high);
  // f_low enters with derivative 1 / (1 + f), of which 1 - f + f^2 is enough.
  const S slope = fma(f, f - like(f, 1), like(f, 1));
  const S low = fma(s, square.high + r, base.low - square.low) + f_low * slope;
  const auto sum = ordered_sum(k * pick(f, 0x1.62e4p-1, 0x1.62e42fefa38p-1), base.high);
  return {sum.high, sum.low + fma(k, pick(f, 0x1.7f7d1cp-20, 0x1.ef35793c7673p-45), low)};
}

// The results at 0, below, at infinity and at NaN in place of `value`.
template <class S>
S log_special(S x, S value) {
  const S zero = like(x, 0);
  const S finite = select(x == zero, -infinity(x), value);
  return select(x < zero, not_a_number(x), select(x < infinity(x), finite, x));
}

template <class S>
S log(S x) {
  const auto [k, m] = split_mantissa(x);
  const S f = m - like(x, 1);
  if (is_single(x)) {
    const S square = f * f;
    const S tail = fma(f * square, horner(f, log_f32), k * like(x, 0x1.7f7d1cp-20));
    const S low = fma(square, like(x, -0.5), tail);
    return log_special(x, fma(k, like(x, 0x1.62e4p-1), f + low));
  }
  const auto parts = log_parts(k, f, like(x, 0));
  return log_special(x, parts.high + parts.low);
}

template <class S>
S log2(S x) {
  const auto [k, m] = split_mantissa(x);
  const auto ln = log_parts(like(x, 0), m - like(x, 1), like(x, 0));
  const S factor = pick(x, 0x1.715476p0, 0x1.71547652b82fep0);
  const auto product = exact_product(ln.high, factor);
  const S low = fma(ln.high, pick(x, 0x1.4ae0cp-26, 0x1.777d0ffda0d24p-56), fma(ln.low, factor, product.low));
  const auto sum = ordered_sum(k, product.high);
  return log_special(x, sum.high + (sum.low + low));
}

template <class S>
S log10(S x) {
  const auto [k, m] = split_mantissa(x);
  const auto ln = log_parts(like(x, 0), m - like(x, 1), like(x, 0));
  const S factor = pick(x, 0x1.bcb7b2p-2, 0x1.bcb7b1526e50ep-2);
  const auto product = exact_product(ln.high, factor);
  const S low = fma(ln.high, pick(x, -0x1.5b235e39ab2a9p-27, 0x1.95355baaafad3p-57), fma(ln.low, factor, product.low));
  const S rest = k * pick(x, 0x1.3509f8p-18, 0x1.fef311f12b358p-46);  // of log10(2), whose first part times k is exact
  const auto sum = ordered_sum(k * pick(x, 0x1.344p-2, 0x1.34413509f78p-2), product.high);
  return log_special(x, sum.high + (sum.low + (low + rest)));
}

// log(u + u_low) for |u_low| <= ulp(u), u > 0, u normal and finite.
template <class S>
Pair<S> log_of_pair(S u, S u_low) {
  const auto [k, m] = split_normal(u);
  return log_parts(cast(k, dtype(u)), m - like(u, 1), low_of_mantissa(k, u_low));
}

// With k from 1 + x, f = 2^-k x + (2^-k - 1) in one rounding, whose error is kept. f stands fourfold, for 2^-k may be 2^-128;
// -k in place of k, and 4 - s subtracted, keep the sign of -0.
template <class S>
S log1p_single(S x) {
  const S u = like(x, 1) + x;
  const S bits = bitcast(u, DType::i32);
  const S minus = like_bits(bits, 0x3f3504f3u + 0x7fffffu) - bits;  // sqrt(1/2), the shift that follows rounded up
  const S k = cast(minus >> like(bits, 23), DType::f32);  // -k
  const S s = bitcast((minus & like_bits(bits, 0xff800000u)) + like_bits(bits, 0x40800000u), DType::f32);  // 4 2^-k
  const S short_of = like(x, 4) - s;
  const S f = fma(x, s, -short_of);
  const S f_low = fma(x, s, -(f + short_of));
  const S square = f * f;
  constexpr auto polynomial = in_units(log_f32, 0.25, 0x1p-6);
  const S rest = fma(k, like(x, -0x1.7f7d1cp-20), f_low * like(x, 0.25));
  const S low = fma(square, like(x, -0x1p-5), fma(f * square, horner(f, polynomial.c), rest));
  return fma(k, like(x, -0x1.62e4p-1), fma(f, like(x, 0.25), low));
}

template <class S>
S log1p_wide(S x) {
  const auto u = exact_sum(like(x, 1), x);
  const auto parts = log_of_pair(u.high, u.low);
  return select(abs(x) < like(x, 0x1p-54), x, parts.high + parts.low);
}

template <class S>
S log1p(S x) {
  const S value = is_single(x) ? log1p_single(x) : log1p_wide(x);
  const S minus_one = like(x, -1);
  const S finite = select(x == minus_one, -infinity(x), value);
  return select(x < minus_one, not_a_number(x), select(x < infinity(x), finite, x));
}

}  // namespace tenon::ir::math
