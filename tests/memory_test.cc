// The recycling allocator of the C runtime: alignment, reuse, bounds on what is kept, threads, fork.
// Tests compare differences of the counters, because one process runs them all.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "tenon/runtime/tenon_runtime.h"

namespace {

constexpr uint64_t MiB = 1 << 20;

uint64_t in_use() {
  uint64_t value;
  tenon_memory_stats(&value, nullptr);
  return value;
}

uint64_t kept() {
  uint64_t value;
  tenon_memory_stats(nullptr, &value);
  return value;
}

TEST(Memory, BlocksAreAlignedAndWholeAndAccounted) {
  const uint64_t before = in_use();
  std::vector<uint64_t> sizes = {0, 1, 63, 64, 65, 255, 256, 257, 320, 321, 4095, 4097, 65536, 65537, 100000};
  for (uint64_t m : {1, 2, 3, 5, 9})
    for (int64_t d : {-1, 0, 1}) sizes.push_back(m * MiB + d);
  std::vector<unsigned char*> blocks;
  for (size_t i = 0; i < sizes.size(); i++) {
    blocks.push_back(static_cast<unsigned char*>(tenon_alloc(sizes[i])));
    ASSERT_NE(blocks[i], nullptr) << sizes[i];
    ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % (sizes[i] >= 2 * MiB ? 2 * MiB : 64), 0u) << sizes[i];
    memset(blocks[i], static_cast<int>(i + 1), sizes[i]);
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < sizes.size(); i++) {
    EXPECT_TRUE(std::all_of(blocks[i], blocks[i] + sizes[i], [&](unsigned char c) { return c == i + 1; })) << sizes[i];
    sum += sizes[i];
  }
  EXPECT_GE(in_use() - before, sum);
  EXPECT_LE(in_use() - before, sum + sum / 4 + 20 * MiB / 10 * sizes.size());
  for (size_t i = 0; i < sizes.size(); i++) tenon_free(blocks[i], sizes[i]);
  EXPECT_EQ(in_use(), before);
}

TEST(Memory, NoBlockIsHandedOutTwice) {
  std::mt19937_64 random(7);
  std::deque<std::pair<unsigned char*, uint64_t>> live;
  std::vector<int> marks;
  const uint64_t before = in_use();
  for (int step = 0; step < 20000; step++) {
    if (live.size() < 200 && random() % 5 < 3) {
      const uint64_t size = 8 + random() % (random() % 50 == 0 ? 3 * MiB : 9000);
      auto* block = static_cast<unsigned char*>(tenon_alloc(size));
      const uint32_t mark = static_cast<uint32_t>(step);
      memcpy(block, &mark, 4);
      memcpy(block + size - 4, &mark, 4);
      live.emplace_back(block, size);
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      auto [block, size] = live.back();
      live.pop_back();
      ASSERT_EQ(memcmp(block, block + size - 4, 4), 0) << "somebody else wrote here";
      tenon_free(block, size);
    }
  }
  for (auto [block, size] : live) tenon_free(block, size);
  EXPECT_EQ(in_use(), before);
}

TEST(Memory, AFreedBlockIsTheNextOneOfItsSize) {
  for (uint64_t size : {100ul, 5000ul, 300000ul, 2 * MiB, 7 * MiB}) {
    void* first = tenon_alloc(size);
    tenon_free(first, size);
    void* second = tenon_alloc(size - size / 50);
    EXPECT_EQ(first, second) << size;
    tenon_free(second, size - size / 50);
  }
}

// What is as good in a larger block finds the one that is kept, up to four times as large; accounts stay right.
TEST(Memory, AnArenaTakesALargerBlock) {
  tenon_trim();
  const uint64_t before = in_use();
  uint64_t large = 0, size = 0;
  void* block = tenon_alloc_at_least(40 * MiB, &large);
  tenon_free(block, large);
  for (const uint64_t bytes : {39 * MiB, 20 * MiB, 11 * MiB + 1}) {
    EXPECT_EQ(tenon_alloc_at_least(bytes, &size), block) << bytes;
    EXPECT_GE(size, 40 * MiB);
    EXPECT_EQ(in_use(), before + size);
    tenon_free(block, size);
    EXPECT_EQ(in_use(), before);
  }
  void* small = tenon_alloc_at_least(5 * MiB, &size);  // less than a quarter
  EXPECT_NE(small, block);
  EXPECT_LT(size, 8 * MiB);
  tenon_free(small, size);
  void* tiny = tenon_alloc_at_least(100, &size);
  EXPECT_EQ(size, 100u);
  tenon_free(tiny, size);
  EXPECT_EQ(tenon_alloc_at_least(UINT64_MAX, &size), nullptr);
  EXPECT_EQ(in_use(), before);
}

TEST(Memory, SteadyStateTouchesNoFreshPage) {
  // Six large blocks live at once, again and again: after the first round every page is resident already.
  const auto round = [](bool check) {
    std::vector<unsigned char*> blocks;
    for (int i = 0; i < 6; i++) {
      const uint64_t size = (4 + 3 * i) * MiB;
      blocks.push_back(static_cast<unsigned char*>(tenon_alloc(size)));
      std::vector<unsigned char> resident(size / 4096);
      ASSERT_EQ(mincore(blocks[i], size, resident.data()), 0);
      const auto fresh = std::count_if(resident.begin(), resident.end(), [](unsigned char r) { return !(r & 1); });
      EXPECT_TRUE(!check || fresh == 0) << fresh << " fresh pages";
      for (uint64_t at = 0; at < size; at += 4096) blocks[i][at] = 1;
    }
    for (int i = 0; i < 6; i++) tenon_free(blocks[i], (4 + 3 * i) * MiB);
  };
  round(false);
  for (int i = 0; i < 5; i++) round(true);
}

TEST(Memory, KeepsNoMoreThanTheRecentPeak) {
  tenon_trim();
  const uint64_t base = in_use();
  // Ever new sizes: nothing can be reused, so what is kept must not grow with the number of sizes.
  for (uint64_t size = 20 * MiB; size < 400 * MiB; size += size / 3) {
    tenon_free(tenon_alloc(size), size);
    EXPECT_LE(kept(), base + size + size / 4 + 70 * MiB);
  }
  // A peak is forgotten after some thousands of smaller rounds.
  for (int i = 0; i < 10000; i++) tenon_free(tenon_alloc(2 * MiB), 2 * MiB);
  EXPECT_LE(kept(), base + 2 * MiB + 70 * MiB);
}

TEST(Memory, TrimGivesEverythingBack) {
  std::vector<void*> blocks;
  for (int i = 0; i < 100; i++) blocks.push_back(tenon_alloc(1000 * i));
  for (int i = 0; i < 100; i++) tenon_free(blocks[i], 1000 * i);
  tenon_free(tenon_alloc(9 * MiB), 9 * MiB);
  EXPECT_GE(kept(), 9 * MiB);
  tenon_trim();
  EXPECT_EQ(kept(), 0u);
}

TEST(Memory, TheImpossibleIsNull) {
  EXPECT_EQ(tenon_alloc(UINT64_MAX), nullptr);
  EXPECT_EQ(tenon_alloc(UINT64_MAX / 2), nullptr);
  tenon_free(nullptr, 100);
}

TEST(Memory, OutOfMemoryIsNullAndChangesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t before = in_use();
    const rlimit none{0, 0};
    setrlimit(RLIMIT_AS, &none);
    _exit(tenon_alloc(100 * MiB) == nullptr && in_use() == before ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Memory, BlocksMayBeFreedByOtherThreads) {
  const uint64_t before = in_use();
  std::mutex lock;
  std::vector<std::pair<unsigned char*, uint64_t>> shared;
  std::atomic<int> damaged = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int step = 0; step < 5000; step++) {
        const uint64_t size = 16 + random() % (step % 100 == 0 ? 2 * MiB : 20000);
        auto* block = static_cast<unsigned char*>(tenon_alloc(size));
        memset(block, 40 + t, 16);
        block[size - 1] = block[0];
        std::pair<unsigned char*, uint64_t> mine{block, size};
        {
          std::lock_guard hold(lock);
          shared.push_back(mine);
          std::swap(shared[random() % shared.size()], shared.back());
          mine = shared.back();
          shared.pop_back();
        }
        damaged += mine.first[0] != mine.first[mine.second - 1];
        tenon_free(mine.first, mine.second);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto [block, size] : shared) tenon_free(block, size);
  EXPECT_EQ(damaged, 0);
  EXPECT_EQ(in_use(), before);
}

TEST(Memory, WorksInAForkedChildOfABusyProcess) {
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop)
      for (uint64_t size : {100ul, 100000ul, 2 * MiB}) tenon_free(tenon_alloc(size), size);
  });
  int failures = 0;
  for (int round = 0; round < 30; round++) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);
      for (uint64_t size : {100ul, 100000ul, 2 * MiB}) {
        void* block = tenon_alloc(size);
        memset(block, 1, size);
        tenon_free(block, size);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    failures += status != 0;
  }
  stop = true;
  busy.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
