// Products, distances and comparisons by name: the battery (tests/function_case.h), values against loops and known numbers, refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tn::Tensor;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

using Arguments = std::vector<Drawn>;
const Arguments one = {{{3, 5}}}, two = {{{3, 5}}, {{5}}}, positive = {{{3, 5}, 2.5, 6}};
const std::vector<Arguments> others = {{{{0, 3}}}, {{{}}}, {{{67}}}};
const std::vector<Arguments> pairs = {
    {{{0, 3}}, {{3}}}, {{{}}, {{}}}, {{{67}}, {{1}}}, {integers({7}, 1, 5), integers({7}, 1, 5)}};

TEST(FunctionsProducts, Comparisons) {
  check_functions({
      {"eq", TENON_CALL(tn::eq(x[0], x[1])), two, pairs, 0},
      {"ne", TENON_CALL(tn::ne(x[0], x[1])), two, pairs, 0},
      {"lt", TENON_CALL(tn::lt(x[0], x[1])), two, pairs, 0},
      {"le", TENON_CALL(tn::le(x[0], x[1])), two, pairs, 0},
      {"gt", TENON_CALL(tn::gt(x[0], x[1])), two, pairs, 0},
      {"ge", TENON_CALL(tn::ge(x[0], x[1])), two, pairs, 0},
      {"isclose", TENON_CALL(tn::isclose(x[0], x[1], {.rtol = 0.5, .atol = 0.1, .equal_nan = true})), two, pairs, 0,
       false},
      {"allclose", TENON_CALL(tn::allclose(x[0], x[1], {.atol = 100})), two, pairs, 0, false},
      {"equal", TENON_CALL(tn::equal(x[0], x[0])), one, others, 0},
  });
}

TEST(FunctionsProducts, Elementwise) {
  check_functions({
      {"ldexp", TENON_CALL(tn::ldexp(x[0], x[1])), two, pairs},
      {"rsub", TENON_CALL(tn::rsub(x[0], x[1], 2)), two, pairs},
      {"fill", TENON_CALL(tn::fill(x[0], 3)), one, others, 0},
      {"entr", TENON_CALL(tn::entr(x[0])), {{{3, 5}, 0.25, 3}}, others},
      {"mvlgamma", TENON_CALL(tn::mvlgamma(x[0], 3)), positive, others},
  });
}

TEST(FunctionsProducts, Matrices) {
  check_functions({
      {"inner",
       TENON_CALL(tn::inner(x[0], x[1])),
       {{{2, 3, 5}}, {{4, 5}}},
       {{{{3}}, {{3}}}, {{{2, 0}}, {{3, 0}}}, {integers({2, 3}, -5, 5), integers({3}, -5, 5)}}},
      {"vdot", TENON_CALL(tn::vdot(x[0], x[1])), {{{5}}, {{5}}}},
      {"mm", TENON_CALL(tn::mm(x[0], x[1])), {{{3, 5}}, {{5, 2}}}, {{{{0, 5}}, {{5, 2}}}}},
      {"mv", TENON_CALL(tn::mv(x[0], x[1])), {{{3, 5}}, {{5}}}, {{{{3, 0}}, {{0}}}}},
      {"bmm", TENON_CALL(tn::bmm(x[0], x[1])), {{{2, 3, 5}}, {{2, 5, 2}}}, {{{{0, 3, 5}}, {{0, 5, 2}}}}},
      {"addmm",
       TENON_CALL(tn::addmm(x[0], x[1], x[2], {.beta = 3, .alpha = 2})),
       {{{2}}, {{3, 5}}, {{5, 2}}},
       {{integers({3, 2}, -5, 5), integers({3, 5}, -5, 5), integers({5, 2}, -5, 5)}}},
      {"addmv", TENON_CALL(tn::addmv(x[0], x[1], x[2])), {{{3}}, {{3, 5}}, {{5}}}},
      {"baddbmm", TENON_CALL(tn::baddbmm(x[0], x[1], x[2], {.alpha = -1})), {{{2, 3, 2}}, {{2, 3, 5}}, {{2, 5, 2}}}},
      {"addbmm", TENON_CALL(tn::addbmm(x[0], x[1], x[2])), {{{3, 2}}, {{4, 3, 5}}, {{4, 5, 2}}}},
      {"addr", TENON_CALL(tn::addr(x[0], x[1], x[2], {.beta = 0})), {{{3, 4}}, {{3}}, {{4}}}},
  });
}

TEST(FunctionsProducts, Distances) {
  check_functions({
      {"cdist", TENON_CALL(tn::cdist(x[0], x[1])), {apart({2, 3, 4}), apart({5, 4}, 3, 7)}, {{{{0, 3}}, {{2, 3}}}}},
      {"cdist", TENON_CALL(tn::cdist(x[0], x[1], 1)), {apart({3, 4}), apart({5, 4}, 3, 7)}},
      {"pairwise_distance",
       TENON_CALL(tn::pairwise_distance(x[0], x[1], {.p = 3, .keepdim = true})),
       {apart({3, 4}), apart({4}, 3, 7)}},
      {"dist", TENON_CALL(tn::linalg::dist(x[0], x[1])), {apart({3, 4}), apart({4}, 3, 7)}},
      {"normalize", TENON_CALL(tn::normalize(x[0], {.axis = -1})), {apart({3, 4})}, {{{{0, 3}}}, {{{67}}}}},
      {"gradient",
       TENON_CALL(tn::gradient(x[0], {.spacing = 0.5, .axes = {1}})),
       {{{3, 5}}},
       {{{{0, 3}}}, {integers({2, 7}, -5, 5)}}},
      {"gradient", TENON_CALL(tn::gradient(x[0], {.axes = {0}, .edge_order = 2})), {{{4, 5}}}},
  });
}

// ---- values

std::vector<double> list(const Tensor& t) { return t.astype(tn::f64).to_vector<double>(); }
void expect_list(const Tensor& t, const std::vector<double>& wanted, double tolerance = 0) {
  const std::vector<double> got = list(t);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const bool same =
        std::isnan(wanted[i]) ? std::isnan(got[i]) : got[i] == wanted[i] || std::fabs(got[i] - wanted[i]) <= tolerance;
    EXPECT_TRUE(same) << i << ": " << got[i] << " instead of " << wanted[i];
  }
}

TEST(FunctionsProducts, NearnessIsPyTorchs) {
  const Tensor x = tn::tensor({1.0, 1.0, inf, inf, nan, 0.0, 3.0}),
               y = tn::tensor({1.0 + 9e-6, 1.1, inf, -inf, nan, 1e-9, inf});
  expect_list(tn::isclose(x, y), {1, 0, 1, 0, 0, 1, 0});
  expect_list(x.isclose(y, {.equal_nan = true}), {1, 0, 1, 0, 1, 1, 0});
  expect_list(x.isclose(y, 0.2, 0, true), {1, 1, 1, 0, 1, 0, 0});
  EXPECT_FALSE(tn::allclose(x, y).item<bool>());
  EXPECT_TRUE(tn::allclose(tn::tensor({1.0, 2.0}), tn::tensor({1.0, 2.0 + 1e-6})).item<bool>());
  EXPECT_TRUE(tn::allclose(tn::zeros({0}), tn::ones({0})).item<bool>());
  // Integers beyond what doubles tell apart.
  const Tensor big = tn::tensor({int64_t{1} << 60, int64_t{7}});
  expect_list(big.isclose(big + 1, 0, 0), {0, 0});
  EXPECT_THROW(tn::isclose(x, y, {.rtol = -1}), tn::Error);
  EXPECT_THROW(tn::isclose(x, tn::ones({3})), tn::Error);
}

TEST(FunctionsProducts, EqualComparesShapesToo) {
  const Tensor x = tn::tensor({1, 2, 3});
  EXPECT_TRUE(tn::equal(x, tn::tensor({1.0, 2.0, 3.0})).item<bool>());
  EXPECT_FALSE(x.equal(tn::tensor({1, 2, 4})).item<bool>());
  EXPECT_FALSE(tn::array_equal(x, x.reshape({1, 3})).item<bool>());
  EXPECT_FALSE(tn::equal(tn::tensor({nan}), tn::tensor({nan})).item<bool>());
  EXPECT_TRUE(tn::equal(tn::zeros({0, 3}), tn::zeros({0, 3})).item<bool>());
}

TEST(FunctionsProducts, SumsAndProductsHaveTheirNumbers) {
  const Tensor a = tn::arange(0.0, 6.0).reshape({2, 3}), b = tn::arange(0.0, 12.0).reshape({4, 3});
  expect_list(tn::inner(a, b), {5, 14, 23, 32, 14, 50, 86, 122});
  expect_list(tn::inner(a, 2), {0, 2, 4, 6, 8, 10});
  const Tensor c = tn::arange(0.0, 6.0).reshape({3, 2});
  expect_list(tn::addmm(tn::tensor({nan, nan}), a, c, {.beta = 0}), {10, 13, 28, 40});
  expect_list(tn::addmm(tn::tensor({1.0, -1.0}), a, c, {.beta = 2, .alpha = 0.5}), {7, 4.5, 16, 18});
  expect_list(tn::addr(tn::zeros({2, 2}), tn::tensor({1.f, 2.f}), tn::tensor({3.f, 4.f})), {3, 4, 6, 8});
  const Tensor batch = tn::arange(0.0, 8.0).reshape({2, 2, 2});
  expect_list(tn::addbmm(tn::zeros({2, 2}), batch, batch), {48, 58, 72, 90});  // (2 3 6 11) + (46 55 66 79)
  EXPECT_THROW(tn::mm(a, tn::ones({3})), tn::Error);
  EXPECT_THROW(tn::bmm(a, c), tn::Error);
  EXPECT_THROW(tn::bmm(tn::ones({2, 3, 4}), tn::ones({1, 4, 5})), tn::Error);
  EXPECT_THROW(tn::addmm(tn::ones({3, 3}), a, c), tn::Error);
  EXPECT_THROW(tn::addmm(tn::ones({2, 2}).astype(tn::i32), a.astype(tn::i32), c.astype(tn::i32), {.alpha = 0.5}),
               tn::Error);
}

TEST(FunctionsProducts, DistancesAreThoseOfNorms) {
  const Tensor x = tn::tensor({{0.0, 0.0}, {3.0, 4.0}}), y = tn::tensor({{3.0, 4.0}, {0.0, 1.0}});
  expect_list(tn::cdist(x, y), {5, 1, 0, std::sqrt(18.0)}, 1e-15);
  expect_list(tn::cdist(x, y, 1), {7, 1, 0, 6});
  expect_list(tn::cdist(x, y, inf), {4, 1, 0, 3});
  expect_list(tn::cdist(x, y, 0), {2, 1, 0, 2});
  expect_list(tn::linalg::dist(x, y, 2), {std::sqrt(25.0 + 18.0)}, 1e-14);
  expect_list(tn::pairwise_distance(x, y, {.eps = 0}), {5, std::sqrt(18.0)}, 1e-14);
  expect_list(tn::normalize(x), {0, 0, 0.6, 0.8}, 1e-15);
  // At distance 0 the derivative is 0.
  expect_list(tn::grad([&](const Tensor& t) { return tn::sum(tn::cdist(t, t)); })(tn::tensor({{1.0, 2.0}})), {0, 0});
  EXPECT_THROW(tn::cdist(x, tn::ones({2, 3})), tn::Error);
  EXPECT_THROW(tn::cdist(x, y, -1), tn::Error);
}

TEST(FunctionsProducts, GradientIsNumPys) {
  const Tensor x = tn::tensor({1.0, 2.0, 4.0, 7.0, 11.0, 16.0});
  expect_list(tn::gradient(x)[0], {1, 1.5, 2.5, 3.5, 4.5, 5});
  expect_list(tn::gradient(x, {.spacing = 2})[0], {0.5, 0.75, 1.25, 1.75, 2.25, 2.5});
  expect_list(x.gradient({.edge_order = 2})[0], {0.5, 1.5, 2.5, 3.5, 4.5, 5.5});
  EXPECT_EQ(tn::gradient(tn::ones({3, 4})).size(), 2u);
  EXPECT_THROW(tn::gradient(tn::ones({1})), tn::Error);
  EXPECT_THROW(tn::gradient(x, {.spacing = 0}), tn::Error);
}

TEST(FunctionsProducts, SpecialValues) {
  expect_list(tn::entr(tn::tensor({0.0, 1.0, -1.0, inf, nan, 0.5})), {0, 0, -inf, -inf, nan, 0.5 * std::log(2.0)},
              1e-15);
  expect_list(tn::mvlgamma(tn::tensor({3.0}), 2), {0.5 * std::log(M_PI) + std::lgamma(3.0) + std::lgamma(2.5)}, 1e-14);
  EXPECT_THROW(tn::mvlgamma(tn::ones({1}), 0), tn::Error);
  expect_list(tn::ldexp(tn::tensor({1.0, 0.75, 3.0}), tn::tensor({4, -1, 1000})), {16, 0.375, std::ldexp(3.0, 1000)},
              1e-12 * std::ldexp(3.0, 1000));
  expect_list(tn::ldexp(tn::tensor({1.5, 1.5, -1.5}), tn::tensor({inf, -inf, inf})), {inf, 0, -inf});
  EXPECT_EQ(tn::float_power(tn::tensor({2}), 3).dtype(), tn::f64);
  expect_list(tn::float_power(tn::tensor({2, 3}), -1), {0.5, 1.0 / 3});
}

// ---- einsum's diagonals

TEST(FunctionsProducts, EinsumTakesDiagonals) {
  const Tensor x = tn::arange(0.0, 9.0).reshape({3, 3}), y = tn::arange(0.0, 27.0).reshape({3, 3, 3}),
               v = tn::tensor({1.0, 2.0, 3.0});
  expect_list(tn::einsum("ii", {x}), {12});
  expect_list(tn::einsum("ii->i", {x}), {0, 4, 8});
  expect_list(tn::einsum("iii->i", {y}), {0, 13, 26});
  expect_list(tn::einsum("iij->j", {y}), {36, 39, 42});
  expect_list(tn::einsum("ii,i->i", {x, v}), {0, 8, 24});
  expect_list(tn::einsum("jij,jk->ik", {y, x.reshape({3, 3})}), {150, 180, 210, 177, 216, 255, 204, 252, 300});
  EXPECT_THROW(tn::einsum("ii->i", {tn::ones({2, 3})}), tn::Error);
  EXPECT_THROW(tn::einsum("ii->i", {tn::ones({1, 3})}), tn::Error);
}

}  // namespace
