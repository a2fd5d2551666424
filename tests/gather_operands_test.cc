// Gradients of wide layers over small batches: what the ranks multiply travels, and not what it makes; the bits are those of one rank.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <mutex>

namespace tenon {
namespace {

using dist::LeafParts;
using dist::World;

struct Net {
  Tensor up, down;  // [144, 120], [120, 144]: 69 kB each
};
Net make_net(DType dtype) {
  return {(normal(key(1), {144, 120}) * 0.1f).astype(dtype), (normal(key(2), {120, 144}) * 0.1f).astype(dtype)};
}
Tensor loss_of(const Net& net, const Tensor& x) {
  const Tensor made = matmul(tanh(matmul(x.astype(net.up.dtype()) * 0.5f, net.up)), net.down);
  return mean(made * made).astype(f32);
}

struct Trained {
  std::vector<double> up, down, losses;
  std::string explained;
};

// Three steps by all ranks of a world, on batches of `rows` rows.
Trained train(int ranks, int shards, int64_t rows, DType dtype, bool in_parts) {
  Trained result;
  std::mutex lock;
  dist::simulate(ranks, [&](World world) {
    const dist::Group group = world;
    Net net = make_net(dtype);
    Trained own;
    const auto go = [&](const auto& step, auto state) {
      for (uint64_t k = 0; k < 3; ++k) {
        const Tensor x = normal(key(10 + k), {rows, 144});
        if (k == 0) own.explained = step.lower(net, state, x).compile().explain();
        auto [next, moments, loss] = step(net, state, x);
        net = next, state = moments;
        own.losses.push_back(loss.template item<double>());
      }
    };
    const auto init = [](const auto& p) { return optim::adamw_init(p); };
    const auto update = [](const auto& p, const auto& g, const auto& s) {
      return optim::adamw(p, g, s, {.rate = 0.02});
    };
    if (in_parts) {
      go(jit(dist::data_parallel(
             [&](const Net& p, const auto& s, const Tensor& x) {
               const auto [loss, gradient] = value_and_grad(loss_of)(p, x);
               auto [next, state] = dist::sharded_update(update, p, gradient, s, group);
               return std::make_tuple(next, state, dist::mean_gradient(loss));
             },
             group, {.shards = shards, .bucket_bytes = 0})),
         dist::sharded_init(init, net, group));
    } else {
      go(jit(dist::data_parallel(
             [&](const Net& p, const auto& s, const Tensor& x) {
               const auto [loss, gradient] = dist::mean_gradient(loss_of)(p, x);
               auto [next, state] = update(p, gradient, s);
               return std::make_tuple(next, state, loss);
             },
             group, {.shards = shards, .bucket_bytes = 0})),
         init(net));
    }
    own.up = net.up.to_vector<double>(), own.down = net.down.to_vector<double>();
    const std::lock_guard hold(lock);
    if (result.losses.empty()) result = own;
    EXPECT_EQ(own.up, result.up) << "rank " << world.rank();
    EXPECT_EQ(own.down, result.down) << "rank " << world.rank();
  });
  return result;
}

size_t count(const std::string& text, const std::string& word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

void expect_same(const Trained& a, const Trained& b, const std::string& what) {
  EXPECT_EQ(a.losses, b.losses) << what;
  EXPECT_EQ(a.up, b.up) << what;
  EXPECT_EQ(a.down, b.down) << what;
}

TEST(GatherOperands, HaveTheBitsOfOneRank) {
  for (const DType dtype : {f32, f64, bf16}) {
    const Trained one = train(1, 8, 16, dtype, false);
    for (const int ranks : {2, 4, 8})
      for (const bool in_parts : {false, true})
        expect_same(train(ranks, 8, 16, dtype, in_parts), one,
                    std::to_string(ranks) + (in_parts ? " in parts" : " whole"));
  }
  const Trained one = train(1, 12, 24, f32, false);
  for (const int ranks : {3, 6, 12}) expect_same(train(ranks, 12, 24, f32, true), one, std::to_string(ranks));
}

TEST(GatherOperands, TravelWhereTheyAreSmaller) {
  // Two rows for each of 8 shards: of each gradient 35 kB would go, or less than 9 kB of what it is made of; x is there.
  const Trained few = train(2, 8, 16, f32, true);
  EXPECT_EQ(count(few.explained, "  reduce_scatter over"), 0) << few.explained;
  EXPECT_EQ(count(few.explained, "  all_gather over"), 5)
      << few.explained;  // two cotangents, the hidden layer, two parameters
  const Trained whole = train(2, 8, 16, f32, false);
  EXPECT_EQ(count(whole.explained, "  all_reduce_sum over"), 1) << whole.explained;  // the loss
  // 512 rows: the gradients are the smaller ones.
  const Trained many = train(2, 8, 512, f32, true);
  EXPECT_EQ(count(many.explained, "  reduce_scatter over"), 2) << many.explained;
  expect_same(many, train(1, 8, 512, f32, false), "512 rows");
}

// What somebody else reads is made in any case: it would be made twice.
TEST(GatherOperands, StayWhereTheirProductIsRead) {
  const auto run = [](int ranks) {
    std::vector<double> values;
    std::string explained;
    std::mutex lock;
    dist::simulate(ranks, [&](World world) {
      const auto step = jit(dist::data_parallel(
          [](const Tensor& p, const Tensor& s, const Tensor& x) {
            const Tensor gradient =
                grad([](const Tensor& w, const Tensor& y) { return sum(tanh(matmul(y, w))); })(p, x);
            return std::make_tuple(dist::mean_gradient(gradient), s, max(abs(gradient)));
          },
          world, {.shards = 4}));
      const Tensor p = normal(key(1), {144, 144}), s = zeros({1}), x = normal(key(2), {8, 144});
      const auto [g, same, largest] = step(p, s, x);
      const std::lock_guard hold(lock);
      values = g.to_vector<double>();
      for (double v : largest.to_vector<double>()) values.push_back(v);
      explained = step.lower(p, s, x).compile().explain();
    });
    return std::pair(values, explained);
  };
  const auto one = run(1), two = run(2);
  EXPECT_EQ(one.first, two.first);
  EXPECT_EQ(count(two.second, "  all_reduce_sum over"), 1) << two.second;
}

}  // namespace
}  // namespace tenon
