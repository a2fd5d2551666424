// Chains of elementwise ops: eight cheap ones, past the last-level cache and inside it, and gelu(x * w + b).
// The chain loops compute the same arithmetic in the same order; the gelu loop calls libm's erff, where Tenon rounds gelu once.
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/bench/case.h"
#include "tenon/bench/chain.h"
#include "tenon/bench/data.h"

namespace tenon::bench {
namespace {

std::vector<Subject> chain_subjects(int64_t count, bool past_caches) {
  auto x = arange(0, count).astype(f32) * (1.0 / static_cast<double>(count));
  auto compiled = jit([](const Tensor& v) { return chain<Tensor>(v); });
  auto memory = block(count);
  const float* from = data(x);
  std::vector<Subject> subjects{{fused, [=] { compiled(x); }},
                                {eager, [=] { chain<Tensor>(x); }},
                                {loop, [=] { chain_loop(memory.get(), from, count); }}};
  subjects.push_back({"memcpy", [=] { copy_ordinary(memory.get(), from, count); }});
  if (past_caches) subjects.push_back({"NT copy", [=] { copy_nontemporal(memory.get(), from, count); }});
  return subjects;
}

void gelu_loop(float* to, const float* x, const float* w, const float* b, int64_t rows, int64_t columns) {
  share(rows, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        const float t = x[i * columns + j] * w[j] + b[j];
        to[i * columns + j] = t * 0.5f * (1.0f + std::erf(t * 0.70710678f));
      }
  });
}

}  // namespace

void add_elementwise() {
  for (int threads : {1, 2}) {
    Case big;
    big.name = "8-op chain, 16 M floats";
    big.threads = threads;
    big.work = 2.0 * (16 << 20) * sizeof(float);
    big.seconds = 3;
    big.published = threads == 1 ? "4.5 (JAX)" : "5.9 (JAX)";
    big.bars = {{"per eager", true, 5}, {"per memcpy", true, 0.95}};
    big.prepare = [] { return chain_subjects(16 << 20, true); };
    add(big);

    Case small = big;
    small.name = "8-op chain, 64 K floats";
    small.work = 2.0 * (64 << 10) * sizeof(float);
    small.seconds = 1.5;
    small.published = threads == 1 ? "23 (Inductor)" : "26 (Inductor)";
    small.bars = {{"per C++", true, 0.85}};
    small.prepare = [] { return chain_subjects(64 << 10, false); };
    add(small);

    Case activation;
    activation.name = "gelu(x*w+b), 256x256";
    activation.threads = threads;
    activation.work = 2.0 * 256 * 256 * sizeof(float);
    activation.published = threads == 1 ? "9 (PyTorch)" : "13 (PyTorch)";
    activation.prepare = [] {
      const auto keys = split(key(1), 3);
      const Tensor x = normal(keys[0], {256, 256}), w = normal(keys[1], {256}), b = normal(keys[2], {256});
      const auto f = [](const Tensor& a, const Tensor& scale, const Tensor& shift) { return gelu(a * scale + shift); };
      auto compiled = jit(f);
      auto to = block(256 * 256);
      return std::vector<Subject>{{fused, [=] { compiled(x, w, b); }},
                                  {eager, [=] { f(x, w, b); }},
                                  {loop, [=] { gelu_loop(to.get(), data(x), data(w), data(b), 256, 256); }}};
    };
    add(activation);
  }
}

}  // namespace tenon::bench
