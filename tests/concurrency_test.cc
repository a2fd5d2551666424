// One process, many threads: eager ops, first compilations, jitted functions and tapes at once give the bits that one thread
// gives; a forked child computes on; a process may end while threads compute. Refuses to assert times.
#include <gtest/gtest.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tenon/ir/graph/graph.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/child.h"

namespace tn = tenon;
using tenon::testing::in_child;
using tn::Tensor;

namespace {

constexpr int thread_count = 4;
using Floats = std::vector<float>;

// Runs the function on every thread at once: none starts before all are there. An exception fails the test.
void at_once(const std::function<void(int)>& function) {
  std::barrier start(thread_count);
  std::vector<std::string> failures(thread_count);
  std::vector<std::thread> threads;
  for (int t = 0; t < thread_count; ++t)
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      try {
        function(t);
      } catch (const std::exception& e) {
        failures[t] = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

class Concurrency : public ::testing::Test {
 protected:
  void SetUp() override { tenon_runtime_set_threads(3); }  // more than one, whatever the machine has
  void TearDown() override { tenon_runtime_set_threads(0); }
};

Floats eager_work(int seed) {
  const Tensor x = tn::normal(tn::key(static_cast<uint64_t>(seed)), {64 + seed, 300});
  const Tensor w = tn::normal(tn::key(99), {300, 50});
  const Tensor h = tn::gelu(tn::matmul(x, w) * 3 + 1);
  Floats all = tn::softmax(h, -1).to_vector<float>();
  for (const Tensor& t : {tn::sum(tn::exp(x)), tn::max(h), tn::mean(h.transpose())}) all.push_back(t.item<float>());
  return all;
}

TEST_F(Concurrency, EagerOps) {
  std::vector<Floats> got(thread_count);
  at_once([&](int t) {
    for (int round = 0; round < 3; ++round) got[t] = eager_work(t);
  });
  for (int t = 0; t < thread_count; ++t) EXPECT_EQ(got[t], eager_work(t)) << t;
}

// The result is a tree, which the entry of a signature must hold before another thread can find the entry.
TEST_F(Concurrency, FirstCallOfOneJittedFunction) {
  const Tensor x = tn::normal(tn::key(5), {200, 400});
  for (int round = 0; round < 8; ++round) {
    std::atomic<int> traces = 0;
    const auto body = [&traces, round](const Tensor& v) {
      ++traces;
      return std::make_pair(tn::tanh(v * (round + 2)), std::vector<Tensor>{tn::sum(v) + round});
    };
    const auto f = tn::jit(body);
    std::vector<Floats> first(thread_count), second(thread_count);
    at_once([&](int t) {
      const auto [y, sums] = f(x);
      first[t] = y.to_vector<float>();
      second[t] = sums.at(0).to_vector<float>();
    });
    const int raced = traces;
    EXPECT_LE(raced, thread_count);
    f(x);
    EXPECT_EQ(traces, raced) << "the entry was lost";
    const auto [y, sums] = body(x);
    for (int t = 0; t < thread_count; ++t) {
      EXPECT_EQ(first[t], y.to_vector<float>()) << round << " on thread " << t;
      EXPECT_EQ(second[t], sums[0].to_vector<float>()) << round << " on thread " << t;
    }
  }
}

TEST_F(Concurrency, DistinctFunctionsCompileAtOnce) {
  const auto body = [](const Tensor& v, int t) {
    Tensor h = v;
    for (int i = 0; i <= t; ++i) h = tn::layer_norm(tn::sin(h * (t + 2)) + i, tn::ones({96}), 0.1, 1e-5);
    return tn::matmul(h.transpose(), h);
  };
  const Tensor x = tn::normal(tn::key(6), {70, 96});
  std::vector<Floats> got(thread_count);
  at_once([&](int t) { got[t] = tn::jit([&](const Tensor& v) { return body(v, t); })(x).to_vector<float>(); });
  for (int t = 0; t < thread_count; ++t) EXPECT_EQ(got[t], body(x, t).to_vector<float>()) << t;
}

// Compiling defines symbols (n + m, products), and none of them in the table of the graph that others read.
TEST_F(Concurrency, OneSymbolicGraphUnderSeveralOptions) {
  const auto graph = tn::ir::parse(
      "symbol n in [1, 64]\nsymbol m in [1, 64]\ngraph @main(%0: f32[n, 8], %1: f32[m, 8]) -> (%4) {\n"
      "  %2 = concat %0, %1 {axis = [0]} : f32[(n + m), 8]\n"
      "  %3 = reduce_sum %2 {axes = [1]} : f32[(n + m)]\n"
      "  %4 = sin %3 : f32[(n + m)]\n}\n");
  const size_t symbols = graph->symbols->size();
  const std::string text = graph->text();
  at_once([&](int t) {
    tn::runtime::CompileOptions options;
    options.fuse = t % 2 == 0;
    options.entry = "entry_" + std::to_string(t);
    options.disk_cache = false;
    for (int round = 0; round < 20; ++round) EXPECT_EQ(graph->text(), text);
    tn::runtime::compile(*graph, options);
    EXPECT_EQ(graph->text(), text);
  });
  EXPECT_EQ(graph->symbols->size(), symbols);
}

TEST_F(Concurrency, BackwardOnSeparateTapes) {
  const Tensor w = tn::normal(tn::key(7), {40, 30});
  const auto gradient = [&](int seed) {
    Tensor x = tn::normal(tn::key(static_cast<uint64_t>(seed)), {50, 40});
    x.set_requires_grad(true);
    for (int i = 0; i < 2; ++i) tn::sum(tn::tanh(tn::matmul(x, w)) * x.detach()[{0, 0}]).backward();  // accumulates
    return x.grad().to_vector<float>();
  };
  const auto traced = [&](int seed) {
    const auto loss = [&](const Tensor& x) { return tn::sum(tn::tanh(tn::matmul(x, w)) * (seed + 1)); };
    return tn::grad(loss)(tn::normal(tn::key(static_cast<uint64_t>(seed)), {50, 40})).to_vector<float>();
  };
  std::vector<Floats> taped(thread_count), transformed(thread_count);
  at_once([&](int t) {
    for (int round = 0; round < 3; ++round) taped[t] = gradient(t);
    transformed[t] = traced(t);
  });
  for (int t = 0; t < thread_count; ++t) {
    EXPECT_EQ(taped[t], gradient(t)) << t;
    EXPECT_EQ(transformed[t], traced(t)) << t;
  }
}

TEST_F(Concurrency, GradModeAndTracesBelongToTheirThread) {
  const Tensor x = tn::ones({3}, {.requires_grad = true});
  at_once([&](int t) {
    for (int round = 0; round < 50; ++round) {
      if (t % 2 == 0) {
        const tn::NoGrad off;
        EXPECT_FALSE((x * 2).requires_grad());
      } else {
        EXPECT_TRUE((x * 2).requires_grad());
        tn::trace([](const Tensor& v) { return tn::exp(v); }, tn::ones({3}));
      }
    }
  });
}

TEST_F(Concurrency, TensorsOutliveTheirThread) {
  Tensor kept;
  std::thread([&] { kept = tn::arange(0, 100).astype(tn::f32) * 2; }).join();
  EXPECT_EQ(kept.to_vector<float>()[99], 198);
  const Tensor next = kept + 1;
  std::thread([gone = std::move(kept)]() mutable { gone = Tensor(); }).join();
  EXPECT_EQ(next.to_vector<float>()[99], 199);
}

TEST_F(Concurrency, ForkedChildComputesOn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer knows no threads in a child of a threaded process";
#endif
  const auto body = [](const Tensor& v) { return tn::softmax(v * 2, -1) + tn::sum(v); };
  const auto f = tn::jit(body);
  const Tensor x = tn::normal(tn::key(8), {500, 300});  // enough for the pool
  const Floats expected = f(x).to_vector<float>();
  const Tensor small = tn::normal(tn::key(8), {50, 30});
  const Floats fresh = body(small).to_vector<float>();
  EXPECT_EQ(in_child([&] {
              if (f(x).to_vector<float>() != expected) return 1;  // code and pool of the parent
              if (body(x).to_vector<float>() != expected) return 2;  // its eager programs
              if (f(small).to_vector<float>() != fresh) return 3;  // a new program
              return 0;
            }),
            0);
  EXPECT_EQ(f(x).to_vector<float>(), expected);
}

// Objects that are destroyed when the process ends, in the reverse order of their making.
Tensor& static_tensor() {
  static Tensor t = tn::normal(tn::key(1), {30, 30});
  return t;
}
auto& static_function() {
  static auto f = tn::jit([](const Tensor& v) { return tn::tanh(v) + static_tensor(); });
  return f;
}

// Threads that are still computing when the process ends. What they use outlives every static object.
void start_endless_threads() {
  static std::atomic<int> working = 0;
  for (int t = 0; t < thread_count; ++t)
    std::thread([] {
      const auto f = tn::jit([](const Tensor& v) { return tn::exp(v) * 2; });
      const Tensor x = tn::normal(tn::key(2), {400, 300});
      for (int64_t round = 0;; ++round) {
        f(x);
        tn::sum(x * 2);
        if (round == 3) ++working;
      }
    }).detach();
  while (working < thread_count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

[[noreturn]] void exit_with_objects_alive() {
  thread_local Tensor of_thread = tn::ones({4});
  const Tensor y = static_function()(static_tensor()) + of_thread[{0}];
  thread_local Tensor tape = tn::sum(tn::ones({4}, {.requires_grad = true}) * 2);
  tape.backward();
  std::exit(y.to_vector<float>().size() == 900 ? 0 : 1);
}

[[noreturn]] void exit_with_threads_at_work() {
  static_function()(static_tensor());
  start_endless_threads();
  std::exit(0);
}

[[noreturn]] void exit_inside_a_trace() {
  tn::jit([](const Tensor& v) -> Tensor {
    static_cast<void>(v + 1);
    std::exit(0);
  })(static_tensor());
  std::abort();  // not reached
}

class ProcessExit : public Concurrency {
 protected:
  // A fresh process runs the statement, since this one has threads.
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    Concurrency::SetUp();
  }
};

TEST_F(ProcessExit, StaticAndThreadLocalObjects) {
  EXPECT_EXIT(exit_with_objects_alive(), testing::ExitedWithCode(0), "");
}
TEST_F(ProcessExit, ThreadsAtWork) { EXPECT_EXIT(exit_with_threads_at_work(), testing::ExitedWithCode(0), ""); }
TEST_F(ProcessExit, InsideATrace) { EXPECT_EXIT(exit_inside_a_trace(), testing::ExitedWithCode(0), ""); }

}  // namespace
