// Functions over the parts of a mesh, and training steps over shards: the values and derivatives of the whole, and the same bits for
// every number of ranks.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <mutex>

#include "tenon/tests/messages.h"

namespace tenon {
namespace {

using dist::Mesh;
using dist::Spec;
using dist::World;
using testing::message_of;

struct Net {
  Tensor w1, b1, w2;
};

Net make_net() { return {normal(key(1), {6, 16}) * 0.4f, zeros({16}), normal(key(2), {16, 3}) * 0.4f}; }
Tensor loss_of(const Net& net, const Tensor& x, const Tensor& y) {
  const Tensor out = matmul(tanh(matmul(x, net.w1) + net.b1), net.w2);
  return mean((out - y) * (out - y));
}

std::vector<float> all_of(const Net& net) {
  std::vector<float> v;
  for (const Tensor& t : tree::leaves(net))
    for (float f : t.to_vector<float>()) v.push_back(f);
  return v;
}

// Losses and parameters after some steps of a world of n ranks.
std::pair<std::vector<float>, std::vector<float>> train(int n, int shards, bool of_tree, bool compiled) {
  std::mutex lock;
  std::pair<std::vector<float>, std::vector<float>> result;
  dist::simulate(n, [&](World world) {
    const Mesh mesh(world, {{"data", n}});
    const auto step = dist::data_parallel(
        [&](const Net& net, const Tensor& rate, const Tensor& x, const Tensor& y) {
          const auto both = [&] {
            if (of_tree) return dist::mean_gradient(value_and_grad(loss_of)(net, x, y));
            return dist::mean_gradient(loss_of)(net, x, y);
          }();
          const Net next = tree::map([&](const Tensor& p, const Tensor& g) { return p - rate * g; }, net, both.second);
          return std::make_tuple(next, both.first);
        },
        mesh["data"], {.shards = shards});
    const auto fast = jit(step);
    Net net = make_net();
    std::vector<float> losses;
    for (int k = 0; k < 5; ++k) {
      const Tensor x = normal(key(10 + static_cast<uint64_t>(k)), {24, 6}), y = sin(x[{all, slice(0, 3)}]);
      const Tensor rate = full({}, 0.1f);
      const auto [next, loss] = compiled ? fast(net, rate, x, y) : step(net, rate, x, y);
      net = next;
      losses.push_back(loss.item<float>());
    }
    const std::lock_guard hold(lock);
    const std::vector<float> parameters = all_of(net);
    if (result.first.empty()) result = {losses, parameters};
    EXPECT_EQ(result.first, losses) << "rank " << world.rank();
    EXPECT_EQ(result.second, parameters) << "rank " << world.rank();
  });
  return result;
}

TEST(DataParallel, HasTheSameBitsForEveryNumberOfRanks) {
  for (const int shards : {8, 12}) {
    const auto one = train(1, shards, false, true);
    EXPECT_LT(one.first.back(), one.first.front());
    for (const int n : {2, 4, shards})
      for (const bool compiled : {true, false}) EXPECT_EQ(train(n, shards, false, compiled), one) << n << " ranks";
    EXPECT_EQ(train(2, shards, true, true), one) << "of a tree";
  }
}

TEST(DataParallel, GivesTheMeanOfTheBatch) {
  const auto shards = train(2, 8, false, true), whole = train(1, 1, false, true);
  for (size_t i = 0; i < whole.second.size(); ++i) EXPECT_NEAR(shards.second[i], whole.second[i], 1e-5);
}

TEST(DataParallel, WhatDiffersBetweenShardsComesOutByShard) {
  dist::simulate(2, [](World w) {
    const auto f = dist::data_parallel(
        [](const Tensor& p, const Tensor& s, const Tensor& x) { return std::make_tuple(sum(x) * p, s + 1); }, w,
        {.shards = 4});
    const auto [sums, state] = f(full({}, 2.0f), full({}, 5.0f), arange(0, 8).astype(f32));
    EXPECT_EQ(sums.to_vector<float>(), (std::vector<float>{2, 10, 18, 26}));
    EXPECT_EQ(state.item<float>(), 6);
  });
}

// ---- parts

TEST(ShardMap, GivesTheWholeAndItsDerivatives) {
  const Tensor x = normal(key(3), {8, 6}, {.dtype = f64}), w1 = normal(key(4), {6, 4}, {.dtype = f64}),
               w2 = normal(key(5), {4, 2}, {.dtype = f64});
  const auto plain = [](const Tensor& a, const Tensor& u, const Tensor& v) { return matmul(tanh(matmul(a, u)), v); };
  const auto loss = [](const auto& f) {
    return [f](const Tensor& a, const Tensor& u, const Tensor& v) { return sum(sin(f(a, u, v))); };
  };
  const auto expected = plain(x, w1, w2).to_vector<double>();
  const auto [ga, gu, gv] = grad<0, 1, 2>(loss(plain))(x, w1, w2);
  dist::simulate(4, [&](World world) {
    const Mesh mesh(world, {{"data", 2}, {"model", 2}});
    // Rows over data; the hidden layer over model, by columns and then by rows.
    const auto f = dist::shard_map(
        [](const Tensor& a, const Tensor& u, const Tensor& v) { return psum(matmul(tanh(matmul(a, u)), v), "model"); },
        mesh, {Spec{"data"}, Spec{none, "model"}, Spec{"model"}}, Spec{"data"});
    const auto near = [&](const Tensor& a, const std::vector<double>& b) {
      const auto v = a.to_vector<double>();
      ASSERT_EQ(v.size(), b.size());
      for (size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(v[i], b[i], 1e-12);
    };
    near(f(x, w1, w2), expected);
    near(jit(f)(x, w1, w2), expected);
    const auto [a, u, v] = jit(grad<0, 1, 2>(loss(f)))(x, w1, w2);
    near(a, ga.to_vector<double>());
    near(u, gu.to_vector<double>());
    near(v, gv.to_vector<double>());
  });
}

TEST(ShardMap, PartsAndWholesAreInverse) {
  dist::simulate(4, [](World world) {
    const Mesh mesh(world, {{"a", 2}, {"b", 2}});
    const Tensor x = arange(0, 32).astype(f32).reshape({4, 8});
    const Tensor part = dist::shard(x, mesh, {"a", "b"});
    EXPECT_EQ(part.shape(), (Shape{2, 4}));
    EXPECT_EQ(part[0][0].item<float>(), static_cast<float>(16 * (world.rank() / 2) + 4 * (world.rank() % 2)));
    EXPECT_EQ(dist::gather(part, mesh, {"a", "b"}).to_vector<float>(), x.to_vector<float>());
    EXPECT_EQ(dist::replicate(full({}, static_cast<float>(world.rank())), mesh).item<float>(), 0);
  });
}

TEST(ShardMap, MisuseIsSaidWhereItIs) {
  const auto with = [](const Spec& in, const Spec& out, Extents shape) {
    return message_of([&] {
      dist::simulate(2, [&](World w) {
        const Mesh mesh(w, {{"data", 2}});
        dist::shard_map([](const Tensor& x) { return x * 2; }, mesh, in, out)(ones(shape));
      });
    });
  };
  EXPECT_HAS(with({"data"}, {}, {4}), "differs along the axis 'data'");
  EXPECT_HAS(with({"data"}, {"data"}, {5}), "do not divide");
  EXPECT_HAS(with({"model"}, {"data"}, {4}), "only 'data'");
  EXPECT_HAS(with({none, "data"}, {"data"}, {4}), "1 dimensions");
  EXPECT_HAS(message_of([] {
               dist::simulate(2, [](World w) {
                 dist::data_parallel([](const Tensor& p, const Tensor&, const Tensor&) { return p; }, w, {.shards = 3})(
                     ones({1}), ones({1}), ones({6}));
               });
             }),
             "multiple of the ranks");
  EXPECT_HAS(message_of([] {
               dist::data_parallel([](const Tensor& p, const Tensor&, const Tensor&) { return p; }, dist::init(),
                                   {.shards = 4})(ones({1}), ones({1}), ones({6}));
             }),
             "4 shards do not divide");
  EXPECT_HAS(message_of([] { dist::mean_gradient(ones({2})); }), "data_parallel");
}

}  // namespace
}  // namespace tenon
