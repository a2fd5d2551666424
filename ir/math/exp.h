// exp, exp2, expm1 and the logistic function. Range reduction x = n ln 2 + r in two parts (Cody and Waite, Software Manual
// for the Elementary Functions, 1980, ch. 6), a minimax polynomial for e^r on |r| <= ln(2) / 2, exact scaling by 2^n.
// exp_parts keeps the rounding errors as a low part, from which the others are composed with one final rounding.
// Coefficients: fpminimax (Brisebarre and Chevillard, ARITH 2007), relative error below 2^-28 (f32) and 2^-57 (f64).
#pragma once

#include <cmath>

#include "tenon/ir/math/parts.h"

namespace tenon::ir::math {

// (e^r - 1 - r) / r^2 on |r| <= 0.348.
inline constexpr double exp_f32[] = {0x1.fffffcp-2, 0x1.55548ep-3, 0x1.5558ap-5, 0x1.123c5ep-7, 0x1.6a6316p-10};
inline constexpr double exp_f64[] = {0x1p-1,
                                     0x1.555555555555cp-3,
                                     0x1.5555555555541p-5,
                                     0x1.111111110e9c1p-7,
                                     0x1.6c16c16c1fa59p-10,
                                     0x1.a01a01b46a271p-13,
                                     0x1.a01a017733a91p-16,
                                     0x1.71ddedf954c3bp-19,
                                     0x1.27e53f8d6ce8fp-22,
                                     0x1.af6f7a1c5e40ep-26,
                                     0x1.1edc6d8ef1e23p-29};
// 2^r on |r| <= 1/2, constant term first.
inline constexpr double exp2_f32[] = {
    1, 0x1.62e43p-1, 0x1.ebfbd8p-3, 0x1.c6af76p-5, 0x1.3b30ap-7, 0x1.5f0b82p-10, 0x1.3fa206p-13};

// e^x = 2^n (high + low); high = 1 + r rounded, so low is not small against an ulp until `normalized`. n: i32 or i64.
template <class S>
struct ExpParts {
  S n, high, low;
};

// x rounded to an integer by adding 1.5 * 2^(p-1): the low bits of `shifted` hold the integer.
template <class S>
struct Nearest {
  S shifted, number;
};

template <class S>
Nearest<S> nearest_multiple(S x, S per_unit) {
  const S magic = pick(x, 0x1.8p23, 0x1.8p52);
  const S shifted = fma(x, per_unit, magic);
  return {shifted, shifted - magic};
}

template <class S>
S nearest_integer(Nearest<S> nearest) {
  const S bits = bitcast(nearest.shifted, integer_of(nearest.shifted));
  return bits - like_bits(bits, is_single(nearest.shifted) ? 0x4b400000u : 0x4338000000000000u);
}

template <class S>
S scale_by_power(S x, Nearest<S> nearest) {
  return scaled(x, nearest.number, scale_in_two_steps(x, nearest_integer(nearest)));
}

// 2^n out of `shifted`, for n within the normal exponents.
template <class S>
S power_of_shifted(S shifted) {
  const S bits = bitcast(shifted, integer_of(shifted));
  const bool single = is_single(shifted);
  const S one = like_bits(bits, single ? 127ull << 23 : 1023ull << 52);
  return bitcast((bits << like(bits, single ? 23 : 52)) + one, dtype(shifted));
}

// p 2^n where that is normal, and p no NaN.
template <class S>
S add_to_exponent(S p, Nearest<S> nearest) {
  const S bits = bitcast(p, integer_of(p));
  return bitcast(bits + (bitcast(nearest.shifted, integer_of(p)) << like(bits, is_single(p) ? 23 : 52)), dtype(p));
}

// size 2^-k rounded once, for size not negative, and k so large that `size` is normal where the result is not. By an addition where
// it is subnormal: a product that vanishes takes a processor as long as a hundred others.
template <class S>
S lower(S size, int k) {
  const bool single = is_single(size);
  const S bits = bitcast(size, integer_of(size)), least = pick(size, 0x1p23, 0x1p52);
  const S normal = bits - like_bits(bits, static_cast<uint64_t>(k) << (single ? 23 : 52));
  const S units = like(size, std::ldexp(1.0, (single ? 149 : 1074) - k));  // of the least subnormal number
  const S subnormal = bitcast(fma(size, units, least), integer_of(size)) - bitcast(least, integer_of(size));
  const S is_normal = size >= like(size, std::ldexp(1.0, (single ? -126 : -1022) + k));
  return bitcast(select(is_normal, normal, subnormal), dtype(size));
}

// p 2^(n + k), k the power to lower() it by: normal for n from `nearest`, not above 0 and not below -156 (-1082), p within [2^-5, 2].
template <class S>
struct Raised {
  S size;
  int k;
};
template <class S>
Raised<S> raised(S p, Nearest<S> nearest) {
  const int k = is_single(p) ? 120 : 1020;
  return {add_to_exponent(p, Nearest<S>{nearest.shifted + like(p, k), {}}), k};
}

// p 2^n for n from `nearest` that is not positive, and not below -156 or -1082, p within [2^-5, 2] or NaN.
template <class S>
S scale_down(S p, Nearest<S> nearest) {
  const S usual = nearest.number >= pick(p, -118, -1012);
  const auto far = [&] {
    const auto r = raised(p, nearest);
    return select(is_nan(p), p, lower(r.size, r.k));
  };
  return rare(bit_not(usual), far, add_to_exponent(p, nearest));
}

// x, but no further than low and high; NaN stays.
template <class S>
S clamp_range(S x, double low, double high) {
  const S below = select(like(x, high) < x, like(x, high), x);
  return select(below < like(x, low), like(x, low), below);
}

// p 2^n for any n from `nearest`, f32, p within [1/2, 2] or NaN.
template <class S>
S scale_far(S p, Nearest<S> nearest) {
  const auto bounded = nearest_multiple(clamp_range(nearest.number, -250, 250), like(p, 1));
  return scaled(p, nearest.number, scale_in_two_steps(p, nearest_integer(bounded)));
}

// x / ln 2 to the nearest integer.
template <class S>
Nearest<S> nearest_power(S x) {
  return nearest_multiple(x, pick(x, 0x1.715476p0, 0x1.71547652b82fep0));
}

// e^x for |x| below 2^10 or so, n from nearest_power(x).
template <class S>
ExpParts<S> exp_parts(S x, Nearest<S> nearest) {
  const S n = nearest.number;
  const S partial = fma(-n, pick(x, 0x1.62e4p-1, 0x1.62e42fefa38p-1), x);  // exact: the constant is short
  const S rest = n * pick(x, 0x1.7f7d1cp-20, 0x1.ef35793c7673p-45);
  const S r = partial - rest;
  const S r_low = (partial - r) - rest;
  const S polynomial = is_single(x) ? horner(r, exp_f32) : horner(r, exp_f64);
  const auto sum = ordered_sum(like(x, 1), r);
  return {nearest_integer(nearest), sum.high, sum.low + fma(r * r, polynomial, fma(r, r_low, r_low))};
}

template <class S>
ExpParts<S> exp_parts(S x) {
  return exp_parts(x, nearest_power(x));
}

// For x + x_low with |x_low| <= ulp(x).
template <class S>
ExpParts<S> exp_parts(S x, S x_low, Nearest<S> nearest) {
  const auto parts = exp_parts(x, nearest);
  return {parts.n, parts.high, fma(parts.high + parts.low, x_low, parts.low)};
}

template <class S>
ExpParts<S> exp_parts(S x, S x_low) {
  return exp_parts(x, x_low, nearest_power(x));
}

template <class S>
ExpParts<S> normalized(ExpParts<S> parts) {
  const auto sum = ordered_sum(parts.high, parts.low);
  return {parts.n, sum.high, sum.low};
}

// x - n ln 2 up to the short constant, f32: exact.
template <class S>
S subtract_long(S x, Nearest<S> nearest) {
  return fma(nearest.number, like(x, -0x1.62e4p-1), x);
}

// e^r for r = partial - n (ln 2 - the short constant), f32.
template <class S>
S exp_of_partial(S partial, Nearest<S> nearest) {
  const S r = fma(nearest.number, like(partial, -0x1.7f7d1cp-20), partial);
  return fma(fma(horner(r, exp_f32), r, like(r, 1)), r, like(r, 1));
}

// e^(x + x_low) in f32 for |x| <= 86 and a small x_low: no special cases.
template <class S>
S exp_near_zero(S x, S x_low) {
  const auto nearest = nearest_multiple(x, like(x, 0x1.715476p0));
  const S p = exp_of_partial(subtract_long(x, nearest) + x_low, nearest);
  return add_to_exponent(p, nearest);
}

// e^y = p 2^n.
template <class S>
S exp_fraction(S y, Nearest<S> nearest) {
  if (is_single(y)) return exp_of_partial(subtract_long(y, nearest), nearest);
  const auto parts = exp_parts(y, nearest);
  return parts.high + parts.low;
}

// Of e^x and 2^x: |x| up to which they are normal for sure; x below which they vanish, and above which they are infinite.
struct Ends {
  double usual, least, most;
};

// p 2^n, which is e^x or 2^x, for n from `nearest` and any x.
template <class S>
S scale_to_ends(S x, S p, Nearest<S> nearest, Ends ends) {
  const S value = add_to_exponent(p, nearest);
  const auto at_ends = [&] {
    const auto r = raised(p, nearest);
    const S size = select(x < like(x, ends.least), pick(x, 0x1p-40, 0x1p-80), r.size);  // that lowers to 0
    const S large = select(x <= like(x, ends.most), value, x + infinity(x));
    return select(x < like(x, 0), lower(size, r.k), large);
  };
  return rare(bit_not(abs(x) <= like(x, ends.usual)), at_ends, value);
}

template <class S>
S exp(S x) {
  const auto nearest = nearest_power(x);
  const Ends ends = is_single(x) ? Ends{87, -104, 0x1.62e42ep6} : Ends{708, -746, 0x1.62e42fefa39efp9};
  return scale_to_ends(x, exp_fraction(x, nearest), nearest, ends);
}

// The same for x <= 0 and NaN.
template <class S>
S exp_not_positive(S x) {
  const S least = pick(x, -104, -746), y = select(x < least, least, x);
  const auto nearest = nearest_power(y);
  return scale_down(exp_fraction(y, nearest), nearest);
}

// 2^y = p 2^n.
template <class S>
S exp2_fraction(S y, Nearest<S> nearest) {
  const S fraction = y - nearest.number;  // exact
  if (is_single(y)) return horner(fraction, exp2_f32);
  const S ln2 = like(y, 0x1.62e42fefa39efp-1), ln2_low = like(y, 0x1.abc9e3b39803fp-56);
  const auto r = exact_product(fraction, ln2);
  const S r_low = fma(fraction, ln2_low, r.low);
  const auto sum = ordered_sum(like(y, 1), r.high);
  const S low = sum.low + fma(r.high * r.high, horner(r.high, exp_f64), fma(r.high, r_low, r_low));
  return sum.high + low;
}

template <class S>
S exp2(S x) {
  const auto nearest = nearest_multiple(x, like(x, 1));
  const Ends ends = is_single(x) ? Ends{125, -151, 0x1.fffffep6} : Ends{1021, -1076, 0x1.fffffffffffffp9};
  return scale_to_ends(x, exp2_fraction(x, nearest), nearest, ends);
}

// e^x - 1: the parts, scaled by 2^(n-1) so that nothing overflows before the last sum, minus 1/2, exactly; then one rounding.
template <class S>
S expm1(S x) {
  const S y = clamp_range(x, is_single(x) ? -20 : -40, is_single(x) ? 88.75 : 709.8);
  const auto parts = exp_parts(y);
  const S scale = power_of_two(x, parts.n - like(parts.n, 1));
  const auto sum = exact_sum(parts.high * scale, like(x, -0.5));
  const S value = sum.high + fma(parts.low, scale, sum.low);
  const S tiny = abs(x) < pick(x, 0x1p-25, 0x1p-54);  // x + x^2 / 2 rounds to x; keeps -0 and subnormals
  return select(tiny, x, value + value);
}

// 1 / (1 + e^-x) = 2^-lowered (q + q rest) in f32, for x clamped to [least, 40].
template <class S>
struct SingleLogistic {
  S above, clamped;  // x not below `least`; nor beyond 40, where the result is 1
  S q, rest;
};

// With e^-x = s (1 + w) the sum is (1 + s) + s w: of both the rounding errors are kept, and that of the one division. The sum is
// taken 2^-lowered times as large: far below 0 nothing of the result vanishes then.
template <class S>
SingleLogistic<S> logistic_single(S x, double least, int lowered = 0) {
  const S one = like(x, 1);
  const S above = select(x < like(x, least), like(x, least), x);
  const S y = select(like(x, 40) < above, like(x, 40), above);
  const auto nearest = nearest_multiple(y, like(x, -0x1.715476p0));
  const S partial = fma(nearest.number, like(x, -0x1.62e4p-1), -y);
  const S tail = like(x, -0x1.7f7d1cp-20);
  const S r = fma(nearest.number, tail, partial);
  const auto w = ordered_sum(partial, fma(nearest.number, tail, (r * r) * horner(r, exp_f32)));
  const S s = power_of_shifted(lowered == 0 ? nearest.shifted : nearest.shifted - like(x, lowered));
  const S first = like(x, std::ldexp(1.0, -lowered));
  const auto c = ordered_sum(select(first < s, s, first), select(s < first, s, first));
  const auto d = ordered_sum(c.high, fma(s, w.high, c.low));
  const S d_low = fma(s, w.low, d.low);
  const S q = one / d.high;
  return {above, y, q, fma(-q, d_low, fma(-q, d.high, one))};
}

// From here down the logistic function, and x times it, are computed in units of 2^-64, f32.
inline constexpr double far_below_f32 = -60;

template <class S>
SingleLogistic<S> logistic_near(S x) {
  return logistic_single(x, far_below_f32);
}
template <class S>
SingleLogistic<S> logistic_far(S x, double least) {
  return logistic_single(x, least, 64);
}

// 1 / (1 + e^-x) = 2^n (high + low), n not positive, f64.
template <class S>
struct LogisticParts {
  Nearest<S> n;
  S high, low;
};

// Through t = e^-|x|: 1 / (1 + t) or t / (1 + t), a compensated quotient in either case. x below `limit` counts as that.
template <class S>
LogisticParts<S> logistic_parts(S x, double limit) {
  const S least = like(x, limit), below = -abs(x), y = select(below < least, least, below);
  const auto nearest = nearest_power(y);
  const auto t = normalized(exp_parts(y, nearest));
  const S negative = x < like(x, 0), zero = like(x, 0), magic = pick(x, 0x1.8p23, 0x1.8p52);
  // In the denominator t matters down to 2^-100 at most.
  const S last = pick(x, 0x1.8p23 - 100, 0x1.8p52 - 100);
  const S scale = power_of_shifted(select(nearest.shifted < last, last, nearest.shifted));
  const auto sum = ordered_sum(like(x, 1), t.high * scale);
  const Pair<S> denominator{sum.high, fma(t.low, scale, sum.low)};
  const Pair<S> numerator{select(negative, t.high, like(x, 1)), select(negative, t.low, like(x, 0))};
  const auto q = quotient(numerator, denominator);
  return {{select(negative, nearest.shifted, magic), select(negative, nearest.number, zero)}, q.high, q.low};
}

template <class S>
S logistic(S x) {
  if (is_single(x)) {
    const auto value = [](SingleLogistic<S> p) { return fma(p.q, p.rest, p.q); };
    return rare(
        x < like(x, far_below_f32), [&] { return lower(value(logistic_far(x, -105)), 64); }, value(logistic_near(x)));
  }
  const auto parts = logistic_parts(x, -747);
  return scale_down(parts.high + parts.low, parts.n);
}

}  // namespace tenon::ir::math
