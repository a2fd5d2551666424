// pow(x, y) = e^(y log |x|). f64 takes the logarithm as a pair with a relative error near 2^-66: s = f / (2 + f) and the
// leading terms of 2 atanh(s) in pairs (the way of Ziv, ACM TOMS 1991, without the final test); f32 computes in f64 and
// rounds. Special cases are those of IEEE 754-2019, 9.2.1 (C's pow). Coefficients: fpminimax, relative error below 2^-70.
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

// x^y for positive finite x, anything elsewhere. An f32 is a normal f64, and its products with logarithms stay finite.
template <class S>
S power_of_positive(S x, S y) {
  if (is_single(x)) {
    const auto [k, m] = split_normal(cast(x, DType::f64));
    return cast(power_of_log(precise_log(cast(k, DType::f64), m), cast(y, DType::f64)), DType::f32);
  }
  const auto [k, m] = split_mantissa(x);
  // Beyond 2^70 the result is 0, 1 or infinity all the same.
  const S y_size = abs(y);
  const S bounded = copy_sign(select(y_size < like(y, 0x1p70), y_size, like(y, 0x1p70)), y);
  return power_of_log(precise_log(k, m), bounded);
}

template <class S>
S pow(S x, S y) {
  const S zero = like(x, 0), one = like(x, 1), inf = infinity(x);
  const S magnitude = abs(x), y_size = abs(y);
  const S y_negative = y < zero;
  const S half_y = y * like(y, 0.5);
  const S integral = trunc(y) == y;
  const S odd = (integral & (trunc(half_y) != half_y)) & (y_size < inf);
  const S proper = (magnitude > zero) & (magnitude < inf);
  const S positive = power_of_positive(magnitude, y);
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

}  // namespace tenon::ir::math
