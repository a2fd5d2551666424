// Eight cheap elementwise operations in a row: the same arithmetic in the same order for tensors and for a loop.
#pragma once

#include <cstdint>

#include "tenon/bench/case.h"

namespace tenon::bench {

template <class T>
T chain(const T& x) {
  T t = x * 1.1f;
  t = t + 0.5f;
  t = t * x;
  t = t - 0.25f;
  t = t * 0.7f;
  t = t + x;
  t = t * t;
  return t - 1.0f;
}

inline void chain_loop(float* __restrict to, const float* __restrict from, int64_t count) {
  share(count, [=](int64_t begin, int64_t end) {
    float* __restrict y = to;
    const float* __restrict x = from;
    for (int64_t i = begin; i < end; ++i) y[i] = chain<float>(x[i]);
  });
}

}  // namespace tenon::bench
