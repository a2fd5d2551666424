// cbrt and rsqrt. rsqrt is 1 / sqrt(x) with one Newton step on the exact residual. cbrt scales to [0.35, 2.83) by a cube of a
// power of two, starts from a polynomial, takes two steps of Halley's iteration and one of Newton's on the exact residual
// (Markstein, IA-64 and Elementary Functions, 2000); f32 is the f64 value rounded.
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

}  // namespace tenon::ir::math
