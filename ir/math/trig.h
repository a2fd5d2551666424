// sin, cos, tan. x = n pi/2 + r, |r| <= pi/4: for moderate |x| three constants and fma (Cody and Waite, 1980), r kept as a
// pair; for large |x| the fraction of x 2/pi in integers (Payne and Hanek, SIGNUM 1983) behind `rare`. sin and cos of r
// are minimax polynomials, to which the low part of r is added in first order. tan in f32 is the f64 value rounded.
// Coefficients: fpminimax, relative error below 2^-27 (f32: sin 2^-32, cos 2^-33) and 2^-57 (f64).
#pragma once

#include "tenon/ir/math/payne_hanek.h"

namespace tenon::ir::math {

// (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4.
inline constexpr double sin_f32[] = {-0x1.555556p-3, 0x1.111164p-7, -0x1.a04866p-13, 0x1.77e1f8p-19};
inline constexpr double cos_f32[] = {0x1.55554ap-5, -0x1.6c0c2ap-10, 0x1.99e91p-16};
inline constexpr double sin_f64[] = {-0x1.5555555555548p-3, 0x1.111111110f75dp-7, -0x1.a01a019bf222ep-13,
                                     0x1.71de355f05599p-19, -0x1.ae5e5471f55p-26, 0x1.5d8e3511cda67p-33};
inline constexpr double cos_f64[] = {0x1.555555555554bp-5,   -0x1.6c16c16c15016p-10, 0x1.a01a019c8f3eep-16,
                                     -0x1.27e4f7f19d4b2p-22, 0x1.1ee9dbd0d86a6p-29,  -0x1.8fa681e385241p-37};

// |x| below which three constants are enough: n stays exact and n times the error of the first constant below 1.
template <class S>
S is_large_angle(S x) {
  return abs(x) >= pick(x, 0x1p16, 0x1p26);
}

template <class S>
Angle<S> reduce_moderate(S x) {
  const auto nearest = nearest_multiple(x, pick(x, 0x1.45f306p-1, 0x1.45f306dc9c883p-1));
  const S n = nearest.number;
  const S quadrant = bitcast(nearest.shifted, integer_of(x));
  const S first = fma(-n, pick(x, 0x1.921fb6p0, 0x1.921fb54442d18p0), x);  // exact: a multiple of ulp(1) / 2 below 1
  const S second = pick(x, -0x1.777a5cp-25, 0x1.1a62633145c07p-54);
  const S third = pick(x, -0x1.ee59dap-50, -0x1.f1976b7ed8fbcp-110);
  const auto product = exact_product(n, second);
  // Exact though `first` may be the smaller: it is a multiple of the product's last place (Rump, Ogita, Oishi 2008).
  const auto sum = ordered_sum(first, -product.high);
  return {quadrant, sum.high, fma(-n, third, sum.low - product.low)};
}

// sin and cos of a reduced angle, each as a rounded leading term and a correction.
template <class S>
Pair<S> sin_parts(const Angle<S>& r) {
  const S square = r.high * r.high;
  const S polynomial = is_single(square) ? horner(square, sin_f32) : horner(square, sin_f64);
  const S slope = fma(square, like(square, -0.5), like(square, 1));
  return {r.high, fma(square * r.high, polynomial, r.low * slope)};
}

template <class S>
Pair<S> cos_parts(const Angle<S>& r) {
  const S square = r.high * r.high;
  const S polynomial = is_single(square) ? horner(square, cos_f32) : horner(square, cos_f64);
  const S half = like(square, 0.5) * square;
  const auto sum = ordered_sum(like(square, 1), -half);
  // The rounding error of r.high^2 counts too.
  const S square_low = like(square, -0.5) * fma(r.high, r.high, -square);
  return {sum.high, sum.low + (square_low + fma(square * square, polynomial, -(r.high * r.low)))};
}

// sin of the angle when shift is 0, cos when 1.
template <class S>
S sin_of_quadrant(const Angle<S>& r, int shift) {
  const S quadrant = r.quadrant + like(r.quadrant, shift);
  const S one = like(quadrant, 1);
  const S odd = (quadrant & one) == one;
  const auto sine = sin_parts(r), cosine = cos_parts(r);
  const S value = select(odd, cosine.high + cosine.low, sine.high + sine.low);
  // Bit 1 of the quadrant becomes the sign bit.
  const DType integer = integer_of(value);
  const S turns = dtype(quadrant) == integer ? quadrant : cast(quadrant, integer);
  const S sign = (turns >> like(turns, 1)) << like(turns, bits(integer) - 1);
  return bitcast(bitcast(value, integer) ^ sign, dtype(value));
}

// NaN takes the fast way and stays; infinity takes the slow one.
template <class S>
S finite_or_nan(S x, S value) {
  return select(abs(x) < infinity(x), value, not_a_number(value));
}

template <class S>
S sin(S x) {
  const S value = rare(
      is_large_angle(x), [&] { return finite_or_nan(x, sin_of_quadrant(reduce_large(x), 0)); },
      sin_of_quadrant(reduce_moderate(x), 0));
  return select(x == like(x, 0), x, value);
}

template <class S>
S cos(S x) {
  return rare(
      is_large_angle(x), [&] { return finite_or_nan(x, sin_of_quadrant(reduce_large(x), 1)); },
      sin_of_quadrant(reduce_moderate(x), 1));
}

template <class S>
S tan_of_quadrant(const Angle<S>& r) {
  const S one = like(r.quadrant, 1);
  const S odd = (r.quadrant & one) == one;
  const auto sine_parts = sin_parts(r), cosine_parts = cos_parts(r);
  const auto sine = ordered_sum(sine_parts.high, sine_parts.low),
             cosine = ordered_sum(cosine_parts.high, cosine_parts.low);
  const Pair<S> numerator{select(odd, -cosine.high, sine.high), select(odd, -cosine.low, sine.low)};
  const Pair<S> denominator{select(odd, sine.high, cosine.high), select(odd, sine.low, cosine.low)};
  const auto q = quotient(numerator, denominator);
  return q.high + q.low;
}

template <class S>
S tan(S x) {
  const bool single = is_single(x);
  const S wide = single ? cast(x, DType::f64) : x;
  const S value = rare(
      is_large_angle(wide),
      [&] { return finite_or_nan(x, tan_of_quadrant(single ? reduce_large_f32(x) : reduce_large_f64(x))); },
      tan_of_quadrant(reduce_moderate(wide)));
  const S result = select(wide == like(wide, 0), wide, value);
  return single ? cast(result, DType::f32) : result;
}

}  // namespace tenon::ir::math
