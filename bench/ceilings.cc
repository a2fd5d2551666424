// What the machine can do at most: copies of memory past the last-level cache, with ordinary and with non-temporal stores,
// and fused multiply-adds out of registers. Measured again in every run, because a shared machine changes.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tenon/bench/case.h"

namespace tenon::bench {
namespace {

#if defined(__AVX512F__)
using Vector = __m512;
constexpr int lanes = 16, accumulators = 16;
Vector set(float v) { return _mm512_set1_ps(v); }
Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
float first(Vector v) { return _mm512_cvtss_f32(v); }
void stream(float* to, const float* from) { _mm512_stream_ps(to, _mm512_loadu_ps(from)); }
#else
using Vector = __m256;
constexpr int lanes = 8, accumulators = 12;
Vector set(float v) { return _mm256_set1_ps(v); }
Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
float first(Vector v) { return _mm256_cvtss_f32(v); }
void stream(float* to, const float* from) { _mm256_stream_ps(to, _mm256_loadu_ps(from)); }
#endif

constexpr int64_t fma_rounds = 1 << 12;
constexpr double fma_piece_flops = 2.0 * lanes * accumulators * fma_rounds;

void fma_piece() {
  Vector sums[accumulators];
  for (int i = 0; i < accumulators; ++i) sums[i] = set(static_cast<float>(i));
  Vector a = set(0.999f), b = set(1e-3f);
  for (int64_t r = 0; r < fma_rounds; ++r) {
    asm volatile("" : "+x"(a), "+x"(b));  // nothing may be known about the operands
    for (int i = 0; i < accumulators; ++i) sums[i] = multiply_add(sums[i], a, b);
  }
  float total = 0;
  for (int i = 0; i < accumulators; ++i) total += first(sums[i]);
  asm volatile("" : : "x"(total));
}

}  // namespace

Subject fma_peak(double flops) {
  const int64_t pieces = std::max<int64_t>(2, static_cast<int64_t>(flops / fma_piece_flops) & ~int64_t{1});
  const auto run = [pieces] {
    share(pieces, [](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) fma_piece();
    });
  };
  return {"FMA peak", run, fma_piece_flops * static_cast<double>(pieces)};
}

void copy_ordinary(float* to, const float* from, int64_t count) {
  share(count, [=](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(float));
  });
}

// `to` is aligned to 64 bytes, count a multiple of 32.
void copy_nontemporal(float* to, const float* from, int64_t count) {
  share(count / lanes, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin * lanes; i < end * lanes; i += lanes) stream(to + i, from + i);
    _mm_sfence();
  });
}

}  // namespace tenon::bench
