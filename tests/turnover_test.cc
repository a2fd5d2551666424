// Jitted functions, eager ops and tapes over caches that hold only a few of what they ask for: the same bits, memory that stays
// where it is, code that goes with its last caller. Refuses to measure times; bounds on memory are generous.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tenon/runtime/cache/memory_cache.h"
#include "tenon/runtime/compile.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using tn::runtime::cache_use;
using tn::runtime::CacheKind;
using Floats = std::vector<float>;
constexpr uint64_t kB = 1 << 10, MB = 1 << 20;

uint64_t resident() {
  uint64_t whole = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> whole >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// In a child, so that memory which other tests have left is no reserve.
void expect_growth_below(uint64_t most, const std::function<void(int)>& work, int count) {
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < count / 4; ++i) work(i);
    const uint64_t before = resident();
    for (int i = count / 4; i < count; ++i) work(i);
    const uint64_t grown = resident() - std::min(before, resident());
    if (grown > most)
      fprintf(stderr, "%d rounds grew by %llu kB\n", count, static_cast<unsigned long long>(grown / kB));
    _exit(grown > most ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// Gives the process a small bound for the time of a test.
struct Bound {
  const uint64_t before = tn::cache_stats().most_bytes;
  explicit Bound(uint64_t bytes) { tn::set_memory_cache_bytes(bytes); }
  ~Bound() { tn::set_memory_cache_bytes(before); }
};

TEST(Turnover, SignaturesOfOneFunctionStayWithinItsBound) {
  const Tensor x = tn::ones({3});
  expect_growth_below(
      8 * MB,
      [f = tn::jit([](const Tensor& a, int k) { return a + static_cast<float>(k & 1); }, {.memory_cache_bytes = MB}),
       x](int i) {
        if (f(x, i).to_vector<float>()[0] != 1 + static_cast<float>(i & 1)) _exit(2);
      },
      20000);
}

TEST(Turnover, SignaturesOfAllFunctionsStayWithinTheBoundOfTheProcess) {
  const Bound bound(2 * MB);
  const Tensor x = tn::ones({3});
  expect_growth_below(
      8 * MB,
      [f = tn::jit([](const Tensor& a, int k) { return a + static_cast<float>(k & 1); }), x](int i) { f(x, i); },
      20000);
}

TEST(Turnover, FunctionsThatAreDroppedLeaveNothing) {
  const Tensor x = tn::ones({3});
  const auto programs = [] { return tn::cache_stats().compiled + tn::cache_stats().from_disk; };
  const auto once = [x, programs, before = programs()](int i) {
    const auto f = tn::jit([i](const Tensor& a) { return a * 2 + static_cast<float>(i & 1); });
    if (f(x).to_vector<float>()[0] != 2 + static_cast<float>(i & 1)) _exit(2);
    if (programs() - before > 2) _exit(3);  // what was dropped last is still there
  };
  expect_growth_below(4 * MB, once, 20000);
}

// Code and not only bookkeeping: what a dropped function compiled and nobody else calls is released, but for the youngest.
TEST(Turnover, CodeGoesWithItsLastCaller) {
  const Bound bound(64 * MB);  // of which a thousandth is for programs without a caller
  tn::runtime::clear_memory_cache();
  const uint64_t before = tn::cache_stats().code_bytes;
  const auto body = [](const Tensor& a) {
    std::vector<Tensor> sums;
    for (int k = 0; k < 6; ++k) sums.push_back(tn::sum(tn::exp(a.transpose() * static_cast<float>(k)), {{k % 2}}));
    return sums;
  };
  using Jitted = decltype(tn::jit(body));
  std::vector<Jitted> functions;
  for (int n = 0; n < 30; ++n) {
    functions.push_back(tn::jit(body));
    functions.back()(tn::ones({n + 2, 50}));
  }
  const Jitted kept = functions[0];
  const uint64_t all = tn::cache_stats().code_bytes - before;
  ASSERT_GT(all, 150 * kB) << "the programs of this test are too small to tell";
  functions.clear();
  EXPECT_LE(tn::cache_stats().code_bytes - before, 64 * kB + all / 40);
  EXPECT_EQ(cache_use(CacheKind::jit).entries, 1u);
  const uint64_t traces = cache_use(CacheKind::jit).misses;
  kept(tn::ones({2, 50}));
  EXPECT_EQ(cache_use(CacheKind::jit).misses, traces);
  // What went left room for as much again.
  const uint64_t memory = tn::cache_stats().code_memory_bytes;
  for (int n = 0; n < 30; ++n) tn::jit(body)(tn::ones({n + 2, 50}));
  EXPECT_EQ(tn::cache_stats().code_memory_bytes, memory);
}

TEST(Turnover, EvictionsAreCountedAndSaidOnce) {
  const auto f =
      tn::jit([](const Tensor& a, int k) { return a * static_cast<float>(k); }, {.memory_cache_bytes = 60 * kB});
  const auto before = cache_use(CacheKind::jit);
  const Tensor x = tn::ones({2});
  testing::internal::CaptureStderr();
  for (int round = 0; round < 3; ++round)
    for (int k = 0; k < 30; ++k) EXPECT_EQ(f(x, k).to_vector<float>()[1], static_cast<float>(k));
  const std::string text = testing::internal::GetCapturedStderr();
  const auto after = cache_use(CacheKind::jit);
  EXPECT_LE(after.bytes - before.bytes, 60 * kB);
  EXPECT_EQ(after.misses - before.misses, 90u) << "a round is more than the cache holds";
  EXPECT_GE(after.evictions - before.evictions, 60u);
  const size_t said = text.find("the function jitted at");
  ASSERT_NE(text.find("fills its"), std::string::npos) << text;
  EXPECT_EQ(text.find("fills its"), text.rfind("fills its")) << text;
  EXPECT_NE(text.find("turnover_test.cc", said), std::string::npos) << text;
  EXPECT_NE(text.find(".memory_cache_bytes"), std::string::npos) << text;
}

TEST(Turnover, ALookUpAmongThousandsComparesOneKey) {
  const auto f = tn::jit([](const Tensor& a, int k) { return a + static_cast<float>(k & 1); });
  const Tensor x = tn::ones({3});
  constexpr int count = 3000;
  for (int k = 0; k < count; ++k) f(x, k);
  const auto before = cache_use(CacheKind::jit);
  for (int k = 0; k < count; ++k) f(x, k);
  const auto after = cache_use(CacheKind::jit);
  EXPECT_EQ(after.hits - before.hits, static_cast<uint64_t>(count));
  EXPECT_EQ(after.misses, before.misses);
  EXPECT_LE(after.comparisons - before.comparisons, 2 * static_cast<uint64_t>(count));
}

Floats values(const std::vector<Tensor>& tensors) {
  Floats all;
  for (const Tensor& t : tensors)
    for (float v : t.to_vector<float>()) all.push_back(v);
  return all;
}

// What one round computes, by every kind of cached program: eager, jitted, differentiated, taped, taped by a jit.
struct Work {
  std::function<Tensor(const Tensor&, int)> jitted;
  Floats operator()(int n) const {
    const Tensor x = tn::normal(tn::key(static_cast<uint64_t>(n)), {n % 5 + 2, 3});
    Tensor leaf = tn::normal(tn::key(7), {n % 5 + 2, 3});
    leaf.set_requires_grad(true);
    const Tensor eager = tn::tanh(x * static_cast<float>(n)) + x;
    const Tensor slope = tn::grad([](const Tensor& v) { return tn::sum(tn::sin(v) * v); })(x);
    const Tensor loss = tn::sum(jitted(leaf, n) * tn::exp(leaf * 0.5f));
    tn::runtime::clear_memory_cache();  // the programs of the tape are in no cache any more
    loss.backward();
    return values({jitted(x, n), eager, slope, loss, leaf.grad()});
  }
};

Tensor body(const Tensor& a, int k) { return tn::softmax(a * static_cast<float>(k + 1), -1); }

TEST(Turnover, ThreadsGetTheSameBitsFromCachesOfAFewEntries) {
  std::vector<Floats> expected;
  const Work alone{tn::jit(body)};
  for (int n = 0; n < 10; ++n) expected.push_back(alone(n));
  const Bound bound(200 * kB);
  const Work shared{tn::jit(body, {.memory_cache_bytes = 40 * kB})};
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < 6; ++i) {
        const int n = static_cast<int>(random() % 10);
        if (shared(n) != expected[static_cast<size_t>(n)]) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Turnover, NothingIsKeptInNoMemory) {
  std::vector<Floats> expected;
  const Work work{tn::jit(body)};
  for (int n = 0; n < 3; ++n) expected.push_back(work(n));
  const Bound bound(0);
  for (int n = 0; n < 3; ++n) EXPECT_EQ(work(n), expected[static_cast<size_t>(n)]);
  for (const auto& cache : tn::cache_stats().caches) EXPECT_EQ(cache.entries, 0u) << cache.name;
}

TEST(Turnover, StatisticsNameEveryCache) {
  const Tensor leaf = tn::ones({2}, {.requires_grad = true});
  tn::sum(tn::jit([](const Tensor& v) { return v * v; })(leaf)).backward();
  const tn::CacheStats stats = tn::cache_stats();
  ASSERT_EQ(stats.caches.size(), 5u);
  EXPECT_GT(stats.compiled + stats.from_disk, 0u);
  EXPECT_GT(stats.code_bytes, 0u);
  EXPECT_GE(stats.code_memory_bytes, stats.code_bytes);
  EXPECT_EQ(stats.most_bytes, tn::runtime::memory_cache_bytes());
  std::string names;
  for (const auto& cache : stats.caches) names += cache.name + " ";
  EXPECT_EQ(names, "programs eager jit pullbacks tables ");
  EXPECT_GT(stats.caches[1].entries, 0u);
  EXPECT_GT(stats.caches[1].bytes, stats.caches[1].entries * 100);
}

}  // namespace
