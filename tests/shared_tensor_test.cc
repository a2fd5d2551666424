// Threads that share a tensor: whoever reads gets a value that was there, whole; the last writer's stays; gradients of two
// backwards add up. Each loop is long enough that memory would be broken without the slot's door. Refuses to assert which of
// two writers is the last.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tenon/runtime/tenon_runtime.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

constexpr int extent = 700;  // 2800 bytes: blocks that are recycled at once

// All elements alike, and of what somebody wrote.
bool whole(const Tensor& t) {
  const std::vector<float> v = t.to_vector<float>();
  for (const float x : v)
    if (x != v[0]) return false;
  return v[0] == static_cast<float>(static_cast<int>(v[0]));
}

// Runs the functions side by side, each again and again until the first has run `rounds` times.
void side_by_side(int rounds, std::vector<std::function<void()>> functions) {
  std::atomic<bool> over = false;
  std::vector<std::string> failures(functions.size());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < functions.size(); ++t)
    threads.emplace_back([&, t] {
      try {
        for (int round = 0; t == 0 ? round < rounds : !over || round < 30; ++round) functions[t]();
      } catch (const std::exception& e) {
        failures[t] = e.what();
      }
      if (t == 0) over = true;
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

TEST(SharedTensor, WritersThroughDataAndReaders) {
  const Tensor x = tn::zeros({extent}), one = tn::ones({extent});
  const auto f = tn::jit([](const Tensor& v) { return v * 2 + v; });
  const auto captures = tn::jit([&](const Tensor& v) { return v + x; });
  const Tensor zero = tn::zeros({extent});
  side_by_side(30000, {[&] { x.data() -= one; }, [&] { x.data() = one; }, [&] { EXPECT_TRUE(whole(x)); },
                       [&] { EXPECT_TRUE(whole(x + one)); }, [&] { EXPECT_TRUE(whole(f(x))); },
                       [&] { EXPECT_TRUE(whole(captures(zero))); },
                       [&] { EXPECT_TRUE(whole(tn::reshape(x.detach(), {extent / 2, 2}))); }});
  x.data() = one;
  EXPECT_EQ(x.to_vector<float>(), one.to_vector<float>());
}

TEST(SharedTensor, UpdatesOfALeafAndItem) {
  Tensor w = tn::zeros({1}, {.requires_grad = true});
  const std::function<void()> add = [&] {
    const tn::NoGrad off;
    w += 1;
  };
  side_by_side(30000, {add, add, [&] { w.item<float>(); }, [&] { EXPECT_TRUE((w * 2).requires_grad()); },
                       [&] { w.data() -= tn::ones({1}); }});
}

// Long calls: a reader is inside the program when the buffer is replaced.
TEST(SharedTensor, AReaderInsideALongCall) {
  tenon_runtime_set_threads(3);
  const Tensor x = tn::zeros({1200, 1000});  // 4.8 MB, unmapped or recycled when it goes
  const auto f = tn::jit([](const Tensor& v) { return tn::tanh(v * 0) + v; });
  const auto check = [&] {
    const Tensor y = f(x);
    const float low = tn::min(y).item<float>(), high = tn::max(y).item<float>();
    EXPECT_EQ(low, high);
  };
  side_by_side(300, {[&] { x.data() = tn::full({1200, 1000}, 3.0f); }, check, check});
  tenon_runtime_set_threads(0);
}

TEST(SharedTensor, BackwardOnOneLeafAddsUp) {
  const Tensor w = tn::full({40}, 2.0f, {.requires_grad = true});
  constexpr int rounds = 3000, threads = 3;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) tn::sum(w * w).backward();
    });
  for (std::thread& t : all) t.join();
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(40, 4.0f * rounds * threads));
}

TEST(SharedTensor, GradientsReadClearedAndMade) {
  Tensor w = tn::full({40}, 2.0f, {.requires_grad = true});
  side_by_side(10000,
               {[&] { tn::sum(w * w).backward(); }, [&] { tn::sum(tn::exp(w) * w).backward(); }, [&] { w.zero_grad(); },
                [&] {
                  const Tensor g = w.grad();
                  EXPECT_TRUE(!g.defined() || g.to_vector<float>().size() == 40);
                },
                [&] {
                  if (const Tensor g = w.grad(); g.defined()) w.data() -= g * 0;
                }});
}

// Both may win, or one be told that the record was used up; the record itself stays whole.
TEST(SharedTensor, BackwardOfOneResultOnTwoThreads) {
  for (int round = 0; round < 300; ++round) {
    const Tensor w = tn::full({40}, 2.0f, {.requires_grad = true});
    Tensor h = w;
    for (int i = 0; i < 5; ++i) h = h * w;
    const Tensor loss = tn::sum(h);
    std::atomic<int> done = 0;
    std::vector<std::thread> all;
    for (int t = 0; t < 2; ++t)
      all.emplace_back([&] {
        try {
          loss.backward();
          ++done;
        } catch (const tn::Error& e) {
          EXPECT_NE(std::string(e.what()).find("was used up"), std::string::npos) << e.what();
        }
      });
    for (std::thread& t : all) t.join();
    EXPECT_GE(done, 1);
    EXPECT_EQ(w.grad().to_vector<float>()[0], 192.0f * done);
  }
}

// A donated tensor that another thread reads: the reader gets the value or is told of the donation.
TEST(SharedTensor, DonatedWhileRead) {
  const auto f = tn::jit([](const Tensor& v) { return v + 1; }, {.donate = {0}});
  for (int round = 0; round < 300; ++round) {
    const Tensor x = tn::full({extent}, 5.0f);
    std::thread reader([&] {
      for (int i = 0; i < 5; ++i) {
        try {
          EXPECT_EQ((x * 2).to_vector<float>(), std::vector<float>(extent, 10.0f));
        } catch (const tn::Error& e) {
          EXPECT_NE(std::string(e.what()).find("donated"), std::string::npos) << e.what();
        }
      }
    });
    EXPECT_EQ(f(x).to_vector<float>(), std::vector<float>(extent, 6.0f));
    reader.join();
  }
}

TEST(SharedTensor, RequiresGradSetWhileRead) {
  Tensor x = tn::ones({20});
  const auto f = tn::jit([](const Tensor& v) { return v * v; });
  side_by_side(2000, {[&] {
                        x.set_requires_grad(true);
                        x.set_requires_grad(false);
                      },
                      [&] { EXPECT_TRUE(whole(x + 1)); }, [&] { EXPECT_TRUE(whole(f(x))); }});
}

}  // namespace
