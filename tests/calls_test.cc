// Cached calls: they ask for no memory, find the signature that differs in one thing alone, and go on while other threads add
// signatures and drop them. Refuses to measure time: bench/latency.cc does.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tenon/runtime/cache/memory_cache.h"
#include "tenon/runtime/reading.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// The sanitizers replace what allocates, and blocks are not kept for the next call.
constexpr bool counts_allocations = false;
namespace {
thread_local long allocations = 0;
}
#else
constexpr bool counts_allocations = true;
namespace {
thread_local constinit long allocations = 0;
}
// All that the C library gives, and with it what C++ asks of it.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void* malloc(size_t bytes) { return ++allocations, __libc_malloc(bytes); }
void* calloc(size_t count, size_t bytes) { return ++allocations, __libc_calloc(count, bytes); }
int posix_memalign(void** to, size_t alignment, size_t bytes) {
  ++allocations;
  *to = __libc_memalign(alignment, bytes);
  return *to == nullptr;
}
}
#endif

namespace tn = tenon;
using tn::Tensor;

namespace {

// What thousand calls ask for, once what they need is there.
long asked(const std::function<void()>& call) {
  for (int i = 0; i < 100; ++i) call();
  const long before = allocations;
  for (int i = 0; i < 1000; ++i) call();
  return allocations - before;
}

struct Pair {
  Tensor sum, product;
};

TEST(Calls, AskForNoMemory) {
  if (!counts_allocations) GTEST_SKIP();
  ASSERT_GT(asked([] { std::free(std::malloc(100)); }), 0) << "this test sees nothing";
  const Tensor x = tn::arange(8).astype(tn::f32), y = tn::ones({8}), held = tn::full({8}, 3.0f);
  const auto add = tn::jit([](const Tensor& a, const Tensor& b) { return a + b; });
  EXPECT_EQ(asked([&] { add(x, y); }), 0);
  const auto capture = tn::jit([&](const Tensor& a) { return a * held; });
  EXPECT_EQ(asked([&] { capture(x); }), 0);
  const auto tree = tn::jit([](const Pair& p, int k) { return Pair{p.sum + p.product, p.sum * p.product * k}; });
  const Pair pair{x, y};
  EXPECT_EQ(asked([&] { tree(pair, 2); }), 0);
  EXPECT_EQ(tree(pair, 2).product.to_vector<float>()[7], 14);
  const auto chain = tn::jit([](const Tensor& a) { return tn::softmax(tn::matmul(a, a), -1); });
  const Tensor square = tn::ones({16, 16});
  Tensor last;
  EXPECT_EQ(asked([&] { last = chain(square); }), 0) << "a result that stays until the next";
}

// A thread makes results of what its earlier ones were made of: nothing of these may be seen, and nothing that is shared is taken.
TEST(Calls, ResultsAreAsNew) {
  const Tensor x = tn::arange(6).astype(tn::f32);
  const auto twice = tn::jit([](const Tensor& a) { return a + a; });
  for (int round = 0; round < 4; ++round) {
    {
      Tensor used = twice(x);
      used.set_requires_grad(true);
      tn::sum(used * used).backward();
      EXPECT_EQ(used.grad().to_vector<float>()[5], 20);
    }
    const Tensor fresh = twice(x);
    EXPECT_FALSE(fresh.requires_grad());
    EXPECT_FALSE(fresh.grad().defined());
    EXPECT_TRUE(fresh.is_leaf());
    EXPECT_FALSE(fresh.grad_fn());
  }
  Tensor kept, seen, other_shape;
  {
    const Tensor first = twice(x);
    kept = first.reshape({2, 3});  // its buffer
    seen = first.data();  // its slot
  }
  for (int round = 0; round < 4; ++round) {
    other_shape = twice(tn::full({2, 3, 1}, 7.0f));
    const Tensor again = twice(tn::full({6}, -1.0f));
    EXPECT_EQ(again.shape(), tn::Shape({6}));
    EXPECT_EQ(other_shape.shape(), tn::Shape({2, 3, 1}));
    EXPECT_EQ(other_shape.to_vector<float>()[5], 14);
    EXPECT_EQ(kept.to_vector<float>()[5], 10);
    EXPECT_EQ(seen.to_vector<float>()[5], 10);
  }
  std::thread([handed = twice(x)]() mutable { handed = Tensor(); }).join();  // another thread lets go of it
  EXPECT_EQ(twice(x).to_vector<float>()[5], 10);
}

TEST(Calls, AskForNoMemoryWithAHundredSignatures) {
  if (!counts_allocations) GTEST_SKIP();
  const auto add = tn::jit([](const Tensor& a, const Tensor& b) { return a + b; });
  std::vector<Tensor> all;
  for (int n = 1; n <= 100; ++n) all.push_back(tn::ones({n}));
  size_t k = 0;
  const auto next = [&] { add(all[k], all[k]), k = (k + 37) % all.size(); };
  EXPECT_EQ(asked(next), 0);
}

// Each variation differs from the first call in one thing, and every call gets the program of its own.
TEST(Calls, TellSignaturesApartByOneThing) {
  int traces = 0;
  const Tensor x = tn::ones({2, 3});
  const auto f = tn::jit([&](const Tensor& a, int n, const std::string& s, const std::vector<float>& v) {
    ++traces;
    return a * static_cast<float>(n) + static_cast<float>(s.size()) + v[0];
  });
  const std::string s = "s";
  const std::vector<float> v{0.5f};
  const auto traced = [&](const std::function<void()>& call) {
    const int before = traces;
    call();
    const int first = traces - before;
    call();
    EXPECT_EQ(traces - before, first) << "the second such call is traced again";
    return first;
  };
  EXPECT_EQ(traced([&] { f(x, 1, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(tn::full({2, 3}, 7.0f), 1, s, v); }), 0) << "values of tensors are none of it";
  EXPECT_EQ(traced([&] { f(tn::ones({3, 3}), 1, s, v); }), 1) << "one bit of an extent";
  EXPECT_EQ(traced([&] { f(tn::ones({2, 2}), 1, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(tn::ones({(int64_t{1} << 20) + 2, 1}), 1, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(tn::ones({2, 3, 1}), 1, s, v); }), 1) << "the rank";
  EXPECT_EQ(traced([&] { f(tn::ones({6}), 1, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(x.astype(tn::f64), 1, s, v); }), 1) << "the dtype";
  EXPECT_EQ(traced([&] { f(x.astype(tn::i32), 1, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(x, 0, s, v); }), 1) << "one bit of a number";
  EXPECT_EQ(traced([&] { f(x, 1 | INT32_MIN, s, v); }), 1);
  EXPECT_EQ(traced([&] { f(x, 1, std::string("t"), v); }), 1) << "a string";
  EXPECT_EQ(traced([&] { f(x, 1, std::string("ss"), v); }), 1);
  EXPECT_EQ(traced([&] { f(x, 1, s, std::vector{0.25f}); }), 1) << "an entry of a list";
  EXPECT_EQ(traced([&] { f(x, 1, s, std::vector{0.5f, 0.5f}); }), 1);
  Tensor leaf = tn::ones({2, 3});
  leaf.set_requires_grad(true);
  EXPECT_EQ(traced([&] { f(leaf, 1, s, v); }), 1) << "whether it requires grad";
  {
    const tn::NoGrad off;
    EXPECT_EQ(traced([&] { f(x, 1, s, v); }), 1) << "the grad mode";
  }
  tn::set_default_dtype(tn::f64);
  EXPECT_EQ(traced([&] { f(x, 1, s, v); }), 1) << "the default dtype";
  tn::set_default_dtype(tn::f32);
  EXPECT_EQ(traced([&] { f(x, 1, s, v); }), 0) << "and back";
}

TEST(Calls, FewListsBecomeMany) {
  const auto f = tn::jit([](const std::vector<Tensor>& all) {
    std::vector<Tensor> out;
    for (const Tensor& t : all) out.push_back(t + 1);
    return out;
  });
  for (int n : {1, 4, 5, 15, 16, 17, 70, 200}) {
    std::vector<Tensor> all;
    for (int i = 0; i < n; ++i) all.push_back(tn::full({2}, static_cast<float>(i)));
    for (int again = 0; again < 2; ++again) {
      const std::vector<Tensor> out = f(all);
      ASSERT_EQ(out.size(), all.size());
      for (int i = 0; i < n; ++i)
        EXPECT_EQ(out[static_cast<size_t>(i)].to_vector<float>()[1], static_cast<float>(i + 1));
    }
  }
}

void in_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  std::vector<std::string> failures(static_cast<size_t>(count));
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&, t] {
      try {
        body(t);
      } catch (const std::exception& e) {
        failures[static_cast<size_t>(t)] = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
}

TEST(Calls, GoOnWhileSignaturesAreAdded) {
  const auto f = tn::jit([](const Tensor& a, int n) { return a * static_cast<float>(n); });
  const Tensor x = tn::ones({3});
  for (int n = 0; n < 100; ++n) f(x, n);
  std::atomic<int> wrong = 0;
  in_threads(5, [&](int t) {
    for (int i = 0; i < (t == 4 ? 40 : 20000); ++i) {
      const int n = t == 4 ? 100 + i : (i * 37 + t) % 100;
      if (f(x, n).to_vector<float>()[2] != static_cast<float>(n)) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// Entries go while they are called, and tensors that they captured live as long as a call of theirs.
TEST(Calls, GoOnWhileSignaturesAreDropped) {
  std::atomic<int> wrong = 0;
  std::atomic<bool> over = false;
  const auto f = tn::jit([](const Tensor& a, int n) { return a * static_cast<float>(n) + tn::full({3}, 1.0f); });
  const Tensor x = tn::ones({3});
  in_threads(4, [&](int t) {
    for (int i = 0; t == 3 ? !over : i < 3000; ++i) {
      if (t == 3) {
        tn::runtime::clear_memory_caches();
        std::this_thread::yield();
        continue;
      }
      if (f(x, i % 3).to_vector<float>()[2] != static_cast<float>(i % 3 + 1)) ++wrong;
      if (t == 0 && i == 2999) over = true;
    }
  });
  EXPECT_EQ(wrong, 0);
}

// What is retired goes at once where nobody reads, else when those who may have found it are over, and not those who come later.
TEST(Calls, WhatIsRetiredWaitsForItsReaders) {
  using namespace tn::runtime;
  std::atomic<int> gone = 0;
  const auto drop = [&](MemoryCache& cache) {
    cache.keep("a", std::shared_ptr<const void>(&gone, [](std::atomic<int>* g) { ++*g; }), 1);
    tn::runtime::clear_memory_caches();
  };
  MemoryCache cache(CacheKind::tables);
  drop(cache);
  EXPECT_EQ(gone, 1);
  {
    const Reading outer;
    drop(cache);
    {
      const Reading inner;
      EXPECT_EQ(cache.find("a", inner), nullptr);
    }
    EXPECT_EQ(gone, 1) << "the outer section is not over";
  }
  EXPECT_EQ(gone, 2);
  std::atomic<int> step = 0;
  const auto wait_for = [&](int s) {
    while (step < s) std::this_thread::yield();
  };
  std::atomic<bool> begun = false;
  std::thread reader([&] {
    {
      const Reading section;
      step = 1;
      while (!begun) std::this_thread::yield();
    }
    step = 3;
  });
  std::thread later([&] {
    wait_for(2);
    const Reading section;  // begun after what it does not wait for was retired
    begun = true;
    wait_for(4);
  });
  wait_for(1);
  drop(cache);
  EXPECT_EQ(gone, 2);
  step = 2;
  wait_for(3);
  for (int i = 0; i < 100000 && gone < 3; ++i) std::this_thread::yield();
  EXPECT_EQ(gone, 3);
  step = 4;
  reader.join();
  later.join();
}

}  // namespace
