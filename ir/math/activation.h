// The normal distribution's density (without its constant) and distribution function, and what neural networks make of
// them and of the logistic function: silu, gelu, softplus. silu and gelu compute f32 in f32, low parts carried along; the
// others compute f32 in f64 with polynomials that suffice and round once; f64 carries the low parts along. Zeros keep their signs; at
// -infinity the functions are 0 with the sign of their approach. Coefficients: Remez, relative errors below 2^-34
// (exponential), 2^-29.9 (distribution), 2^-38 (logarithm), 2^-30.8 (gelu's tail in f32, rounded term by term with a fit
// of the rest).
#pragma once

#include "tenon/ir/math/erf.h"
#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// (e^r - 1 - r) / r^2 on |r| <= 0.35.
inline constexpr double short_exp[] = {0x1.0000003d8fc98p-1, 0x1.55555432581e8p-3,  0x1.555485ebc8529p-5,
                                       0x1.11127f2403de0p-7, 0x1.6d945bcbdc484p-10, 0x1.9f02b5db3fdf1p-13};
// (a + 3) e^(a^2 / 2) Phi(-a) in (a - 3) / (a + 3) for a within [0, 14.6].
inline constexpr double short_tail[] = {0x1.754a751c62072p-1,  -0x1.04c729abd1fd8p-1,  0x1.d713851226c46p-3,
                                        -0x1.832d0a3b580bcp-5, -0x1.56d5f780e141bp-7,  0x1.c8bd85f2db51cp-8,
                                        0x1.0ca398e81e8bdp-10, -0x1.0eac4cbec1a8fp-10, -0x1.00a32316ed18dp-12,
                                        0x1.134c3c230d6d9p-13, 0x1.c8deb4926c11dp-15};
// 2 atanh(s) / s in s^2 on |s| <= 1/3.
inline constexpr double short_atanh[] = {0x1.0000000002c39p+1, 0x1.5555552f99267p-1, 0x1.9999c3910e405p-2,
                                         0x1.24899140e760dp-2, 0x1.c8d30765234a0p-3, 0x1.5e8bf103a67abp-3,
                                         0x1.c012ed50c777cp-3};

// e^y in f64 to 34 bits, for y within [-700, 0].
template <class S>
S short_exponential(S y) {
  const auto nearest = nearest_multiple(y, like(y, 0x1.71547652b82fep0));
  const S r = fma(nearest.number, like(y, -0x1.62e42fefa39efp-1), y);
  const S p = fma(fma(horner(r, short_exp), r, like(r, 1)), r, like(r, 1));
  const S bits = bitcast(nearest.shifted, DType::i64) << like(bitcast(p, DType::i64), 52);
  return bitcast(bitcast(p, DType::i64) + bits, DType::f64);
}

// |x|, but no more than `most`; NaN stays. Below, what can only be NaN where x is needs no selection for it.
template <class S>
S bounded_size(S x, double most) {
  const S size = abs(x);
  return select(like(x, most) < size, like(x, most), size);
}

// The result in x's dtype; zeros and NaN are their own results.
template <class S>
S unless_zero_or_nan(S x, S value) {
  return select(x == like(x, 0), x, select(is_nan(x), x, value));
}

// e^(-x^2 / 2).
template <class S>
S gaussian(S x) {
  if (is_single(x)) {
    const S a = bounded_size(cast(x, DType::f64), 14.7);
    return select(is_nan(x), x, cast(short_exponential(a * a * like(a, -0.5)), DType::f32));
  }
  const S a = bounded_size(x, 39.6);
  const auto square = exact_product(a, a);
  const S exponent = square.high * like(x, -0.5);
  const auto nearest = nearest_power(exponent);
  const auto parts = exp_parts(exponent, square.low * like(x, -0.5), nearest);
  return scale_by_power(parts.high + parts.low, nearest);
}

// The distribution function Phi(x) for an f32, in f64 to 29 bits. Beyond 14.6 it is that of 14.6.
template <class S>
S short_distribution(S x) {
  const S a = bounded_size(x, 14.6);
  const S inverse = like(a, 1) / (a + like(a, 3));
  const S q = (a - like(a, 3)) * inverse;
  const S tail = short_exponential(a * a * like(a, -0.5)) * (horner(q, short_tail) * inverse);
  return select(like(x, 0) <= x, like(x, 1) - tail, tail);
}

// 2 Phi(x) = 2^n (high + low), f64.
template <class S>
ExpParts<S> distribution_parts(S x) {
  const S a = bounded_size(x, 39.6);
  const S root_half = like(x, 0x1.6a09e667f3bcdp-1), root_half_low = like(x, -0x1.bdd3413b26456p-55);
  // Up to 0.7: 1 + erf(x / sqrt 2).
  const auto z = exact_product(x, root_half);
  const S z_low = fma(x, root_half_low, z.low);
  const auto near = ordered_sum(like(x, 1), z.high);
  const S near_low = near.low + fma(z.high, horner(z.high * z.high, erf_f64), z_low);
  // Beyond: erfc(|x| / sqrt 2) and its complement to 2.
  const S far = select(a < like(x, 0.7), like(x, 0.7), a);
  const auto w = exact_product(far, root_half);
  const auto square = exact_product(far, far);
  const auto tail = erfc_parts(w.high, fma(far, root_half_low, w.low),
                               Pair<S>{square.high * like(x, 0.5), square.low * like(x, 0.5)});
  const S least = like(tail.n, -200);
  const S scale = power_of_two(x, select(tail.n < least, least, tail.n));
  const auto rest = ordered_sum(like(x, 2), -(tail.high * scale));
  const S rest_low = fma(-tail.low, scale, rest.low);
  const S is_near = abs(x) < like(x, 0.7), negative = x < like(x, 0);
  return {select(is_near | bit_not(negative), like(tail.n, 0), tail.n),
          select(is_near, near.high, select(negative, tail.high, rest.high)),
          select(is_near, near_low, select(negative, tail.low, rest_low))};
}

template <class S>
S normal_cdf(S x) {
  if (is_single(x)) return cast(short_distribution(cast(x, DType::f64)), DType::f32);
  const auto parts = distribution_parts(x);
  return scale_by_power(parts.high + parts.low, parts.n - like(parts.n, 1));
}

// (a + 2) e^(a^2 / 2) Phi(-a) in q = (a - 2) / (a + 2) for a within [0.34, 14.65], f32; its constant has a low part.
inline constexpr double tail_f32[] = {0x1.5845dcp-1,   -0x1.535bbp-2,  0x1.d7d0d8p-6,   0x1.2ccc6cp-5,
                                      -0x1.ec2b7ap-12, -0x1.b8e218p-8, -0x1.00108cp-9,  0x1.a230a2p-11,
                                      0x1.b8bdecp-11,  0x1.6f57d8p-13, -0x1.3e5f4ap-13, -0x1.7e15a2p-14};
inline constexpr double tail_constant_low = 0x1.5bea2ep-26;
// (Phi(x) - 1/2) / x in x^2 on |x| <= 0.7, f32.
inline constexpr double distribution_f32[] = {0x1.988454p-2, -0x1.105882p-4, 0x1.46ddaep-7, -0x1.37bfa6p-10,
                                              0x1.cee3e4p-14};

// a e^(a^2 / 2) Phi(-a) as a pair, f32: p W(q) for p = a / (a + 2), q = 2 p - 1, the rounding errors of p, of the last two steps
// of W and of the product kept.
template <class S>
Pair<S> scaled_tail_single(S a) {
  const S two = like(a, 2);
  const S d = a + two;
  const S inverse = like(a, 1) / d;
  const S p = a * inverse;
  const S p_low = fma(-p, a - (d - two), fma(-p, d, a)) * inverse;
  const S q = fma(p, two, like(a, -1));
  const auto term = [&](size_t k) { return fma(q, like(a, tail_f32[k + 1]), like(a, tail_f32[k])); };
  const S square = q * q;
  const S upper = fma(fma(term(10), square, term(8)), square, term(6));
  const S bend = fma(upper, square * square, fma(term(4), square, term(2)));
  const S linear = like(a, tail_f32[1]), constant = like(a, tail_f32[0]);
  const S slope = fma(q, bend, linear), slope_low = fma(q, bend, linear - slope);
  const S w = fma(q, slope, constant);
  const S w_low = fma(q, slope_low, fma(q, slope, constant - w) + like(a, tail_constant_low));
  const auto product = exact_product(p, w);
  return {product.high, product.low + fma(p, w_low, p_low * fma(p, slope + slope, w))};
}

// x Phi(x) in f32: next to 0 a polynomial, else x Phi(-|x|) or x less that.
template <class S>
S gelu_single(S x) {
  const S a = bounded_size(x, 14.6);
  const auto tail = scaled_tail_single(a);
  // e^(-a^2 / 2) = 2^n (1 + w)
  const auto square = exact_product(a, a);
  const auto nearest = nearest_multiple(square.high, like(x, -0x1.715476p-1));
  const S partial = fma(nearest.number, like(x, 0x1.62e4p0), square.high);  // -2 r is this and the rest
  const S rest = fma(nearest.number, like(x, 0x1.7f7d1cp-19), square.low);
  const S r = partial + rest, minus_half = like(x, -0.5);
  constexpr auto exponential = in_units(exp_f32, -0.5, 0.25);
  const auto w = ordered_sum(partial * minus_half, fma(rest, minus_half, (r * r) * horner(r, exponential.c)));
  const S low = fma(tail.high, w.high, fma(tail.high, w.low, fma(tail.low, w.high, tail.low)));
  const S far = scale_down(tail.high + low, nearest);
  const S near = fma(square.high, horner(square.high, distribution_f32), x * like(x, 0.5));
  const S is_near = (like(x, -0.35) < x) & (x < like(x, 0.69));
  return copy_sign(select(is_near, near, select(x < like(x, 0), far, x - far)), x);
}

// x Phi(x).
template <class S>
S gelu(S x) {
  if (is_single(x)) return gelu_single(x);
  const S bounded = select(x < like(x, -39.6), like(x, -39.6), x);
  const auto parts = distribution_parts(bounded);
  const S product = fma(bounded, parts.high, bounded * parts.low);
  const S value = scale_by_power(product, parts.n - like(parts.n, 1));
  return unless_zero_or_nan(x, select(x > like(x, 40), x, value));
}

// x / (1 + e^-x).
template <class S>
S silu(S x) {
  if (is_single(x)) {
    const auto value = [](SingleLogistic<S> p) { return fma(p.above, p.q, (p.clamped * p.q) * p.rest); };
    return rare(
        x < like(x, far_below_f32), [&] { return -lower(-value(logistic_far(x, -112)), 64); }, value(logistic_near(x)));
  }
  const S bounded = select(x < like(x, -760), like(x, -760), x);
  const auto parts = logistic_parts(bounded, -760);
  const S value = scale_by_power(fma(bounded, parts.high, bounded * parts.low), parts.n);
  return unless_zero_or_nan(x, select(x > like(x, 60), x, value));
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|).
template <class S>
S softplus(S x) {
  if (is_single(x)) {
    const S wide = cast(x, DType::f64);
    const S e = short_exponential(-bounded_size(wide, 112));
    const S s = e / (like(e, 2) + e);
    const S tail = s * horner(s * s, short_atanh);
    return cast(select(wide < like(wide, 0), like(wide, 0), wide) + tail, DType::f32);
  }
  const auto t = normalized(exp_parts(-bounded_size(x, 747)));
  const S floor_n = like(t.n, -100);
  const S scale = power_of_two(x, select(t.n < floor_n, floor_n, t.n));
  const auto u = ordered_sum(like(x, 1), t.high * scale);
  const auto ln = log_of_pair(u.high, fma(t.low, scale, u.low));
  const S tail = select(t.n < like(t.n, -60), scale_by_power(t.high + t.low, t.n), ln.high + ln.low);
  const auto sum = exact_sum(x, ln.high);
  const S above = select(x > like(x, 40), x, sum.high + (sum.low + ln.low));
  return select(x <= like(x, 0), tail, above);
}

}  // namespace tenon::ir::math
