// lbfgs: beside torch.optim.LBFGS step by step, and to the minima of functions whose minima are known; eager, jitted, batched, over trees.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <map>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }

Tensor bowl(const Tensor& x) {
  const Tensor c = tensor({1.0, 2.0, 3.0, 4.0}), a = tensor({1.0, -1.0, 0.5, 2.0});
  return sum(c * square(x - a)) + 0.1 * sum(square(square(x))) + 0.3 * prod(x);
}
Tensor rosenbrock(const Tensor& x) {
  const Tensor head = x[{slice(0, -1)}], tail = x[{slice(1, INT64_MAX)}];
  return sum(100 * square(tail - square(head)) + square(1 - head));
}
Tensor start() { return tensor({0.5, -2.0, 1e-3, 1.5}); }

// torch.optim.LBFGS(lr=0.5, max_iter=4, history_size=3) without a line search, after one step and after two; PyTorch 1.13, f64.
TEST(Lbfgs, WithoutASearchItIsPyTorchs) {
  const optim::Lbfgs o{.rate = 0.5, .iterations = 4, .history = 3, .line_search = "none"};
  const auto step = jit([o](const Tensor& x, const optim::LbfgsState& s) { return optim::lbfgs(bowl, x, s, o); });
  Tensor x = start(), y = x;
  auto s = optim::lbfgs_init(x, o), t = s;
  for (const Numbers& want :
       {Numbers{0.8500019418996784, -1.1065917440615867, 0.5201695949910855, 1.73097066298756},
        Numbers{0.9604540586627853, -0.9863174560774072, 0.5681105095243276, 1.7494247997559271}}) {
    std::tie(x, s) = optim::lbfgs(bowl, x, s, o);
    std::tie(y, t) = step(y, t);
    EXPECT_EQ(values(x), values(y));
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(values(x)[i], want[i], 1e-9);
    EXPECT_NEAR(s.loss.item<double>(), bowl(x).item<double>(), 1e-13);
  }
  EXPECT_EQ(s.iterations.item<int64_t>(), 8);
}

TEST(Lbfgs, SearchesReachTheMinimum) {
  for (const char* search : {"strong_wolfe", "backtracking", "none"}) {
    SCOPED_TRACE(search);
    const optim::Lbfgs o{.iterations = 100, .line_search = search};
    const auto f = jit([o](const Tensor& x) { return optim::minimize(bowl, x, o); });
    const Numbers x = values(f(start()));
    const Numbers want = {0.9662471716094255, -0.9786753894665859, 0.5704421450404092, 1.7515508056857039};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(x[i], want[i], 2e-6);
  }
  // A curved valley, from the usual start: the search must expand and interpolate.
  const optim::Lbfgs o{.iterations = 300, .tolerance_grad = 1e-9, .tolerance_change = 1e-18};
  const auto f = jit([o](const Tensor& x) { return optim::lbfgs(rosenbrock, x, optim::lbfgs_init(x, o), o); });
  for (const Numbers& from : {Numbers{-1.2, 1}, Numbers{-1.2, 1, -1.2, 1, -1.2, 1}}) {
    const auto [x, s] = f(tensor(from));
    for (const double v : values(x)) EXPECT_NEAR(v, 1, 1e-7);
    EXPECT_LT(s.iterations.item<int64_t>(), 120);
  }
}

// Descent: no call ends higher than it began, wherever it starts, and where the loss is not finite the search steps back.
TEST(Lbfgs, NeverGoesUp) {
  const auto barrier = [](const Tensor& x) { return sum(x - log(x)); };  // NaN below 0, least at 1
  const optim::Lbfgs o{.rate = 8, .iterations = 30};
  const auto f = jit([=](const Tensor& x) { return optim::minimize(barrier, x, o); });
  for (const double at : {0.01, 0.5, 3.0})
    EXPECT_NEAR(f(full({2}, at, {.dtype = f64})).to_vector<double>()[1], 1, 1e-5) << at;
  const Tensor there = tensor({1.0, 1.0});
  EXPECT_EQ(values(f(there)), values(there));
  const auto once = jit([](const Tensor& x) {
    const optim::Lbfgs one{.iterations = 1};
    return optim::lbfgs(rosenbrock, x, optim::lbfgs_init(x, one), one).first;
  });
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor x = 2 * normal(key(seed), {5}, {.dtype = f64});
    EXPECT_LE(rosenbrock(once(x)).item<double>(), rosenbrock(x).item<double>()) << seed;
  }
}

struct Net {
  Tensor count;
  std::map<std::string, Tensor> weights;
  nn::Buffer running;
};

TEST(Lbfgs, TreesAndLanes) {
  const Tensor x = normal(key(1), {40, 3}, {.dtype = f64}), w = tensor({1.0, -2.0, 0.5});
  const auto fit = [](const Net& start, const Tensor& x, const Tensor& y) {
    const auto loss = [&](const Net& n) {
      return mse_loss(matmul(x, n.weights.at("w").astype(f64)) + n.weights.at("b"), y);
    };
    return optim::minimize(loss, start, {.iterations = 50});
  };
  const Net zero{full({}, 3), {{"w", zeros({3})}, {"b", zeros({}, {.dtype = f64})}}, ones({2})};
  const Net n = jit(fit)(zero, x, matmul(x, w) + 0.25);
  EXPECT_EQ(n.weights.at("w").dtype(), f32);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(values(n.weights.at("w"))[i], values(w)[i], 1e-5);
  EXPECT_NEAR(n.weights.at("b").item<double>(), 0.25, 1e-5);
  EXPECT_EQ(n.count.item<int64_t>(), 3);
  EXPECT_EQ(values(n.running), (Numbers{1, 1}));
  const Tensor starts = stack({start(), start() * 0.5, zeros({4}, {.dtype = f64})});
  const auto least = [](const Tensor& s) { return optim::minimize(bowl, s, {.iterations = 100}); };
  const Numbers lanes = values(jit(vmap(least))(starts));
  for (size_t i = 0; i < 12; ++i)
    EXPECT_NEAR(lanes[i],
                (Numbers{0.9662471716094255, -0.9786753894665859, 0.5704421450404092, 1.7515508056857039})[i % 4],
                1e-5);
}

TEST(Lbfgs, MistakesAreNamed) {
  const Tensor x = start();
  const auto s = optim::lbfgs_init(x);
  EXPECT_HAS(message_of([&] { optim::lbfgs(bowl, x, s, {.rate = -1}); }), ".rate is above 0");
  EXPECT_HAS(message_of([&] { optim::lbfgs(bowl, x, s, {.iterations = 0}); }), ".iterations");
  EXPECT_HAS(message_of([&] { optim::lbfgs(bowl, x, s, {.line_search = "armijo"}); }), "strong_wolfe");
  EXPECT_HAS(message_of([&] { optim::lbfgs(bowl, x, optim::lbfgs_init(ones({2}))); }), "lbfgs_init");
  EXPECT_HAS(message_of([&] { optim::lbfgs_init(x, {.history = 0}); }), ".history");
  EXPECT_HAS(message_of([&] { optim::lbfgs_init(arange(0, 3)); }), "no numbers");
}

}  // namespace
}  // namespace tenon::testing
