// Building blocks that the expansions of transcendental functions share: literals by dtype, Horner's rule, error-free sums
// and products (Dekker 1971; Knuth TAOCP 2, 4.2.2), a compensated quotient, and exact scaling by powers of two. S is any
// scalar handle with the names of ir/kernel/scalar.h. Refuses f16 and bf16: their callers convert.
#pragma once

#include <cstddef>
#include <limits>

#include "tenon/ir/base/dtype.h"

namespace tenon::ir::math {

// An unevaluated sum high + low with |low| <= ulp(high) / 2 or so.
template <class S>
struct Pair {
  S high, low;
};

template <class S>
bool is_single(S x) {
  return dtype(x) == DType::f32;
}

// The literal for x's dtype out of an f32 and an f64 choice.
template <class S>
S pick(S x, double single, double wide) {
  return like(x, is_single(x) ? single : wide);
}

template <class S>
S infinity(S x) {
  return like(x, std::numeric_limits<double>::infinity());
}

template <class S>
S not_a_number(S x) {
  return like(x, std::numeric_limits<double>::quiet_NaN());
}

// c[0] + c[1] x + c[2] x^2 + ... by fma, highest first.
template <class S, size_t N>
S horner(S x, const double (&c)[N]) {
  S sum = like(x, c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) sum = fma(sum, x, like(x, c[i]));
  return sum;
}

// c[i] unit^i factor: the same polynomial of x / unit. Exact where both are powers of two.
template <size_t N>
struct Coefficients {
  double c[N];
};
template <size_t N>
constexpr Coefficients<N> in_units(const double (&c)[N], double unit, double factor = 1) {
  Coefficients<N> scaled{};
  for (size_t i = 0; i < N; ++i, factor *= unit) scaled.c[i] = c[i] * factor;
  return scaled;
}

// a + b exactly, given |a| >= |b| or a = 0.
template <class S>
Pair<S> ordered_sum(S a, S b) {
  const S sum = a + b;
  return {sum, b - (sum - a)};
}

// a + b exactly.
template <class S>
Pair<S> exact_sum(S a, S b) {
  const S sum = a + b;
  const S from_b = sum - a;
  return {sum, (a - (sum - from_b)) + (b - from_b)};
}

// a * b exactly, if nothing underflows.
template <class S>
Pair<S> exact_product(S a, S b) {
  const S product = a * b;
  return {product, fma(a, b, -product)};
}

// (n.high + n.low) / (d.high + d.low) as a pair with a relative error near 2^-2p: one division.
template <class S>
Pair<S> quotient(Pair<S> n, Pair<S> d) {
  const S inverse = like(n.high, 1) / d.high;
  const S q = n.high * inverse;
  const S rest = fma(-q, d.high, n.high) + fma(-q, d.low, n.low);
  return {q, rest * inverse};
}

template <class S>
DType integer_of(S x) {
  return is_single(x) ? DType::i32 : DType::i64;
}

// 2^n for an integer n (i32 with f32, i64 with f64) within the normal exponents; x gives the dtype.
template <class S>
S power_of_two(S x, S n) {
  return bitcast((n + like(n, is_single(x) ? 127 : 1023)) << like(n, is_single(x) ? 23 : 52), dtype(x));
}

// x * 2^n for an integer n in two steps: rounded once for |x| within [1/2, 2) or so and any n up to twice the exponent range,
// for the first step is exact. Subnormal results and overflow come out as IEEE asks.
template <class S>
S scale_in_two_steps(S x, S n) {
  const S half = n >> like(n, 1);
  return x * power_of_two(x, half) * power_of_two(x, n - half);
}

template <class S>
S scale_by_power(S x, S n) {
  return scaled(x, n, scale_in_two_steps(x, n));
}

// |x| with y's sign bit.
template <class S>
S copy_sign(S magnitude, S sign_of) {
  const DType integer = integer_of(magnitude);
  const S bits = bitcast(sign_of, integer);
  const S mask = like_bits(bits, is_single(magnitude) ? 0x80000000u : 0x8000000000000000u);
  return bitcast(bitcast(abs(magnitude), integer) | (bits & mask), dtype(magnitude));
}

// Whether the sign bit is set (-0 and negative NaN too).
template <class S>
S sign_bit(S x) {
  const S bits = bitcast(x, integer_of(x));
  return bits < like(bits, 0);
}

template <class S>
S is_nan(S x) {
  return x != x;
}

}  // namespace tenon::ir::math
