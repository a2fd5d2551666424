// asin, acos, atan, atan2. asin(x) = x + x P(x^2) up to 1/2, and pi/2 - 2 asin(sqrt((1 - x) / 2)) beyond (Cody and Waite,
// 1980, ch. 10), the square root with its remainder. atan reduces to |t| <= tan(pi/8) by octants, the quotient
// compensated. Computed in f64; f32 is the f64 value rounded. Coefficients: fpminimax, relative error below 2^-59.
#pragma once

#include "tenon/ir/math/parts.h"

namespace tenon::ir::math {

// (asin(x) - x) / x^3 in x^2 on |x| <= 1/2.
inline constexpr double asin_f64[] = {
    0x1.5555555555577p-3, 0x1.333333332e133p-4,  0x1.6db6db721247bp-5, 0x1.f1c71a95002f6p-6, 0x1.6e8bdedebfb72p-6,
    0x1.1c49f077d2818p-6, 0x1.ca1f8af264013p-7,  0x1.75859da822552p-7, 0x1.613c1e9096db8p-7, 0x1.e5fbe63872ca6p-9,
    0x1.639a8a1bbdd02p-6, -0x1.57fad21f83513p-6, 0x1.0b45ea63b1699p-5};
// (atan(t) - t) / t^3 in t^2 on |t| <= tan(pi / 8).
inline constexpr double atan_f64[] = {-0x1.555555555553dp-2, 0x1.999999999585bp-3,  -0x1.24924922acb78p-3,
                                      0x1.c71c70e5b84a1p-4,  -0x1.745cf8d0ca308p-4, 0x1.3b11183416504p-4,
                                      -0x1.10ebad12e2435p-4, 0x1.df0e9d906dc24p-5,  -0x1.9ccf8630c2712p-5,
                                      0x1.37cd21b921acdp-5,  -0x1.25570a17676f6p-6};
inline constexpr double half_pi = 0x1.921fb54442d18p0, half_pi_low = 0x1.1a62633145c07p-54;

// asin of a magnitude up to 1/2, or of s = sqrt((1 - |x|) / 2): s and the correction to it. |x| > 1 gives NaN.
template <class S>
struct ArcSine {
  S beyond_half, s, correction;
};

template <class S>
ArcSine<S> arc_sine_parts(S x) {
  const S magnitude = abs(x);
  const S beyond = magnitude >= like(x, 0.5);
  const S square = select(beyond, (like(x, 1) - magnitude) * like(x, 0.5), magnitude * magnitude);
  const S root = sqrt(square);
  const S s = select(beyond, root, magnitude);
  const S doubled = select(root == like(x, 0), like(x, 1), root + root);
  const S remainder = select(beyond, fma(-root, root, square) / doubled, like(x, 0));
  return {beyond, s, fma(s * square, horner(square, asin_f64), remainder)};
}

template <class S>
S asin(S x) {
  if (is_single(x)) return cast(math::asin(cast(x, DType::f64)), DType::f32);
  const auto a = arc_sine_parts(x);
  const auto sum = ordered_sum(like(x, half_pi), like(x, -2) * a.s);
  const S beyond = sum.high + (sum.low + fma(like(x, -2), a.correction, like(x, half_pi_low)));
  return copy_sign(select(a.beyond_half, beyond, a.s + a.correction), x);
}

template <class S>
S acos(S x) {
  if (is_single(x)) return cast(math::acos(cast(x, DType::f64)), DType::f32);
  const auto a = arc_sine_parts(x);
  const S negative = x < like(x, 0);
  // pi/2 - s serves |x| < 1/2 and, doubled, x <= -1/2; with s negated for x in (-1/2, 0).
  const S flip = negative & bit_not(a.beyond_half);
  const S s = select(flip, -a.s, a.s), correction = select(flip, -a.correction, a.correction);
  const auto sum = ordered_sum(like(x, half_pi), -s);
  const S central = sum.high + (sum.low + (like(x, half_pi_low) - correction));
  const S positive = a.s + a.correction;
  const S beyond = select(negative, central, positive);
  return select(a.beyond_half, beyond + beyond, central);
}

// The angle of (x, y) as seen from the first quadrant's side, x, y >= 0, f64, neither huge.
template <class S>
S angle_of(S y, S x, S x_is_negative) {
  const S swap = y > x;
  const S numerator = select(swap, x, y), denominator = select(swap, y, x);
  const S octant = numerator > denominator * like(x, 0.41421356237309503);
  const auto difference = ordered_sum(denominator, -numerator), total = ordered_sum(denominator, numerator);
  const S zero = like(x, 0), one = like(x, 1);
  const auto t = quotient(Pair<S>{select(octant, -difference.high, numerator), select(octant, -difference.low, zero)},
                          Pair<S>{select(octant, total.high, denominator), select(octant, total.low, zero)});
  const S square = t.high * t.high;
  const S correction = fma(t.high * square, horner(square, atan_f64), t.low);
  // angle = turns pi/4 + sign (t + correction)
  S turns = select(octant, one, zero), sign = one;
  turns = select(swap, like(x, 2) - turns, turns);
  sign = select(swap, -sign, sign);
  turns = select(x_is_negative, like(x, 4) - turns, turns);
  sign = select(x_is_negative, -sign, sign);
  const auto base = exact_product(turns, like(x, half_pi / 2));
  const auto sum = ordered_sum(base.high, sign * t.high);
  return sum.high + (sum.low + fma(turns, like(x, half_pi_low / 2), fma(sign, correction, base.low)));
}

template <class S>
S atan2(S y, S x) {
  if (is_single(x)) return cast(math::atan2(cast(y, DType::f64), cast(x, DType::f64)), DType::f32);
  const S inf = infinity(x), zero = like(x, 0), one = like(x, 1);
  const S y_size = abs(y), x_size = abs(x);
  const S largest = select(x_size < y_size, y_size, x_size);
  // A power of two that keeps the sum finite and the quotient's residual normal; (0, 0) and infinities become 0 and 1.
  const S scale =
      select(largest > like(x, 0x1p500), like(x, 0x1p-300), select(largest < like(x, 0x1p100), like(x, 0x1p600), one));
  const S infinite = largest == inf, none = largest == zero;
  const S finite_x = select(none, one, x_size * scale);
  const S scaled_y = select(infinite, select(y_size == inf, one, zero), y_size * scale);
  const S scaled_x = select(infinite, select(x_size == inf, one, zero), finite_x);
  const S angle = copy_sign(angle_of(scaled_y, scaled_x, sign_bit(x)), y);
  return select(is_nan(x) | is_nan(y), x + y, angle);
}

template <class S>
S atan(S x) {
  if (is_single(x)) return cast(math::atan(cast(x, DType::f64)), DType::f32);
  const S limit = like(x, 0x1p100), magnitude = abs(x);
  const S y = select(limit < magnitude, limit, magnitude);
  const S value = angle_of(y, like(x, 1), like(x, 1) < like(x, 0));
  const S tiny = fma(y * y, y * like(x, -0x1.5555555555555p-2), y);
  return select(is_nan(x), x, copy_sign(select(magnitude < like(x, 0x1p-28), tiny, value), x));
}

}  // namespace tenon::ir::math
