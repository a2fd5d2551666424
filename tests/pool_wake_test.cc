// When the pool calls workers that sleep: not for loops that are known to be short, and for those that turn out to be long. Refuses to
// assert times.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "tenon/runtime/tenon_runtime.h"

namespace {

// The pool keeps how long loops took by their code: each test has some of its own.
enum Kind { short_one, growing };
using Body = std::function<int32_t(int64_t, int64_t)>;
template <Kind kind>
int32_t call_body(void* context, int64_t begin, int64_t end) {
  return (*static_cast<const Body*>(context))(begin, end);
}
template <Kind kind>
void run(const Body& body) {  // sixteen pieces
  const tenon_env* const env = tenon_runtime_env();
  ASSERT_EQ(env->parallel_for(env->pool, 16, 1, call_body<kind>, const_cast<Body*>(&body)), 0);
}

struct Threads {  // sets the number of threads for one test
  explicit Threads(int32_t n) { tenon_runtime_set_threads(n); }
  ~Threads() { tenon_runtime_set_threads(0); }
};

// They would come when it is over: what is known to be short runs without them.
TEST(PoolWake, SleepingWorkersAreLeftAloneByAShortLoop) {
  Threads scope(2);
  const auto caller = std::this_thread::get_id();
  int alone = 0;
  for (int round = 0; round < 40; round++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> strangers = 0, pieces = 0;
    run<short_one>([&](int64_t, int64_t) {
      strangers += std::this_thread::get_id() != caller;
      pieces++;
      return 0;
    });
    ASSERT_EQ(pieces, 16);
    alone += strangers == 0;
  }
  EXPECT_GE(alone, 20) << "but for the first, and where the system took the core away";
}

// Code whose loops were short has a long one: its pieces run once, and not all of them in the caller.
TEST(PoolWake, WorkersAreCalledWhenALoopTakesLongerThanTheLast) {
  Threads scope(2);
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 10; round++) {
    for (int again = 0; again < 3; again++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      run<growing>([](int64_t, int64_t) { return 0; });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> seen[16] = {}, strangers = 0;
    run<growing>([&](int64_t begin, int64_t end) {
      strangers += std::this_thread::get_id() != caller;
      const auto start = std::chrono::steady_clock::now();
      const auto longest = begin == 0 ? std::chrono::milliseconds(1) : std::chrono::milliseconds(1000);
      while (strangers == 0 && std::chrono::steady_clock::now() - start < longest) std::this_thread::yield();
      for (int64_t i = begin; i < end; i++) seen[i]++;
      return 0;
    });
    ASSERT_GT(strangers, 0);
    for (int i = 0; i < 16; i++) ASSERT_EQ(seen[i], 1) << i;
  }
}

}  // namespace
