// Kernels over rows: softmax and layer_norm of 128 x 512, and sum(exp(x) * y) over 1024 x 1024.
// The loops are what one writes by hand with <cmath>: strict IEEE, so sums are single chains.
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>

#include "tenon/bench/case.h"
#include "tenon/bench/data.h"

namespace tenon::bench {
namespace {

constexpr int64_t rows = 128, columns = 512;

void softmax_loop(float* to, const float* from) {
  share(rows, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* x = from + i * columns;
      float* y = to + i * columns;
      const float most = *std::max_element(x, x + columns);
      float total = 0;
      for (int64_t j = 0; j < columns; ++j) total += y[j] = std::exp(x[j] - most);
      const float scale = 1 / total;
      for (int64_t j = 0; j < columns; ++j) y[j] *= scale;
    }
  });
}

void layer_norm_loop(float* to, const float* from, const float* scale, const float* shift) {
  share(rows, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* x = from + i * columns;
      float* y = to + i * columns;
      float total = 0, squares = 0;
      for (int64_t j = 0; j < columns; ++j) total += x[j];
      const float mean = total / columns;
      for (int64_t j = 0; j < columns; ++j) squares += (x[j] - mean) * (x[j] - mean);
      const float factor = 1 / std::sqrt(squares / columns + 1e-5f);
      for (int64_t j = 0; j < columns; ++j) y[j] = (x[j] - mean) * factor * scale[j] + shift[j];
    }
  });
}

void sum_loop(float* to, const float* x, const float* y, int64_t count) {
  float parts[2] = {};
  const int64_t threads = std::min(2, tenon_runtime_threads()), piece = (count + threads - 1) / threads;
  share(threads, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      float total = 0;
      for (int64_t i = p * piece; i < std::min(count, (p + 1) * piece); ++i) total += std::exp(x[i]) * y[i];
      parts[p] = total;
    }
  });
  *to = parts[0] + parts[1];
}

}  // namespace

void add_rows() {
  for (int threads : {1, 2}) {
    Case soft;
    soft.name = "softmax, 128x512";
    soft.threads = threads;
    soft.work = 2.0 * rows * columns * sizeof(float);
    soft.published = threads == 1 ? "13 (PyTorch)" : "18 (PyTorch)";
    soft.bars = {{"value", true, threads == 1 ? 13.0 : 18.0}};
    soft.prepare = [] {
      const Tensor x = normal(key(2), {rows, columns});
      auto compiled = jit([](const Tensor& v) { return softmax(v, -1); });
      auto to = block(rows * columns);
      return std::vector<Subject>{{fused, [=] { compiled(x); }},
                                  {eager, [=] { softmax(x, -1); }},
                                  {loop, [=] { softmax_loop(to.get(), data(x)); }}};
    };
    add(soft);

    Case norm = soft;
    norm.name = "layer_norm, 128x512";
    norm.published = threads == 1 ? "22 (PyTorch)" : "29 (PyTorch)";
    norm.bars = {{"value", true, threads == 1 ? 22.0 : 29.0}};
    norm.prepare = [] {
      const auto keys = split(key(3), 3);
      const Tensor x = normal(keys[0], {rows, columns}), scale = normal(keys[1], {columns}),
                   shift = normal(keys[2], {columns});
      const auto f = [](const Tensor& v, const Tensor& a, const Tensor& b) { return layer_norm(v, a, b); };
      auto compiled = jit(f);
      auto to = block(rows * columns);
      return std::vector<Subject>{{fused, [=] { compiled(x, scale, shift); }},
                                  {eager, [=] { f(x, scale, shift); }},
                                  {loop, [=] { layer_norm_loop(to.get(), data(x), data(scale), data(shift)); }}};
    };
    add(norm);

    Case reduction;
    reduction.name = "sum(exp(x)*y), 1024x1024";
    reduction.threads = threads;
    reduction.work = 2.0 * 1024 * 1024 * sizeof(float);
    reduction.published = threads == 1 ? "20 (Inductor)" : "28 (Inductor)";
    reduction.prepare = [] {
      const auto keys = split(key(4), 2);
      const Tensor x = normal(keys[0], {1024, 1024}), y = normal(keys[1], {1024, 1024});
      const auto f = [](const Tensor& a, const Tensor& b) { return sum(exp(a) * b); };
      auto compiled = jit(f);
      auto to = block(1);
      return std::vector<Subject>{{fused, [=] { compiled(x, y); }},
                                  {eager, [=] { f(x, y); }},
                                  {loop, [=] { sum_loop(to.get(), data(x), data(y), 1024 * 1024); }}};
    };
    add(reduction);
  }
}

}  // namespace tenon::bench
