// Draws by their parameters: gamma, beta and dirichlet have the derivative of their distribution at the same probability. Held against
// differences of the inverse distribution function, found by Newton's method in long double from series and continued fractions, which
// share nothing with the formula; against derivatives of means that are known; on every route, over lanes, at free extents.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
namespace rnd = tenon::random;
using tn::Tensor;

namespace {

using Real = long double;

// P(a, x) or 1 - P(a, x), whichever is asked for, at log x (Abramowitz and Stegun 6.5.29, 6.5.31), and x times the density.
struct Mass {
  Real part, slope;
};
Mass mass(Real a, Real log_x, bool upper) {
  const Real x = std::exp(log_x), density = std::exp(a * log_x - x - std::lgamma(a));
  if (x < a + 1) {
    Real term = 1 / a, sum = term;
    for (Real k = 1; term > 1e-21L * sum; ++k) sum += term *= x / (a + k);
    return {upper ? 1 - density * sum : density * sum, density};
  }
  Real f = 0;
  for (int k = 500 + static_cast<int>(40 * std::sqrt(a)); k > 0; --k)
    f = static_cast<Real>(k) * (a - static_cast<Real>(k)) / (x + 2 * static_cast<Real>(k) + 1 - a + f);
  const Real q = density / (x + 1 - a + f);
  return {upper ? q : 1 - q, density};
}
// The logarithm of the x that has the probability at `to` which log_x has at a: by Newton's method on the logarithm of what is small.
Real moved(Real a, Real log_x, Real to) {
  const bool upper = mass(a, log_x, false).part > 0.5L;
  const Real wanted = mass(a, log_x, upper).part;
  Real l = log_x;
  for (int i = 0; i < 12; ++i) {
    const Mass m = mass(to, l, upper);
    const Real step = std::log(m.part / wanted) * m.part / m.slope;
    l += upper ? step : -step;
  }
  return l;
}
// d log x / d a, and the second derivative, by differences of order four.
struct Slopes {
  double first, second;
};
Slopes slopes(Real a, Real log_x, Real h) {
  const Real p = moved(a, log_x, a + h), m = moved(a, log_x, a - h), p2 = moved(a, log_x, a + 2 * h),
             m2 = moved(a, log_x, a - 2 * h);
  return {static_cast<double>((8 * (p - m) - (p2 - m2)) / (12 * h)),
          static_cast<double>((16 * (p + m) - (p2 + m2) - 30 * log_x) / (12 * h * h))};
}

std::vector<double> parameters(int64_t each, std::initializer_list<double> list) {
  std::vector<double> all;
  for (const double a : list) all.insert(all.end(), static_cast<size_t>(each), a);
  return all;
}
template <class F>
Tensor tangent(F f, const Tensor& a) {
  return tn::jvp(f, a, tn::ones_like(a)).second;
}
Tensor gamma_of(const Tensor& a) { return rnd::gamma(tn::key(5), a); }
Tensor slope_of_gamma(const Tensor& a) { return tangent(gamma_of, a); }

TEST(DrawsByTheirParameters, GammaIsTheInverseOfItsDistribution) {
  for (const tn::DType dtype : {tn::f32, tn::f64}) {
    const Tensor a = tn::tensor(parameters(12, {1e-3, 0.02, 0.3, 0.9, 1, 1.7, 2.6, 3.4, 4, 5, 7, 12, 40, 300, 5e3, 9990,
                                                1.001e4, 2e5, 1e6}))
                         .astype(dtype);
    const auto as = a.to_vector<double>(), x = gamma_of(a).to_vector<double>(),
               d = slope_of_gamma(a).to_vector<double>();
    int compared = 0;
    for (size_t i = 0; i < as.size(); ++i) {
      const Real l = std::log(static_cast<Real>(x[i]));
      if (x[i] < (dtype == tn::f32 ? 1e-37 : 1e-300)) {  // below, or in few bits; at 0 the draw stays
        EXPECT_TRUE(x[i] > 0 || d[i] == 0) << as[i];
        continue;
      }
      const double expected =
          x[i] * slopes(as[i], l, 1e-3L * std::min<Real>(as[i], std::sqrt(static_cast<Real>(as[i])))).first;
      EXPECT_NEAR(d[i] / expected, 1, dtype == tn::f32 ? 3e-7 : 2e-9)
          << as[i] << " at " << x[i] << " in " << name(dtype);
      ++compared;
    }
    EXPECT_GT(compared, 200);
  }
}

TEST(DrawsByTheirParameters, SecondDerivativesAreThoseOfTheInverseToo) {
  for (const tn::DType dtype : {tn::f32, tn::f64}) {
    const Tensor a = tn::tensor(parameters(8, {0.02, 0.3, 1, 2.6, 5, 12, 40, 300})).astype(dtype);
    const auto as = a.to_vector<double>(), x = gamma_of(a).to_vector<double>(),
               d = slope_of_gamma(a).to_vector<double>(), second = tangent(slope_of_gamma, a).to_vector<double>();
    for (size_t i = 0; i < as.size(); ++i) {
      if (x[i] < 1e-30) continue;
      const Slopes s = slopes(as[i], std::log(static_cast<Real>(x[i])),
                              2e-3L * std::min<Real>(as[i], std::sqrt(static_cast<Real>(as[i]))));
      const double expected = x[i] * (s.first * s.first + s.second), scale = x[i] * s.first * s.first;
      EXPECT_NEAR(second[i], expected, (dtype == tn::f32 ? 2e-6 : 3e-8) * scale)
          << as[i] << " at " << x[i] << " in " << name(dtype);
    }
  }
}

// grad and the tape give what jvp gives; the draw of a derivative program is the draw; the third order is NaN, as said.
TEST(DrawsByTheirParameters, EveryTransformAndTheTape) {
  const Tensor a = tn::tensor({0.4, 3.0, 30.0, 2e4});
  const Tensor ones = tn::ones_like(a);
  EXPECT_EQ(tn::jvp(gamma_of, a, ones).first.to_vector<double>(), gamma_of(a).to_vector<double>());
  const auto loss = [](const Tensor& x) { return tn::sum(gamma_of(x)); };
  const auto d = slope_of_gamma(a).to_vector<double>();
  EXPECT_EQ(tn::grad(loss)(a).to_vector<double>(), d);
  Tensor leaf = a.clone();
  leaf.set_requires_grad(true);
  tn::sum(gamma_of(leaf)).backward();
  EXPECT_EQ(leaf.grad().to_vector<double>(), d);
  const auto slopes_sum = [&](const Tensor& x) { return tn::sum(tn::grad(loss)(x)); };
  const auto twice = tn::grad(slopes_sum)(a).to_vector<double>(),
             forward = tangent(slope_of_gamma, a).to_vector<double>();
  for (size_t i = 0; i < twice.size(); ++i) EXPECT_NEAR(twice[i], forward[i], 1e-9 * std::fabs(forward[i]));
  const auto third = tangent([](const Tensor& x) { return tangent(slope_of_gamma, x); }, a);
  EXPECT_TRUE(tn::all_of(tn::isnan(third)).item<bool>());
}

TEST(DrawsByTheirParameters, OutsideTheDistribution) {
  const auto at = [](double a) { return tangent(gamma_of, tn::tensor({a})).item<double>(); };
  EXPECT_TRUE(std::isnan(at(-1)));
  EXPECT_TRUE(std::isnan(at(NAN)));
  EXPECT_EQ(at(0), 0);  // all mass at 0, and it stays there to first order
}

// |mean - expected| within five of its standard errors.
void expect_mean(const Tensor& values, double expected, const char* what) {
  const Tensor v = values.astype(tn::f64);
  const double n = static_cast<double>(v.numel()), mean = tn::mean(v).item<double>(),
               error = std::sqrt(tn::var(v).item<double>() / n);
  EXPECT_NEAR(mean, expected, 5 * error) << what;
  EXPECT_LT(error, 0.02 * std::max(0.1, std::fabs(expected))) << what;
}

TEST(DrawsByTheirParameters, MeansHaveTheirDerivatives) {
  for (const tn::DType dtype : {tn::f32, tn::f64})
    for (const double a : {0.3, 2.5, 40.0}) {
      const Tensor as = tn::full({100000}, a, {.dtype = dtype});
      expect_mean(slope_of_gamma(as), 1, "gamma");
      expect_mean(tangent([](const Tensor& x) { return gamma_of(x) * gamma_of(x); }, as), 2 * a + 1,
                  "the square of gamma");
      for (const double b : {0.2, 3.0}) {
        const auto by_a = [&](const Tensor& x) { return rnd::beta(tn::key(6), x, b); };
        const auto by_b = [&](const Tensor& x) { return rnd::beta(tn::key(6), b, x); };
        expect_mean(tangent(by_a, as), b / ((a + b) * (a + b)), "beta by a");
        expect_mean(tangent(by_b, as), -b / ((a + b) * (a + b)), "beta by b");
      }
    }
  const double alpha[] = {0.2, 1.5, 4};
  const Tensor given = tn::tensor({alpha[0], alpha[1], alpha[2]});
  const double total = alpha[0] + alpha[1] + alpha[2];
  for (int64_t j = 0; j < 3; ++j) {
    const Tensor along = tn::one_hot(tn::tensor(j), 3).astype(tn::f64);
    const Tensor d =
        tn::jvp([](const Tensor& x) { return rnd::dirichlet(tn::key(7), x, {100000}); }, given, along).second;
    for (int64_t i = 0; i < 3; ++i) expect_mean(d[{tn::all, i}], ((i == j) - alpha[i] / total) / total, "dirichlet");
    EXPECT_LT(tn::max(tn::abs(tn::sum(d, {{1}}))).item<double>(), 1e-12);  // rows stay rows of the simplex
  }
}

// Where parts are 0 or 1 in their dtype, their derivatives are numbers.
TEST(DrawsByTheirParameters, SmallParametersDoNotUnderflow) {
  const Tensor a = tn::full({1000}, 1e-3f);
  const Tensor beta = tangent([](const Tensor& x) { return rnd::beta(tn::key(1), x, 1e-3); }, a);
  EXPECT_TRUE(tn::all_of(tn::isfinite(beta)).item<bool>());
  EXPECT_GT(tn::max(tn::abs(beta)).item<double>(), 0);
  const Tensor rows = tn::full({200, 5}, 1e-3f);
  const Tensor parts =
      tn::grad([](const Tensor& x) { return tn::sum(tn::square(rnd::dirichlet(tn::key(1), x))); })(rows);
  EXPECT_TRUE(tn::all_of(tn::isfinite(parts)).item<bool>());
  // Of two parts at the same probability the logarithms' difference moves by the difference of their slopes.
  const Tensor pair = tn::tensor({0.05, 0.08});
  const auto log_odds = [](const Tensor& x) {
    const Tensor p = rnd::dirichlet(tn::key(9), x);
    return tn::log(p[0]) - tn::log(p[1]);
  };
  const Tensor drawn = rnd::dirichlet(tn::key(9), pair);
  ASSERT_GT(tn::min(drawn).item<double>(), 0);
  const Tensor slope = tn::grad(log_odds)(pair);
  EXPECT_GT(slope[0].item<double>(), 0);
  EXPECT_LT(slope[1].item<double>(), 0);
}

// The derivative is a function like others: on all routes, in all dtypes, over lanes.
TEST(DrawsByTheirParameters, RoutesAndLanes) {
  using tenon::testing::Drawn;
  const std::vector<Drawn> one = {{{3, 5}, 0.25, 12}};
  const std::vector<std::vector<Drawn>> others = {{{{0, 3}, 0.25, 6}}, {{{}, 0.25, 6}}, {{{67}, 0.25, 20}}};
  tenon::testing::check_functions({
      {.name = "gamma's derivative",
       .call = TENON_CALL(slope_of_gamma(x[0])),
       .arguments = one,
       .others = others,
       .derivatives = 0,
       .programs = -1},
      {.name = "beta's derivative",
       .call = TENON_CALL(tn::grad([](const Tensor& a) { return tn::sum(rnd::beta(tn::key(2), a, 1.5)); })(x[0])),
       .arguments = one,
       .derivatives = 0,
       .halves = false,
       .programs = -1},
      {.name = "dirichlet's derivative",
       .call = TENON_CALL(
           tn::grad([](const Tensor& a) { return tn::sum(tn::square(rnd::dirichlet(tn::key(2), a))); })(x[0])),
       .arguments = one,
       .derivatives = 0,
       .halves = false,
       .programs = -1},
  });
}

TEST(DrawsByTheirParameters, FreeExtents) {
  const auto gradient = [](const Tensor& a) {
    return tn::grad([](const Tensor& x) {
      return tn::sum(tn::square(rnd::dirichlet(tn::key(4), x)) * rnd::gamma(tn::key(5), x));
    })(a);
  };
  const auto free = tn::jit(gradient, {.dynamic = {{0, 0, tn::dim("rows", 1, 64)}}});
  for (const int64_t n : {1, 2, 33, 64}) {
    const Tensor a = rnd::uniform(tn::key(8), {n, 3}) * 9.0 + 0.1;
    EXPECT_EQ(free(a).to_vector<float>(), gradient(a).to_vector<float>()) << n;
  }
}

}  // namespace
