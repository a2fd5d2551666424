// Batches as programs: over random trees, sizes and keys every row appears once, in the order that is promised, whatever is made
// ahead; threads come and go under load, in forked children, and with exceptions. Expected rows come from a loop of this test's own.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <random>
#include <ranges>
#include <thread>

#include "tenon/tenon.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

struct Labelled {
  Tensor images;
  std::optional<Tensor> weights;
  std::string what;
};
struct Everything {
  std::vector<Labelled> parts;
  std::map<std::string, Tensor> more;
  Tensor nothing;
  int number = 0;
};
static_assert(std::ranges::input_range<const tn::data::Batches<Tensor>>);

int64_t below(std::mt19937& random, int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }

// Numbers that tell row and array, of a random dtype and shape of rows.
Tensor rows_of(std::mt19937& random, int64_t rows, int array) {
  tn::Shape shape({tn::Dim(rows)});
  for (int64_t axes = below(random, 3); axes > 0; --axes) shape.push_back(tn::Dim(below(random, 4)));
  const tn::DType dtypes[] = {tn::u8, tn::i16, tn::f32, tn::f64, tn::boolean, tn::bf16};
  const tn::DType dtype = dtypes[random() % std::size(dtypes)];
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>((i * 7 + static_cast<size_t>(array)) % 100);
  return tn::copy_from(values.data(), shape, tn::f64).astype(dtype);
}

// Rows of a tensor by a loop over bytes.
std::string picked(const Tensor& t, const std::vector<int64_t>& order, int64_t first, int64_t count) {
  const int64_t all = t.size(0), bytes = all == 0 ? 0 : t.numel().number() / all * tn::bytes(t.dtype());
  std::string out;
  for (int64_t i = first; i < first + count; ++i)
    out.append(static_cast<const char*>(t.raw()) + order[static_cast<size_t>(i)] * bytes, static_cast<size_t>(bytes));
  return out;
}
std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * tn::bytes(t.dtype())));
}

template <class T>
void check(const T& arrays, int64_t rows, const tn::data::Batching& o) {
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  if (o.key.defined()) {
    order = tn::random::permutation(o.key, rows).to_vector<int64_t>();
    std::vector<int64_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = 0; i < rows; ++i) ASSERT_EQ(sorted[static_cast<size_t>(i)], i);
  }
  const auto range = tn::data::batches(arrays, o);
  const int64_t expected = o.drop_last ? rows / o.size : (rows + o.size - 1) / o.size;
  ASSERT_EQ(range.size(), expected);
  ASSERT_EQ(range.empty(), expected == 0);
  const std::vector<Tensor> from = tn::tree::leaves(arrays);
  for (int pass = 0; pass < 2; ++pass) {
    int64_t at = 0, count = 0;
    for (const auto& batch : range) {
      const int64_t length = std::min(o.size, rows - at);
      const std::vector<Tensor> got = tn::tree::leaves(batch);
      ASSERT_EQ(got.size(), from.size());
      ASSERT_EQ(tn::tree::paths(batch), tn::tree::paths(arrays));
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].dtype(), from[i].dtype());
        ASSERT_EQ(got[i].size(0), length);
        ASSERT_EQ(bytes_of(got[i]), picked(from[i], order, at, length));
      }
      at += length, ++count;
    }
    ASSERT_EQ(count, expected);
    ASSERT_EQ(at, o.drop_last ? expected * o.size : rows);
  }
}

TEST(Batches, HaveEveryRowOnceInOrder) {
  std::mt19937 random(1);
  for (int round = 0; round < 150; ++round) {
    const int64_t rows = below(random, 10) == 0 ? 0 : below(random, 70);
    const tn::data::Batching o{.size = 1 + below(random, 20),
                               .key = random() % 2 ? tn::key(random()) : Tensor(),
                               .drop_last = random() % 2 == 0,
                               .prefetch = below(random, 5)};
    int array = 0;
    const auto draw = [&] { return rows_of(random, rows, array++); };
    if (round % 4 == 0) check(draw(), rows, o);
    if (round % 4 == 1) check(std::tuple{draw(), draw()}, rows, o);
    if (round % 4 == 2) check(std::pair{draw(), std::vector{draw(), draw()}}, rows, o);
    if (round % 4 == 3) {
      Everything all;
      for (int64_t i = below(random, 3); i >= 0; --i)
        all.parts.push_back({draw(), random() % 2 ? std::optional(draw()) : std::nullopt, "part"});
      all.more = {{"a", draw()}, {"b", draw()}};
      all.number = 3;
      check(all, rows, o);
    }
    if (HasFatalFailure()) return;
  }
}

TEST(Batches, KeepWhatIsNoTensorAndBindInAnyWay) {
  const Tensor x = tn::arange(0, 5), y = tn::arange(10, 15);
  for (auto [a, b] : tn::data::batches(std::tuple{x, y}, {.size = 2})) EXPECT_EQ(a.numel(), b.numel());
  for (auto& [a, b] : tn::data::batches(std::tuple{x, y}, {.size = 2})) EXPECT_EQ(a.numel(), b.numel());
  for (auto&& [a, b] : tn::data::batches(std::tuple{x, y}, {.size = 2})) EXPECT_EQ(a.numel(), b.numel());
  std::vector<int64_t> seen;
  for (const Tensor& a : tn::data::batches(x[tn::all], {.size = 2})) seen.push_back(a[0].item<int64_t>());
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 2, 4}));
  for (const Everything& batch : tn::data::batches(Everything{{{x, {}, "name"}}, {}, {}, 7}, {.size = 5})) {
    EXPECT_EQ(batch.parts[0].what, "name");
    EXPECT_EQ(batch.number, 7);
    EXPECT_FALSE(batch.nothing.defined());
  }
}

TEST(Batches, AreOfTheValuesThatArraysHadThen) {
  Tensor x = tn::arange(0, 6).astype(tn::f32);
  const auto range = tn::data::batches(x, {.size = 6});
  x.data() *= 10;
  EXPECT_EQ(range.begin()->to_vector<int>(), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(Batches, AFunctionOfTheKey) {
  const Tensor x = tn::arange(0, 100);
  const auto order = [&](const Tensor& key, int64_t prefetch) {
    std::vector<int64_t> all;
    for (const Tensor& b : tn::data::batches(x, {.size = 7, .key = key, .prefetch = prefetch}))
      for (const int64_t i : b.to_vector<int64_t>()) all.push_back(i);
    return all;
  };
  EXPECT_EQ(order(tn::key(3), 0), order(tn::key(3), 4));
  EXPECT_NE(order(tn::key(3), 2), order(tn::key(4), 2));
  EXPECT_EQ(order(tn::key(3), 2), tn::random::permutation(tn::key(3), 100).to_vector<int64_t>());
}

TEST(Batches, MapRunsAheadWithTheNumber) {
  const Tensor x = tn::arange(0, 10).astype(tn::f32);
  const auto here = std::this_thread::get_id();
  std::atomic<int> elsewhere = 0;
  const auto range = tn::data::batches(std::tuple{x, x * 2}, {.size = 3})
                         .map([&](const std::tuple<Tensor, Tensor>& b, int64_t number) {
                           elsewhere += std::this_thread::get_id() != here;
                           return std::pair(std::get<0>(b) + std::get<1>(b), number);
                         })
                         .map([](const std::pair<Tensor, int64_t>& p) {
                           return tn::sum(p.first).item<float>() + static_cast<float>(100 * p.second);
                         });
  std::vector<float> got;
  for (const float f : range) got.push_back(f);
  EXPECT_EQ(got, (std::vector<float>{9, 136, 263, 327}));
  EXPECT_EQ(elsewhere, 4);
  EXPECT_EQ(range.size(), 4);
}

TEST(Batches, ExceptionsComeOutAtTheirBatch) {
  for (const int64_t prefetch : {0, 1, 3}) {
    int seen = 0;
    try {
      for (const int64_t n : tn::data::batches(tn::arange(0, 50), {.size = 5, .prefetch = prefetch})
                                 .map([](const Tensor&, int64_t number) {
                                   if (number == 4) throw std::runtime_error("batch 4");
                                   return number;
                                 }))
        EXPECT_EQ(n, seen++);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "batch 4");
    }
    EXPECT_EQ(seen, 4);
  }
}

TEST(Batches, StopEarlyAThousandTimes) {
  const Tensor x = tn::ones({1000, 4});
  const auto range = tn::data::batches(x, {.size = 10, .key = tn::key(1), .prefetch = 3});
  std::mt19937 random(2);
  std::atomic<int> made = 0;
  const auto counted = range.map([&](const Tensor& b) { return ++made, b; });
  int taken = 0;
  for (int i = 0; i < 1000; ++i) {
    int64_t left = below(random, 6);
    if (left == 0) continue;  // begun, and never asked
    for (const Tensor& b : counted) {
      ASSERT_EQ(b.numel(), 40);
      ++taken;
      if (--left == 0) break;
    }
  }
  EXPECT_LE(made, taken + 4 * 1000);
  {
    auto begun = counted.begin();
  }
}

TEST(Batches, ManyLoopsAtOnce) {
  const Tensor x = tn::arange(0, 4000);
  const auto range = tn::data::batches(x, {.size = 64, .key = tn::key(9), .prefetch = 2});
  std::atomic<int64_t> total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round)
        for (const Tensor& b : range)
          for (const int64_t i : b.to_vector<int64_t>()) total += i;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(total, int64_t{8} * 20 * 4000 * 3999 / 2);
}

// A child forked in the middle of a loop has no thread of its own; it goes on with the same batches and ends by itself.
TEST(Batches, GoOnInForkedChildren) {
  const Tensor x = tn::arange(0, 1000);
  for (int round = 0; round < 40; ++round) {
    int64_t next = 0;
    pid_t child = -1;
    for (const Tensor& b : tn::data::batches(x, {.size = 10, .prefetch = 4})) {
      for (const int64_t i : b.to_vector<int64_t>()) {
        if (i != next++ && child == 0) _exit(1);
        ASSERT_EQ(i + 1, next);
      }
      if (next == 10 * (round + 1)) {
        child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) alarm(60);
      }
    }
    if (child == 0) _exit(next == 1000 ? 0 : 2);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << round;
  }
}

// The process may end in the middle of a loop, whose iterator nobody destroys.
TEST(Batches, TheProcessMayEndInTheMiddle) {
  for (int round = 0; round < 10; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(60);
      for (const Tensor& b : tn::data::batches(tn::ones({100000}), {.size = 10, .prefetch = 3}))
        if (b.numel() == 10) exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << round;
  }
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const tn::Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Batches, RefuseWithAReason) {
  const auto holds = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("batches_test.cc"), std::string::npos) << text;
  };
  const Labelled unequal{tn::ones({3, 2}), tn::ones({4}), ""};
  const std::string text = error_of([&] { tn::data::batches(unequal); });
  holds(text, "'images' is f32[3, 2]");
  holds(text, "'weights' is f32[4]");
  holds(error_of([] { tn::data::batches(tn::ones({3}), {.size = 0}); }), "one row at least");
  holds(error_of([] { tn::data::batches(tn::ones({3}), {.prefetch = -1}); }), "made ahead");
  holds(error_of([] { tn::data::batches(tn::ones({})); }), "no rows");
  holds(error_of([] { tn::data::batches(std::tuple<>{}); }), "no array");
  holds(error_of([] { tn::data::batches(tn::spec({3}, tn::f32)); }), "spec");
  holds(error_of([] { tn::data::batches(tn::ones({3}), {.key = tn::ones({2})}); }), "key");
  holds(error_of([] { tn::data::batches(tn::ones({3}), {.key = tn::ones({2})}); }), "batches_test.cc");
  holds(error_of([] { tn::data::batches(tn::ones({3}), {.device = tn::cuda(77)}); }), "batches");
  holds(error_of([] { tn::jit([](const Tensor& x) { return *tn::data::batches(x).begin(); })(tn::ones({3})); }),
        "traced");
}

}  // namespace
