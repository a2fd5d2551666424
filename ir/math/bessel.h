// The modified Bessel functions of orders 0 and 1, and these times e^-|x|: up to 7.75 a polynomial in x^2, as their series is
// (Abramowitz and Stegun 9.6.10); beyond e^x / sqrt(x) times a polynomial in 1 / x (9.7.1). f32 is the f64 value rounded.
// Coefficients: Chebyshev interpolation, relative error below 2^-54.
#pragma once

#include "tenon/ir/math/exp.h"

namespace tenon::ir::math {

// I0(x) and I1(x) / x in x^2 for |x| <= 7.75.
inline constexpr double i0_near[] = {0x1p+0,
                                     0x1.0000000000002p-2,
                                     0x1.fffffffffffb5p-7,
                                     0x1.c71c71c71cc54p-12,
                                     0x1.c71c71c71652cp-18,
                                     0x1.23456789f13ffp-24,
                                     0x1.02e85c048f443p-31,
                                     0x1.522a444942fbp-39,
                                     0x1.522a3f37da6dcp-47,
                                     0x1.0b316503e366fp-55,
                                     0x1.55fe755b1ea2fp-64,
                                     0x1.69edaa9b1cd24p-73,
                                     0x1.40775b9e30d6ep-82,
                                     0x1.f41aa173168c8p-92,
                                     0x1.0d0e484dd1d98p-101,
                                     0x1.206199ebb6ba4p-110};
inline constexpr double i1_near[] = {0x1p-1,
                                     0x1p-4,
                                     0x1.555555555554dp-9,
                                     0x1.c71c71c71c85p-15,
                                     0x1.6c16c16c1558fp-21,
                                     0x1.845c8a0d05076p-28,
                                     0x1.27e4fb75ae57cp-35,
                                     0x1.522a441c80e62p-43,
                                     0x1.2c9756abd11cp-51,
                                     0x1.ab8218f3fc961p-60,
                                     0x1.f173c2a8b06bbp-69,
                                     0x1.e283cc64a7f4fp-78,
                                     0x1.8ac4627ae74d1p-87,
                                     0x1.1c5a47b059afbp-96,
                                     0x1.25ef6a9d27286p-106,
                                     0x1.18b9bad3f4336p-115};
// sqrt(x) e^-x I(x) in 1 / x - 1/16 from 7.75 on.
inline constexpr double i0_far[] = {
    0x1.9bd428ad249a5p-2,   0x1.b87969bb93af6p-5,  0x1.1daa72b5db6b5p-5,   0x1.75e5ee749523cp-5,
    0x1.8e513b1fb50d3p-4,   0x1.3f499e5c7d23ap-2,  0x1.7d0e49bbf5f6ap+0,   0x1.51d1e47d1cff9p+3,
    0x1.725197fdd68e7p+6,   0x1.033a832a9bb8cp+9,  -0x1.d26da5a35d251p+12, -0x1.cb5938817beeep+17,
    -0x1.699a31a57423cp+20, 0x1.000175b063e05p+25, 0x1.e77871d908bbep+28,  -0x1.ca918d8d0b27cp+31,
    -0x1.74bec7843ddf4p+36, 0x1.6f504e23c035p+38,  0x1.a88c514f34295p+43,  -0x1.ead029f736943p+44,
    -0x1.59e3ce6fc2aedp+50, 0x1.ca3394165ed0bp+50, 0x1.61b95bb8c030bp+56,  -0x1.a8184e269551fp+55,
    -0x1.5078e60b90591p+61};
inline constexpr double i1_far[] = {
    0x1.8ebe783a8403p-2,   -0x1.3f796198ee607p-3,  -0x1.cbc54df1e1f01p-5,  -0x1.f89c2309307a7p-5,
    -0x1.ec8e111b695ep-4,  -0x1.761375af784dep-2,  -0x1.ad8c88e1aac51p+0,  -0x1.727da122716d8p+3,
    -0x1.91ae38270648cp+6, -0x1.21371968d0d19p+9,  0x1.d180c566f847ep+12,  0x1.e0c96d6c940cp+17,
    0x1.90cff1b8a6474p+20, -0x1.02f8453f34a49p+25, -0x1.0389f3fafc459p+29, 0x1.becae7df065a1p+31,
    0x1.88d54ca97f96bp+36, -0x1.57291e408c491p+38, -0x1.be87adea60291p+43, 0x1.b7b001d1ead8bp+44,
    0x1.6c9798b6b0f5ep+50, -0x1.8abc3227934dap+50, -0x1.7698c80d823c9p+56, 0x1.602785678ddeap+55,
    0x1.66a39acc9a7cfp+61};

// For |x| <= 7.75; first: of order 1.
template <class S>
S bessel_near(S x, bool first) {
  const S square = x * x;
  return first ? x * horner(square, i1_near) : horner(square, i0_near);
}
// e^-|x| times the function's size, from 7.75 on.
template <class S>
S bessel_far(S a, bool first) {
  const S v = like(a, 1) / a - like(a, 0.0625);
  return (first ? horner(v, i1_far) : horner(v, i0_far)) / sqrt(a);
}
template <class S>
S with_parity(S magnitude, S x, bool first) {
  return first ? copy_sign(magnitude, x) : magnitude;
}

template <class S>
S bessel(S x, bool first) {
  if (is_single(x)) return cast(bessel(cast(x, DType::f64), first), DType::f32);
  const S a = abs(x);
  const auto e = exp_parts(clamp_range(a, 0, 720));
  const S grown = scale_by_power((e.high + e.low) * bessel_far(a, first), e.n);
  const S far = with_parity(select(a > like(x, 720), infinity(x), grown), x, first);
  return select(is_nan(x), x, select(a <= like(x, 7.75), bessel_near(x, first), far));
}
template <class S>
S scaled_bessel(S x, bool first) {
  if (is_single(x)) return cast(scaled_bessel(cast(x, DType::f64), first), DType::f32);
  const S a = abs(x);
  const auto e = exp_parts(-clamp_range(a, 0, 8));
  const S shrunk = bessel_near(x, first) * ((e.high + e.low) * power_of_two(x, e.n));
  return select(is_nan(x), x, select(a <= like(x, 7.75), shrunk, with_parity(bessel_far(a, first), x, first)));
}

template <class S>
S i0(S x) {
  return bessel(x, false);
}
template <class S>
S i1(S x) {
  return bessel(x, true);
}
template <class S>
S i0e(S x) {
  return scaled_bessel(x, false);
}
template <class S>
S i1e(S x) {
  return scaled_bessel(x, true);
}

}  // namespace tenon::ir::math
