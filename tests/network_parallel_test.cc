// A transformer over ranks by stages, and by data and stages together: its loss and gradients have the bits of the same microbatches on
// one rank. And transforms around collectives.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <mutex>

#include "tenon/tests/small_transformer.h"

namespace tenon {
namespace {

using dist::Mesh;
using dist::World;
using testing::small_tokens;
using testing::small_transformer;
using testing::Transformer;
using testing::TransformerBlock;
using testing::TransformerLayers;

struct Ends {
  Tensor table, positions;
};
struct Head {
  Tensor norm, head, bias;
};
using Parameters = std::tuple<Ends, TransformerBlock, TransformerBlock, Head>;
struct Flow {  // from stage to stage
  Tensor x, labels;
};

const auto stages = std::tuple{
    [](const Ends& p, const Flow& in) { return Flow{take(p.table, in.x) + p.positions, in.labels}; },
    [](const TransformerBlock& p, const Flow& in) { return Flow{TransformerLayers{}.block(p, in.x), in.labels}; },
    [](const TransformerBlock& p, const Flow& in) { return Flow{TransformerLayers{}.block(p, in.x), in.labels}; },
    [](const Head& p, const Flow& in) {
      const int64_t rows = in.labels.shape()[0].number() * TransformerLayers::length;
      const Tensor h = rms_norm(in.x, p.norm).reshape({rows, TransformerLayers::width});
      return cross_entropy(linear(h, p.head, p.bias), in.labels.reshape({rows}));
    }};

Parameters parameters() {
  const Transformer t = small_transformer();
  return {{t.table, t.positions}, t.blocks[0], t.blocks[1], {t.norm, t.head, t.head_bias}};
}

template <class T>
std::vector<double> numbers_of(const T& tree) {
  std::vector<double> v;
  for (const Tensor& t : tree::leaves(tree))
    for (double x : t.to_vector<double>()) v.push_back(x);
  return v;
}

// Loss and gradients over a mesh of data and stages; the same on every rank.
std::vector<double> step_over(int data, int stage, int shards, dist::Schedule schedule) {
  std::mutex lock;
  std::vector<double> first;
  dist::simulate(data * stage, [&](World world) {
    world.set_timeout(60);  // ranks compile programs of their own, on a machine that may be busy
    const Mesh mesh(world, {{"data", data}, {"stage", stage}});
    const auto f = dist::pipeline(stages, mesh["stage"], {.microbatches = 2, .schedule = schedule});
    const auto loss = [=](const Parameters& p, const Flow& in) { return f(p, in); };
    const auto step = jit(dist::data_parallel(
        [=](const Parameters& p, const Tensor&, const Flow& in) { return dist::mean_gradient(loss)(p, in); },
        mesh["data"], {.shards = shards}));
    const std::vector<double> mine =
        numbers_of(step(parameters(), zeros({1}), Flow{small_tokens(3, 8), small_tokens(4, 8)}));
    const std::lock_guard hold(lock);
    if (first.empty()) first = mine;
    EXPECT_EQ(first, mine) << "rank " << world.rank();
  });
  return first;
}

TEST(NetworkParallel, ATransformerHasTheBitsOfOneRank) {
  const std::vector<double> one = step_over(1, 1, 4, dist::gpipe);
  const auto whole = value_and_grad([](const Parameters& p, const Flow& in) {
    const auto& [a, b, c, d] = p;
    const auto& [s0, s1, s2, s3] = stages;
    return s3(d, s2(c, s1(b, s0(a, in))));
  })(parameters(), Flow{small_tokens(3, 8), small_tokens(4, 8)});
  const std::vector<double> expected = numbers_of(whole);
  ASSERT_EQ(one.size(), expected.size());
  for (size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(one[i], expected[i], 1e-12);
  for (const dist::Schedule schedule : {dist::gpipe, dist::one_f_one_b}) {
    EXPECT_EQ(step_over(1, 4, 4, schedule), one) << "four stages";
    EXPECT_EQ(step_over(2, 2, 4, schedule), one) << "data 2 x stage 2";
  }
  EXPECT_EQ(step_over(2, 1, 4, dist::gpipe), one) << "data 2";
}

// Of every rank's values at once, in a world without ranks: row r is rank r's.
Tensor all_rows(int n) { return arange(0, 6 * n).astype(f64).reshape({n, 6}) / 7.0; }

TEST(Nests, TransformsAroundCollectivesAreThoseOfTheWhole) {
  constexpr int n = 3;
  // One rank's part of a function of all rows, and the whole function.
  const auto part = [](const Tensor& x, const World& w) {
    const Tensor s = dist::all_reduce(sin(x) * x, w);
    return sum(exp(s * 0.1) * dist::all_gather(x, w)[slice(0, 6)]) / static_cast<double>(n);
  };
  const auto whole = [](const Tensor& rows) {
    const Tensor s = sum(sin(rows) * rows, {.axes = {0}});
    return sum(exp(s * 0.1) * rows[0]);
  };
  dist::simulate(n, [&](World w) {
    w.set_timeout(60);
    const int64_t r = w.rank();
    const Tensor x = all_rows(n)[r];
    const auto f = [&](const Tensor& v) { return part(v, w); };
    const auto near = [&](const Tensor& a, const Tensor& b, const char* what) {
      const auto u = a.to_vector<double>(), v = b.to_vector<double>();
      ASSERT_EQ(u.size(), v.size()) << what;
      for (size_t i = 0; i < u.size(); ++i) EXPECT_NEAR(u[i], v[i], 1e-12) << what;
    };
    const Tensor plain = grad(f)(x);
    near(jit(grad(f))(x), plain, "jit grad");
    near(grad(jit(f))(x), plain, "grad jit");
    near(grad(checkpoint(f))(x), plain, "grad checkpoint");
    near(vmap(grad(f))(stack({x, x * 2}, 0))[0], plain, "vmap grad");
    near(grad([&](const Tensor& v) { return sum(vmap(f)(stack({v, v * 2}, 0))) - f(v * 2); })(x), plain, "grad vmap");
    const auto looped = [&](const Tensor& v) {
      return fori_loop(0, 2, [&](const Tensor&, const Tensor& u) { return u * 0.5 + dist::all_reduce(u, w) * 0.1; }, v);
    };
    const auto written = [&](const Tensor& v) {
      const Tensor u = v * 0.5 + dist::all_reduce(v, w) * 0.1;
      return u * 0.5 + dist::all_reduce(u, w) * 0.1;
    };
    near(grad([&](const Tensor& v) { return sum(looped(v) * v); })(x),
         grad([&](const Tensor& v) { return sum(written(v) * v); })(x), "grad scan");
    // Forward mode goes along every rank's direction at once, as the whole function does along all rows.
    const Tensor along = dist::all_reduce(jvp(f, x, x).second, w);
    near(along, jvp(whole, all_rows(n), all_rows(n)).second, "jvp");
  });
}

}  // namespace
}  // namespace tenon
