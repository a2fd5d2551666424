// Running reductions, differences and integrals beside loops that are written out here.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tn::Tensor;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
using Numbers = std::vector<double>;
using Places = std::vector<int64_t>;

Tensor vector(const Numbers& v, tn::DType dtype = tn::f64) {
  return tn::copy_from(v.data(), {static_cast<int64_t>(v.size())}, tn::f64).astype(dtype);
}
void expect_near(const Tensor& found, const Numbers& expected, double tolerance = 1e-12) {
  const Numbers values = found.to_vector<double>();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(values[i])) << i << ": " << values[i];
    else if (std::isinf(expected[i]))
      EXPECT_EQ(values[i], expected[i]) << i;
    else
      EXPECT_NEAR(values[i], expected[i], tolerance * std::max(1.0, std::fabs(expected[i]))) << i;
  }
}
Numbers random_numbers(int64_t n, uint64_t seed) {
  return tn::normal(tn::key(seed), {n}, {tn::f64}).to_vector<double>();
}

TEST(Scans, Products) {
  const Numbers x = random_numbers(10007, 1);
  Numbers products(x.size());
  double p = 1;
  for (size_t i = 0; i < x.size(); ++i) products[i] = p *= 1 + 0.01 * x[i];
  expect_near(tn::cumprod(1 + 0.01 * vector(x)), products, 1e-11);
  expect_near(tn::cumprod(tn::tensor({2., 0., 3., nan, 1.})), {2, 0, 0, nan, nan});
  expect_near(tn::cumprod(tn::tensor({2., 4., 3.}), 0, true), {24, 12, 3});
  const Tensor truths = tn::cumprod(tn::tensor({true, true, false, true}));
  EXPECT_EQ(truths.dtype(), tn::i64);
  EXPECT_EQ(truths.to_vector<int64_t>(), (Places{1, 1, 0, 0}));
  EXPECT_EQ(tn::cumprod(tn::tensor({1, 2, 3}), {.axis = 0, .dtype = tn::f32}).dtype(), tn::f32);
  EXPECT_EQ(tn::cumsum(tn::tensor({1.f, 2.f}), {.axis = 0, .dtype = tn::f64}).dtype(), tn::f64);
  EXPECT_EQ(tn::cumprod(tn::tensor(3.)).item<double>(), 3);  // a scalar is a row of one
  EXPECT_EQ(tn::cumsum(tn::zeros({3, 0}), 1).numel(), 0);
}

TEST(Scans, ProductsHaveDerivativesAtZeros) {
  for (const Numbers& x : {Numbers{2, 0, 3, -1}, Numbers{0, 0, 5, 2}, Numbers{1.5, -2, 0.5, 3}}) {
    const Numbers w = {1, 2, -3, 0.5};
    // sum_i w_i prod_{j <= i} x_j by x_k: the products without x_k, written out.
    Numbers expected(4, 0.0);
    for (size_t k = 0; k < 4; ++k)
      for (size_t i = k; i < 4; ++i) {
        double p = w[i];
        for (size_t j = 0; j <= i; ++j) p *= j == k ? 1 : x[j];
        expected[k] += p;
      }
    const auto loss = [&](const Tensor& t) { return tn::sum(tn::cumprod(t, 0) * vector(w)); };
    expect_near(tn::grad(loss)(vector(x)), expected);
    const Numbers h = tn::hessian(loss)(vector(x)).to_vector<double>();
    for (size_t k = 0; k < 4; ++k)
      for (size_t l = 0; l < 4; ++l) {
        double second = 0;
        for (size_t i = std::max(k, l); i < 4 && k != l; ++i) {
          double p = w[i];
          for (size_t j = 0; j <= i; ++j) p *= j == k || j == l ? 1 : x[j];
          second += p;
        }
        EXPECT_NEAR(h[k * 4 + l], second, 1e-12);
      }
  }
}

TEST(Scans, ExtremaAndTheirPlaces) {
  const Numbers x = {1, 3, 3, 2, 5, nan, 7, nan, 1};
  const auto [greatest, where] = tn::cummax(vector(x), 0);
  expect_near(greatest, {1, 3, 3, 3, 5, nan, nan, nan, nan});
  EXPECT_EQ(where.to_vector<int64_t>(),
            (Places{0, 1, 2, 2, 4, 5, 5, 7, 7}));  // the last of equal ones, as torch.cummax
  const auto [least, at] = tn::cummin(tn::tensor({4, 2, 2, 3, 1}));
  EXPECT_EQ(least.dtype(), tn::i32);
  EXPECT_EQ(least.to_vector<int64_t>(), (Places{4, 2, 2, 2, 1}));
  EXPECT_EQ(at.to_vector<int64_t>(), (Places{0, 1, 2, 2, 4}));
  const auto [back, from] = tn::cummax(tn::tensor({1., 4., 4., 2.}), 0, true);
  expect_near(back, {4, 4, 4, 2});
  EXPECT_EQ(from.to_vector<int64_t>(), (Places{1, 1, 2, 3}));
  EXPECT_EQ(tn::cummax(tn::tensor({false, true, false})).first.dtype(), tn::boolean);
  EXPECT_EQ(tn::cummax(tn::tensor(2.)).second.item<int64_t>(), 0);
  // Tangents go to the places.
  const auto loss = [](const Tensor& t) { return tn::sum(tn::cummax(t, 0).first * tn::tensor({1., 2., 4., 8., 16.})); };
  expect_near(tn::grad(loss)(tn::tensor({1., 3., 3., 2., 5.})), {1, 2, 12, 0, 16});
}

TEST(Scans, LogOfSums) {
  const Numbers x = {-1000, 0.5, 700, -inf, 701, 3};
  Numbers expected;
  for (size_t i = 0; i < x.size(); ++i) {
    double m = -inf, s = 0;
    for (size_t j = 0; j <= i; ++j) m = std::max(m, x[j]);
    for (size_t j = 0; j <= i; ++j) s += std::exp(x[j] - m);
    expected.push_back(std::log(s) + m);
  }
  expect_near(tn::logcumsumexp(vector(x), 0), expected, 1e-13);
  expect_near(tn::logcumsumexp(tn::tensor({-inf, -inf, 1., inf, 2., nan, 3.}), 0), {-inf, -inf, 1, inf, inf, nan, nan});
  expect_near(tn::logcumsumexp(tn::tensor({{0., 1.}, {2., 3.}}), 0),
              {0, 1, std::log(1 + std::exp(2.)), std::log(std::exp(1.) + std::exp(3.))});
  EXPECT_EQ(tn::logcumsumexp(tn::zeros({2, 0}), 1).numel(), 0);
  EXPECT_EQ(tn::logcumsumexp(tn::tensor({1, 2}), 0).dtype(), tn::f32);
  // The derivative of entry i is the softmax of the first i.
  const Numbers w = {1, -2, 0.5}, y = {0.3, 2, -1};
  Numbers slope(3, 0.0);
  for (size_t i = 0; i < 3; ++i) {
    double s = 0;
    for (size_t j = 0; j <= i; ++j) s += std::exp(y[j]);
    for (size_t j = 0; j <= i; ++j) slope[j] += w[i] * std::exp(y[j]) / s;
  }
  const auto loss = [&](const Tensor& t) { return tn::sum(tn::logcumsumexp(t, 0) * vector(w)); };
  expect_near(tn::grad(loss)(vector(y)), slope, 1e-13);
  const Tensor h = tn::hessian(loss)(vector(y));
  for (int64_t k = 0; k < 3; ++k) {
    Numbers above = y, below = y;
    above[k] += 1e-6, below[k] -= 1e-6;
    const Numbers up = tn::grad(loss)(vector(above)).to_vector<double>();
    const Numbers down = tn::grad(loss)(vector(below)).to_vector<double>();
    for (int64_t j = 0; j < 3; ++j) EXPECT_NEAR((h[{k, j}].item<double>()), (up[j] - down[j]) / 2e-6, 1e-8);
  }
}

TEST(Differences, OfNeighbours) {
  expect_near(tn::diff(tn::tensor({1., 4., 9., 16.})), {3, 5, 7});
  expect_near(tn::diff(tn::tensor({1., 4., 9., 16.}), 2), {2, 2});
  expect_near(tn::diff(tn::tensor({{1., 2.}, {5., 9.}}), 1, 0), {4, 7});
  EXPECT_EQ(tn::diff(tn::tensor({1., 2.}), 5).numel(), 0);
  EXPECT_EQ(tn::diff(tn::zeros({0})).numel(), 0);
  EXPECT_EQ(tn::diff(tn::tensor({true, true, false})).to_vector<bool>(), (std::vector<bool>{false, true}));
  EXPECT_EQ(tn::diff(tn::tensor({7, 3})).to_vector<int64_t>(), (Places{-4}));
  EXPECT_THROW(tn::diff(tn::tensor(1.)), tn::Error);
  EXPECT_THROW(tn::diff(tn::tensor({1.}), -1), tn::Error);
}

TEST(Differences, Trapezoids) {
  const Tensor y = tn::tensor({1., 2., 5., 4.});
  EXPECT_DOUBLE_EQ(tn::trapezoid(y).item<double>(), 9.5);
  EXPECT_DOUBLE_EQ(tn::trapezoid(y, 0.5).item<double>(), 4.75);
  EXPECT_DOUBLE_EQ(tn::trapezoid(y, tn::tensor({0., 1., 3., 4.})).item<double>(), 1.5 + 7 + 4.5);
  expect_near(tn::cumulative_trapezoid(y, tn::tensor({0., 1., 3., 4.})), {1.5, 8.5, 13});
  expect_near(tn::trapezoid(tn::tensor({{1., 2.}, {3., 6.}}), tn::tensor({0., 2.}), 0), {4, 8});
  expect_near(tn::trapezoid(tn::tensor({{1., 2.}, {3., 6.}}), tn::tensor({{0., 1.}, {2., 4.}}), 0), {4, 12});
  EXPECT_EQ(tn::trapezoid(tn::zeros({2, 0}), 1, 1).to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(tn::trapezoid(tn::tensor({1, 2})).dtype(), tn::f32);
  EXPECT_THROW(tn::trapezoid(y, tn::tensor({0., 1.})), tn::Error);
}

// A lane is the function of that lane, and a program gives what the functions give one by one.
TEST(Scans, EveryRouteGivesTheSameBits) {
  const Tensor x = tn::normal(tn::key(5), {3, 70, 2});
  const auto f = [](const Tensor& t) {
    return std::make_tuple(tn::cumprod(t, 0), tn::cummax(t, 0).first, tn::cummax(t, 0).second, tn::cummin(t, 1).first,
                           tn::cummin(t, 0, true).second, tn::logcumsumexp(t, 0), tn::diff(t, 2, 0),
                           tn::trapezoid(t, 0.1, 0), tn::cumulative_trapezoid(t, 0.1, 0));
  };
  const auto lanes = tn::tree::leaves(tn::vmap(f)(x)), jitted = tn::tree::leaves(tn::jit(tn::vmap(f))(x));
  for (int64_t i = 0; i < 3; ++i) {
    const auto one = tn::tree::leaves(f(x[i])), program = tn::tree::leaves(tn::jit(f)(x[i]));
    for (size_t k = 0; k < one.size(); ++k) {
      EXPECT_EQ(one[k].to_vector<float>(), program[k].to_vector<float>()) << k;
      EXPECT_EQ(one[k].to_vector<float>(), lanes[k][i].to_vector<float>()) << k;
      EXPECT_EQ(one[k].to_vector<float>(), jitted[k][i].to_vector<float>()) << k;
    }
  }
}

TEST(Scans, Battery) {
  const std::vector<Drawn> matrix = {{{3, 5}}}, kinked = {apart({3, 5})};
  const std::vector<std::vector<Drawn>> others = {
      {{{}}}, {{{0}}}, {{{3, 0}}}, {{{5000}}}, {integers({2, 3}, -3, 4)}, {booleans({2, 3})}};
  const std::vector<std::vector<Drawn>> with_axes = {{{{0}}}, {{{0, 3}}}, {{{5000}}}, {integers({2, 3}, -3, 4)}};
  check_functions({
      {"cumsum", TENON_CALL(tn::cumsum(x[0], 0)), matrix, others},
      {"cumsum", TENON_CALL(tn::cumsum(x[0], -1, true)), matrix},
      {"cumsum", TENON_CALL(tn::cumsum(x[0], {.axis = -1, .dtype = tn::f64})), matrix, others, 2, false},
      {"cumprod", TENON_CALL(tn::cumprod(x[0], -1)), matrix, others},
      {"cumprod", TENON_CALL(tn::cumprod(x[0], 0, true)), matrix},
      {"cummax", TENON_CALL(tn::cummax(x[0], -1)), kinked, others},
      {"cummax", TENON_CALL(tn::cummax(x[0], 0, true)), kinked},
      {"cummin", TENON_CALL(tn::cummin(x[0], 0)), kinked, {{integers({4, 3}, 0, 3)}}},
      {"logcumsumexp", TENON_CALL(tn::logcumsumexp(x[0], -1)), matrix, others},
      {"logcumsumexp", TENON_CALL(tn::logcumsumexp(x[0], 0)), matrix},
      {"diff", TENON_CALL(tn::diff(x[0])), matrix, with_axes},
      {"diff", TENON_CALL(tn::diff(x[0], 2, 0)), matrix},
      {"trapezoid", TENON_CALL(tn::trapezoid(x[0])), matrix, with_axes},
      {"trapezoid", TENON_CALL(tn::trapezoid(x[0], 0.5, 0)), matrix},
      {"trapezoid", TENON_CALL(tn::trapezoid(x[0], x[1], 1)), {{{3, 5}}, {{5}}}},
      {"cumulative_trapezoid", TENON_CALL(tn::cumulative_trapezoid(x[0], x[1], 0)), {{{3, 5}}, {{3, 5}}}},
      {"cumulative_trapezoid", TENON_CALL(tn::cumulative_trapezoid(x[0])), matrix, with_axes},
  });
}

}  // namespace
