// The hunt for NaNs of one jitted function: the first op that made one is named by its line, also in bodies of loops and in
// derivatives; what only passes one on is not. Without the hunt nothing is checked. nans_everywhere_test.cc hunts in all programs.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tenon/ir/graph/graph.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

Tensor logarithm(const Tensor& x) { return log(x); }
constexpr int line_of_log = __LINE__ - 1;

std::string at(int line) { return "nans_test.cc:" + std::to_string(line) + ":"; }

template <class F>
void expect_made(F f, const std::string& op, int line = line_of_log) {
  const std::string message = message_of(f);
  EXPECT_HAS(message, op + " made a NaN");
  EXPECT_HAS(message, at(line));
}

class Nans : public ::testing::Test {
 protected:
  const Tensor bad = tensor({1.f, -1.f, 2.f}), held = tensor({1.f, NAN, 2.f});
};

TEST_F(Nans, TheOpThatMadeOneIsNamed) {
  const auto f = jit(
      [](const Tensor& x) {
        const Tensor y = exp(x) * 2;
        return sum(logarithm(x) + y);
      },
      {.check_nans = true});
  expect_made([&] { f(bad); }, "log");
  EXPECT_FALSE(std::isnan(f(ones({3})).item()));
  expect_made([&] { f(bad); }, "log");
  EXPECT_TRUE(std::isnan(f(held).item())) << "an input held it already";
}

TEST_F(Nans, TheFirstInProgramOrderIsNamed) {
  const auto f = jit(
      [](const Tensor& x) {
        const Tensor infinite = sum(exp(x * 1000));  // ready later than the logarithm below
        const Tensor first = infinite - infinite;
        return first + sum(logarithm(x));
      },
      {.check_nans = true});
  expect_made([&] { f(bad); }, "sub", __LINE__ - 4);
}

TEST_F(Nans, WhatPassesOneOnIsNotBlamed) {
  const auto f = jit(
      [](const Tensor& x) {
        const Tensor y = where(x > 0, x, full({3}, std::nan("")));
        return max(concat(std::vector<Tensor>{y, maximum(x, 0), flip(y, {0})}, 0)) + x[1];
      },
      {.check_nans = true});
  EXPECT_TRUE(std::isnan(f(held).item()));
  EXPECT_TRUE(std::isnan(f(bad).item()));
}

TEST_F(Nans, BodiesOfLoopsAndBranchesAreSearched) {
  const JitOptions hunt{.check_nans = true};
  const auto scanned = jit(
      [](const Tensor& xs) {
        return scan([](const Tensor& c, const Tensor& x) { return std::make_pair(c + logarithm(x), x); }, zeros({}), xs)
            .first;
      },
      hunt);
  const auto counted = jit(
      [](const Tensor& x) {
        return while_loop([](const Tensor& v) { return logarithm(v) > -10; }, [](const Tensor& v) { return v - 1; }, x);
      },
      hunt);
  const auto branched = jit(
      [](const Tensor& x) {
        return cond(x > 0, [](const Tensor& v) { return v; }, [](const Tensor& v) { return logarithm(v); }, x);
      },
      hunt);
  expect_made([&] { scanned(bad); }, "log");
  expect_made([&] { counted(full({}, 1.5f)); }, "log");
  expect_made([&] { branched(full({}, -1.f)); }, "log");
  EXPECT_EQ(branched(ones({})).item(), 1);
  EXPECT_EQ(scanned(ones({3})).item(), 0);
}

TEST_F(Nans, DerivativesAreSearchedAndNameTheForwardOp) {
  // At 0: -inf - 0 forward; backward inf - inf where the cotangents of x meet.
  const auto loss = [](const Tensor& x) { return sum(log(x) - sqrt(x)); };
  constexpr int line = __LINE__ - 1;
  const auto f = jit(grad(loss), {.check_nans = true});
  expect_made([&] { f(zeros({2})); }, "add", line);
  EXPECT_EQ(f(ones({1})).item(), 0.5f);
  const auto taped = jit(loss, {.check_nans = true});
  Tensor x = zeros({2});
  x.set_requires_grad(true);
  const Tensor y = taped(x);
  expect_made([&] { y.backward(); }, "add", line);
}

TEST_F(Nans, SeveralOpsOnOneLineAndEqualProgramsOnTwo) {
  const JitOptions hunt{.check_nans = true};
  const auto one = jit([](const Tensor& x) { return log(x); }, hunt);
  constexpr int first = __LINE__ - 1;
  const auto other = jit([](const Tensor& x) { return log(x); }, hunt);
  constexpr int second = __LINE__ - 1;
  expect_made([&] { one(bad); }, "log", first);
  expect_made([&] { other(bad); }, "log", second);
}

TEST_F(Nans, AHuntInsideATraceGoesAlong) {
  const auto inner = jit(logarithm, {.check_nans = true});
  const auto outer = jit([&](const Tensor& x) { return sum(inner(x)) + 1; });
  expect_made([&] { outer(bad); }, "log");
  EXPECT_TRUE(std::isnan(jit(logarithm)(bad).to_vector<float>()[1]));
}

TEST_F(Nans, WithoutTheHuntNothingIsChecked) {
  const auto plain = jit([](const Tensor& x) { return sum(logarithm(x)); });
  const auto hunting = jit([](const Tensor& x) { return sum(logarithm(x)); }, {.check_nans = true});
  EXPECT_EQ(plain.lower(bad).program().find("check"), std::string::npos);
  EXPECT_NE(hunting.lower(bad).program().find("check"), std::string::npos);
  EXPECT_EQ(hunting.lower(bad).ir(), plain.lower(bad).ir());
  EXPECT_TRUE(std::isnan(plain(bad).item()));
  EXPECT_FALSE(hunting.lower(bad).compile().explain().empty());
}

}  // namespace
}  // namespace tenon::testing
