// asinh, acosh, atanh as logarithms of arguments kept as pairs; asinh and atanh near zero by odd polynomials. Computed in
// f64; f32 is the f64 value rounded. Coefficients: fpminimax, relative error below 2^-59.
#pragma once

#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// (asinh(x) - x) / x^3 in x^2 on |x| <= 1/2.
inline constexpr double asinh_f64[] = {
    -0x1.5555555555554p-3, 0x1.3333333333002p-4,  -0x1.6db6db6d8b377p-5, 0x1.f1c71c5ecbe41p-6, -0x1.6e8ba074eeb21p-6,
    0x1.1c4e907b2fc43p-6,  -0x1.c993a49222923p-7, 0x1.7a4adb125b15fp-7,  -0x1.3e26c8f3719cp-7, 0x1.0a0ebde7c896fp-7,
    -0x1.9e35f74346c33p-8, 0x1.00d3f18d5af81p-8,  -0x1.64c9abdfa20fcp-10};

// log(magnitude + sqrt(magnitude^2 + one)), one being 1 or -1.
template <class S>
S log_of_sum(S magnitude, double one) {
  const S large = magnitude > like(magnitude, 0x1p28);  // the 1 is nothing, and the square may overflow
  const S bounded = select(large, like(magnitude, 2), magnitude);
  const auto square = exact_product(bounded, bounded);
  const auto under = exact_sum(square.high, like(magnitude, one));
  const S rest = under.low + square.low;
  const S root = sqrt(under.high);
  const S divisor = select(root == like(root, 0), like(root, 1), root + root);
  const S root_low = (fma(-root, root, under.high) + rest) / divisor;
  const auto sum = exact_sum(bounded, root);
  const S u = select(large, magnitude, sum.high), u_low = select(large, like(u, 0), sum.low + root_low);
  const auto [exponent, m] = split_normal(u);
  const S k = cast(exponent, dtype(u)) + select(large, like(u, 1), like(u, 0));
  const auto parts = log_parts(k, m - like(u, 1), low_of_mantissa(exponent, u_low));
  return parts.high + parts.low;
}

template <class S>
S asinh(S x) {
  if (is_single(x)) return cast(math::asinh(cast(x, DType::f64)), DType::f32);
  const S magnitude = abs(x), square = x * x;
  const S small = fma(magnitude * square, horner(square, asinh_f64), magnitude);
  const S value = copy_sign(select(magnitude < like(x, 0.5), small, log_of_sum(magnitude, 1)), x);
  return select(magnitude < infinity(x), value, x);
}

template <class S>
S acosh(S x) {
  if (is_single(x)) return cast(math::acosh(cast(x, DType::f64)), DType::f32);
  const S value = select(x == like(x, 1), like(x, 0), log_of_sum(x, -1));
  const S finite = select(x < like(x, 1), not_a_number(x), value);
  return select(x < infinity(x), finite, x);
}

template <class S>
S atanh(S x) {
  if (is_single(x)) return cast(math::atanh(cast(x, DType::f64)), DType::f32);
  const S magnitude = abs(x), square = x * x, one = like(x, 1);
  const S small = fma(x * square, like(x, 0.5) * horner(square, atanh_f64), x);
  const S bounded = select(magnitude < one, magnitude, like(x, 0.5));
  const auto u = quotient(ordered_sum(one, bounded), ordered_sum(one, -bounded));
  const auto normal = ordered_sum(u.high, u.low);
  const auto parts = log_of_pair(normal.high, normal.low);
  const S large = like(x, 0.5) * (parts.high + parts.low);
  const S at_one = select(magnitude == one, infinity(x), not_a_number(x));
  return select(magnitude < like(x, 0.17), small, copy_sign(select(magnitude < one, large, at_one), x));
}

}  // namespace tenon::ir::math
