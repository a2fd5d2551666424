// The inverse of erf and of the normal distribution function, from w = -log(1 - x^2): erfinv(x) / x is a polynomial in w up to
// 6.25 and one in sqrt(w) beyond (the variables of Giles, GPU Computing Gems 2, 2011, ch. 10); ndtri(p) is sqrt(2) erfinv(2p - 1),
// where 1 - x^2 = 4 p (1 - p) loses nothing of a small p, and a third polynomial in 1 / sqrt(w) goes to the smallest. f32 computes
// in f64, with shorter polynomials, and rounds. Outside [-1, 1], or [0, 1], the value is NaN; at the ends it is infinite.
// Coefficients: Chebyshev interpolation, relative error below 2^-55, short ones 2^-33.
#pragma once

#include "tenon/ir/math/log.h"

namespace tenon::ir::math {

// In w within [0, 6.25].
inline constexpr double erfinv_near[] = {
    0x1.c5bf891b4ef6bp-1,   0x1.db29fb2fee55bp-3,  0x1.7a72e72c2f08dp-7,   -0x1.32110261030a3p-9,
    -0x1.0c86b72a7e0cep-13, 0x1.87013bfbed673p-15, 0x1.0f2135c036c93p-19,  -0x1.0fd89df7228dep-20,
    -0x1.3eaeb3f6a8fecp-25, 0x1.845f918372baap-26, 0x1.e826ef6a2b09bp-31,  -0x1.46c2b1bec38d4p-31,
    0x1.4a6a64954e232p-37,  0x1.f3cb2e11c678dp-38, -0x1.623bc258c67ffp-43, 0x1.4643cd931f0d2p-41,
    -0x1.ae5a9edadaaa5p-42, 0x1.e1a0f1a126faep-44, -0x1.441cfa32b0b7p-46,  0x1.2265ea8d4fdb4p-49,
    -0x1.620ce0cf540a6p-53, 0x1.1d4ffe87c85a5p-57, -0x1.144dfb96e3921p-62, 0x1.e9b8ae7230c25p-69};
inline constexpr double erfinv_near_short[] = {0x1.c5bf891aceaabp-1,   0x1.db29fbc02e9d1p-3,   0x1.7a727bc78ee7ap-7,
                                               -0x1.320924b21df07p-9,  -0x1.0dba625fcd219p-13, 0x1.8e0968dd83c88p-15,
                                               0x1.49a09bd5913c1p-20,  -0x1.10ce5d4d0a47fp-21, -0x1.14992120c989fp-22,
                                               0x1.7a96b67198fd1p-24,  -0x1.91811273fe2f5p-27, 0x1.84d7dbb60a526p-31,
                                               -0x1.01999a67a8641p-38, -0x1.023356eb59daap-39, 0x1.4128221be3ddbp-44};
// In sqrt(w) - 4 for sqrt(w) within [2.5, 6.01].
inline constexpr double erfinv_far[] = {
    0x1.eb7e0914cbf1bp+1,   0x1.026e265c38c42p+0,   0x1.4a42eb3d87fap-10,   -0x1.c79a1b11dad8bp-11,
    0x1.508bb6b2474ep-12,   -0x1.ee5c5ae1bc32ap-14, 0x1.d3090ac5db33ep-15,  -0x1.110ad8e24205fp-15,
    0x1.39440888a1142p-16,  -0x1.29f33ea380877p-17, 0x1.94a4de73e28e9p-19,  -0x1.be796e8cb3647p-22,
    -0x1.271345741677p-22,  0x1.00bd636575e5ap-22,  -0x1.922947d083582p-24, 0x1.0111d700d5c41p-26,
    0x1.7addcb267903ap-28,  -0x1.41ce5f4bcf113p-28, 0x1.9dc1ca1b2fd0ap-30,  -0x1.3dc83ea57b303p-33,
    -0x1.839c44343f28fp-34, 0x1.bd5d6797c8519p-35,  -0x1.120cbe10bb939p-36, 0x1.737db7de1ef54p-39,
    0x1.79749f3b2085ep-41,  -0x1.5c4048334a1dp-41,  0x1.41183ad67ad5dp-43,  0x1.971781c2526a3p-48,
    -0x1.093d36f95bdabp-47, 0x1.f7ca2ff1248bep-51};
// In sqrt(w) within [2.5, 4.1].
inline constexpr double erfinv_far_short[] = {-0x1.ef4f23b6f228ap+2, 0x1.d0b8b7b2a5e91p+4,   -0x1.5ab305892754bp+5,
                                              0x1.32d0a80cbe15dp+5,  -0x1.5fd6a2697e587p+4,  0x1.15190af47a985p+3,
                                              -0x1.338fe0a930e0cp+1, 0x1.e2c266621973ap-2,   -0x1.072192190b65p-4,
                                              0x1.7c08c07cd42ep-8,   -0x1.4795aba898924p-12, 0x1.ff117b3cf36b9p-18};
// (erfinv(x) / x) / sqrt(w) in 1 / sqrt(w) - 0.1 for sqrt(w) within [6, 27.4].
inline constexpr double erfinv_farther[] = {
    0x1.fa6631285b421p-1,   -0x1.5a4a4c26c3677p-3,  -0x1.663433a0e4319p-2,  0x1.a35505af1495fp+0,
    -0x1.0d02f4a6efbe3p+2,  0x1.04b6794a7b802p+4,   -0x1.4cc8577a14a5bp+6,  0x1.ddd841819756ep+8,
    -0x1.7515f2d387745p+11, 0x1.36af2ddf2c411p+14,  -0x1.0fdc07b1d4a3fp+17, 0x1.efb5a442ef011p+19,
    -0x1.cd937f185267cp+22, 0x1.a8ef7e65e442bp+25,  -0x1.bd91928b1faacp+28, 0x1.2af5407a7c6e5p+32,
    -0x1.affd07d0615a9p+34, -0x1.8a173b738817ap+37, -0x1.30de7f8f1e647p+40, 0x1.aa8110cb0905fp+46,
    -0x1.bc03d4d59fd94p+48, -0x1.51a91621773cdp+53, 0x1.825331721c476p+55,  0x1.9fad26107956dp+59,
    -0x1.57a1395c84669p+62};

// -log(y) for y within (0, 1], f64.
template <class S>
S minus_log(S y) {
  const auto [k, m] = split_mantissa(y);
  const auto ln = log_parts(k, m - like(y, 1), like(y, 0));
  return -(ln.high + ln.low);
}

// erfinv(x) / x
template <class S>
S inverse_erf_ratio(S w) {
  return select(w < like(w, 6.25), horner(w, erfinv_near), horner(sqrt(w) - like(w, 4), erfinv_far));
}
template <class S>
S inverse_erf_ratio_short(S w) {
  return select(w < like(w, 6.25), horner(w, erfinv_near_short), horner(sqrt(w), erfinv_far_short));
}

// Infinite at the ends of the domain, NaN beyond.
template <class S>
S at_ends(S x, S is_end) {
  return select(is_end, copy_sign(infinity(x), x), not_a_number(x));
}

template <class S>
S erfinv(S x) {
  const S wide = is_single(x) ? cast(x, DType::f64) : x;
  const S one = like(wide, 1), w = minus_log((one - wide) * (one + wide));
  const S value = wide * (is_single(x) ? inverse_erf_ratio_short(w) : inverse_erf_ratio(w));
  const S a = abs(x), end = like(x, 1);
  return select(a < end, is_single(x) ? cast(value, DType::f32) : value, at_ends(x, a == end));
}

template <class S>
S ndtri(S p) {
  if (is_single(p)) return cast(math::ndtri(cast(p, DType::f64)), DType::f32);
  const S one = like(p, 1), x = (p + p) - one;
  const S w = minus_log((p * like(p, 4)) * (one - p)), root = sqrt(w);
  const S farther = root * horner(one / root - like(p, 0.1), erfinv_farther);
  const S ratio = select(root < like(p, 6), inverse_erf_ratio(w), farther);
  const S inside = (p > like(p, 0)) & (p < one);
  return select(inside, x * ratio * like(p, 0x1.6a09e667f3bcdp+0), at_ends(x, (p == like(p, 0)) | (p == one)));
}

}  // namespace tenon::ir::math
