// The reduction of large arguments modulo pi/2 in integers (Payne and Hanek, Radian Reduction for Trigonometric Functions,
// SIGNUM Newsletter 18, 1983): x = m 2^e with an integer m; of the bits of 2/pi only a window matters, those above it add
// multiples of 4, those below less than the result's precision. The window is chosen by selects, there is no table load.
// Refuses |x| below 2^16 (f32) and 2^20 (f64), where the window would begin before the first bit kept here.
#pragma once

#include "tenon/ir/math/parts.h"

namespace tenon::ir::math {

// x = (quadrant mod 4) pi/2 + high + low; quadrant is an integer of any width, of which two bits count.
template <class S>
struct Angle {
  S quadrant, high, low;
};

// 64 zero bits, then the bits of 2/pi.
inline constexpr uint64_t two_over_pi[] = {
    0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
    0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41,
    0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};

// `wanted` 64-bit words of two_over_pi from bit `position` on (u64 below 64 * choices), by a binary tree of selects and
// one shift.
template <int wanted, int choices, class S>
void bits_of_two_over_pi(S position, S (&words)[wanted]) {
  constexpr int held = wanted + choices;
  static_assert(held <= 20);
  S window[held];
  for (int i = 0; i < held; ++i) window[i] = like_bits(position, two_over_pi[i]);
  const S word = position >> like(position, 6);
  for (int step = 16; step > 0; step /= 2) {
    if (step >= choices) continue;
    const S bit = like(position, step);
    const S move = (word & bit) == bit;
    const int needed = step - 1 + wanted + 1;  // what the smaller steps may still reach
    for (int i = 0; i < needed && i + step < held; ++i) window[i] = select(move, window[i + step], window[i]);
  }
  const S left = position & like(position, 63);
  const S right = like(position, 63) - left;
  for (int i = 0; i < wanted; ++i) words[i] = (window[i] << left) | ((window[i + 1] >> like(position, 1)) >> right);
}

// The quadrant nearest to a fraction of which `top` holds two integer bits and the first 62 fraction bits.
template <class S>
S nearest_quadrant(S top) {
  return ((top >> like(top, 61)) + like(top, 1)) >> like(top, 1);
}

// f32, |x| >= 2^16: one word of the product and the carry from the next. The angle is an f64.
template <class S>
Angle<S> reduce_large_f32(S x) {
  const S raw = cast(bitcast(abs(x), DType::u32), DType::u64);
  const S mantissa = (raw & like(raw, 0x7fffff)) | like(raw, 0x800000);
  // Below 2^16 the value is not used: clamp, so that shift counts and words stay within bounds.
  const S exponent = raw >> like(raw, 23);
  const S usable = select(exponent < like(raw, 142), like(raw, 142), exponent);
  S words[2];
  bits_of_two_over_pi<2, 4>(usable - like(raw, 88), words);
  const S top = mantissa * words[0] + ((mantissa * (words[1] >> like(raw, 32))) >> like(raw, 32));
  const S fraction = cast(bitcast(top << like(raw, 2), DType::i64), DType::f64);
  const S magnitude = fraction * like(fraction, 0x1.921fb54442d18p0 * 0x1p-64);
  // The sign of x: of the angle and, by two's complement, of the quadrant.
  const S negative = sign_bit(x);
  const S quadrant = nearest_quadrant(top);
  return {select(negative, like(raw, 4) - (quadrant & like(raw, 3)), quadrant), select(negative, -magnitude, magnitude),
          like(fraction, 0)};
}

// f64, |x| >= 2^20: 53 by 192 bits in 32-bit limbs, 128 of the product's bits used.
template <class S>
Angle<S> reduce_large_f64(S x) {
  const S raw = bitcast(abs(x), DType::u64);
  const S low_half = like_bits(raw, 0xffffffffu), half = like(raw, 32);
  const S mantissa = (raw & like_bits(raw, 0xfffffffffffffu)) | like_bits(raw, 0x10000000000000u);
  const S exponent = raw >> like(raw, 52);
  const S usable = select(exponent < like(raw, 1023), like(raw, 1023), exponent);
  S words[3];
  bits_of_two_over_pi<3, 17>(usable - like(raw, 1013), words);
  const S limbs[6] = {words[2] & low_half, words[2] >> half,    words[1] & low_half,
                      words[1] >> half,    words[0] & low_half, words[0] >> half};
  const S m_low = mantissa & low_half, m_high = mantissa >> half;
  S product[6];
  S carry = like(raw, 0), high_of_low = like(raw, 0), high_of_high = like(raw, 0);
  for (int i = 0; i < 6; ++i) {
    const S by_low = m_low * limbs[i];
    S sum = (by_low & low_half) + high_of_low + carry;
    if (i > 0) {
      const S by_high = m_high * limbs[i - 1];
      sum = sum + (by_high & low_half) + high_of_high;
      high_of_high = by_high >> half;
    }
    high_of_low = by_low >> half;
    product[i] = sum & low_half;
    carry = sum >> half;
  }
  const S top = (product[5] << half) | product[4], next = (product[3] << half) | product[2];
  const S fraction = bitcast((top << like(raw, 2)) | (next >> like(raw, 62)), DType::i64);  // signed, times 2^-64
  const S rest = next << like(raw, 2);  // times 2^-128
  const auto scaled = [](S integer, double power) {
    const S value = cast(integer, DType::f64);
    return value * like(value, power);
  };
  const S signed_half = like(fraction, 32);
  const auto upper = ordered_sum(scaled(fraction >> signed_half, 0x1p-32),
                                 scaled(fraction & like_bits(fraction, 0xffffffffu), 0x1p-64));
  const auto lower = ordered_sum(scaled(rest >> half, 0x1p-96), scaled(rest & low_half, 0x1p-128));
  const auto sum = exact_sum(upper.high, lower.high);
  const S sum_low = sum.low + (upper.low + lower.low);
  const auto turn = ordered_sum(sum.high, sum_low);
  const S pi_2 = like(x, 0x1.921fb54442d18p0), pi_2_low = like(x, 0x1.1a62633145c07p-54);
  const auto angle = exact_product(turn.high, pi_2);
  const S angle_low = fma(turn.high, pi_2_low, fma(turn.low, pi_2, angle.low));
  const S negative = sign_bit(x);
  const S quadrant = nearest_quadrant(top);
  return {select(negative, like(raw, 4) - (quadrant & like(raw, 3)), quadrant),
          select(negative, -angle.high, angle.high), select(negative, -angle_low, angle_low)};
}

template <class S>
Angle<S> reduce_large(S x) {
  if (!is_single(x)) return reduce_large_f64(x);
  const auto [quadrant, angle, zero] = reduce_large_f32(x);
  const S high = cast(angle, DType::f32);
  return {quadrant, high, cast(angle - cast(high, DType::f64), DType::f32)};
}

}  // namespace tenon::ir::math
