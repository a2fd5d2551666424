// Checks and prints of programs on the simulated GPU: the host reads what they need between launches, in program order, and says and
// refuses what the CPU's programs do.
#include "tenon/tests/child.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

template <class F>
std::string outcome(F f) {
  ::testing::internal::CaptureStdout();
  const std::string error = message_of(f);
  return ::testing::internal::GetCapturedStdout() + error;
}

class CudaEffectsSimulated : public ::testing::Test {
 protected:
  void SetUp() override {
    use_simulated_gpu();
    if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  }
  template <class F>
  void expect_same(F f, const std::string& part) {
    const std::string expected = outcome(f);
    EXPECT_HAS(expected, part);
    const OnGpu gpu;
    for (int round = 0; round < 2; ++round) EXPECT_EQ(outcome(f), expected);
  }
};

TEST_F(CudaEffectsSimulated, ProgramsCheckAndPrint) {
  const auto f = jit([](const Tensor& x) {
    const Tensor y = sum(exp(x));
    debug::print("y = {}, x = {}", y, x);
    const Tensor z = scan(
                         [](const Tensor& c, const Tensor& row) {
                           debug::print("row {}", row);
                           check(all_of(row < 3), "rows are small");
                           return std::make_pair(c + row, row);
                         },
                         zeros({2}), x)
                         .first;
    check(y < 100, "y is small");
    return z;
  });
  expect_same([&] { f(ones({3, 2})); }, "no error");
  expect_same([&] { f(reshape(arange(0.f, 6.f), {3, 2})); }, "check failed: rows are small");
  expect_same([&] { f(full({1, 2}, 2.9f) * tensor({1.f, -50.f}) + tensor({2.f, 0.f})); }, "rows are small");
  expect_same([&] { f(ones({40, 2})); }, "check failed: y is small");
}

TEST_F(CudaEffectsSimulated, EagerOnesToo) {
  expect_same([] { debug::print("{} {}", arange(3) + 1, true); }, "tensor([1, 2, 3]) true\n");
  expect_same([] { check(all_of(arange(3) > 1), "eager"); }, "check failed: eager");
}

TEST_F(CudaEffectsSimulated, NansAreHunted) {
  const auto f = jit([](const Tensor& x) { return sum(log(x)) * 2; }, {.check_nans = true});
  expect_same([&] { f(ones({3}) * -1); }, "log made a NaN");
  expect_same([&] { f(ones({3})); }, "no error");
}

}  // namespace
}  // namespace tenon::testing
