// Optimizers: leaves are paired by path, integer leaves and leaves without gradients stay, and the numbers are those of an
// exact computation in the parameter's dtype.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

struct Block {
  Tensor weight;
  std::optional<Tensor> bias = {};
};
struct Model {
  Tensor count;  // i64: stays as it is
  std::vector<Block> blocks;
  std::map<std::string, Tensor> named;
  std::unordered_map<std::string, Tensor> hashed;
  std::vector<std::vector<Tensor>> nested;
  Tensor mask;  // bool
};

Tensor draw(int n, DType dtype = f32) { return normal(key(static_cast<uint64_t>(n)), {3}, {.dtype = dtype}); }

Model model(int n, DType dtype = f32) {
  return {full({}, n),
          {{draw(n, dtype), draw(n + 1, dtype)}, {draw(n + 2, dtype), std::nullopt}},
          {{"a", draw(n + 3, dtype)}, {"b", draw(n + 4, dtype)}},
          {{"x", draw(n + 5, dtype)}, {"y", draw(n + 6, dtype)}, {"z", draw(n + 7, dtype)}},
          {{draw(n + 8, dtype)}, {}, {draw(n + 9, dtype), draw(n + 10, dtype)}},
          tensor(std::vector<bool>{true, false})};
}

std::vector<double> values(const Tensor& t) { return t.to_vector<double>(); }

// Calls see(path, a, b) for the tensors that stand at one path in both trees.
template <class T, class See>
void each_pair(const T& a, const T& b, See see) {
  const auto x = detail::items_of(a), y = detail::items_of(b);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(x[i].path, y[i].path);
    if (x[i].tag == 't') see(x[i].path, *x[i].tensor, y[i].tag == 't' ? *y[i].tensor : Tensor());
  }
}

TEST(Optim, LeavesArePairedByPathAndIntegersStay) {
  const Model p = model(1), g = model(100);
  const Model next = optim::sgd(p, g, {.rate = 0.5});
  int floating = 0;
  each_pair(p, next, [&](const std::string& path, const Tensor& before, const Tensor& after) {
    if (!is_floating(before.dtype())) {
      EXPECT_EQ(after.cell(), before.cell()) << path;
      return;
    }
    ++floating;
    bool found = false;
    each_pair(g, next, [&](const std::string& other, const Tensor& gradient, const Tensor&) {
      if (other != path) return;
      found = true;
      for (size_t i = 0; i < 3; ++i)
        EXPECT_NEAR(values(after)[i], values(before)[i] - 0.5 * values(gradient)[i], 1e-6) << path;
    });
    EXPECT_TRUE(found) << path;
  });
  EXPECT_EQ(floating, 11);
}

Tensor loss_of(const Model& m) {
  Tensor total = zeros({});
  for (Tensor t : detail::tensors_of(m))
    if (is_floating(t.dtype())) total = total + sum(t * t * t).astype(f32);
  return total;
}

// Eager and jitted, the gradient's integer leaves are undefined, and so are the state's.
TEST(Optim, GradientsOfATreeWithIntegersTrainOnEveryRoute) {
  struct Step {
    Model p;
    optim::AdamWState<Model> s;
  };
  const auto step = [](const Model& p, const optim::AdamWState<Model>& s) {
    auto [next, state] = optim::adamw(p, grad(loss_of)(p), s, {.rate = 0.1});
    return Step{next, state};
  };
  Model a = model(1), b = model(1);
  auto s = optim::adamw_init(a), t = optim::adamw_init(b);
  EXPECT_FALSE(s.first.count.defined());
  EXPECT_FALSE(s.second.mask.defined());
  const auto jitted = jit(step, {.donate = {0, 1}});
  for (int i = 0; i < 3; ++i) {
    Step x = step(a, s), y = jitted(b, t);
    a = x.p, s = x.s, b = y.p, t = y.s;
  }
  EXPECT_EQ(a.count.item<int64_t>(), 1);
  EXPECT_EQ(s.step.item<int64_t>(), 3);
  EXPECT_EQ(t.step.dtype(), i64);
  each_pair(a, b,
            [](const std::string& path, const Tensor& x, const Tensor& y) { EXPECT_EQ(values(x), values(y)) << path; });
  each_pair(s.second, t.second,
            [](const std::string& path, const Tensor& x, const Tensor& y) { EXPECT_EQ(values(x), values(y)) << path; });
}

TEST(Optim, VelocityHasTheParametersTree) {
  for (const DType dtype : {f32, f64, bf16}) {
    Model p = model(1, dtype), v = optim::sgd_init(p);
    EXPECT_FALSE(v.count.defined());
    EXPECT_EQ(v.named.at("a").dtype(), dtype == f64 ? f64 : f32);
    const Model g = grad(loss_of)(p);
    const optim::Sgd o{.rate = 0.25, .momentum = 0.5};
    const auto [once, v1] = optim::sgd(p, g, v, o);
    const auto [twice, v2] =
        jit([o](const Model& p, const Model& g, const Model& v) { return optim::sgd(p, g, v, o); })(once, g, v1);
    const auto hashed = [](const Model& m) { return values(m.hashed.at("y"))[1]; };
    const double step = hashed(g) * 1.5 * 0.25, tolerance = dtype == bf16 ? 0.02 : 1e-6;
    EXPECT_NEAR(hashed(twice), hashed(once) - step, tolerance * (1 + std::fabs(hashed(once))))
        << to_string(p.named.at("a"));
    EXPECT_EQ(twice.count.item<int64_t>(), 1);
    EXPECT_FALSE(v2.mask.defined());
  }
}

TEST(Optim, LeavesWithoutGradientStay) {
  const Model p = model(1);
  Model g = model(100);
  g.blocks[0].weight = Tensor();
  g.hashed["y"] = Tensor();
  const auto state = optim::adamw_init(p);
  const auto [q, next] = optim::adamw(p, g, state);
  EXPECT_EQ(q.blocks[0].weight.cell(), p.blocks[0].weight.cell());
  EXPECT_EQ(q.hashed.at("y").cell(), p.hashed.at("y").cell());
  EXPECT_EQ(next.first.hashed.at("y").cell(), state.first.hashed.at("y").cell());
  EXPECT_NE(values(q.hashed.at("x")), values(p.hashed.at("x")));
  const Model r = optim::sgd(p, g);
  EXPECT_EQ(r.blocks[0].weight.cell(), p.blocks[0].weight.cell());
}

TEST(Optim, MistakesAreNamed) {
  const Model p = model(1);
  auto state = optim::adamw_init(p);
  EXPECT_HAS(message_of([&] { optim::sgd(p, p, {.momentum = 0.9}); }), "velocity");
  EXPECT_HAS(message_of([&] { optim::adamw(p, p, state, {.beta2 = 1}); }), ".beta2 lies in [0, 1)");
  EXPECT_HAS(message_of([&] { optim::adamw(p, p, state, {.beta1 = NAN}); }), ".beta1");
  state.step = zeros({});
  EXPECT_HAS(message_of([&] { optim::adamw(p, p, state); }), "at 'step', the state has f32[]");
  state = optim::adamw_init(p);
  state.second.hashed["y"] = Tensor();
  EXPECT_HAS(message_of([&] { optim::adamw(p, p, state); }), "at 'hashed[\"y\"]'");
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

// The formulas of docs/numbers.md in long double, hyperparameters as they are in T.
template <class T>
struct Exact {
  long double p, m = 0, v = 0;
  int64_t t = 0;
  static long double rounded(double x) { return static_cast<long double>(static_cast<T>(x)); }
  void adamw(long double g, const optim::AdamW& o) {
    ++t;
    m = rounded(o.beta1.value()) * m + rounded(1 - o.beta1.value()) * g;
    v = rounded(o.beta2.value()) * v + rounded(1 - o.beta2.value()) * g * g;
    const long double c1 =
        -std::expm1(static_cast<long double>(t) * std::log(static_cast<long double>(o.beta1.value())));
    const long double c2 =
        -std::expm1(static_cast<long double>(t) * std::log(static_cast<long double>(o.beta2.value())));
    p -= rounded(o.rate.value()) *
         (m / c1 / (std::sqrt(v / c2) + rounded(o.epsilon.value())) + rounded(o.weight_decay.value()) * p);
  }
};

double gradient_at(int64_t step, size_t i) {
  return std::sin(0.7 * static_cast<double>(step) + static_cast<double>(i)) + 0.1;
}

TEST(Optim, AdamWIsExactInF64OverAThousandSteps) {
  const optim::AdamW o{.rate = 3e-3};
  Tensor p = tensor({0.5, -2.0, 1e-3});
  auto state = optim::adamw_init(p);
  std::vector<Exact<double>> exact;
  for (double x : values(p)) exact.push_back({static_cast<long double>(x)});
  const auto step = jit(
      [o](const Tensor& p, const Tensor& g, const optim::AdamWState<Tensor>& s) { return optim::adamw(p, g, s, o); });
  Tensor eager = p;
  auto eager_state = state;
  for (int64_t t = 0; t < 1000; ++t) {
    const Tensor g = tensor({gradient_at(t, 0), gradient_at(t, 1), gradient_at(t, 2)});
    std::tie(p, state) = step(p, g, state);
    if (t < 50) {
      std::tie(eager, eager_state) = optim::adamw(eager, g, eager_state, o);
      ASSERT_EQ(values(eager), values(p)) << "step " << t;
    }
    for (size_t i = 0; i < 3; ++i) {
      exact[i].adamw(static_cast<long double>(gradient_at(t, i)), o);
      const auto want = static_cast<double>(exact[i].p);
      ASSERT_NEAR(values(p)[i], want, 1e-13 + 2e-14 * std::fabs(want)) << "step " << t << " element " << i;
    }
  }
}

// One step from a given state: nothing is lost where 1 - beta^t is small, in any dtype.
TEST(Optim, CorrectionsDoNotCancel) {
  const optim::AdamW o{.rate = 1, .weight_decay = 0};
  for (const DType dtype : {f32, f64, f16, bf16})
    for (int64_t t : {0, 1, 2, 9, 99, 999, 1000000}) {
      auto state = optim::adamw_init(zeros({1}, {.dtype = dtype}));
      EXPECT_EQ(state.first.dtype(), dtype == f64 ? f64 : f32);
      state.step = full({}, t);
      state.first = full({1}, 0.25, {.dtype = state.first.dtype()});
      state.second = full({1}, 0.125, {.dtype = state.first.dtype()});
      const auto [p, next] = optim::adamw(zeros({1}, {.dtype = dtype}), ones({1}, {.dtype = dtype}), state, o);
      const auto check_against = [&](auto exact, double tolerance) {
        exact.m = 0.25, exact.v = 0.125, exact.t = t, exact.p = 0;
        exact.adamw(1, o);
        EXPECT_NEAR(p.item<double>() / static_cast<double>(exact.p), 1, tolerance) << to_string(p) << " step " << t;
      };
      if (dtype == f64)
        check_against(Exact<double>{}, 1e-15);
      else
        check_against(Exact<float>{}, dtype == f32 ? 4e-7 : dtype == f16 ? 4.9e-4 : 3.95e-3);
      EXPECT_EQ(next.step.item<int64_t>(), t + 1);
    }
}

// A half is computed in f32 and rounded once: the step equals the f32 step, rounded.
TEST(Optim, HalvesRoundOnce) {
  for (const DType half : {f16, bf16}) {
    const Tensor p = draw(1, half), g = draw(2, half), v = draw(3, half);
    const auto wide = [](const Tensor& t) { return t.astype(f32); };
    const optim::Sgd o{.rate = 0.3, .momentum = 0.9, .weight_decay = 0.01};
    const auto [q, w] = optim::sgd(p, g, v, o);
    const auto [qw, ww] = optim::sgd(wide(p), wide(g), wide(v), o);
    EXPECT_EQ(values(q), values(qw.astype(half)));
    EXPECT_EQ(values(w), values(ww.astype(half)));
    auto s = optim::adamw_init(p), sw = optim::adamw_init(wide(p));
    const auto a = optim::adamw(p, g, s).first, aw = optim::adamw(wide(p), wide(g), sw).first;
    EXPECT_EQ(values(a), values(aw.astype(half)));
    EXPECT_EQ(a.dtype(), half);
  }
}

TEST(Optim, SgdIsExactInF64) {
  const optim::Sgd o{.rate = 0.01, .momentum = 0.9, .weight_decay = 1e-3};
  Tensor p = tensor({0.5, -2.0}), v = zeros({2}, {.dtype = f64});
  long double exact[2] = {0.5L, -2.0L}, velocity[2] = {0, 0};
  for (int64_t t = 0; t < 300; ++t) {
    std::tie(p, v) = optim::sgd(p, tensor({gradient_at(t, 0), gradient_at(t, 1)}), v, o);
    for (size_t i = 0; i < 2; ++i) {
      velocity[i] = static_cast<long double>(o.momentum.value()) * velocity[i] +
                    static_cast<long double>(gradient_at(t, i)) +
                    static_cast<long double>(o.weight_decay.value()) * exact[i];
      exact[i] -= static_cast<long double>(o.rate.value()) * velocity[i];
      ASSERT_NEAR(values(p)[i], static_cast<double>(exact[i]), 1e-14 * (1 + std::fabs(static_cast<double>(exact[i]))));
    }
  }
}

// A parameter whose gradient has become 0: its moments decay, and end in 0 rather than among the subnormal numbers.
TEST(Optim, MomentsDoNotBecomeSubnormal) {
  for (const DType dtype : {f32, f64}) {
    const double smallest = dtype == f32 ? std::numeric_limits<float>::min() : std::numeric_limits<double>::min();
    Tensor p = full({4}, 1.0, {.dtype = dtype});
    const Tensor start = full({4}, smallest * 8, {.dtype = dtype}), none = zeros({4}, {.dtype = dtype});
    optim::AdamWState<Tensor> state{start, start, zeros({}, {.dtype = i64})};
    Tensor velocity = start;
    std::vector<double> seen;
    for (int step = 0; step < 40; ++step) {
      std::tie(p, state) = optim::adamw(p, none, state, {.beta2 = 0.9});
      std::tie(p, velocity) = optim::sgd(p, none, velocity, {.momentum = 0.9});
      for (const Tensor& t : {state.first, state.second, velocity}) seen.push_back(values(t)[0]);
    }
    int kept = 0;
    for (const double value : seen) {
      EXPECT_TRUE(value == 0 || value >= smallest) << value;
      kept += value != 0;
    }
    EXPECT_GE(kept, 40);  // some twenty steps of each
    for (size_t k = seen.size() - 3; k < seen.size(); ++k) EXPECT_EQ(seen[k], 0);
    const Tensor strange = full({4}, std::nan(""), {.dtype = dtype});
    EXPECT_TRUE(std::isnan(values(optim::sgd(p, strange, velocity, {.momentum = 0.9}).second)[0]));
  }
}

}  // namespace
}  // namespace tenon::testing
