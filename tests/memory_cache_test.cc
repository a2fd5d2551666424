// The caches in memory: bytes are counted and kept to, keys are believed by all their bytes, the oldest go first and only from the
// cache, and nothing is destroyed under a lock. What jitted functions and eager ops make of it is in tests/turnover_test.cc.
#include "tenon/runtime/cache/memory_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace tenon::runtime {
namespace {

using Number = std::shared_ptr<const int>;
Number number(int n) { return std::make_shared<const int>(n); }
int read(const MemoryCache::Value& value) { return value ? *static_cast<const int*>(value.get()) : -1; }
std::string key(int n) { return "key number " + std::to_string(n); }

constexpr uint64_t large = 1 << 20;  // beside which what an entry itself takes is little
std::shared_ptr<CacheBudget> room_for(int entries) {
  return std::make_shared<CacheBudget>(static_cast<uint64_t>(entries) * large + large / 2, "", "");
}

TEST(MemoryCache, KeepsToItsBytesAndDropsWhatWasUsedLongestAgo) {
  MemoryCache cache(CacheKind::eager, room_for(8));
  for (int n = 0; n < 8; ++n) cache.keep(key(n), number(n), large);
  EXPECT_EQ(cache.use().entries, 8u);
  for (int n = 8; n < 100; ++n) {
    EXPECT_EQ(read(cache.find(key(3))), 3) << n;
    cache.keep(key(n), number(n), large);
    EXPECT_LE(cache.use().bytes, 8 * large + large / 2);
    EXPECT_EQ(read(cache.find(key(n))), n);
  }
  EXPECT_EQ(cache.use().entries, 8u);
  EXPECT_EQ(cache.use().evictions, 92u);
  EXPECT_EQ(read(cache.find(key(3))), 3) << "what is used in every round stays";
  EXPECT_EQ(cache.find(key(4)), nullptr);
}

TEST(MemoryCache, BelievesWholeKeys) {
  MemoryCache equal(CacheKind::eager, nullptr, [](std::string_view) { return uint64_t{7}; });
  for (int n = 0; n < 300; ++n) EXPECT_EQ(read(equal.keep(key(n), number(n), 1)), n);
  for (int n = 0; n < 300; ++n) EXPECT_EQ(read(equal.find(key(n))), n);
  EXPECT_EQ(equal.find(key(300)), nullptr);
  EXPECT_EQ(equal.find(""), nullptr);
  // Keys that begin alike, end alike and differ in one byte, of every length.
  MemoryCache cache(CacheKind::eager);
  int count = 0;
  for (size_t size = 0; size < 70; ++size)
    for (size_t at = 0; at <= size; ++at) {
      std::string bytes(size, '\0');
      if (at < size) bytes[at] = 1;
      EXPECT_EQ(read(cache.keep(bytes, number(count), 1)), count);
      ++count;
    }
  EXPECT_EQ(cache.use().entries, static_cast<uint64_t>(count));
  EXPECT_EQ(cache.use().comparisons, 0u) << "hashes of keys that differ little agree";
}

TEST(MemoryCache, ComparesOneKeyAmongTenThousand) {
  MemoryCache cache(CacheKind::eager);
  for (int n = 0; n < 10000; ++n) cache.keep(key(n), number(n), 1);
  const CacheUse before = cache.use();
  for (int n = 0; n < 20000; ++n) EXPECT_EQ(read(cache.find(key(n))), n < 10000 ? n : -1);
  const CacheUse after = cache.use();
  EXPECT_EQ(after.comparisons - before.comparisons, 10000u);
  EXPECT_EQ(after.hits - before.hits, 10000u);
  EXPECT_EQ(after.misses - before.misses, 10000u);
}

TEST(MemoryCache, TheFirstValueOfAKeyStays) {
  MemoryCache cache(CacheKind::eager);
  EXPECT_EQ(read(cache.keep("a", number(1), 1)), 1);
  EXPECT_EQ(read(cache.keep("a", number(2), 1)), 1);
  EXPECT_EQ(cache.use().entries, 1u);
}

TEST(MemoryCache, OthersKeepWhatItDrops) {
  MemoryCache cache(CacheKind::eager, room_for(2));
  const Number held = number(0);
  const std::weak_ptr<const int> second = std::static_pointer_cast<const int>(cache.keep(key(1), number(1), large));
  cache.keep(key(0), held, large);
  for (int n = 2; n < 10; ++n) cache.keep(key(n), number(n), large);
  EXPECT_TRUE(second.expired());
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST(MemoryCache, WhatGrowsMakesOthersGoAndBeyondTheBoundItself) {
  MemoryCache cache(CacheKind::eager, room_for(4));
  std::vector<Number> values;
  for (int n = 0; n < 4; ++n) values.push_back(number(n)), cache.keep(key(n), values[n], large);
  cache.charge(key(3), number(3).get(), 4 * large);  // another value than the one that is there
  EXPECT_EQ(cache.use().entries, 4u);
  cache.charge(key(3), values[3].get(), 2 * large);
  EXPECT_EQ(cache.use().entries, 2u);
  EXPECT_EQ(read(cache.find(key(3))), 3);
  cache.charge(key(3), values[3].get(), 9 * large);
  EXPECT_EQ(cache.find(key(3)), nullptr);
  EXPECT_EQ(cache.use().entries, 1u) << "the others need not go for its sake";
  EXPECT_EQ(read(cache.keep("large", number(9), 9 * large)), 9);
  EXPECT_EQ(cache.find("large"), nullptr);
  EXPECT_EQ(cache.use().entries, 1u);
}

// Programs that are dropped release memory, tensors, other caches: all that may come back here.
TEST(MemoryCache, DestructorsMayUseIt) {
  struct Nested {
    MemoryCache& outer;
    MemoryCache inner{CacheKind::pullbacks, room_for(2)};
    ~Nested() { outer.find(key(0)), inner.keep("b", number(2), large), outer.keep("from a destructor", number(3), 1); }
  };
  MemoryCache cache(CacheKind::eager, room_for(2));
  for (int n = 0; n < 20; ++n) {
    const auto made = std::make_shared<Nested>(cache);
    made->inner.keep("a", number(1), large);
    cache.keep(key(n), made, large);
  }
  EXPECT_LE(cache.use().entries, 3u);
}

TEST(MemoryCache, TrimmingKeepsTheYoungestThatNobodyUses) {
  MemoryCache cache(CacheKind::eager, room_for(20));
  std::vector<Number> held;
  for (int n = 0; n < 10; ++n) {
    const Number value = number(n);
    if (n < 3) held.push_back(value);
    cache.keep(key(n), value, large);
  }
  cache.trim(2 * large + large / 2, [](const MemoryCache::Value& value) { return value.use_count() == 1; });
  for (int n = 0; n < 10; ++n) EXPECT_EQ(cache.find(key(n)) != nullptr, n < 3 || n > 7) << n;
  EXPECT_EQ(cache.use().evictions, 0u);
}

TEST(MemoryCache, ABudgetSaysOnceThatItIsFull) {
  const auto budget = std::make_shared<CacheBudget>(4 * large, "the function in this test", "raise its bound");
  MemoryCache one(CacheKind::jit, budget), two(CacheKind::jit, budget);
  testing::internal::CaptureStderr();
  for (int n = 0; n < 30; ++n) one.keep(key(n), number(n), large), two.keep(key(n), number(n), large);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("tenon: the function in this test fills its 4 MiB of memory."), 0u) << text;
  EXPECT_NE(text.find("raise its bound"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_LE(one.use().bytes + two.use().bytes, 4 * large);
}

TEST(MemoryCache, KindsAddUpWhatTheirCachesDid) {
  const CacheUse before = cache_use(CacheKind::pullbacks);
  {
    MemoryCache cache(CacheKind::pullbacks), other(CacheKind::pullbacks);
    cache.keep("a", number(1), 1000);
    cache.find("a"), cache.find("b"), other.find("a");
    const CacheUse now = cache_use(CacheKind::pullbacks);
    EXPECT_EQ(now.entries - before.entries, 1u);
    EXPECT_GE(now.bytes - before.bytes, 1000u);
  }
  const CacheUse after = cache_use(CacheKind::pullbacks);
  EXPECT_EQ(after.entries, before.entries);
  EXPECT_EQ(after.bytes, before.bytes);
  EXPECT_EQ(after.hits - before.hits, 1u);
  EXPECT_EQ(after.misses - before.misses, 2u);
}

TEST(MemoryCache, ThreadsTurnItOver) {
  MemoryCache cache(CacheKind::eager, room_for(5));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < 4000; ++i) {
        const int n = static_cast<int>(random() % 12);
        MemoryCache::Value value = cache.find(key(n));
        if (!value) value = cache.keep(key(n), number(n), large);
        if (read(value) != n) ++wrong;
        if (random() % 64 == 0) cache.charge(key(n), value.get(), large);
        if (random() % 512 == 0) clear_memory_caches();
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.use().bytes, 5 * large + large / 2);
}

TEST(MemoryCache, AForkedChildGoesOn) {
  MemoryCache cache(CacheKind::eager, room_for(5));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; !stop; ++i) {
        MemoryCache other(CacheKind::pullbacks);
        other.keep("a", number(1), 1);
        if (!cache.find(key(i % 9))) cache.keep(key(i % 9), number(i % 9), large);
      }
    });
  for (int round = 0; round < 40; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      bool good = true;
      for (int n = 0; n < 9; ++n) good = good && read(cache.keep(key(n), number(n), large)) == n;
      MemoryCache own(CacheKind::jit);
      _exit(good && read(own.keep("a", number(4), 1)) == 4 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  for (std::thread& t : threads) t.join();
}

TEST(MemoryCache, TheProcessHasABoundThatCanBeSet) {
  const uint64_t before = memory_cache_bytes();
  MemoryCache cache(CacheKind::eager);
  for (int n = 0; n < 40; ++n) cache.keep(key(n), number(n), large);
  set_memory_cache_bytes(16 * large);
  EXPECT_EQ(memory_cache_bytes(), 16 * large);
  EXPECT_LE(cache.use().bytes, 15 * large) << "a sixteenth is for programs as such";
  set_memory_cache_bytes(0);
  EXPECT_EQ(cache.use().entries, 0u);
  EXPECT_EQ(read(cache.keep("a", number(1), 1)), 1) << "without memory nothing is kept, and everything works";
  set_memory_cache_bytes(before);
}

TEST(MemoryCache, SaysItsBoundForAnotherProcess) {
  if (const char* expected = getenv("TENON_EXPECTED_BOUND")) {
    EXPECT_EQ(std::to_string(memory_cache_bytes()), expected);
  }
}

TEST(MemoryCache, TheEnvironmentBoundsIt) {
  const std::string otherwise = std::to_string(uint64_t{1} << 30);
  const std::pair<const char*, std::string> cases[] = {{"123456", "123456"}, {"0", "0"},        {"", otherwise},
                                                       {" 5", otherwise},    {"-1", otherwise}, {"5k", otherwise}};
  for (const auto& [text, expected] : cases) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("TENON_MEMORY_CACHE_BYTES", text, 1);
      setenv("TENON_EXPECTED_BOUND", expected.c_str(), 1);
      execl("/proc/self/exe", "memory_cache_test", "--gtest_filter=MemoryCache.SaysItsBoundForAnotherProcess",
            "--gtest_brief=1", nullptr);
      _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << "'" << text << "'";
  }
}

}  // namespace
}  // namespace tenon::runtime
