// Schedules beside torch.optim.lr_scheduler and their formulas, of numbers and of tensors, eager and jitted; norms, clipping, averages and
// accumulation over trees beside plain loops.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <functional>
#include <map>

#include "tenon/runtime/compile.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
Numbers values(const Tensor& t) { return t.to_vector<double>(); }
uint64_t asked_for() {
  const runtime::CacheStats s = runtime::cache_stats();
  return s.compiled + s.memory_hits + s.disk_hits;
}

struct Row {
  const char* name;
  std::function<Tensor(Operand)> at;
  Numbers want;  // at steps 0, 1, ...
};

#define AT(...) [](Operand step) { return optim::__VA_ARGS__; }
// The numbers are the rates of torch.optim.lr_scheduler (PyTorch 1.13, f64) with a base rate of 0.5; those of warm-ups are by hand.
std::vector<Row> rows() {
  return {
      {"CosineAnnealingLR(10, eta_min=0.05)",
       AT(cosine(step, {.rate = 0.5, .steps = 10, .floor = 0.05})),
       {0.5, 0.48898771616640957, 0.45702882373436315, 0.40725168176580645, 0.34452882373436317, 0.275,
        0.20547117626563688, 0.1427483182341936, 0.09297117626563686, 0.06101228383359046, 0.05, 0.05}},
      {"cosine after a warm-up",
       AT(cosine(step, {.rate = 0.5, .steps = 8, .warmup = 4})),
       {0, 0.125, 0.25, 0.375, 0.5, 0.25 * (1 + std::sqrt(0.5)), 0.25, 0.25 * (1 - std::sqrt(0.5)), 0, 0}},
      {"cosine of a warm-up alone",
       AT(cosine(step, {.rate = 0.5, .steps = 2, .warmup = 2, .floor = 0.1})),
       {0, 0.25, 0.5}},
      {"LinearLR(1, 0.1, 8)",
       AT(linear(step, {.rate = 0.5, .steps = 8, .floor = 0.05})),
       {0.5, 0.44375, 0.3875, 0.33125, 0.275, 0.21875, 0.1625, 0.10625, 0.05, 0.05}},
      {"linear after a warm-up",
       AT(linear(step, {.rate = 1, .steps = 6, .warmup = 2})),
       {0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0}},
      {"PolynomialLR(8, 2.5)",
       AT(polynomial(step, {.rate = 0.5, .steps = 8, .power = 2.5})),
       {0.5, 0.35808830459359986, 0.24356964481437335, 0.15440808887540916, 0.08838834764831846, 0.043057436884860564,
        0.015625, 0.002762135864009952, 0, 0}},
      {"warmup", AT(warmup(step, {.rate = 0.5, .steps = 4, .from = 0.1})), {0.1, 0.2, 0.3, 0.4, 0.5, 0.5}},
      {"StepLR(3, 0.3)",
       AT(step_decay(step, {.rate = 0.5, .every = 3, .factor = 0.3})),
       {0.5, 0.5, 0.5, 0.15, 0.15, 0.15, 0.045, 0.045, 0.045, 0.0135}},
      {"ExponentialLR(0.8)",
       AT(exponential(step, {.rate = 0.5, .factor = 0.8})),
       {0.5, 0.4, 0.32, 0.256, 0.2048, 0.16384, 0.131072, 0.1048576}},
      {"exponential by twos", AT(exponential(step, {.rate = 1, .factor = 0.25, .every = 2})), {1, 0.5, 0.25, 0.125}},
      {"MultiStepLR([2, 7], 0.1)",
       AT(piecewise(step, {.rates = {0.5, 0.05, 0.005}, .steps = {2, 7}})),
       {0.5, 0.5, 0.05, 0.05, 0.05, 0.05, 0.05, 0.005, 0.005}},
      {"piecewise of one", AT(piecewise(step, {.rates = {0.5}})), {0.5, 0.5}},
      {"OneCycleLR(0.5, total_steps=12)",
       AT(one_cycle(step, {.rate = 0.5, .steps = 12})),
       {0.02, 0.17489482710979154, 0.43964257956106434, 0.49720771772545586, 0.46650648492070584, 0.4058728269748815,
        0.32368949884755166, 0.23131855133348753, 0.14153049910434962, 0.0667387650944153, 0.01728349371269761, 2e-06,
        2e-06}},
      {"OneCycleLR(0.5, total_steps=12, pct_start=0.25, 'linear', 10, 100, three_phase)",
       AT(one_cycle(step, {.rate = 0.5,
                           .steps = 12,
                           .pct_start = 0.25,
                           .anneal_strategy = "linear",
                           .div_factor = 10,
                           .final_div_factor = 100,
                           .three_phase = true})),
       {0.05, 0.275, 0.5, 0.275, 0.05, 0.042928571428571434, 0.03585714285714286, 0.02878571428571429,
        0.021714285714285717, 0.014642857142857145, 0.007571428571428576, 0.0005}},
  };
}

TEST(Schedules, OnEveryRoute) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    const auto jitted = jit([&](const Tensor& step) { return row.at(step); });
    uint64_t before = 0;
    for (size_t t = 0; t < row.want.size(); ++t) {
      const auto step = static_cast<int64_t>(t);
      const Tensor of_number = row.at(step), of_tensor = row.at(tensor(step)), compiled = jitted(tensor(step));
      EXPECT_EQ(of_number.dtype(), f64);
      EXPECT_EQ(of_number.ndim(), 0);
      EXPECT_NEAR(of_number.item<double>(), row.want[t], 1e-15 + 4e-15 * row.want[t]) << "step " << t;
      EXPECT_EQ(values(of_number), values(of_tensor)) << "step " << t;
      EXPECT_EQ(values(of_number), values(compiled)) << "step " << t;
      if (t == 0) before = asked_for();
    }
    EXPECT_EQ(asked_for(), before);
  }
}

TEST(Schedules, NumbersMayBeTensors) {
  const Tensor rate = tensor(0.5f), steps = tensor(int64_t{10}), floor = tensor(0.125);
  EXPECT_EQ(values(optim::cosine(3, {.rate = rate, .steps = steps, .floor = floor})),
            values(optim::cosine(3, {.rate = 0.5, .steps = 10, .floor = 0.125})));
  const auto slope = grad([](const Tensor& r) { return optim::cosine(5, {.rate = r, .steps = 10}); })(tensor(0.3));
  EXPECT_NEAR(slope.item<double>(), 0.5, 1e-15);
  const auto many = vmap([](const Tensor& step) { return optim::warmup(step, {.rate = 1, .steps = 4}); })(arange(0, 5));
  EXPECT_EQ(values(many), (Numbers{0, 0.25, 0.5, 0.75, 1}));
}

TEST(Schedules, MistakesAreNamed) {
  EXPECT_HAS(message_of([] { optim::cosine(1, {.rate = 0.1}); }), "optim::cosine: .steps is above 0");
  EXPECT_HAS(message_of([] { optim::cosine(1, {.rate = NAN, .steps = 2}); }), ".rate");
  EXPECT_HAS(message_of([] { optim::cosine(ones({2}), {.steps = 2}); }), "the step is f32[2]");
  EXPECT_HAS(message_of([] { optim::step_decay(1, {.every = -1}); }), ".every");
  EXPECT_HAS(message_of([] { optim::piecewise(1, {.rates = {1, 2}, .steps = {1, 2}}); }), "one rate more");
  EXPECT_HAS(message_of([] { optim::piecewise(1, {.rates = {1, 2, 3}, .steps = {2, 1}}); }), "entry 1");
  EXPECT_HAS(message_of([] { optim::one_cycle(1, {.steps = 4, .anneal_strategy = "cosine"}); }), "anneal_strategy");
  EXPECT_HAS(message_of([] { optim::one_cycle(1, {.steps = 4, .pct_start = 2}); }), "schedules_test.cc");
  EXPECT_HAS(message_of([] { optim::cosine(1, {.steps = 4, .warmup = 5}); }),
             "optim::cosine: .warmup is part of .steps, and is 5 of 4");
}

// ---- trees

struct Net {
  Tensor count;
  std::map<std::string, Tensor> weights;
  nn::Buffer running;
  Tensor none;
};
Net net(double a, double b, DType dtype = f64) {
  return {full({}, 7),
          {{"a", tensor({a, -2 * a}).astype(dtype)}, {"b", full({2, 2}, b, {.dtype = dtype})}},
          full({2}, 100.0, {.dtype = dtype}),
          Tensor()};
}
Numbers all(const Net& n) {
  Numbers out = values(n.weights.at("a"));
  for (double x : values(n.weights.at("b"))) out.push_back(x);
  return out;
}
double norm_of(const Numbers& x) {
  double sum = 0;
  for (double v : x) sum += v * v;
  return std::sqrt(sum);
}
void expect_rest(const Net& n, const Net& of) {
  EXPECT_EQ(n.count.cell(), of.count.cell());
  EXPECT_EQ(n.running.cell(), of.running.cell());
  EXPECT_FALSE(n.none.defined());
}

TEST(Gradients, NormsAndClipping) {
  for (const DType dtype : {f64, f32, f16})
    for (const double a : {0.0, 0.25, 3.0}) {
      const Net x = net(a, -a, dtype);
      const double norm = norm_of(all(x)), slack = dtype == f64 ? 1e-15 : dtype == f32 ? 1e-6 : 1e-3;
      const Tensor whole = optim::global_norm(x);
      EXPECT_EQ(whole.dtype(), dtype == f64 ? f64 : f32);
      EXPECT_NEAR(whole.item<double>(), norm, 2 * slack * norm);
      const auto [clipped, before] = optim::clip_by_norm_with_norm(x, 2);
      EXPECT_EQ(values(before), values(whole));
      const Net exact = optim::clip_by_norm(x, tensor(2.0)), torch = optim::clip_grad_norm(x, 2),
                traced = jit([](const Net& n) { return optim::clip_by_norm(n, 2); })(x);
      EXPECT_EQ(all(exact), all(clipped));
      EXPECT_EQ(all(exact), all(traced));
      for (size_t i = 0; i < all(x).size(); ++i) {
        const double v = all(x)[i];
        EXPECT_NEAR(all(exact)[i], norm > 2 ? v * 2 / norm : v, 2 * slack * std::fabs(v));
        // torch.nn.utils.clip_grad_norm_: v * clamp(2 / (norm + 1e-6), max=1)
        EXPECT_NEAR(all(torch)[i], v * std::min(1.0, 2 / (norm + 1e-6)), 2 * slack * std::fabs(v));
      }
      EXPECT_EQ(exact.weights.at("a").dtype(), dtype);
      expect_rest(exact, x);
      expect_rest(torch, x);
      const Net held = optim::clip_by_value(x, 1), low = optim::clip_by_value(x, -0.5, tensor(2.0));
      for (size_t i = 0; i < all(x).size(); ++i) {
        EXPECT_EQ(all(held)[i], std::min(std::max(all(x)[i], -1.0), 1.0));
        EXPECT_EQ(all(low)[i], std::min(std::max(all(x)[i], -0.5), 2.0));
      }
      expect_rest(held, x);
    }
  const Net strange = optim::clip_by_norm(net(std::nan(""), 1), 1);
  for (double v : all(strange)) EXPECT_TRUE(std::isnan(v));
  EXPECT_EQ(optim::global_norm(full({}, 3)).item<double>(), 0);
  EXPECT_HAS(message_of([] { optim::clip_by_norm(ones({2}), -1); }), ".n is 0 or more");
  EXPECT_HAS(message_of([] { optim::clip_by_value(ones({2}), 2, 1); }), "lower bound");
  EXPECT_HAS(message_of([] { optim::ema(ones({2}), ones({2}), 1.5); }), "ema: .decay lies in [0, 1], and is 1.5");
}

TEST(Gradients, Averages) {
  const Net old = net(1, 2), next = net(3, -2);
  const Net mean = optim::ema(old, next, 0.75);
  for (size_t i = 0; i < all(old).size(); ++i)
    EXPECT_NEAR(all(mean)[i], 0.75 * all(old)[i] + 0.25 * all(next)[i], 1e-15);
  EXPECT_EQ(mean.count.cell(), next.count.cell());
  EXPECT_EQ(mean.running.cell(), next.running.cell());
  Net wide = net(1, 2, f32);
  wide.running = Tensor();
  const Net small = optim::ema(wide, net(3, -2, f16), tensor(0.5));
  EXPECT_EQ(small.weights.at("a").dtype(), f32);
  EXPECT_EQ(values(small.weights.at("a")), (Numbers{2, -4}));
  Net other = next;
  other.weights["a"] = ones({3}, {.dtype = f64});
  EXPECT_HAS(message_of([&] { optim::ema(old, other, 0.5); }), "at 'weights[\"a\"]'");
}

// Four small batches are one step of their mean, in a jitted step whose update stands in a condition.
TEST(Gradients, Accumulate) {
  struct State {
    Net parameters;
    optim::AccumulateState<Net> sums;
  };
  for (const DType dtype : {f64, f16}) {
    const auto gradient = [&](int i) {
      Net g = net(i, 0.5 * i, dtype);
      g.running = Tensor();
      return g;
    };
    const auto step = jit([](const State& s, const Net& g) {
      auto [ready, mean, next] = optim::accumulate(s.sums, g, 4);
      const auto update = [](const Net& p, const Net& d) { return optim::sgd(p, d, {.rate = 0.5}); };
      return State{cond(ready, update, [](const Net& p, const Net&) { return p; }, s.parameters, mean), next};
    });
    State s{net(1, 1, dtype), optim::accumulate_init(net(1, 1, dtype))};
    EXPECT_EQ(s.sums.sum.weights.at("a").dtype(), dtype == f64 ? f64 : f32);
    for (int i = 1; i <= 8; ++i) {
      const Net before = s.parameters;
      s = step(s, gradient(i));
      EXPECT_EQ(s.sums.count.item<int64_t>(), i % 4);
      if (i % 4 != 0) {
        EXPECT_EQ(all(s.parameters), all(before)) << i;
        continue;
      }
      const Numbers mean = all(gradient(1)), had = all(before);
      const double times = i == 4 ? 2.5 : 6.5;
      for (size_t k = 0; k < mean.size(); ++k)
        EXPECT_NEAR(all(s.parameters)[k], had[k] - 0.5 * times * mean[k], 1e-14) << i;
    }
  }
  EXPECT_HAS(message_of([] { optim::accumulate(optim::accumulate_init(ones({2})), ones({2}), 0); }),
             ".every is above 0");
  EXPECT_HAS(message_of([] { optim::accumulate(optim::accumulate_init(ones({2})), ones({3}), 2); }), "f32[3]");
}

}  // namespace
}  // namespace tenon::testing
