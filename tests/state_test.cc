// nn::Buffer, a leaf that is state: every transform, file and saved program takes it as a tensor; derivatives by a tree leave it out,
// and moments too. Its members do not disturb how those of an aggregate are counted and named.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <filesystem>

#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

struct Norm {
  Tensor weight;
  nn::Buffer mean;
  Tensor bias;
  nn::Buffer absent = {};
};
struct Net {
  Norm norm;
  std::vector<nn::Buffer> counts;
  std::pair<nn::Buffer, Tensor> last;
};

Norm norm() { return {tensor({1.f, 2.f}), tensor({0.5f, -0.25f}), tensor({3.f, 4.f})}; }
Net net() { return {norm(), {tensor({1.f}), tensor({2.f})}, {tensor({5.f}), tensor({6.f})}}; }

Tensor loss(const Norm& n) { return sum((n.weight - n.mean) * (n.weight - n.mean) * n.bias); }
std::pair<Tensor, Norm> moved(const Norm& n) {
  Norm next = n;
  next.mean = n.mean + n.weight;
  return {loss(n), next};
}

TEST(State, LeavesStandUnderTheirNames) {
  EXPECT_EQ(tree::paths(net()), (std::vector<std::string>{"norm.weight", "norm.mean", "norm.bias", "counts[0]",
                                                          "counts[1]", "last.first", "last.second"}));
  EXPECT_EQ(tree::leaves(norm()).size(), 3u);
  const Norm twice = tree::map([](const Tensor& t) { return t * 2; }, norm());
  EXPECT_EQ(twice.mean.to_vector(), (std::vector<float>{1.f, -0.5f}));
  EXPECT_FALSE(twice.absent.defined());
}

TEST(State, HasNoGradient) {
  const Norm g = grad(loss)(norm());
  EXPECT_EQ(g.weight.to_vector(), (std::vector<float>{3.f, 18.f}));
  EXPECT_EQ(g.bias.to_vector(), (std::vector<float>{0.25f, 5.0625f}));
  EXPECT_FALSE(g.mean.defined());
  const auto [value, all] = jit(value_and_grad(moved))(norm());
  EXPECT_FALSE(all.mean.defined());
  EXPECT_EQ(value.second.mean.to_vector(), (std::vector<float>{1.5f, 1.75f}));
  // Named as an argument of its own it is state as well; a tensor of the same value is not.
  const auto product = [](const auto& m) { return sum(m * m); };
  EXPECT_FALSE(grad(product)(nn::Buffer(tensor({3.f}))).defined());
  EXPECT_EQ(grad(product)(tensor({3.f})).item(), 6.f);
}

TEST(State, MayLackTangentsAndCotangents) {
  const Norm at = norm();
  Norm along = tree::map([](const Tensor& t) { return ones_like(t); }, at);
  along.mean = Tensor();
  const auto [value, tangent] = jvp(loss, at, along);
  EXPECT_EQ(tangent.item(), 3.f + 0.25f + 18.f + 5.0625f);
  along.mean = ones_like(at.mean);  // one that is given counts
  EXPECT_EQ(jvp(loss, at, along).second.item(), 0.25f + 5.0625f);
  auto [result, pull] = vjp(moved, at);
  std::pair<Tensor, Norm> seed{tensor(1.f), tree::map([](const Tensor& t) { return zeros_like(t); }, at)};
  seed.second.mean = Tensor();
  const Norm g = pull(seed);
  EXPECT_EQ(g.weight.to_vector(), (std::vector<float>{3.f, 18.f}));
  EXPECT_FALSE(g.mean.defined());
  along.mean = Tensor();
  auto [linear_at, push] = linearize(loss, at);
  EXPECT_EQ(push(along).item(), 3.f + 0.25f + 18.f + 5.0625f);
  along.weight = Tensor();
  const std::string message = message_of([&] { (void)jvp(loss, at, along); });
  EXPECT_HAS(message, "jvp: at 'weight'");
  EXPECT_HAS(message, "an undefined tensor");
}

TEST(State, IsLeftAloneByOptimizers) {
  Norm params = norm();
  const Norm g = grad(loss)(params);
  auto state = optim::adamw_init(params);
  EXPECT_FALSE(state.first.mean.defined());
  EXPECT_TRUE(state.first.weight.defined());
  const Norm before = params;
  std::tie(params, state) = optim::adamw(params, g, state);
  EXPECT_EQ(params.mean.to_vector(), before.mean.to_vector());
  EXPECT_NE(params.weight.to_vector(), before.weight.to_vector());
}

TEST(State, GoesThroughLoopsAndLanes) {
  const auto step = [](const Norm& n, const Tensor& x) {
    Norm next = n;
    next.mean = n.mean + x;
    return std::pair(next, sum(next.mean * n.weight));
  };
  const Tensor xs = tensor({{1.f, 2.f}, {3.f, 4.f}});
  const auto [last, ys] = scan(step, norm(), xs);
  EXPECT_EQ(last.mean.to_vector(), (std::vector<float>{4.5f, 5.75f}));
  const auto compiled = jit([&](const Norm& n) { return scan(step, n, xs); })(norm());
  EXPECT_EQ(compiled.second.to_vector(), ys.to_vector());
  Norm lanes = tree::map([](const Tensor& t) { return stack({t, t + 1}, 0); }, norm());
  EXPECT_EQ(vmap(loss)(lanes).to_vector()[0], loss(norm()).item());
}

// A lambda that captures nothing stands in a tree as what it is: a type without a value.
TEST(State, FunctionsWithoutStateMayStandInTrees) {
  const auto twice = [](const Tensor& x) { return x * 2; };
  const std::tuple layers(norm(), twice);
  EXPECT_EQ(tree::paths(layers).size(), 3u);
  const auto f = [](const auto& t, const Tensor& x) { return sum(std::get<1>(t)(x) * std::get<0>(t).weight); };
  EXPECT_EQ(jit(f)(layers, tensor({1.f, 1.f})).item(), 6.f);
  EXPECT_EQ(std::get<0>(grad(f)(layers, tensor({1.f, 1.f}))).weight.to_vector(), (std::vector<float>{2.f, 2.f}));
}

TEST(State, IsSavedAndLoaded) {
  const std::string folder = temporary_folder("state"), path = folder + "/net.safetensors";
  save(path, net());
  Net back = tree::map([](const Tensor& t) { return zeros_like(t); }, net());
  load(path, back);
  EXPECT_EQ(back.norm.mean.to_vector(), net().norm.mean.to_vector());
  EXPECT_EQ(back.last.first.to_vector(), net().last.first.to_vector());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
