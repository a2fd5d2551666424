// Every optimizer with every option: beside loops written from the published algorithms in plain f64, and beside numbers of torch.optim.
// One line of the table is one optimizer with its options; the same steps run eagerly, jitted, over a batch, and with tensors for numbers.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <functional>

#include "tenon/runtime/compile.h"

namespace tenon::testing {
namespace {

using Numbers = std::vector<double>;
constexpr int64_t steps = 12;

double gradient_at(int64_t step, size_t i) {
  return std::sin(0.7 * static_cast<double>(step) + static_cast<double>(i)) + 0.1;
}
Numbers gradients_at(int64_t step) { return {gradient_at(step, 0), gradient_at(step, 1), gradient_at(step, 2)}; }
Tensor drawn(int64_t step, DType dtype) { return tensor(gradients_at(step)).astype(dtype); }
Tensor start(DType dtype) { return tensor({0.5, -2.0, 1e-3}).astype(dtype); }

// What an algorithm keeps between steps, zeros at first.
using Memory = std::vector<Numbers>;
using Loop = std::function<void(Numbers& p, const Numbers& g, Memory& m, int64_t t)>;  // t from 1

struct Case {
  const char* name;
  std::function<Tensor(DType, bool jitted)> run;  // the parameters after all steps
  std::function<Tensor(const Tensor& starts)> batched;  // the same by vmap over axis 0
  Loop loop;
  Numbers torch = {};  // none where torch.optim has no such optimizer
};

template <class Init, class Step>
Case line(const char* name, Init init, Step step, Loop loop, Numbers torch = {}) {
  const auto all = [=](Tensor p, DType dtype, auto apply) {
    auto state = init(p);
    for (int64_t t = 0; t < steps; ++t) std::tie(p, state) = apply(p, drawn(t, dtype), state);
    return p;
  };
  return {name,
          [=](DType dtype, bool jitted) {
            return jitted ? all(start(dtype), dtype, jit(step)) : all(start(dtype), dtype, step);
          },
          [=](const Tensor& starts) { return vmap([=](const Tensor& p) { return all(p, f64, step); })(starts); },
          std::move(loop), std::move(torch)};
}

// f(element) for each.
template <class F>
Loop each(F f) {
  return [=](Numbers& p, const Numbers& g, Memory& m, int64_t t) {
    for (size_t i = 0; i < p.size(); ++i) f(p[i], g[i], m[0][i], m[1][i], m[2][i], static_cast<double>(t));
  };
}

#define STEP(name, ...)                                  \
  [](const Tensor& p) { return optim::name##_init(p); }, \
      [](const auto& p, const auto& g, const auto& s) { return optim::name(p, g, s, __VA_ARGS__); }

// The constants are final parameters of the same steps by torch.optim, PyTorch 1.13 in f64.
std::vector<Case> plain_cases() {
  std::vector<Case> c;
  c.push_back(line("sgd", STEP(sgd, {.rate = 0.1}), each([](double& p, double g, auto&&...) { p -= 0.1 * g; }),
                   {0.2146244583488793, -2.3717765769934114, -0.22569538857513333}));
  c.push_back(line("sgd, decay", STEP(sgd, {.rate = 0.1, .weight_decay = 0.01}),
                   each([](double& p, double g, auto&&...) { p -= 0.1 * (g + 0.01 * p); }),
                   {0.2106044055757906, -2.345943411448462, -0.224926504391556}));
  c.push_back(line("sgd, momentum", STEP(sgd, {.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01}),
                   each([](double& p, double g, double& v, auto&&...) {
                     v = 0.9 * v + g + 0.01 * p;
                     p -= 0.1 * v;
                   }),
                   {-0.8725478177657991, -3.328103648569174, -0.7106575114887345}));
  c.push_back(line("sgd, dampening", STEP(sgd, {.rate = 0.1, .momentum = 0.9, .dampening = 0.3}),
                   each([](double& p, double g, double& v, double&, double&, double t) {
                     v = 0.9 * v + (t == 1 ? g : 0.7 * g);
                     p -= 0.1 * v;
                   }),
                   {-0.48406379727185217, -3.231852333138018, -0.7225350560885342}));
  c.push_back(line("sgd, nesterov", STEP(sgd, {.rate = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}),
                   each([](double& p, double g, double& v, auto&&...) {
                     g += 0.01 * p;
                     v = 0.9 * v + g;
                     p -= 0.1 * (g + 0.9 * v);
                   }),
                   {-1.0118447846425966, -3.5293850616700886, -0.8614149535631963}));
  const auto rmsprop = [](double alpha, double momentum, bool centered, double decay) {
    return each([=](double& p, double g, double& s, double& v, double& m, double) {
      g += decay * p;
      s = alpha * s + (1 - alpha) * g * g;
      m = alpha * m + (1 - alpha) * g;
      v = momentum * v + g / (std::sqrt(centered ? s - m * m : s) + 1e-8);
      p -= 0.02 * v;
    });
  };
  c.push_back(line("rmsprop", STEP(rmsprop, {.rate = 0.02}), rmsprop(0.99, 0, false, 0),
                   {-0.15098726767209003, -2.47609421162864, -0.26814827598745955}));
  c.push_back(line("rmsprop, momentum",
                   STEP(rmsprop, {.rate = 0.02, .momentum = 0.8, .weight_decay = 0.05, .alpha = 0.9}),
                   rmsprop(0.9, 0.8, false, 0.05), {-0.32926419994211953, -2.4084147051382367, -0.2716416950785755}));
  const optim::RmsProp centered{.rate = 0.02, .momentum = 0.5, .alpha = 0.9, .centered = true};
  c.push_back(line(
      "rmsprop, centered", [=](const Tensor& p) { return optim::rmsprop_init(p, centered); },
      [=](const auto& p, const auto& g, const auto& s) { return optim::rmsprop(p, g, s, centered); },
      rmsprop(0.9, 0.5, true, 0), {0.07809474084996172, -2.306696084210355, -0.18215615752931916}));
  c.push_back(line("adagrad", STEP(adagrad, {.rate = 0.1}), each([](double& p, double g, double& s, auto&&...) {
                     s += g * g;
                     p -= 0.1 * g / (std::sqrt(s) + 1e-10);
                   }),
                   {0.175247740573996, -2.2361617401142966, -0.13222990774423257}));
  const optim::Adagrad slowing{.rate = 0.1, .weight_decay = 0.1, .rate_decay = 0.05, .initial = 0.3};
  c.push_back(line(
      "adagrad, decays", [=](const Tensor& p) { return optim::adagrad_init(p, slowing); },
      [=](const auto& p, const auto& g, const auto& s) { return optim::adagrad(p, g, s, slowing); },
      each([](double& p, double g, double& s, double&, double&, double t) {
        g += 0.1 * p;
        s += g * g;
        p -= 0.1 / (1 + (t - 1) * 0.05) * g / (std::sqrt(0.3 + s) + 1e-10);
      }),
      {0.2870613017910779, -2.1085677534464726, -0.09820776804360992}));
  const auto adadelta = [](double rate, double rho, double epsilon, double decay) {
    return each([=](double& p, double g, double& s, double& d, auto&&...) {
      g += decay * p;
      s = rho * s + (1 - rho) * g * g;
      const double move = std::sqrt(d + epsilon) / std::sqrt(s + epsilon) * g;
      d = rho * d + (1 - rho) * move * move;
      p -= rate * move;
    });
  };
  c.push_back(line("adadelta", STEP(adadelta, {}), adadelta(1, 0.9, 1e-6, 0),
                   {0.48282093008453486, -2.012737599422745, -0.006894457032707493}));
  c.push_back(line("adadelta, decay", STEP(adadelta, {.rate = 0.7, .rho = 0.8, .epsilon = 1e-4, .weight_decay = 0.1}),
                   adadelta(0.7, 0.8, 1e-4, 0.1), {0.40813139000931037, -2.0320843029304276, -0.040635188521297515}));
  return c;
}

struct Betas {
  double rate, beta1, beta2, epsilon, decay;
};
// Adam's direction: the moments m[0] and m[1], the greatest second one in m[2].
Numbers adam_direction(const Betas& o, const Numbers& g, Memory& m, int64_t t, bool amsgrad) {
  Numbers d(g.size());
  const double c1 = 1 - std::pow(o.beta1, static_cast<double>(t)), c2 = 1 - std::pow(o.beta2, static_cast<double>(t));
  for (size_t i = 0; i < g.size(); ++i) {
    m[0][i] = o.beta1 * m[0][i] + (1 - o.beta1) * g[i];
    m[1][i] = o.beta2 * m[1][i] + (1 - o.beta2) * g[i] * g[i];
    m[2][i] = std::max(m[2][i], m[1][i]);
    d[i] = m[0][i] / c1 / (std::sqrt((amsgrad ? m[2][i] : m[1][i]) / c2) + o.epsilon);
  }
  return d;
}
enum class Decays { into_gradient, apart, with_trust };
Loop adam_loop(Betas o, Decays how, bool amsgrad = false) {
  return [=](Numbers& p, const Numbers& g, Memory& m, int64_t t) {
    Numbers given = g;
    for (size_t i = 0; i < p.size() && how == Decays::into_gradient; ++i) given[i] += o.decay * p[i];
    Numbers d = adam_direction(o, given, m, t, amsgrad);
    double size = 0, length = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      if (how != Decays::into_gradient) d[i] += o.decay * p[i];
      size += p[i] * p[i], length += d[i] * d[i];
    }
    const double trust = how == Decays::with_trust ? std::sqrt(size) / std::sqrt(length) : 1;
    for (size_t i = 0; i < p.size(); ++i) p[i] -= o.rate * trust * d[i];
  };
}

std::vector<Case> adam_cases() {
  std::vector<Case> c;
  c.push_back(line("adam", STEP(adam, {.rate = 0.05}), adam_loop({0.05, 0.9, 0.999, 1e-8, 0}, Decays::into_gradient),
                   {0.2009462599610033, -2.267824266613291, -0.1532254206293897}));
  c.push_back(line("adam, decay",
                   STEP(adam, {.rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1}),
                   adam_loop({0.05, 0.8, 0.95, 1e-6, 0.1}, Decays::into_gradient),
                   {0.22077232873101585, -2.1234335858391087, -0.14312686149499088}));
  const optim::Adam greatest{.rate = 0.05, .beta1 = 0.8, .beta2 = 0.7, .amsgrad = true};
  c.push_back(line(
      "adam, amsgrad", [=](const Tensor& p) { return optim::adam_init(p, greatest); },
      [=](const auto& p, const auto& g, const auto& s) { return optim::adam(p, g, s, greatest); },
      adam_loop({0.05, 0.8, 0.7, 1e-8, 0}, Decays::into_gradient, true),
      {0.25631493628188173, -2.2308902971083953, -0.13975292183829172}));
  c.push_back(line("adamw", STEP(adamw, {.rate = 0.05, .weight_decay = 0.1}),
                   adam_loop({0.05, 0.9, 0.999, 1e-8, 0.1}, Decays::apart),
                   {0.1832728029935582, -2.1409394782500777, -0.14754842192195597}));
  c.push_back(line("adamw, no means", STEP(adamw, {.rate = 0.05, .beta1 = 0, .beta2 = 0}),
                   adam_loop({0.05, 0, 0, 1e-8, 0.01}, Decays::apart)));
  c.push_back(line("lamb", STEP(lamb, {.rate = 0.05, .weight_decay = 0.1}),
                   adam_loop({0.05, 0.9, 0.999, 1e-6, 0.1}, Decays::with_trust)));
  c.push_back(
      line("lion", STEP(lion, {.rate = 0.05, .weight_decay = 0.1}), each([](double& p, double g, double& m, auto&&...) {
             const double c = 0.9 * m + (1 - 0.9) * g;
             p -= 0.05 * ((c > 0) - (c < 0) + 0.1 * p);
             m = 0.99 * m + (1 - 0.99) * g;
           })));
  return c;
}

std::vector<Case> cases() {
  std::vector<Case> all = plain_cases(), more = adam_cases();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

Numbers by_loop(const Case& c) {
  Numbers p = {0.5, -2.0, 1e-3};
  Memory m(3, Numbers(3, 0.0));
  for (int64_t t = 0; t < steps; ++t) c.loop(p, gradients_at(t), m, t + 1);
  return p;
}

TEST(Optimizers, AreThePublishedAlgorithmsOnEveryRoute) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Numbers want = by_loop(c), eager = c.run(f64, false).to_vector<double>(),
                  jitted = c.run(f64, true).to_vector<double>();
    EXPECT_EQ(eager, jitted);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(eager[i], want[i], 1e-13 + 1e-12 * std::fabs(want[i]));
      if (!c.torch.empty()) {
        EXPECT_NEAR(eager[i], c.torch[i], 1e-11 * (1 + std::fabs(want[i])));
      }
    }
    const Numbers single = c.run(f32, false).to_vector<double>();
    EXPECT_EQ(single, c.run(f32, true).to_vector<double>());
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(single[i], want[i], 3e-6 * (1 + std::fabs(want[i])));
    const Tensor half = c.run(bf16, true);
    EXPECT_EQ(half.dtype(), bf16);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(half.to_vector<double>()[i], want[i], 0.1);
  }
}

TEST(Optimizers, LanesAreRunsOfTheirOwn) {
  const Tensor starts = stack({start(f64), start(f64) * 2, start(f64) - 1});
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Numbers lanes = c.batched(starts).to_vector<double>(), want = by_loop(c);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(lanes[i], want[i], 1e-12 * (1 + std::fabs(want[i])));
    EXPECT_NE(lanes[0], lanes[3]);
    EXPECT_NE(lanes[1], lanes[7]);
  }
}

}  // namespace
}  // namespace tenon::testing
