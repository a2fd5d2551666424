// TENON_CHECK_NANS, which is read at first use: eager ops, the tape and jitted functions without a word of their own hunt for NaNs.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

const int set_before_anything_runs = setenv("TENON_CHECK_NANS", "1", 1);

template <class F>
void expect_made(F f, const std::string& op, int line) {
  const std::string message = message_of(f);
  EXPECT_HAS(message, op + " made a NaN");
  EXPECT_HAS(message, "nans_everywhere_test.cc:" + std::to_string(line) + ":");
}

class NansEverywhere : public ::testing::Test {
 protected:
  const Tensor good = ones({3}), bad = tensor({1.f, -1.f, 2.f}), held = tensor({1.f, NAN, 2.f});
};

TEST_F(NansEverywhere, EagerOpsNameTheLineOfTheCall) {
  ASSERT_EQ(set_before_anything_runs, 0);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(log(good).to_vector<float>(), std::vector<float>(3, 0.f));
    expect_made([&] { log(bad); }, "log", __LINE__);
    expect_made([&] { sqrt(bad) + 1; }, "sqrt", __LINE__);
  }
  EXPECT_TRUE(std::isnan((log(held) * 2 + held).to_vector<float>()[1]));
}

TEST_F(NansEverywhere, RecordedOpsAndTheirPullbacks) {
  Tensor x = bad.detach();
  x.set_requires_grad(true);
  expect_made([&] { log(x); }, "log", __LINE__);
  Tensor zero = zeros({2});
  zero.set_requires_grad(true);
  const Tensor y = sum(log(zero) - sqrt(zero));  // -inf - 0; backward the cotangents inf and -inf meet
  constexpr int line = __LINE__ - 1;
  expect_made([&] { y.backward(); }, "add", line);
}

TEST_F(NansEverywhere, JittedFunctionsAndDerivatives) {
  const auto f = [](const Tensor& x) { return sum(log(x)); };
  constexpr int line = __LINE__ - 1;
  expect_made([&] { jit(f)(bad); }, "log", line);
  expect_made([&] { grad(f)(bad); }, "log", line);
  expect_made([&] { jit(grad(f))(bad); }, "log", line);
  EXPECT_EQ(jit(grad(f))(good).to_vector<float>(), std::vector<float>(3, 1.f));
}

}  // namespace
}  // namespace tenon::testing
