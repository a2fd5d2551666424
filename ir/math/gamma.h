// The logarithm of |gamma| and its derivative. Around the zeros of lgamma at 1 and 2, polynomials that have the zeros as factors;
// from 3 on Stirling's series with a minimax polynomial in 1 / x^2 in place of its tail; digamma likewise, its zero as a pair.
// Below 0 the reflection formula, the argument reduced exactly (Abramowitz and Stegun 6.1.17, 6.1.41, 6.3.7, 6.3.18). f32 is the
// f64 value rounded. Between the negative integers both cross zero: there the error is absolute, a few units in the last place of
// the terms that cancel. Coefficients: Chebyshev interpolation, relative error below 2^-55 near, 2^-50 of the correction far out.
#pragma once

#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// lgamma(2 + u) / (u (1 + u)) for u within [-1, 1].
inline constexpr double lgamma_near_two[] = {
    0x1.b0ee6072093cep-2,  -0x1.9ae6509ea109fp-4,  0x1.0e0c9df2935cep-5,  -0x1.95ce223a9ccefp-7,
    0x1.479748539658fp-8,  -0x1.145121f98a3c7p-9,  0x1.dfebcf9e3a196p-11, -0x1.a96a401fda6e3p-12,
    0x1.7ed73069f642cp-13, -0x1.5c86b33a29beep-14, 0x1.402f77c319948p-15, -0x1.2850b6e854fap-16,
    0x1.13dbddcd4c38ep-17, -0x1.022884cee4d11p-18, 0x1.e63dd1f85f483p-20, -0x1.cac9f4fe7556fp-21,
    0x1.a91686d709253p-22, -0x1.936479fb9046fp-23, 0x1.bf8db5e33a58dp-24, -0x1.ac03e6dbcadd4p-25,
    0x1.962bc62ce7761p-28, -0x1.77288613c1092p-29, 0x1.16378b8e8e56cp-26, -0x1.0d77de0390873p-27,
    -0x1.285a3a5829ddp-28, 0x1.206dee4c838a5p-29,  0x1.b0d6e55603b75p-30, -0x1.a3f97b5464f9ap-31};
// x (lgamma(x) - ((x - 1/2) log x - x + log(2 pi) / 2)) and (log x - 1 / (2 x) - digamma(x)) x^2 in 1 / x^2 from 3 on.
inline constexpr double stirling[] = {0x1.5555555555553p-4,   -0x1.6c16c16bf6282p-9, 0x1.a01a00e5622a6p-11,
                                      -0x1.3813174191a08p-11, 0x1.b9326a92b74d8p-11, -0x1.f3dd1d85d218ap-10,
                                      0x1.8f44e9fe8c9a7p-8,   -0x1.7937171a53921p-6, 0x1.4d2170e2ad6a3p-4,
                                      -0x1.a82087a8b179cp-3,  0x1.0c178866a8b21p-2};
inline constexpr double digamma_far[] = {0x1.555555555555p-4,   -0x1.11111110f6392p-7, 0x1.041040a86fd44p-8,
                                         -0x1.1110d2d752116p-8, 0x1.f065dbbff6d37p-8,  -0x1.5860c472a8161p-6,
                                         0x1.4a4daa5c751e7p-4,  -0x1.7f489de1b5c14p-2, 0x1.bef0e63623e2dp+0,
                                         -0x1.ad34934775299p+2, 0x1.1430ac71ec2a2p+4,  -0x1.54c71ddfe4742p+4};
// digamma(x) over x minus its zero, in that difference, on [1, 2].
inline constexpr double digamma_near_root[] = {
    0x1.ef72bc8ee38acp-1,  -0x1.c563b54aa1a2bp-2,  0x1.08b4294d50395p-2,  -0x1.4fc13172598b2p-3,
    0x1.b9a5b6370de92p-4,  -0x1.27baba24d962ep-4,  0x1.8fce02b1b1c38p-5,  -0x1.0fa7eca55d68dp-5,
    0x1.723d688a13c1bp-6,  -0x1.f9702704949cp-7,   0x1.5955a64b614e1p-7,  -0x1.d82caeb34a3b2p-8,
    0x1.42e6e557f720ap-8,  -0x1.b95d44a9d2957p-9,  0x1.2db36a204a5ffp-9,  -0x1.a0e4f33c67ca2p-10,
    0x1.207213d1b8b4ap-10, -0x1.6d067620515adp-11, 0x1.bbdd7fb56106fp-12, -0x1.a7e9fae0307a4p-12,
    0x1.a29076cfccbc4p-12, -0x1.6b107f71aa124p-13};
// sin(pi r) / r and (cos(pi r) - 1) / r^2 in r^2 for |r| <= 1/2.
inline constexpr double sine_of_pi[] = {0x1.921fb54442d18p+1,  -0x1.4abbce625be52p+2, 0x1.466bc6775aa7dp+1,
                                        -0x1.32d2cce627c86p-1, 0x1.5078348551854p-4,  -0x1.e3074dfaf87afp-8,
                                        0x1.e8f3675ee37ddp-12, -0x1.6f7acdb8f658p-16, 0x1.9d462020fcc78p-21};
inline constexpr double cosine_of_pi[] = {-0x1.3bd3cc9be45dep+2,  0x1.03c1f081b5ac4p+2,  -0x1.55d3c7e3cbfdap+0,
                                          0x1.e1f50689191cbp-3,   -0x1.a6d1f2a05f609p-6, 0x1.f9d38906e215p-10,
                                          -0x1.b6e1cdea474b9p-14, 0x1.20a61e049e33fp-18, -0x1.2175e33b10f9dp-23};

template <class S>
Pair<S> log_of_positive(S x) {
  const auto [k, m] = split_mantissa(x);
  return log_parts(k, m - like(x, 1), like(x, 0));
}

// For x > 0, f64.
template <class S>
S lgamma_of_positive(S x) {
  const S one = like(x, 1), less = x - one;
  const auto ln = log_of_positive(x);
  const S below = x < like(x, 1.5);
  const S u = select(below, less, x - like(x, 2)), after = select(below, x, less);
  const S product = u * after * horner(u, lgamma_near_two);
  const S near = select(below, (product - ln.high) - ln.low, product);

  const S inverse = one / x;
  const S correction = inverse * horner(inverse * inverse, stirling);
  const S a = x - like(x, 0.5);
  const auto main = exact_product(a, ln.high);
  const auto without = exact_sum(main.high, -x);
  const auto sum = exact_sum(without.high, like(x, 0x1.d67f1c864beb5p-1));  // log(2 pi) / 2
  const S low = fma(a, ln.low, main.low) + without.low + (sum.low + like(x, -0x1.65b5a1b7ff5dfp-55));
  const S far = sum.high + (low + correction);
  const S huge = select(x < infinity(x), x * ((ln.high + ln.low) - one), x);
  return select(x < like(x, 3), near, select(x < like(x, 0x1p100), far, huge));
}

template <class S>
S lgamma(S x) {
  if (is_single(x)) return cast(math::lgamma(cast(x, DType::f64)), DType::f32);
  const S a = abs(x), zero = like(x, 0);
  const S positive = lgamma_of_positive(a);
  // log(pi / (a |sin(pi a)|)) - lgamma(a)
  const S r = a - round(a);
  const auto ln = log_of_positive(a * abs(r * horner(r * r, sine_of_pi)));
  const auto first = exact_sum(like(x, 0x1.250d048e7a1bdp+0), -ln.high);  // log(pi)
  const auto sum = exact_sum(first.high, -positive);
  const S reflected = sum.high + (sum.low + (first.low + (like(x, 0x1.7abf2ad8d5088p-57) - ln.low)));
  const S value = select((x < zero) & (a > like(x, 0x1p-60)), reflected, positive);
  const S pole = (a == infinity(x)) | (a == zero) | ((r == zero) & (x < zero));
  return select(is_nan(x), x, select(pole, infinity(x), value));
}

// For x > 0, f64.
template <class S>
S digamma_of_positive(S x) {
  const S one = like(x, 1), inverse = one / x;
  const S low = x<one, up = x> like(x, 2), less = x - one;
  const S y = select(low, x + one, select(up, less, x));
  const S v = (y - like(x, 0x1.762d86356be3fp+0)) - like(x, 0x1.b86a722197829p-54);
  const S step = select(low, -inverse, select(up, one / less, like(x, 0)));
  const S near = fma(v, horner(v, digamma_near_root), step);
  const auto ln = log_of_positive(x);
  const S square = inverse * inverse;
  const S far = ln.high + (ln.low - fma(square, horner(square, digamma_far), like(x, 0.5) * inverse));
  return select(x < like(x, 3), near, select(x < infinity(x), far, x));
}

template <class S>
S digamma(S x) {
  if (is_single(x)) return cast(math::digamma(cast(x, DType::f64)), DType::f32);
  const S a = abs(x), one = like(x, 1), zero = like(x, 0);
  const S positive = digamma_of_positive(a);
  // digamma(a) + 1 / a + pi cot(pi a)
  const S r = a - round(a), square = r * r;
  const S cotangent = fma(square, horner(square, cosine_of_pi), one) / (r * horner(square, sine_of_pi));
  const S reflected = fma(like(x, 0x1.921fb54442d18p+1), cotangent, positive + one / a);
  const S finite = select(r == zero, not_a_number(x), select(a < infinity(x), reflected, not_a_number(x)));
  const S value = select(a < like(x, 0x1p-60), -one / x, select(x < zero, finite, positive));
  return select(is_nan(x), x, value);
}

}  // namespace tenon::ir::math
