// Stages over ranks against their composition: values, gradients and bits, for every number of ranks and both schedules; and how much
// of them is alive at once.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <functional>
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

// Each rank along the pipeline's axis runs stages of its own: none of them may cut along it, in whatever it stands, and by whatever name.
TEST(Pipeline, StagesAreNotCutAlongItsOwnAxis) {
  dist::simulate(4, [](World w) {
    const dist::Mesh mesh(w, {{"stage", 2}, {"model", 2}}), flat(w, {{"all", 4}});
    using Stage = std::function<Tensor(const Layer&, const Tensor&)>;
    const auto said = [&](const Stage& first, const Stage& second) {
      const auto f = dist::pipeline(std::make_tuple(first, second), mesh["stage"], {.microbatches = 2});
      const std::tuple p(make_layer(1), make_layer(2));
      const Tensor x = normal(key(9), {8, width});
      const std::string plain = message_of([&] { f(p, x); });
      EXPECT_EQ(message_of([&] { jit(f)(p, x); }), plain);
      EXPECT_EQ(message_of([&] { jit(grad([&](const auto& q, const Tensor& v) { return sum(f(q, v)); }))(p, x); }),
                plain);
      return plain;
    };
    const auto cut = [](auto... how) {
      return [=](const Layer& l, const Tensor& x) { return through({dist::constrain(l.w, how...), l.b}, x); };
    };
    const Stage along = cut(mesh, dist::Spec{none, "stage"}), by_group = cut(mesh["stage"], 1),
                over_all = cut(flat, dist::Spec{"all"});
    const Stage looped = [&](const Layer& l, const Tensor& x) {
      return fori_loop(0, 3, [&](const Tensor&, const Tensor& h) { return along(l, h); }, x);
    };
    const Stage branching = [&](const Layer& l, const Tensor& x) {
      return cond(sum(x) > 0.0f, [&] { return along(l, x); }, [&] { return looped(l, x); });
    };
    const Stage compiled = [&](const Layer& l, const Tensor& x) { return jit(along)(l, x); };
    for (const Stage& s : {along, by_group, looped, branching, compiled})
      for (const bool last : {false, true}) {
        const std::string text = last ? said(through, s) : said(s, through);
        EXPECT_HAS(text, "pipeline_test.cc:");
        EXPECT_HAS(text, "along 'stage'");
        EXPECT_HAS(text, "each of its ranks runs stages of its own");
        EXPECT_HAS(text, "leave 'stage' out, or name another axis of the mesh");
      }
    EXPECT_HAS(said(through, over_all), "along 'all'");
    // Nor do values come in that are: a rank would put together what the others do not know of.
    for (const bool parameter : {false, true}) {
      const auto f = dist::pipeline(std::make_tuple(through, through), mesh["stage"], {.microbatches = 2});
      const auto whole = [&](const Layer& l, const Tensor& x) {
        const auto half = [&](const Tensor& t) { return dist::constrain(t * 2, mesh, {none, "stage"}) * 3; };
        return parameter ? f(std::tuple(Layer{half(l.w), l.b}, l), x) : f(std::tuple(l, l), half(x));
      };
      const std::string text = message_of([&] { jit(whole)(make_layer(1), normal(key(9), {8, width})); });
      EXPECT_HAS(text, "pipeline_test.cc:");
      EXPECT_HAS(text, "each rank along 'stage' has a part of its own in exchange over 'stage' at ");
      EXPECT_HAS(text, "leave 'stage' out, or name another axis of the mesh");
    }
  });
}

// What ranks along the pipeline's axis give each other is whole, however the stage that makes it is cut.
TEST(Pipeline, StagesMayBeCutAlongAnotherAxis) {
  const Tensor x = normal(key(9), {8, width});
  const auto plain = value_and_grad<0, 1>([](const auto& p, const Tensor& v) {
    const auto& [a, b, c, d] = p;
    return loss_of(d, through(c, through(b, through(a, v))));
  })(parameters(), x);
  const std::vector<float> expected = numbers_of(plain);
  for (const dist::Schedule schedule : {dist::gpipe, dist::one_f_one_b})
    for (const bool scalar : {true, false}) {
      const std::vector<float> cut = on_ranks(4, [&](const World& w) {
        const dist::Mesh mesh(w, {{"stage", 2}, {"model", 2}});
        const auto along = [=](const Layer& l, int64_t d) {
          return Layer{dist::constrain(l.w, mesh["model"], d), l.b};
        };
        const auto columns = [=](const Layer& l, const Tensor& h) { return through(along(l, 1), h); };
        const auto rows = [=](const Layer& l, const Tensor& h) { return through(along(l, 0), h); };
        const auto loss = [=](const Layer& l, const Tensor& h) { return loss_of(along(l, 1), h); };
        const dist::PipelineOptions options{.microbatches = 4, .schedule = schedule};
        const auto by_loss = dist::pipeline(std::make_tuple(columns, columns, rows, loss), mesh["stage"], options);
        const auto by_rows = dist::pipeline(std::make_tuple(columns, rows, columns, columns), mesh["stage"], options);
        return numbers_of(jit(value_and_grad<0, 1>([=](const auto& p, const Tensor& v) {
          if (scalar) return by_loss(p, v);
          const Tensor y = by_rows(p, v);
          return mean(y * y);
        }))(parameters(), x));
      });
      ASSERT_EQ(cut.size(), expected.size());
      for (size_t i = 0; i < cut.size(); ++i) EXPECT_NEAR(cut[i], expected[i], 1e-6);
    }
}

}  // namespace
}  // namespace tenon
