// Reductions made of others, beside loops that are written out here: nansum and its kind, extremes, moments with a correction, cov.
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

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;

void expect_near(const Tensor& found, const Numbers& expected, double tolerance = 1e-12) {
  const Numbers values = found.to_vector<double>();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(values[i])) << i << ": " << values[i];
    else
      EXPECT_NEAR(values[i], expected[i], tolerance * std::max(1.0, std::fabs(expected[i]))) << i;
  }
}

const Tensor& with_nans() {
  static const Tensor x = tn::tensor({{1., nan, 3.}, {nan, nan, nan}, {0., 5., -2.}});
  return x;
}

TEST(Moments, WithoutNaNs) {
  expect_near(tn::nansum(with_nans(), {.axes = {1}}), {4, 0, 3});
  expect_near(tn::nanmean(with_nans(), 1), {2, nan, 1});
  expect_near(tn::nanmean(with_nans()), {7. / 5});
  EXPECT_EQ(tn::nansum(tn::tensor({1, 2})).dtype(), tn::i64);
  EXPECT_EQ(tn::nansum(tn::zeros({0})).item<float>(), 0);
  const Tensor mask = tn::tensor({true, true, false});
  expect_near(tn::nansum(with_nans(), {.axes = {1}, .where = mask}), {1, 0, 5});
  expect_near(tn::grad([](const Tensor& t) { return tn::nanmean(t); })(with_nans()[0]), {0.5, 0, 0.5});
  EXPECT_EQ(tn::count_nonzero(with_nans()).item<int64_t>(), 8);  // a NaN is not 0
  EXPECT_EQ(tn::count_nonzero(tn::tensor({{true, false}, {true, true}}), 0).to_vector<int64_t>(),
            (std::vector<int64_t>{2, 1}));
}

TEST(Moments, Extremes) {
  const Tensor x = tn::tensor({{1., 7., 7.}, {-2., 3., 0.}});
  expect_near(tn::amax(x, 1), {7, 3});
  expect_near(tn::amin(x), {-2});
  const auto [low, high] = tn::aminmax(x, {.axes = {0}});
  expect_near(low, {-2, 3, 0});
  expect_near(high, {1, 7, 7});
  EXPECT_EQ(tn::aminmax(tn::tensor({true, false})).second.dtype(), tn::boolean);
  EXPECT_TRUE(std::isnan(tn::aminmax(with_nans()).first.item<double>()));
  EXPECT_THROW(tn::aminmax(tn::zeros({0})), tn::Error);
  expect_near(tn::grad([](const Tensor& t) { return tn::amax(t); })(x), {0, 0.5, 0.5, 0, 0, 0});  // ties share
}

TEST(Moments, SpreadWithCorrection) {
  const Numbers v = {1, 4, 4, 9};
  double mean = 0, squares = 0;
  for (double x : v) mean += x / 4;
  for (double x : v) squares += (x - mean) * (x - mean);
  const Tensor x = tn::copy_from(v.data(), {4}, tn::f64);
  const auto [variance, first] = tn::var_mean(x, {.correction = 1});
  expect_near(variance, {squares / 3});
  expect_near(first, {mean});
  const auto [deviation, second] = tn::std_mean(x, {.keepdims = true});
  expect_near(deviation, {std::sqrt(squares / 4)});
  EXPECT_EQ(second.shape(), (tn::Shape{1}));
  EXPECT_EQ(tn::var_mean(tn::tensor({1, 2})).first.dtype(), tn::f32);
}

TEST(Moments, Norm) {
  expect_near(tn::norm(tn::tensor({{3., 0.}, {0., 4.}})), {5});
  expect_near(tn::norm(tn::tensor({{3., 4.}, {6., 8.}}), {.axes = {1}}), {5, 10});
  expect_near(tn::grad([](const Tensor& t) { return tn::norm(t); })(tn::tensor({3., 4.})), {0.6, 0.8});
  expect_near(tn::grad([](const Tensor& t) { return tn::norm(t); })(tn::tensor({0., 0.})), {0, 0});
}

TEST(Moments, Covariance) {
  const double rows[3][4] = {{1, 2, 4, 3}, {0, -1, 5, 2}, {2, 2, 2, 7}};
  Numbers covariance, correlation;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      double mi = 0, mj = 0, c = 0, vi = 0, vj = 0;
      for (int k = 0; k < 4; ++k) mi += rows[i][k] / 4, mj += rows[j][k] / 4;
      for (int k = 0; k < 4; ++k) {
        c += (rows[i][k] - mi) * (rows[j][k] - mj);
        vi += (rows[i][k] - mi) * (rows[i][k] - mi), vj += (rows[j][k] - mj) * (rows[j][k] - mj);
      }
      covariance.push_back(c / 3), correlation.push_back(c / std::sqrt(vi * vj));
    }
  const Tensor x = tn::copy_from(rows, {3, 4}, tn::f64);
  expect_near(tn::cov(x), covariance);
  for (double& c : covariance) c *= 0.75;
  expect_near(tn::cov(x, {.correction = 0}), covariance);
  expect_near(tn::corrcoef(x), correlation);
  EXPECT_EQ(tn::cov(x[0]).ndim(), 0);
  EXPECT_DOUBLE_EQ(tn::corrcoef(x[0]).item<double>(), 1);
  EXPECT_THROW(tn::cov(tn::zeros({2, 2, 2})), tn::Error);
}

TEST(Moments, EveryRouteGivesTheSameBits) {
  const Tensor x = tn::where(tn::uniform(tn::key(1), {3, 5, 40}) > 0.1, tn::normal(tn::key(2), {3, 5, 40}), nan);
  const auto f = [](const Tensor& t) {
    const Tensor u = tn::where(t == t, t, 0);
    return std::make_tuple(tn::nansum(t, 1), tn::nanmean(t, 0), tn::count_nonzero(u), tn::aminmax(u).first,
                           tn::var_mean(u, {.axes = {1}, .correction = 1}).first, tn::std_mean(u).second,
                           tn::norm(u, {.axes = {1}}), tn::cov(u), tn::corrcoef(u));
  };
  for (int64_t i = 0; i < 3; ++i) {
    const auto one = tn::tree::leaves(f(x[i])), program = tn::tree::leaves(tn::jit(f)(x[i]));
    for (size_t k = 0; k < one.size(); ++k) EXPECT_EQ(one[k].to_vector<float>(), program[k].to_vector<float>()) << k;
  }
}

TEST(Moments, Battery) {
  const std::vector<Drawn> matrix = {{{3, 5}}}, masked = {{{3, 5}}, booleans({3, 5})};
  const std::vector<std::vector<Drawn>> others = {{{{}}}, {{{1, 700}}}, {integers({2, 3}, -3, 4)}, {booleans({2, 3})}};
  check_functions({
      {"nansum", TENON_CALL(tn::nansum(x[0], -1)), matrix, others},
      {"nansum", TENON_CALL(tn::nansum(x[0], {.where = x[1]})), masked},
      {"nanmean", TENON_CALL(tn::nanmean(x[0])), matrix, others},
      {"nanmean", TENON_CALL(tn::nanmean(x[0], {.axes = {0}, .keepdims = true, .where = x[1]})), masked},
      {"count_nonzero", TENON_CALL(tn::count_nonzero(x[0], 0)), {integers({3, 5}, -1, 2)}, others, 0},
      {"amax", TENON_CALL(tn::amax(x[0], -1)), {apart({3, 5})}, others},
      {"amin", TENON_CALL(tn::amin(x[0], {.axes = {0, -1}})), {apart({3, 5})}, others},
      {"aminmax", TENON_CALL(tn::aminmax(x[0], {.axes = {0}})), {apart({3, 5})}, others},
      {"aminmax", TENON_CALL(tn::aminmax(x[0], {.where = x[1]})), {apart({3, 5}), booleans({3, 5})}},
      {"var_mean", TENON_CALL(tn::var_mean(x[0], {.axes = {-1}, .correction = 1})), matrix, others},
      {"std_mean", TENON_CALL(tn::std_mean(x[0], {.keepdims = true})), matrix, others},
      {"norm", TENON_CALL(tn::norm(x[0], {.axes = {0}})), matrix, others},
      {"cov", TENON_CALL(tn::cov(x[0])), matrix, {{{{7}}}, {{{}}}, {integers({2, 6}, -3, 4)}}},
      {"cov", TENON_CALL(tn::cov(x[0], {.correction = 0})), matrix},
      {"corrcoef", TENON_CALL(tn::corrcoef(x[0])), matrix, {{{{7}}}}},
  });
}

}  // namespace
