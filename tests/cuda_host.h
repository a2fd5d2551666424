// CUDA's words for a host compiler, as far as rendered kernels use them: a block is 256 threads with a barrier, or one
// thread that plays them all in turn where no kernel asks for company. Included by text that tests/cuda_host_test.cc
// writes; refuses dynamic shared memory.
#pragma once

#include <barrier>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "tenon/ir/base/half.h"

#define __device__
#define __forceinline__ inline
#define __global__
#define __launch_bounds__(count)
#define __restrict__
#define __shared__ static

struct Coordinate {
  unsigned x = 0;
};
static thread_local Coordinate threadIdx, blockIdx;
static const Coordinate gridDim{2};
static constexpr unsigned block_threads = 256;
static std::barrier<>* block_barrier = nullptr;
static unsigned exchanged[block_threads];

inline void __syncthreads() { block_barrier->arrive_and_wait(); }
inline unsigned __shfl_down_sync(unsigned, unsigned value, int by, int width) {
  exchanged[threadIdx.x] = value;
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % width;
  const unsigned result = lane + by < width ? exchanged[threadIdx.x + static_cast<unsigned>(by)] : value;
  __syncthreads();
  return result;
}

inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }

// Volatile, so that the conversion happens while the rounding mode is set.
template <class To, class From>
To truncated(From x) {
  volatile From value = x;
  const int mode = std::fegetround();
  std::fesetround(FE_TOWARDZERO);
  volatile To result = static_cast<To>(value);
  std::fesetround(mode);
  return result;
}
inline float __double2float_rz(double x) { return truncated<float>(x); }
inline double __ll2double_rz(long long x) { return truncated<double>(x); }
inline double __ull2double_rz(unsigned long long x) { return truncated<double>(x); }

namespace tenon {
inline float f16_to_f32(unsigned short x) { return static_cast<float>(ir::half_to_float(ir::f16_format, x)); }
inline unsigned short f32_to_f16(float x) { return ir::half_from_double(ir::f16_format, x); }
inline unsigned short f64_to_f16(double x) { return ir::half_from_double(ir::f16_format, x); }
}  // namespace tenon

template <class Kernel>
void launch(bool together, Kernel kernel) {
  for (unsigned block = 0; block < gridDim.x; ++block) {
    const auto run = [&](unsigned thread) {
      threadIdx.x = thread;
      blockIdx.x = block;
      kernel();
    };
    if (!together) {
      for (unsigned thread = 0; thread < block_threads; ++thread) run(thread);
      continue;
    }
    std::barrier<> all(block_threads);
    block_barrier = &all;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < block_threads; ++thread)
      threads.emplace_back([&, thread] {
        run(thread);
        all.arrive_and_drop();
      });
    for (std::thread& t : threads) t.join();
  }
}
