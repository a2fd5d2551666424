// Sorting beside the standard library's, and a few greatest beside its partial sort of positions: one long row and many short ones.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tenon/bench/case.h"
#include "tenon/bench/data.h"

namespace tenon::bench {
namespace {

struct Rows {
  int64_t count, length;
  std::string text() const { return std::to_string(count) + " x " + std::to_string(length); }
};

// Nanoseconds per element of f32[rows, n].
Case of_rows(const Rows& r, const std::string& name, double bar, const char* subject) {
  Case c;
  c.name = name + ", " + r.text();
  c.unit = Unit::nanoseconds;
  c.work = static_cast<double>(r.count * r.length);
  c.bars = {{std::string("per ") + subject, true, bar}};
  return c;
}

void add_sort(const Rows& r, double bar) {
  Case c = of_rows(r, "sort", bar, loop);
  c.prepare = [=] {
    const Tensor x = normal(key(1), {r.count, r.length});
    auto compiled = jit([](const Tensor& t) { return sort(t, 1); });
    const auto by_hand = [=, copy = std::vector<float>(static_cast<size_t>(r.count * r.length))]() mutable {
      std::memcpy(copy.data(), data(x), copy.size() * sizeof(float));
      for (int64_t i = 0; i < r.count; ++i) std::sort(copy.begin() + i * r.length, copy.begin() + (i + 1) * r.length);
      benchmark::DoNotOptimize(copy.data());
    };
    return std::vector<Subject>{{fused, [=] { compiled(x); }}, {eager, [=] { sort(x, 1); }}, {loop, by_hand}};
  };
  add(c);
}

void add_argsort(const Rows& r, double bar) {
  Case c = of_rows(r, "argsort", bar, loop);
  c.prepare = [=] {
    const Tensor x = normal(key(2), {r.count, r.length});
    auto compiled = jit([](const Tensor& t) { return argsort(t, 1); });
    const auto by_hand = [=, order = std::vector<int64_t>(static_cast<size_t>(r.length))]() mutable {
      for (int64_t i = 0; i < r.count; ++i) {
        const float* row = data(x) + i * r.length;
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return row[a] < row[b]; });
        benchmark::DoNotOptimize(order.data());
      }
    };
    return std::vector<Subject>{{fused, [=] { compiled(x); }}, {eager, [=] { argsort(x, 1); }}, {loop, by_hand}};
  };
  add(c);
}

void add_topk(const Rows& r, int64_t k, double bar) {
  Case c = of_rows(r, "topk of " + std::to_string(k), bar, loop);
  c.prepare = [=] {
    const Tensor x = normal(key(3), {r.count, r.length});
    auto compiled = jit([=](const Tensor& t) { return topk(t, k, 1); });
    const auto by_hand = [=, order = std::vector<int64_t>(static_cast<size_t>(r.length))]() mutable {
      for (int64_t i = 0; i < r.count; ++i) {
        const float* row = data(x) + i * r.length;
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(),
                          [&](int64_t a, int64_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
        benchmark::DoNotOptimize(order.data());
      }
    };
    return std::vector<Subject>{{fused, [=] { compiled(x); }}, {eager, [=] { topk(x, k, 1); }}, {loop, by_hand}};
  };
  add(c);
}

}  // namespace

void add_order() {
  add_sort({1, 1000000}, 0.7);
  add_sort({1000, 1000}, 0.7);
  add_argsort({1, 1000000}, 1.2);
  add_argsort({1000, 1000}, 0.8);
  add_topk({1, 1000000}, 8, 0.5);
  add_topk({1000, 1000}, 8, 0.7);
  add_topk({1000, 1000}, 100, 0.1);
}

}  // namespace tenon::bench
