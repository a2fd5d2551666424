// Square matrix products, and the training step of the demo's multilayer perceptron as one program.
// The loop is the textbook one in the order i, k, j, which compilers vectorise; a training step has no natural one.
#include <tenon/tenon.h>

#include <algorithm>

#include "tenon/bench/case.h"
#include "tenon/bench/data.h"
#include "tenon/examples/data/mlp.h"

namespace tenon::bench {
namespace {

void product_loop(float* to, const float* a, const float* b, int64_t n) {
  share(n, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = to + i * n;
      std::fill_n(row, n, 0.0f);
      for (int64_t k = 0; k < n; ++k) {
        const float factor = a[i * n + k];
        for (int64_t j = 0; j < n; ++j) row[j] += factor * b[k * n + j];
      }
    }
  });
}

void add_product(int64_t n, int threads) {
  Case c;
  c.name = "GEMM f32, " + std::to_string(n);
  c.threads = threads;
  c.unit = Unit::gigaflops;
  c.work = 2.0 * static_cast<double>(n * n * n);
  if (n == 512 || n == 1024) c.bars = {{"per FMA peak", true, 0.6}};
  if (n == 1024) c.published = threads == 1 ? "101 (JAX)" : "174 (JAX)";
  c.prepare = [n, work = c.work] {
    const auto keys = split(key(5), 2);
    const Tensor a = normal(keys[0], {n, n}), b = normal(keys[1], {n, n});
    auto compiled = jit([](const Tensor& x, const Tensor& y) { return matmul(x, y); });
    std::vector<Subject> subjects{{fused, [=] { compiled(a, b); }}, {eager, [=] { matmul(a, b); }}};
    if (n <= 1024) {  // beyond, it takes a second
      auto to = block(n * n);
      subjects.push_back({loop, [=] { product_loop(to.get(), data(a), data(b), n); }});
    }
    subjects.push_back(fma_peak(work));
    return subjects;
  };
  add(c);
}

// Multiply-adds of the products in forward, gradient by weights, and gradient by hidden layers, for one image.
constexpr double forward_macs = 784.0 * 512 + 512 * 512 + 512 * 10, backward_macs = 512.0 * 512 + 512 * 10;

}  // namespace

void add_contractions() {
  for (int64_t n : {256, 512, 1024, 2048})
    for (int threads : {1, 2}) add_product(n, threads);

  for (int threads : {1, 2}) {
    Case c;
    c.name = "MLP training step, B 128";
    c.threads = threads;
    c.unit = Unit::gigaflops;
    c.work = 2.0 * 128 * (2 * forward_macs + backward_macs);
    c.seconds = 3;
    c.published = threads == 1 ? "85 (JAX)" : "121 (Inductor)";
    c.bars = {{"per eager", true, 1.5}};
    c.prepare = [work = c.work] {
      const auto keys = split(key(6), 2);
      const mlp::Params params = mlp::init(7);
      const mlp::State state = optim::adamw_init(params);
      const Tensor images = (uniform(keys[0], {128, 784}) * 256).astype(u8);
      const Tensor labels = (uniform(keys[1], {128}) * 10).astype(u8);
      auto compiled = jit(mlp::train_step);
      return std::vector<Subject>{{fused, [=] { compiled(params, state, images, labels); }},
                                  {eager, [=] { mlp::train_step(params, state, images, labels); }},
                                  fma_peak(work)};
    };
    add(c);
  }
}

}  // namespace tenon::bench
