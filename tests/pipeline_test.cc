// Stages over ranks against their composition: values, gradients and bits, for every number of ranks and both schedules; and how much
// of them is alive at once.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <map>
#include <mutex>

#include "tenon/tests/messages.h"

namespace tenon {
namespace {

using dist::World;
using testing::message_of;

struct Layer {
  Tensor w, b;
};

constexpr int64_t width = 12;

Layer make_layer(uint64_t seed) { return {normal(key(seed), {width, width}) * 0.3f, zeros({width})}; }
Tensor through(const Layer& l, const Tensor& x) { return tanh(matmul(x, l.w) + l.b); }
Tensor loss_of(const Layer& l, const Tensor& x) {
  const Tensor y = through(l, x);
  return mean(y * y);
}

const auto parameters = [] { return std::tuple(make_layer(1), make_layer(2), make_layer(3), make_layer(4)); };
const auto with_loss = std::make_tuple(through, through, through, loss_of);
const auto without = std::make_tuple(through, through, through, through);

template <class T>
std::vector<float> numbers_of(const T& tree) {
  std::vector<float> v;
  for (const Tensor& t : tree::leaves(tree))
    for (float f : t.to_vector<float>()) v.push_back(f);
  return v;
}

// Of every rank, which all are the same.
template <class F>
std::vector<float> on_ranks(int n, F f) {
  std::mutex lock;
  std::vector<float> first;
  dist::simulate(n, [&](World w) {
    const std::vector<float> mine = f(w);
    const std::lock_guard hold(lock);
    if (first.empty()) first = mine;
    EXPECT_EQ(first, mine) << "rank " << w.rank();
  });
  return first;
}

TEST(Pipeline, GivesTheCompositionToTheBit) {
  const Tensor x = normal(key(9), {8, width});
  const auto [a, b, c, d] = parameters();
  const std::vector<float> expected = numbers_of(through(d, through(c, through(b, through(a, x)))));
  for (const int n : {1, 2, 4})
    for (const int m : {1, 4, 8})
      EXPECT_EQ(on_ranks(n,
                         [&](const World& w) {
                           const auto f = dist::pipeline(without, w, {.microbatches = m});
                           EXPECT_EQ(numbers_of(jit(f)(parameters(), x)), numbers_of(f(parameters(), x)));
                           return numbers_of(jit(f)(parameters(), x));
                         }),
                expected)
          << n << " ranks, " << m << " microbatches";
}

TEST(Pipeline, HasTheSameGradientsOnAnyNumberOfRanks) {
  const Tensor x = normal(key(9), {8, width});
  const auto gradients = [&](int n, dist::Schedule schedule, auto stages, auto loss) {
    return on_ranks(n, [&](const World& w) {
      const auto f = dist::pipeline(stages, w, {.microbatches = 4, .schedule = schedule});
      const auto both = jit(value_and_grad<0, 1>([=](const auto& p, const Tensor& v) { return loss(f(p, v)); }));
      return numbers_of(both(parameters(), x));
    });
  };
  const auto itself = [](const Tensor& t) { return t; };
  const auto square = [](const Tensor& t) { return mean(t * t); };
  const auto plain = value_and_grad<0, 1>([](const auto& p, const Tensor& v) {
    const auto& [a, b, c, d] = p;
    return loss_of(d, through(c, through(b, through(a, v))));
  })(parameters(), x);
  const std::vector<float> expected = numbers_of(plain), one = gradients(1, dist::gpipe, with_loss, itself);
  ASSERT_EQ(expected.size(), one.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], expected[i], 1e-6);
  for (const int n : {1, 2, 4})
    for (const dist::Schedule schedule : {dist::gpipe, dist::one_f_one_b}) {
      EXPECT_EQ(gradients(n, schedule, with_loss, itself), one) << n << " ranks";
      EXPECT_EQ(gradients(n, schedule, without, square), gradients(1, dist::gpipe, without, square)) << n << " ranks";
      // The value of the loss is not asked for.
      const auto alone = on_ranks(n, [&](const World& w) {
        const auto f = dist::pipeline(without, w, {.microbatches = 4, .schedule = schedule});
        return numbers_of(jit(grad([=](const auto& p, const Tensor& v) { return square(f(p, v)); }))(parameters(), x));
      });
      EXPECT_EQ(alone.size() + 8 * width + 1, one.size());
    }
}

// One forward, one backward: a rank holds the activations of a few microbatches, not of all.
TEST(Pipeline, OneForwardOneBackwardHoldsFewMicrobatches) {
  const Tensor x = normal(key(9), {16 * 64, width});
  std::mutex lock;
  std::map<std::pair<dist::Schedule, int>, int64_t> bytes;
  dist::simulate(2, [&](World w) {
    for (const dist::Schedule schedule : {dist::gpipe, dist::one_f_one_b}) {
      const auto f = dist::pipeline(with_loss, w, {.microbatches = 16, .schedule = schedule});
      const auto step = jit(grad([=](const auto& p, const Tensor& v) { return f(p, v); }));
      step(parameters(), x);
      const std::lock_guard hold(lock);
      bytes[{schedule, w.rank()}] = step.lower(parameters(), x).compile().memory().arena_bytes;
    }
  });
  for (const int rank : {0, 1}) {
    std::printf("rank %d: %lld bytes by GPipe, %lld by one forward, one backward\n", rank,
                static_cast<long long>(bytes[{dist::gpipe, rank}]),
                static_cast<long long>(bytes[{dist::one_f_one_b, rank}]));
    EXPECT_LT(2 * bytes[std::pair(dist::one_f_one_b, rank)], bytes[std::pair(dist::gpipe, rank)]);
  }
}

TEST(Pipeline, MisuseIsSaidWhereItIs) {
  EXPECT_HAS(message_of([] { dist::simulate(3, [](World w) { dist::pipeline(without, w); }); }),
             "4 stages for the 3 ranks");
  EXPECT_HAS(message_of([] { dist::pipeline(without, dist::init(), {.microbatches = 0}); }), "1 or more");
  EXPECT_HAS(
      message_of([] { dist::pipeline(without, dist::init(), {.microbatches = 3})(parameters(), ones({8, width})); }),
      "3 microbatches do not divide");
}

}  // namespace
}  // namespace tenon
