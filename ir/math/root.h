// cbrt, rsqrt and hypot. rsqrt is 1 / sqrt(x) with one Newton step on the exact residual. cbrt scales to [0.35, 2.83) by a cube of a
// power of two, starts from a polynomial, takes two steps of Halley's iteration and one of Newton's on the exact residual
// (Markstein, IA-64 and Elementary Functions, 2000); f32 is the f64 value rounded.
// hypot adds the squares as pairs, operands scaled by a power of two so that no square overflows or vanishes; an infinite operand
// makes it infinite whatever the other is (IEEE 754-2019, 9.2.1).
#pragma once

#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// m^(1/3) on [0.35, 2.83], relative error 2^-9.
inline constexpr double cbrt_seed[] = {0x1.c5644969214abp-2, 0x1.cd63e6e990c1p-1, -0x1.e86a5ac2b8524p-2,
                                       0x1.3cc703c78f3b3p-3, -0x1.43a3dc216da22p-6};

template <class S>
S rsqrt(S x) {
  const S y = like(x, 1) / sqrt(x);
  const auto root = exact_product(x, y);
  const S residual = fma(-root.high, y, like(x, 1)) - root.low * y;
  const S better = fma(y * like(x, 0.5), residual, y);
  // At 0 and infinity the residual is NaN and y is right.
  return select(abs(residual) < like(x, 1), better, y);
}

template <class S>
S cbrt(S x) {
  if (is_single(x)) return cast(math::cbrt(cast(x, DType::f64)), DType::f32);
  const S magnitude = abs(x);
  const auto [k, m] = split_mantissa(magnitude);
  const S third = round(k * like(x, 0x1.5555555555555p-2));
  const S rest = fma(third, like(x, -3), k);  // -1, 0 or 1
  const S a = m * power_of_two(x, cast(rest, integer_of(x)));
  S y = horner(a, cbrt_seed);
  for (int i = 0; i < 2; ++i) {
    const S cube = y * y * y;
    y = y * (cube + (a + a)) / ((cube + cube) + a);
  }
  const auto square = exact_product(y, y);
  const auto cube = exact_product(square.high, y);
  const S residual = (a - cube.high) - fma(square.low, y, cube.low);
  y = y + residual / (like(x, 3) * square.high);
  const S value = copy_sign(y * power_of_two(x, cast(third, integer_of(x))), x);
  const S regular = select(magnitude < infinity(x), value, x);
  return select(x == like(x, 0), x, regular);
}

// sqrt(x^2 + y^2)
template <class S>
S hypot(S x, S y) {
  if (is_single(x)) {
    const S inf = infinity(x), a = cast(x, DType::f64), b = cast(y, DType::f64);
    return select((abs(x) == inf) | (abs(y) == inf), inf, cast(sqrt(fma(a, a, b * b)), DType::f32));
  }
  const S inf = infinity(x), first = abs(x), second = abs(y);
  const S swapped = first < second;
  const S large = select(swapped, second, first), small = select(swapped, first, second);
  const S high = large > like(x, 0x1p500), low = large < like(x, 0x1p-400);
  const S scale = select(high, like(x, 0x1p-600), select(low, like(x, 0x1p600), like(x, 1)));
  const S back = select(high, like(x, 0x1p600), select(low, like(x, 0x1p-600), like(x, 1)));
  const S a = large * scale, b = small * scale;
  const auto square = exact_product(a, a), other = exact_product(b, b);
  const auto sum = ordered_sum(square.high, other.high);
  const S root = sqrt(sum.high);
  const S residual = fma(-root, root, sum.high) + (sum.low + (square.low + other.low));
  const S value = fma(residual, like(x, 0.5) / root, root) * back;
  const S finite = select(large == like(x, 0), large, value);
  return select((first == inf) | (second == inf), inf, select(is_nan(x) | is_nan(y), x + y, finite));
}

}  // namespace tenon::ir::math
