// Sorting beside the standard library's, a few greatest beside its partial sort of positions, gathering beside a loop; all beside NumPy: one
// long row and many short ones.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tenon/bench/case.h"
#include "tenon/bench/data.h"
#include "tenon/bench/numpy.h"

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

// x: f32[rows, n]; and NumPy's subject behind the others.
std::vector<Subject> beside_numpy(std::vector<Subject> all, const Rows& r, const std::string& statement,
                                  const std::string& more = "") {
  const std::string x =
      "x = np.random.randn(" + std::to_string(r.count) + ", " + std::to_string(r.length) + ").astype('f4')\n" + more;
  if (auto theirs = numpy(x, statement)) all.push_back(*theirs);
  return all;
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
    return beside_numpy({{fused, [=] { compiled(x); }}, {eager, [=] { sort(x, 1); }}, {loop, by_hand}}, r,
                        "np.sort(x, axis=1)");
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
    return beside_numpy({{fused, [=] { compiled(x); }}, {eager, [=] { argsort(x, 1); }}, {loop, by_hand}}, r,
                        "np.argsort(x, axis=1, kind='stable')");
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
    // the k greatest of a partition, then in order
    const std::string greatest = "p = np.argpartition(-x, " + std::to_string(k) + ", axis=1)[:, :" + std::to_string(k) +
                                 "]; v = np.take_along_axis(x, p, 1); o = np.argsort(-v, axis=1); "
                                 "np.take_along_axis(v, o, 1), np.take_along_axis(p, o, 1)";
    return beside_numpy({{fused, [=] { compiled(x); }}, {eager, [=] { topk(x, k, 1); }}, {loop, by_hand}}, r, greatest);
  };
  add(c);
}

// Whole rows by number, or elements along rows.
void add_gather(const Rows& r, bool whole, double bar) {
  Case c = of_rows(r, whole ? "gather of rows" : "gather along rows", bar, loop);
  c.prepare = [=] {
    const Tensor x = normal(key(4), {r.count, r.length});
    const Tensor i = whole ? random::randint(key(5), {r.count}, 0, r.count)
                           : random::randint(key(5), {r.count, r.length}, 0, r.length);
    const auto function = [=](const Tensor& t, const Tensor& at) {
      return whole ? index_select(t, 0, at) : gather(t, 1, at);
    };
    auto compiled = jit(function);
    const float* const from = data(x);  // which the subjects' x keeps
    const auto by_hand = [=, numbers = i.to_vector<int64_t>(),
                          copy = std::vector<float>(static_cast<size_t>(r.count * r.length))]() mutable {
      for (int64_t row = 0; row < r.count; ++row) {
        float* to = copy.data() + row * r.length;
        if (whole)
          std::memcpy(to, from + numbers[static_cast<size_t>(row)] * r.length,
                      static_cast<size_t>(r.length) * sizeof(float));
        for (int64_t k = 0; !whole && k < r.length; ++k)
          to[k] = from[row * r.length + numbers[static_cast<size_t>(row * r.length + k)]];
      }
      benchmark::DoNotOptimize(copy.data());
    };
    const std::string rows = std::to_string(r.count), length = std::to_string(r.length);
    const std::string numbers = whole ? "i = np.random.randint(0, " + rows + ", " + rows + ")"
                                      : "i = np.random.randint(0, " + length + ", (" + rows + ", " + length + "))";
    return beside_numpy({{fused, [=] { compiled(x, i); }}, {eager, [=] { function(x, i); }}, {loop, by_hand}}, r,
                        whole ? "np.take(x, i, axis=0)" : "np.take_along_axis(x, i, 1)", numbers);
  };
  add(c);
}

}  // namespace

void add_order() {
  add_sort({1, 1000000}, 3.0);
  add_sort({1000, 1000}, 2.5);
  add_argsort({1, 1000000}, 2.5);
  add_argsort({1000, 1000}, 2.0);
  add_topk({1, 1000000}, 8, 1.0);
  add_topk({1000, 1000}, 8, 0.7);
  add_topk({1000, 1000}, 100, 0.8);
  add_gather({1000, 1000}, true, 0.8);
  add_gather({1000, 1000}, false, 1.0);
}

}  // namespace tenon::bench
