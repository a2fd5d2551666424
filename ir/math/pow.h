// pow(x, y) = e^(y log |x|). f64 takes the logarithm as a pair with a relative error near 2^-66: s = f / (2 + f) and the
// leading terms of 2 atanh(s) in pairs (the way of Ziv, ACM TOMS 1991, without the final test). f32 takes log2 as a pair with
// a relative error near 2^-33 in single precision throughout, 2^(y log2 x) with the rounding of its linear term kept. Special
// cases are those of IEEE 754-2019, 9.2.1 (C's pow). Coefficients: fpminimax, relative error below 2^-70 (f64); Remez, rounded
// one by one with a fit of the rest, below 2^-39 (log2) and 2^-27.5 (exp2).
#pragma once

#include "tenon/ir/math/exp.h"
#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// 2 atanh(s) = 2 s + s^3 (2/3 + s^2 (...)) on |s| <= 0.1718.
inline constexpr double atanh_tail_f64[] = {0x1.999999999999ap-2, 0x1.249249249238ap-2, 0x1.c71c71c73ed63p-3,
                                            0x1.745d17328bbd8p-3, 0x1.3b13b7b56a56cp-3, 0x1.110fb3dfb9542p-3,
                                            0x1.e23e523f889a6p-4, 0x1.a7c062148980dp-4, 0x1.d8903aaa81c3dp-4};

// log(2^k m), f64.
template <class S>
Pair<S> precise_log(S k, S m) {
  const S x = m, f = m - like(m, 1);
  const auto divisor = ordered_sum(like(x, 2), f);
  const auto rough = quotient(Pair<S>{f, like(x, 0)}, divisor);
  const auto s = ordered_sum(rough.high, rough.low);
  const auto square = exact_product(s.high, s.high);
  const S square_low = fma(s.high + s.high, s.low, square.low);
  const auto u = ordered_sum(like(x, 0x1.5555555555555p-1), square.high * horner(square.high, atanh_tail_f64));
  const S u_low = u.low + like(x, 0x1.5555555555555p-55);
  const auto w = exact_product(square.high, u.high);
  const S w_low = fma(square.high, u_low, fma(square_low, u.high, w.low));
  const auto g = exact_product(s.high, w.high);
  const S g_low = fma(s.high, w_low, fma(s.low, w.high, g.low));
  const auto mantissa = ordered_sum(s.high + s.high, g.high);
  const S mantissa_low = mantissa.low + fma(like(x, 2), s.low, g_low);
  const auto sum = exact_sum(k * like(x, 0x1.62e42fefa38p-1), mantissa.high);
  const S low = fma(k, like(x, 0x1.ef35793c7673p-45), mantissa_low) + sum.low;
  return ordered_sum(sum.high, low);
}

// e^(y ln), f64. y ln may be infinite.
template <class S>
S power_of_log(Pair<S> ln, S y) {
  const auto product = exact_product(y, ln.high);
  const S product_low = fma(y, ln.low, product.low);
  const S exponent = clamp_range(product.high, -746, 710);
  const S exponent_low = select(exponent == product.high, product_low, like(y, 0));
  const auto nearest = nearest_power(exponent);
  const auto parts = exp_parts(exponent, exponent_low, nearest);
  return scale_by_power(parts.high + parts.low, nearest);
}

// (log2((1 + s) / (1 - s)) / s - 2 / ln 2 rounded) in s^2 on |s| <= 0.0728.
inline constexpr double atanh2_f32[] = {0x1.4adc5ap-25, 0x1.ec709ep-1, 0x1.2775a2p-1, 0x1.a9401ep-2};
// 1 / (2 + f) on [-0.1355, 0.125] to 18 bits.
inline constexpr double half_inverse_f32[] = {0x1.ffffb4p-2, -0x1.fffccp-3, 0x1.0115b8p-3, -0x1.03d01ap-4};
// (2^r - 1 - r ln 2 rounded) / r^2 on |r| <= 0.501.
inline constexpr double power_f32[] = {0x1.ebfbdep-3, 0x1.c6af7ep-5, 0x1.3b2bbp-7, 0x1.5f0e8p-10, 0x1.43a712p-13};

// log2(2^-drop x) as a pair for a positive normal x, f32. x = 2^k m, m in [0.692, 1.385), c one of 13/16, 1 and 5/4:
// f = c m - 1 is exact, s = f / (2 + f) a pair by one step of Newton's from an approximation, f - 2 s exact (Sterbenz).
template <class S>
Pair<S> log2_single(S x, S drop) {
  const S bits = bitcast(x, DType::i32);
  const S offset = bits - like_bits(bits, 0x3f313500u);
  const S m = bitcast(bits - (offset & like_bits(bits, 0xff800000u)), DType::f32);
  const S above = like(x, 1.1) < m, below = m < like(x, 0.8944);
  const auto choose = [&](double if_above, double if_below, double otherwise) {
    return select(above, like(x, if_above), select(below, like(x, if_below), like(x, otherwise)));
  };
  const S f = fma(m, choose(0.8125, 1.25, 1), like(x, -1));
  // k - log2(c): a part of 16 bits behind the point, and the rest.
  const S whole = cast(offset >> like(bits, 23), DType::f32) + (choose(0x1.32cp-2, -0x1.49a8p-2, 0) - drop);
  const S rest = choose(-0x1.1c8f12p-22, 0x1.ed0cbap-20, 0);
  const S inverse = horner(f, half_inverse_f32);
  const S s = f * inverse;
  const S s_low = fma(-s, f, fma(s, like(x, -2), f)) * inverse;
  const S u = horner(s * s, atanh2_f32);
  const S factor = like(x, 0x1.715476p1);  // 2 / ln 2
  const auto linear = exact_product(s, factor);
  const S low = fma(s, u, fma(s_low, fma(u, like(x, 3), factor), linear.low + rest));
  const auto sum = ordered_sum(whole, linear.high);
  return {sum.high, sum.low + low};
}

// x^y, and whether |y log2 x| is below 2^21: NaN otherwise.
template <class S>
struct SinglePower {
  S value, bounded;
};

// (2^-drop x)^y for a positive normal x, f32.
template <class S>
SinglePower<S> power_single(S x, S y, S drop) {
  const auto ln = log2_single(x, drop);
  const auto product = exact_product(y, ln.high);
  const S exponent = fma(y, ln.low, product.high);
  const auto nearest = nearest_multiple(exponent, like(x, 1));
  const S r = (product.high - nearest.number) + fma(y, ln.low, product.low);
  const S ln2 = like(x, 0x1.62e43p-1), one = like(x, 1);
  const S linear = fma(r, ln2, one);
  const S p = linear + fma(r * r, horner(r, power_f32), fma(r, ln2, one - linear));
  const S bounded = abs(exponent) < like(x, 0x1p21);
  return {scale_far(select(bounded, p, not_a_number(x)), nearest), bounded};
}

// x^y for positive finite x, anything elsewhere, f64.
template <class S>
S power_of_positive(S x, S y) {
  const auto [k, m] = split_mantissa(x);
  // Beyond 2^70 the result is 0, 1 or infinity all the same.
  const S y_size = abs(y);
  const S bounded = copy_sign(select(y_size < like(y, 0x1p70), y_size, like(y, 0x1p70)), y);
  return power_of_log(precise_log(k, m), bounded);
}

// The same in f32, for every y.
template <class S>
S power_of_any(S x, S y) {
  const S small = x < like(x, 0x1p-126);
  const S normal = select(small, x * like(x, 0x1p24), x);
  const auto [value, bounded] = power_single(normal, y, select(small, like(x, 24), like(x, 0)));
  const S far = select((x < like(x, 1)) ^ (y < like(x, 0)), like(x, 0), infinity(x));
  return select(bounded, value, far);
}

// x^y out of |x|^y.
template <class S>
S power_by_case(S x, S y, S positive) {
  const S zero = like(x, 0), one = like(x, 1), inf = infinity(x);
  const S magnitude = abs(x), y_size = abs(y);
  const S y_negative = y < zero;
  const S half_y = y * like(y, 0.5);
  const S integral = trunc(y) == y;
  const S odd = (integral & (trunc(half_y) != half_y)) & (y_size < inf);
  const S proper = (magnitude > zero) & (magnitude < inf);
  // |x| 0 or infinite: 0 or infinity by the sign of y.
  const S improper = select((magnitude == zero) ^ y_negative, zero, inf);
  const S size = select(proper, positive, improper);
  const S signed_size = select(sign_bit(x) & odd, -size, size);
  const S undefined = (x < zero) & (bit_not(integral) & (magnitude < inf));
  const S value = select(undefined, not_a_number(x), signed_size);
  const S with_nan = select(is_nan(x) | is_nan(y), x + y, value);
  // 1 to any power and anything to the power 0 are 1, NaN included; so is -1 to an infinite power.
  const S is_one = (x == one) | (y == zero) | ((magnitude == one) & (y_size == inf));
  return select(is_one, one, with_nan);
}

template <class S>
S pow(S x, S y) {
  if (!is_single(x)) return power_by_case(x, y, power_of_positive(abs(x), y));
  const auto usual = power_single(x, y, like(x, 0));
  const S is_usual = (x >= like(x, 0x1p-126)) & (x < infinity(x)) & usual.bounded;
  return rare(bit_not(is_usual), [&] { return power_by_case(x, y, power_of_any(abs(x), y)); }, usual.value);
}

}  // namespace tenon::ir::math
