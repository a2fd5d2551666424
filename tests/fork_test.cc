// fork() while other threads compute, compile and differentiate: every child computes and compiles on and ends by itself.
// Refuses to assert times; the deadline is there to tell a child that hangs.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tenon/runtime/named_extents.h"
#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/source_tree.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(60);  // of the parent, with each child

// One program that nobody has compiled, from shapes that no eager program was compiled for.
float compile_new(int number) {
  const auto f = tn::jit([&](const Tensor& v) { return tn::sum(v * 2 + number); });
  return f(tn::ones({3, 2})).item<float>() - static_cast<float>(6 * number);
}

// What other threads are in the middle of when the process forks. Each kind holds other locks.
void keep_busy(int kind, const std::atomic<bool>& stop) {
  const Tensor x = tn::normal(tn::key(7), {300, 200}), small = tn::ones({4});
  const auto f = tn::jit([](const Tensor& v) { return tn::tanh(v) + tn::sum(v); });
  for (int round = 0; !stop; ++round) {
    if (kind == 0) compile_new(round + 1000000);
    if (kind == 1) f(x);
    if (kind == 2) tn::sum(small * round + small);
    if (kind == 3) {
      Tensor leaf = tn::full({5, 1 + round % 3}, 2.0f, {.requires_grad = true});
      tn::sum(leaf * leaf).backward();
      leaf.data() -= leaf.grad();
    }
    if (kind == 4) {
      tn::dim("of_thread" + std::to_string(round % 50));
      std::thread([&] { small + 1; }).join();
    }
  }
}

int child(int number, const Tensor& large, float sum_of_large) {
  alarm(50);
  if (tn::max(tn::ones({3, 4}) + tn::ones({4})).item<float>() != 2) return 1;
  if (tn::sum(large).item<float>() != sum_of_large) return 2;  // on a pool of its own
  if (compile_new(number) != 12) return 3;
  Tensor leaf = tn::full({4}, 3.0f, {.requires_grad = true});
  tn::sum(leaf * leaf).backward();
  leaf.data() -= leaf.grad();
  if (leaf.to_vector<float>()[3] != -3) return 4;
  tn::dim("of_child");
  return 0;
}

void fork_under_load(int forks, int at_once) {
  tenon_runtime_set_threads(3);
  const Tensor large = tn::ones({400, 500});
  const float sum = tn::sum(large).item<float>();
  compile_new(1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int kind = 0; kind < 5; ++kind) threads.emplace_back([&stop, kind] { keep_busy(kind, stop); });
  std::map<pid_t, Clock::time_point> running;
  int bad = 0;
  const auto reap = [&](size_t most) {
    while (running.size() > most) {
      for (auto it = running.begin(); it != running.end();) {
        int status = 0;
        const bool late = Clock::now() - it->second > patience;
        if (late) kill(it->first, SIGKILL);
        if (waitpid(it->first, &status, late ? 0 : WNOHANG) == 0) {
          ++it;
          continue;
        }
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
            << (late ? "a child hangs" : "a child failed with ") << (WIFEXITED(status) ? WEXITSTATUS(status) : -status);
        bad += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        it = running.erase(it);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  for (int number = 0; number < forks && bad < 5; ++number) {
    const pid_t made = fork();
    ASSERT_GE(made, 0);
    if (made == 0) {
      int code = 99;
      try {
        code = child(number + 2, large, sum);
      } catch (const std::exception& e) {
        fprintf(stderr, "%s\n", e.what());
      }
      _exit(code);
    }
    running.emplace(made, Clock::now());
    reap(static_cast<size_t>(at_once - 1));
  }
  reap(0);
  stop = true;
  for (std::thread& t : threads) t.join();
  tenon_runtime_set_threads(0);
}

TEST(Fork, ChildrenOfABusyProcessComputeOn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer knows no threads in a child of a threaded process";
#elif defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer's own allocator may be locked in a child";
#endif
  fork_under_load(500, 4);
}

// Two threads fork, and what they fork forks again.
TEST(Fork, FromSeveralThreadsAndInChildren) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer knows no threads in a child of a threaded process";
#endif
  compile_new(1);
  const auto generations = [](auto&& self, int left, int number) -> int {
    const pid_t made = fork();
    if (made == 0) {
      alarm(50);
      _exit(compile_new(number) != 12 ? 1 : left == 0 ? 0 : self(self, left - 1, number + 100));
    }
    int status = 0;
    waitpid(made, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  };
  std::vector<std::thread> threads;
  std::atomic<int> bad = 0;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        compile_new(10000 + 100 * t + i);
        bad += generations(generations, 2, 20000 + 1000 * t + i) != 0;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(bad, 0);
}

// Locks are those of ir/base/undisturbed.h; elsewhere a plain one is for what is locked inside sections only, and named here.
TEST(Fork, EveryLockIsOneThatAForkWaitsFor) {
  const std::map<std::string, int> inside_sections = {
      {"codegen/llvm/interrupt.cc", 1}, {"codegen/llvm/object.cc", 1}, {"codegen/llvm/pipeline.cc", 1}};
  int files = 0;
  for (const tn::testing::SourceFile& file : tn::testing::source_tree()) {
    const std::string layer = file.layer(), code = tn::testing::without_comments(file.text);
    if (layer != "ir" && layer != "passes" && layer != "codegen" && layer != "runtime" && layer != "frontend") continue;
    if (file.path.starts_with("ir/base/undisturbed.")) continue;
    ++files;
    int found = 0;
    for (const char* word : {"std::mutex", "shared_mutex", "recursive_mutex", "condition_variable", "call_once"})
      for (size_t at = code.find(word); at != std::string::npos; at = code.find(word, at + 1)) ++found;
    const auto allowed = inside_sections.find(file.path);
    EXPECT_EQ(found, allowed == inside_sections.end() ? 0 : allowed->second) << file.path;
  }
  EXPECT_GT(files, 200);
}

}  // namespace
