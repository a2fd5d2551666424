// Reverse mode through loops whose count is known only when they run: the bits of keeping every state, for any bound on the memory,
// nested, to second order, on the tape and under jit; Newton's method, conjugate gradients and an adaptive integrator against
// derivatives by hand.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>
#include <cstdio>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

namespace tn = tenon;
using Doubles = std::vector<double>;

Doubles values(const Tensor& t) { return t.to_vector<double>(); }
Tensor real(double x) { return tn::tensor(x); }

// x' = x * k + 1 / x, as often as n says.
struct Counted {
  Tensor i, x;
};
Tensor steps(const Tensor& n, const Tensor& k, const Tensor& x, int64_t memory) {
  return tn::while_loop([&](const Counted& s) { return s.i < n; },
                        [&](const Counted& s) { return Counted{s.i + 1, s.x * k + 1.0 / s.x}; },
                        Counted{tn::zeros({}, {.dtype = tn::i64}), x}, {.memory = memory})
      .x;
}
Tensor scanned(int64_t n, const Tensor& k, const Tensor& x) {
  return tn::scan([&](const Tensor& c, int) { return std::pair(c * k + 1.0 / c, 0); }, x, 0, {.length = n}).first;
}

TEST(WhileGradient, HasTheBitsOfKeepingEverythingForAnyMemory) {
  const Tensor k = real(0.93), x = tn::tensor({1.5, 0.7, 2.25});
  for (const int64_t n : {0, 1, 2, 3, 5, 8, 17, 100, 1000}) {
    const auto kept =
        tn::jit(tn::grad<0, 1>([&](const Tensor& a, const Tensor& b) { return tn::sum(scanned(n, a, b)); }))(k, x);
    for (const int64_t memory : {int64_t{1}, int64_t{400}, int64_t{5000}, int64_t{64} << 20}) {
      const auto loss = [&](const Tensor& a, const Tensor& b, const Tensor& count) {
        return tn::sum(steps(count, a, b, memory));
      };
      const Tensor count = tn::full({}, n, {.dtype = tn::i64});
      const auto eager = tn::grad<0, 1>(loss)(k, x, count), compiled = tn::jit(tn::grad<0, 1>(loss))(k, x, count);
      EXPECT_EQ(values(std::get<0>(compiled)), values(std::get<0>(kept))) << n << " iterations, " << memory << " bytes";
      EXPECT_EQ(values(std::get<1>(compiled)), values(std::get<1>(kept))) << n << " iterations, " << memory << " bytes";
      EXPECT_EQ(values(std::get<0>(eager)), values(std::get<0>(kept))) << n << " iterations, " << memory << " bytes";
      EXPECT_EQ(values(std::get<1>(eager)), values(std::get<1>(kept))) << n << " iterations, " << memory << " bytes";
    }
  }
}

// A state that is too large for registers, so that its rows are stored by kernels of their own.
TEST(WhileGradient, OfAStateOfManyNumbers) {
  const Tensor k = real(0.93), x = tn::sin(tn::arange(0, 100).astype(tn::f64)) + 2.0;
  for (const int64_t n : {0, 1, 3, 40, 300}) {
    const auto kept =
        tn::jit(tn::grad<0, 1>([&](const Tensor& a, const Tensor& b) { return tn::sum(scanned(n, a, b)); }))(k, x);
    for (const int64_t memory : {int64_t{1}, int64_t{30000}, int64_t{64} << 20}) {
      const auto loss = [&](const Tensor& a, const Tensor& b, const Tensor& count) {
        return tn::sum(steps(count, a, b, memory));
      };
      const auto compiled = tn::jit(tn::grad<0, 1>(loss))(k, x, tn::full({}, n, {.dtype = tn::i64}));
      EXPECT_EQ(values(std::get<0>(compiled)), values(std::get<0>(kept))) << n << " iterations, " << memory << " bytes";
      EXPECT_EQ(values(std::get<1>(compiled)), values(std::get<1>(kept))) << n << " iterations, " << memory << " bytes";
    }
  }
}

Tensor newton_root(const Tensor& a, int64_t memory = 16 << 20) {  // of x^2 = a
  return tn::while_loop([&](const Tensor& x) { return tn::abs(x * x - a) > 1e-14 * a; },
                        [&](const Tensor& x) { return 0.5 * (x + a / x); }, a, {.memory = memory});
}

TEST(WhileGradient, ToSecondOrderInEveryMixture) {
  const auto root = [](const Tensor& a) { return newton_root(a); };
  const Tensor a = real(7);
  const double first = 0.5 / std::sqrt(7), second = -0.25 / (7 * std::sqrt(7));
  EXPECT_NEAR(tn::grad(root)(a).item<double>(), first, 1e-12);
  EXPECT_NEAR(tn::jvp(root, a, real(1)).second.item<double>(), first, 1e-12);
  const auto by_reverse = tn::grad(root);
  const auto by_forward = [&](const Tensor& x) { return tn::jvp(root, x, real(1)).second; };
  EXPECT_NEAR(tn::jvp(by_reverse, a, real(1)).second.item<double>(), second, 1e-11) << "forward over reverse";
  EXPECT_NEAR(tn::grad(by_forward)(a).item<double>(), second, 1e-11) << "reverse over forward";
  EXPECT_NEAR(tn::grad(by_reverse)(a).item<double>(), second, 1e-11) << "reverse over reverse";
  EXPECT_NEAR(tn::jit(tn::grad(tn::grad(root)))(a).item<double>(), second, 1e-11) << "compiled";
}

TEST(WhileGradient, OfLoopsInLoopsAndBranches) {
  // The outer loop takes roots until they are near 1; the inner one finds them.
  const auto nested = [](const Tensor& a) {
    return tn::while_loop([](const Tensor& x) { return x > 1.5; },
                          [](const Tensor& x) {
                            return tn::cond(
                                x > 3.0, [](const Tensor& y) { return newton_root(y, 100); },
                                [](const Tensor& y) { return y * 0.75; }, x);
                          },
                          a, {.memory = 64});
  };
  for (const double x : {1.0, 2.5, 100.0, 3e6}) {
    const double h = 1e-5 * x;
    const double slope = (nested(real(x + h)).item<double>() - nested(real(x - h)).item<double>()) / (2 * h);
    EXPECT_NEAR(tn::grad(nested)(real(x)).item<double>(), slope, 1e-6 * std::abs(slope)) << x;
    EXPECT_NEAR(tn::jit(tn::grad(nested))(real(x)).item<double>(), slope, 1e-6 * std::abs(slope)) << x;
  }
}

TEST(WhileGradient, OnTheTape) {
  auto a = tn::tensor(7.0, {.requires_grad = true});
  auto root = newton_root(a);
  root.backward();
  EXPECT_NEAR(a.grad().item<double>(), 0.5 / std::sqrt(7), 1e-12);
  auto b = tn::tensor(7.0, {.requires_grad = true});
  const auto compiled = tn::jit([](const Tensor& x) { return newton_root(x) * x; });
  auto product = compiled(b);
  product.backward();
  EXPECT_NEAR(b.grad().item<double>(), 1.5 * std::sqrt(7), 1e-12);
}

// ---- three algorithms in 16 MiB

// Damped, so that it takes many iterations: x' = x - rate * (x^3 + x - a) / (3 x^2 + 1).
Tensor newton(const Tensor& a, const Tensor& rate, int64_t memory) {
  const auto residual = [&](const Tensor& x) { return x * x * x + x - a; };
  return tn::while_loop([&](const Tensor& x) { return tn::abs(residual(x)) > 1e-9; },
                        [&](const Tensor& x) { return x - rate * residual(x) / (3.0 * x * x + 1.0); }, a,
                        {.memory = memory});
}

TEST(WhileGradient, NewtonsMethodIsThatOfTheRoot) {
  const double a = 9, x = newton(real(a), real(0.5), 16 << 20).item<double>(), slope = 1 / (3 * x * x + 1);
  for (const double rate : {0.9, 0.01, 0.0003}) {  // up to 100,000 iterations
    const auto gradient = [&](int64_t memory) {
      return tn::jit(tn::grad([memory](const Tensor& s, const Tensor& r) { return newton(s, r, memory); }));
    };
    const auto small = gradient(16 << 20);
    const double found = small(real(a), real(rate)).item<double>();
    EXPECT_NEAR(found, slope, 1e-6) << rate;
    EXPECT_EQ(found, gradient(int64_t{1} << 30)(real(a), real(rate)).item<double>()) << rate;
    EXPECT_EQ(found, gradient(4096)(real(a), real(rate)).item<double>()) << rate;
    const auto peak = small.lower(real(a), real(rate)).compile().memory().arena_bytes;
    EXPECT_LE(peak, (16 << 20) + 4096);
    std::printf("Newton, rate %g: %lld bytes\n", rate, static_cast<long long>(peak));
  }
}

struct Solve {
  Tensor x, r, p, rr;
};
Tensor conjugate_gradients(const Tensor& A, const Tensor& b, int64_t memory) {
  const Solve start{tn::zeros_like(b), b, b, tn::sum(b * b)};
  return tn::while_loop([](const Solve& s) { return s.rr > 1e-22; },
                        [&](const Solve& s) {
                          const Tensor q = tn::matmul(A, s.p);
                          const Tensor alpha = s.rr / tn::sum(s.p * q);
                          const Tensor r = s.r - alpha * q, rr = tn::sum(r * r);
                          return Solve{s.x + alpha * s.p, r, r + rr / s.rr * s.p, rr};
                        },
                        start, {.memory = memory})
      .x;
}

TEST(WhileGradient, ConjugateGradientsAreThatOfTheSolution) {
  const int64_t n = 24;
  const Tensor i = tn::arange(0, n * n).astype(tn::f64), noise = tn::sin(i * i * 0.37).reshape({n, n});
  const Tensor A = tn::matmul(noise, noise.transpose()) +
                   3.0 * tn::where(tn::arange(0, n).reshape({n, 1}) == tn::arange(0, n), 1.0, 0.0);
  const Tensor b = tn::cos(tn::arange(0, n).astype(tn::f64)), w = tn::sin(tn::arange(0, n).astype(tn::f64) * 0.3);
  // The gradient of w . x by b is y, A y = w; by A it is -y x^T.
  const auto loss = [&](int64_t memory) {
    return [&, memory](const Tensor& m, const Tensor& v) { return tn::sum(w * conjugate_gradients(m, v, memory)); };
  };
  const Tensor x = conjugate_gradients(A, b, 0), y = conjugate_gradients(A, w, 0);
  const auto f = tn::jit(tn::grad<0, 1>(loss(16 << 20)));
  const auto [by_a, by_b] = f(A, b);
  const Tensor wanted = -y.reshape({n, 1}) * x;
  EXPECT_LT(tn::max(tn::abs(by_b - y)).item<double>(), 1e-7);
  // The method takes its matrix for symmetric, so what a change to one side of it means is its own affair.
  EXPECT_LT(tn::max(tn::abs(by_a + by_a.transpose() - wanted - wanted.transpose())).item<double>(), 1e-7);
  const auto [kept_a, kept_b] = tn::jit(tn::grad<0, 1>(loss(int64_t{1} << 30)))(A, b);
  const auto [few_a, few_b] = tn::jit(tn::grad<0, 1>(loss(1)))(A, b);
  EXPECT_EQ(values(by_a), values(kept_a));
  EXPECT_EQ(values(by_b), values(kept_b));
  EXPECT_EQ(values(few_a), values(kept_a));
  EXPECT_EQ(values(few_b), values(kept_b));
  const auto peak = f.lower(A, b).compile().memory().arena_bytes;
  EXPECT_LE(peak, (16 << 20) + (1 << 20));
  std::printf("conjugate gradients: %lld bytes\n", static_cast<long long>(peak));
}

struct Flow {
  Tensor t, h, y;
};
// y' = -k y by Heun's method, whose distance from Euler's chooses the step.
Tensor adaptive(const Tensor& k, const Tensor& tolerance, int64_t memory) {
  const auto slope = [&](const Tensor& y) { return -k * y; };
  return tn::while_loop([](const Flow& s) { return s.t < 1.0; },
                        [&](const Flow& s) {
                          const Tensor h = tn::minimum(s.h, 1.0 - s.t), a = slope(s.y);
                          const Tensor next = s.y + 0.5 * h * (a + slope(s.y + h * a));
                          const Tensor error = tn::abs(next - s.y - h * a);
                          const Tensor grow =
                              tn::stop_gradient(tn::minimum(tn::sqrt(tolerance / (error + 1e-30)), 2.0));
                          const auto taken = error < tolerance;
                          return Flow{tn::where(taken, s.t + h, s.t), 0.9 * h * grow, tn::where(taken, next, s.y)};
                        },
                        Flow{real(0), real(0.1), real(2)}, {.memory = memory})
      .y;
}

TEST(WhileGradient, AnAdaptiveIntegratorIsThatOfTheFlow) {
  const double k = 1.3, wanted = -2 * std::exp(-k);
  for (const double tolerance : {1e-4, 1e-9, 2e-10}) {
    const auto gradient = [&](int64_t memory) {
      return tn::jit(tn::grad([memory](const Tensor& a, const Tensor& e) { return adaptive(a, e, memory); }));
    };
    const auto small = gradient(16 << 20);
    const double found = small(real(k), real(tolerance)).item<double>();
    EXPECT_NEAR(found, wanted, 30 * std::sqrt(tolerance)) << tolerance;
    EXPECT_EQ(found, gradient(int64_t{1} << 30)(real(k), real(tolerance)).item<double>());
    EXPECT_EQ(found, gradient(600)(real(k), real(tolerance)).item<double>());
    const auto peak = small.lower(real(k), real(tolerance)).compile().memory().arena_bytes;
    EXPECT_LE(peak, (16 << 20) + 4096);
    std::printf("integrator, tolerance %g: %lld bytes\n", tolerance, static_cast<long long>(peak));
  }
}

}  // namespace
}  // namespace tenon::testing
