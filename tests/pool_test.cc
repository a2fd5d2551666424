// The thread pool of the C runtime: coverage, piece sizes, failures, nesting, many callers, fork.
// Refuses to assert times: bench/ measures them.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/child.h"

namespace {

using Body = std::function<int32_t(int64_t, int64_t)>;

// The pool keeps how long loops of some code took, and calls no sleeping worker for short ones: long ones are other code.
enum Kind { any, long_one };
template <Kind kind>
int32_t call_body(void* context, int64_t begin, int64_t end) {
  return (*static_cast<const Body*>(context))(begin, end);
}

template <Kind kind = any>
int32_t run(const tenon_env* env, int64_t total, int64_t grain, const Body& body) {
  return env->parallel_for(env->pool, total, grain, call_body<kind>, const_cast<Body*>(&body));
}

int thread_count() {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (dirent* entry = readdir(tasks)) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

// Runs the function in a child process that must end by itself within ten seconds; its exit code.
int in_child(const std::function<int()>& function) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(function());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct Threads {  // sets the number of threads for one test
  explicit Threads(int32_t n) { tenon_runtime_set_threads(n); }
  ~Threads() { tenon_runtime_set_threads(0); }
};

// In every piece of long loops, for which workers are always called.
void linger() {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::microseconds(200)) {
  }
}

// In pieces that wait for each other: they meet only if as many threads run them.
void meet(std::atomic<int>& arrived, int all) {
  arrived++;
  while (arrived < all) std::this_thread::yield();
  linger();
}

TEST(Pool, CoversEveryElementOnceInPiecesOfAFewGrains) {
  for (int32_t threads : {1, 2, 4, 7}) {
    Threads scope(threads);
    for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env()}) {
      for (int64_t total : {0, 1, 2, 63, 64, 65, 1000, 100003}) {
        for (int64_t grain : {0, 1, 7, 64, 1 << 20}) {
          std::vector<std::atomic<int>> seen(total);
          std::atomic<int> misplaced = 0;
          const int32_t code = run(env, total, grain, [&](int64_t begin, int64_t end) {
            const int64_t g = grain < 1 ? 1 : grain;
            misplaced += begin % g != 0 || end <= begin || end - begin > 4 * g || end > total;
            for (int64_t i = begin; i < end; i++) seen[i]++;
            return 0;
          });
          ASSERT_EQ(code, 0);
          ASSERT_EQ(misplaced, 0) << total << " by " << grain;
          for (int64_t i = 0; i < total; i++) ASSERT_EQ(seen[i], 1) << i << " of " << total << " by " << grain;
        }
      }
    }
  }
}

TEST(Pool, ExtentsNearTheLimitDoNotOverflow) {
  Threads scope(4);
  const int64_t huge = INT64_MAX;
  for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env()}) {
    for (int64_t grain : {huge, huge - 1, huge / 2, huge / 100}) {
      std::atomic<uint64_t> sum = 0;
      EXPECT_EQ(run(env, huge, grain,
                    [&](int64_t begin, int64_t end) {
                      sum += static_cast<uint64_t>(end - begin);
                      return begin < 0 || end <= begin;
                    }),
                0);
      EXPECT_EQ(sum, static_cast<uint64_t>(huge));
    }
  }
}

TEST(Pool, LowestFailingPieceWins) {
  Threads scope(4);
  for (int round = 0; round < 300; round++) {
    const int64_t first = 1 + round * 3;
    const int32_t code = run(tenon_runtime_env(), 1000, 1, [&](int64_t begin, int64_t end) -> int32_t {
      for (int64_t i = begin; i < end; i++)
        if (i >= first) return static_cast<int32_t>(i);
      return 0;
    });
    ASSERT_EQ(code, first);
  }
  EXPECT_EQ(run(tenon_runtime_env(), 1000, 1, [](int64_t, int64_t) { return 0; }), 0) << "a failure must not stay";
}

// Two pieces run at once and both fail, in either order: the lower one's code is reported, whoever came first or last.
TEST(Pool, LowestFailureWinsInEveryOrder) {
  Threads scope(2);
  const auto wait_for = [](const std::atomic<int>& flag) {
    while (flag == 0) std::this_thread::yield();
  };
  for (int64_t early : {0, 1}) {
    for (int round = 0; round < 5; round++) {
      std::atomic<int> started[2] = {0, 0}, returned = 0;
      const int32_t code = run<long_one>(tenon_runtime_env(), 2, 1, [&](int64_t begin, int64_t) -> int32_t {
        started[begin] = 1;
        wait_for(started[1 - begin]);
        linger();
        if (begin == early) {
          returned = 1;
        } else {
          wait_for(returned);
          std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the other's code is noted meanwhile
        }
        return static_cast<int32_t>(10 + begin);
      });
      ASSERT_EQ(code, 10) << "piece " << early << " failed first";
    }
  }
}

TEST(Pool, WorkIsShared) {
  Threads scope(2);
  std::atomic<int> arrived = 0;
  EXPECT_EQ(run<long_one>(tenon_runtime_env(), 2, 1, [&](int64_t, int64_t) { return meet(arrived, 2), 0; }), 0);
}

// What a core has written is in its caches: the same thread gets the same part of every loop.
TEST(Pool, SharesStayWhereTheyAre) {
  Threads scope(2);
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 100; round++) {
    std::atomic<int> arrived = 0, misplaced = 0;
    run<long_one>(tenon_runtime_env(), 2, 1, [&](int64_t begin, int64_t) {
      misplaced += (begin == 0) != (std::this_thread::get_id() == caller);
      meet(arrived, 2);
      return 0;
    });
    ASSERT_EQ(misplaced, 0);
  }
}

// A worker that is done early takes a piece of the caller's share, and is slow with it.
TEST(Pool, WhatAWorkerTookIsWaitedFor) {
  Threads scope(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> taken = false, finished = false;
  run<long_one>(tenon_runtime_env(), 8, 1, [&](int64_t begin, int64_t) {
    const bool mine = std::this_thread::get_id() == caller;
    linger();
    if (mine && begin == 0)
      while (!taken) std::this_thread::yield();
    if (!mine && begin < 4) {
      taken = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      finished = true;
    }
    return 0;
  });
  EXPECT_TRUE(finished);
}

// Woken on the caller's core, a worker would wait for the caller, who waits for it.
TEST(Pool, WorkersKeepOffTheCallersCore) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "one core";
  Threads scope(2);
  for (int core = 0, moves = 0; core < CPU_SETSIZE && moves < 4; ++core) {
    if (!CPU_ISSET(core, &before)) continue;
    ++moves;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const pthread_t caller = pthread_self();
    std::atomic<int> arrived = 0;
    cpu_set_t places;
    CPU_ZERO(&places);
    run<long_one>(tenon_runtime_env(), 2, 1, [&](int64_t, int64_t) {
      if (!pthread_equal(pthread_self(), caller)) sched_getaffinity(0, sizeof places, &places);
      meet(arrived, 2);
      return 0;
    });
    EXPECT_FALSE(CPU_ISSET(core, &places)) << core;
    EXPECT_EQ(CPU_COUNT(&places), CPU_COUNT(&before) - 1) << core;
  }
  sched_setaffinity(0, sizeof before, &before);
}

TEST(Pool, ALoopOfLessThanTwoGrainsRunsInPlace) {
  Threads scope(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> strangers = 0;
  for (int round = 0; round < 100; round++)
    run(tenon_runtime_env(), 127, 64, [&](int64_t, int64_t) {
      strangers += std::this_thread::get_id() != caller;
      return 0;
    });
  EXPECT_EQ(strangers, 0);
}

TEST(Pool, SleepingWorkersAreWoken) {
  Threads scope(3);
  for (int round = 0; round < 20; round++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far beyond the spin
    std::atomic<int> arrived = 0;
    run<long_one>(tenon_runtime_env(), 3, 1, [&](int64_t, int64_t) {
      meet(arrived, 3);
      return 0;
    });
    ASSERT_EQ(arrived, 3);
  }
}

TEST(Pool, NestedLoopsRunInPlace) {
  Threads scope(4);
  std::atomic<int64_t> sum = 0;
  std::atomic<int> strangers = 0;
  run(tenon_runtime_env(), 64, 1, [&](int64_t begin, int64_t end) {
    const auto self = std::this_thread::get_id();
    for (int64_t i = begin; i < end; i++) {
      run(tenon_runtime_env(), 100, 1, [&](int64_t b, int64_t e) {
        strangers += std::this_thread::get_id() != self;
        sum += e - b;
        return 0;
      });
    }
    return 0;
  });
  EXPECT_EQ(sum, 6400);
  EXPECT_EQ(strangers, 0);
}

TEST(Pool, ManyCallersAtOnce) {
  Threads scope(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong = 0;
  for (int caller = 0; caller < 4; caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 500; round++) {
        std::atomic<int64_t> sum = 0;
        const int32_t code = run(tenon_runtime_env(), 100 + caller, 1, [&](int64_t begin, int64_t end) -> int32_t {
          for (int64_t i = begin; i < end; i++) sum += i;
          return begin <= 50 && 50 < end && round % 2 ? caller + 1 : 0;
        });
        const int64_t n = 100 + caller;
        wrong += round % 2 ? code != caller + 1 : code != 0 || sum != n * (n - 1) / 2;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Pool, EveryPieceRunsUnderTheDefaultControlWordAndTheCallersIsKept) {
  Threads scope(3);
  const unsigned before = _mm_getcsr();
  const unsigned flush_to_zero = 0x8040 | 0x2000 | 0x1f80;
  for (const tenon_env* env : {tenon_runtime_env(), tenon_serial_env()}) {
    _mm_setcsr(flush_to_zero | 0x1);
    std::atomic<int> wrong = 0;
    run(env, 400, 1, [&](int64_t, int64_t) {
      wrong += _mm_getcsr() != 0x1f80;
      _mm_setcsr(flush_to_zero);  // as a careless custom call might
      return 0;
    });
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(after, flush_to_zero | 0x1);
  }
}

TEST(Pool, StartsNoThreadBeforeItIsNeeded) {
  SKIP_UNDER_TSAN;
  // In a child, whose pool is fresh whatever the other tests did.
  EXPECT_EQ(in_child([] {
              tenon_runtime_set_threads(4);
              run(tenon_runtime_env(), 10, 10, [](int64_t, int64_t) { return 0; });
              if (thread_count() != 1) return 1;
              run(tenon_runtime_env(), 2, 1, [](int64_t, int64_t) { return 0; });
              return thread_count() == 2 ? 0 : 2;  // two pieces need one worker
            }),
            0);
}

TEST(Pool, ForkedChildStartsAFreshPool) {
  SKIP_UNDER_TSAN;
  Threads scope(3);
  // One thread keeps the pool busy while this one forks: the child must neither hang nor see the parent's
  // loop.
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) run(tenon_runtime_env(), 1000, 1, [](int64_t, int64_t) { return 0; });
  });
  int failures = 0;
  for (int round = 0; round < 50; round++) {
    failures += in_child([] {
                  std::atomic<int> arrived = 0;  // needs a worker of the child's own
                  run<long_one>(tenon_runtime_env(), 2, 1, [&](int64_t, int64_t) {
                    meet(arrived, 2);
                    return 0;
                  });
                  return arrived == 2 ? 0 : 1;
                }) != 0;
  }
  stop = true;
  busy.join();
  EXPECT_EQ(failures, 0);
}

TEST(Pool, ThreadsFromTheEnvironment) {
  const auto threads_with = [](const char* value) {
    return in_child([&] {
      setenv("TENON_THREADS", value, 1);
      return static_cast<int>(tenon_runtime_set_threads(0));
    });
  };
  unsetenv("TENON_THREADS");
  const int cores = tenon_runtime_set_threads(0);
  EXPECT_GE(cores, 1);
  EXPECT_EQ(threads_with("3"), 3);
  for (const char* bad : {"", "0", "-1", "257", "3x", "many", "99999999999999999999"})
    EXPECT_EQ(threads_with(bad), cores) << bad;
  EXPECT_EQ(tenon_runtime_set_threads(1000), 256);
  EXPECT_EQ(tenon_runtime_env()->threads, 256);
  EXPECT_EQ(tenon_runtime_set_threads(0), cores);
  EXPECT_EQ(tenon_serial_env()->threads, 1);
}

TEST(Cpu, LevelAgreesWithTheCompilersDetection) {
#if defined(__x86_64__)
  const int expected = __builtin_cpu_supports("x86-64-v4")   ? 4
                       : __builtin_cpu_supports("x86-64-v3") ? 3
                       : __builtin_cpu_supports("x86-64-v2") ? 2
                                                             : 1;
  EXPECT_EQ(tenon_cpu_level(), expected);
#else
  EXPECT_EQ(tenon_cpu_level(), 0);
#endif
}

#if defined(__x86_64__) && defined(__linux__)
// A hypervisor takes 30 to 60 us for the instruction that asks, where a small program takes 65 ns. Once the system lets it fault,
// asking again would end the child.
TEST(Cpu, IsAskedOnce) {
  constexpr long set_cpuid = 0x1012;  // ARCH_SET_CPUID
  const int status = in_child([] {
    const int32_t level = tenon_cpu_level();
    if (syscall(SYS_arch_prctl, set_cpuid, 0L) != 0) return 77;
    for (int i = 0; i < 1000; ++i)
      if (tenon_cpu_level() != level) return 1;
    return 0;
  });
  if (status == 77) GTEST_SKIP() << "this processor does not let the question fault";
  EXPECT_EQ(status, 0);
}
#endif

}  // namespace
