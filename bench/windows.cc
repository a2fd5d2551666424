// Functions over windows beside the loops that one writes by hand: max_pool2d 3x3 with stride 2 and its gradient, and bilinear
// resampling to twice the size, of [8, 64, 56, 56].
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>

#include "tenon/bench/case.h"
#include "tenon/bench/data.h"

namespace tenon::bench {
namespace {

constexpr int64_t planes = 8 * 64, side = 56, pooled = 28, doubled = 112;

void max_pool_loop(float* to, const float* from) {
  share(planes, [=](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      for (int64_t i = 0; i < pooled; ++i)
        for (int64_t j = 0; j < pooled; ++j) {
          float most = -INFINITY;
          for (int64_t a = std::max<int64_t>(2 * i - 1, 0); a < std::min(2 * i + 2, side); ++a)
            for (int64_t b = std::max<int64_t>(2 * j - 1, 0); b < std::min(2 * j + 2, side); ++b)
              most = std::max(most, from[(p * side + a) * side + b]);
          to[(p * pooled + i) * pooled + j] = most;
        }
  });
}

// Each window hands its cotangent, which is 1, to its first largest element.
void max_pool_gradient_loop(float* to, const float* from) {
  share(planes, [=](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      std::fill_n(to + p * side * side, side * side, 0.f);
      for (int64_t i = 0; i < pooled; ++i)
        for (int64_t j = 0; j < pooled; ++j) {
          float most = -INFINITY;
          int64_t place = 0;
          for (int64_t a = std::max<int64_t>(2 * i - 1, 0); a < std::min(2 * i + 2, side); ++a)
            for (int64_t b = std::max<int64_t>(2 * j - 1, 0); b < std::min(2 * j + 2, side); ++b)
              if (const int64_t at = (p * side + a) * side + b; from[at] > most) most = from[at], place = at;
          to[place] += 1;
        }
    }
  });
}

void bilinear_loop(float* to, const float* from) {
  share(planes, [=](int64_t begin, int64_t end) {
    const auto place = [](int64_t i, int64_t& low, int64_t& high, float& right) {
      const float at = std::max(0.f, (static_cast<float>(i) + 0.5f) * 0.5f - 0.5f);
      low = static_cast<int64_t>(at), high = std::min(low + 1, side - 1), right = at - static_cast<float>(low);
    };
    for (int64_t p = begin; p < end; ++p)
      for (int64_t i = 0; i < doubled; ++i) {
        int64_t top, bottom, left, next;
        float down, right;
        place(i, top, bottom, down);
        const float *a = from + (p * side + top) * side, *b = from + (p * side + bottom) * side;
        for (int64_t j = 0; j < doubled; ++j) {
          place(j, left, next, right);
          to[(p * doubled + i) * doubled + j] =
              (1 - down) * ((1 - right) * a[left] + right * a[next]) + down * ((1 - right) * b[left] + right * b[next]);
        }
      }
  });
}

}  // namespace

void add_windows() {
  for (int threads : {1, 2}) {
    const auto image = [] { return normal(key(5), {8, 64, side, side}); };
    const auto pool = [](const Tensor& v) { return max_pool2d(v, 3, {.stride = 2, .padding = 1}); };
    Case c;
    c.name = "max_pool2d 3x3/2, 8x64x56x56";
    c.threads = threads;
    c.work = 1.25 * planes * side * side * sizeof(float);
    c.prepare = [=] {
      const Tensor x = image();
      auto compiled = jit(pool);
      auto to = block(planes * pooled * pooled);
      return std::vector<Subject>{
          {fused, [=] { compiled(x); }}, {eager, [=] { pool(x); }}, {loop, [=] { max_pool_loop(to.get(), data(x)); }}};
    };
    add(c);

    c.name = "gradient of max_pool2d";
    c.work = 2.0 * planes * side * side * sizeof(float);
    c.prepare = [=] {
      const Tensor x = image();
      auto compiled = jit(grad([=](const Tensor& v) { return sum(pool(v)); }));
      auto to = block(planes * side * side);
      return std::vector<Subject>{{fused, [=] { compiled(x); }},
                                  {loop, [=] { max_pool_gradient_loop(to.get(), data(x)); }}};
    };
    add(c);

    c.name = "interpolate bilinear x2, 8x64x56x56";
    c.work = 5.0 * planes * side * side * sizeof(float);
    c.prepare = [=] {
      const Tensor x = image();
      const auto f = [](const Tensor& v) { return interpolate(v, {.scale_factor = 2, .mode = "bilinear"}); };
      auto compiled = jit(f);
      auto to = block(planes * doubled * doubled);
      return std::vector<Subject>{
          {fused, [=] { compiled(x); }}, {eager, [=] { f(x); }}, {loop, [=] { bilinear_loop(to.get(), data(x)); }}};
    };
    add(c);
  }
}

}  // namespace tenon::bench
