// Optimizers whose state lies in parts on the ranks: the bits of the whole update for every number of ranks and every kind of tree, and
// states that are gathered on some ranks and dealt out on others.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <mutex>

#include "tenon/tests/messages.h"

namespace tenon {
namespace {

using dist::LeafParts;
using dist::World;
using testing::message_of;

struct Net {
  Tensor w, b;
  std::vector<Tensor> more;
  Tensor classes;  // integers: they stay
};
Net make_net(DType dtype) {
  return {(normal(key(1), {5, 7}) * 0.4f).astype(dtype),
          zeros({7}, {.dtype = dtype}),
          {(normal(key(2), {7, 1}) * 0.4f).astype(dtype), full({}, 0.5f, {.dtype = dtype})},
          arange(0, 3)};
}
Tensor loss_of(const Net& net, const Tensor& x) {
  const Tensor h = tanh(matmul(x.astype(net.w.dtype()), net.w) + net.b);
  return mean(matmul(h, net.more[0]) * net.more[1]).astype(f32);
}

std::vector<std::vector<double>> values_of(const auto& tree) {
  std::vector<std::vector<double>> all;
  for (const Tensor& t : tree::leaves(tree)) all.push_back(t.to_vector<double>());
  return all;
}

struct Result {
  std::vector<std::vector<double>> parameters, state;  // the state whole and flattened
  std::vector<float> losses;
  bool operator==(const Result&) const = default;
};

// Some steps, whole or in parts.
template <class Init, class Update>
Result train(int ranks, int shards, DType dtype, bool in_parts, bool compiled, int64_t bucket, const Init& init,
             const Update& update) {
  Result result;
  std::mutex lock;
  dist::simulate(ranks, [&](World world) {
    const dist::Group group = world;
    Net net = make_net(dtype);
    const auto go = [&](const auto& step, auto state) {
      std::vector<float> losses;
      for (int k = 0; k < 3; ++k) {
        const Tensor x = normal(key(10 + static_cast<uint64_t>(k)), {24, 5});
        auto [next, moments, loss] = step(net, state, x);
        net = next, state = moments;
        losses.push_back(loss.template item<float>());
      }
      return std::pair{state, losses};
    };
    const dist::DataParallelOptions options{.shards = shards, .bucket_bytes = bucket};
    Result own;
    if (in_parts) {
      const auto step = dist::data_parallel(
          [&](const Net& p, const auto& s, const Tensor& x) {
            const auto [loss, gradient] = value_and_grad(loss_of)(p, x);
            auto [next, state] = dist::sharded_update(update, p, gradient, s, group);
            return std::make_tuple(next, state, dist::mean_gradient(loss));
          },
          group, options);
      const auto start = dist::sharded_init(init, net, group);
      const auto [state, losses] = compiled ? go(jit(step), start) : go(step, start);
      const auto whole = dist::gather_state(state, net, group);
      EXPECT_EQ(values_of(dist::shard_state(whole, net, group)), values_of(state));
      own = {values_of(net), values_of(whole), losses};
    } else {
      const auto step = dist::data_parallel(
          [&](const Net& p, const auto& s, const Tensor& x) {
            const auto [loss, gradient] = value_and_grad(loss_of)(p, x);
            auto [next, state] = update(p, dist::mean_gradient(gradient), s);
            return std::make_tuple(next, state, dist::mean_gradient(loss));
          },
          group, options);
      const auto [state, losses] = go(jit(step), init(net));
      own = {values_of(net), values_of(state), losses};
    }
    const std::lock_guard hold(lock);
    if (result.losses.empty()) result = own;
    EXPECT_EQ(own.parameters, result.parameters) << "rank " << world.rank();
    EXPECT_EQ(own.state, result.state) << "rank " << world.rank();
    EXPECT_EQ(own.losses, result.losses) << "rank " << world.rank();
  });
  return result;
}

const auto adam_init = [](const auto& p) { return optim::adamw_init(p); };
const auto adam = [](const auto& p, const auto& g, const auto& s) {
  return optim::adamw(p, g, s, {.rate = 0.05, .weight_decay = 0.01});
};
const auto sgd_init = [](const auto& p) { return optim::sgd_init(p); };
const auto momentum = [](const auto& p, const auto& g, const auto& s) {
  return optim::sgd(p, g, s, {.rate = 0.05, .momentum = 0.9, .weight_decay = 0.01});
};

TEST(ShardedState, HasTheBitsOfTheWhole) {
  for (const int shards : {8, 12}) {
    const Result whole = train(1, shards, f32, false, true, 1 << 20, adam_init, adam);
    for (const int ranks : {1, 2, 4, shards})
      EXPECT_EQ(train(ranks, shards, f32, true, true, ranks == 4 ? 40 : 1 << 20, adam_init, adam), whole)
          << ranks << " ranks, " << shards;
    EXPECT_EQ(train(2, shards, f32, true, false, 0, adam_init, adam), whole) << "eagerly";
  }
}

TEST(ShardedState, OfOtherDtypesAndOptimizers) {
  for (const DType dtype : {f64, bf16, f16})
    EXPECT_EQ(train(3, 6, dtype, true, true, 1 << 20, adam_init, adam),
              train(3, 6, dtype, false, true, 1 << 20, adam_init, adam));
  EXPECT_EQ(train(4, 4, f32, true, true, 1 << 20, sgd_init, momentum),
            train(4, 4, f32, false, true, 1 << 20, sgd_init, momentum));
}

TEST(ShardedState, EachRankKeepsItsPart) {
  dist::simulate(4, [](World world) {
    const Net net = make_net(f32);
    const auto state = dist::sharded_init(adam_init, net, world);
    const std::vector<int64_t> parts{9, 2, 2, 1};  // of 35, 7, 7 and 1
    for (size_t i = 0; i < parts.size(); ++i) {
      EXPECT_EQ(state.first[i].shape(), Shape({parts[i]}));
      EXPECT_EQ(state.second[i].shape(), Shape({parts[i]}));
    }
    EXPECT_FALSE(state.first[4].defined());
    EXPECT_EQ(state.step.ndim(), 0);
  });
}

TEST(ShardedState, GoesOverAnAxisOfAMesh) {
  dist::simulate(4, [](World world) {
    const dist::Mesh mesh(world, {{"data", 2}, {"copy", 2}});
    const dist::Group group = mesh["data"];
    const Tensor p = arange(0, 5).astype(f32), x = ones({4, 5});
    const auto step = dist::data_parallel(
        [&](const Tensor& q, const LeafParts& s, const Tensor& batch) {
          const Tensor gradient = grad([](const Tensor& v, const Tensor& u) { return sum(v * v * sum(u)); })(q, batch);
          return dist::sharded_update(
              [](const auto& part, const auto& g, const auto& v) {
                return optim::sgd(part, g, v, {.rate = 0.125, .momentum = 0.5});
              },
              q, gradient, s, group);
        },
        group, {.shards = 4});
    const auto [next, state] = step(p, dist::sharded_init(sgd_init, p, group), x);
    EXPECT_EQ(next.to_vector(), (std::vector<float>{0, -0.25, -0.5, -0.75, -1}));
    EXPECT_EQ(state[0].numel(), 3);
  });
}

TEST(ShardedState, MisuseIsSaidWhereItIs) {
  const Tensor p = ones({4});
  const World world = dist::init();
  const auto keep = [](const auto& part, const auto&, const auto& s) { return std::pair{part, s}; };
  EXPECT_HAS(message_of([&] { dist::sharded_update(keep, p, p, LeafParts{}, world); }), "data_parallel");
  EXPECT_HAS(message_of([&] { dist::sharded_update(keep, p, p, LeafParts{}, world); }), "sharded_state_test.cc");
  const auto stepped = [&](const auto& update, const Tensor& gradient) {
    return message_of([&] {
      dist::data_parallel(
          [&](const Tensor& q, const Tensor&, const Tensor& x) {
            return dist::sharded_update(update, q, gradient * sum(x), LeafParts{}, world).first;
          },
          world, {.shards = 2})(p, p, ones({2}));
    });
  };
  EXPECT_EQ(stepped(keep, p), "no error");
  EXPECT_HAS(stepped(keep, ones({3})), "the gradients");
  EXPECT_HAS(stepped([](const auto&, const auto&, const auto& s) { return std::pair{LeafParts{}, s}; }, p),
             "the update gave nothing");
  EXPECT_HAS(
      stepped([](const auto& q, const auto&, const auto& s) { return std::pair{LeafParts{concat({q[0], q[0]})}, s}; },
              p),
      "the update gave f32[8]");
  EXPECT_HAS(message_of([&] { dist::gather_state(LeafParts{ones({3})}, p, world); }), "no rank's part");
  EXPECT_HAS(message_of([&] { dist::shard_state(LeafParts{ones({3})}, p, world); }), "flattened");
  dist::simulate(4, [&](World w) {
    const dist::Mesh mesh(w, {{"data", 2}, {"model", 2}});
    EXPECT_HAS(message_of([&] {
                 dist::data_parallel(
                     [&](const Tensor& q, const Tensor&, const Tensor& x) {
                       return dist::sharded_update(keep, q, q * sum(x), LeafParts{}, mesh["model"]).first;
                     },
                     mesh["data"])(p, p, ones({2}));
               }),
               "in a step over 'data'");
  });
}

}  // namespace
}  // namespace tenon
