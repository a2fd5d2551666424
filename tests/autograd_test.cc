// PyTorch's autograd manners on eager tensors.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cmath>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of, tenon::testing::print;
using tn::Tensor;

namespace {

TEST(Autograd, DataAssignmentKeepsTheTape) {
  auto x = tn::ones({1}, {.requires_grad = true});
  auto y = 2 * x;
  x.data() *= 100;
  y.backward();
  EXPECT_EQ(print(x), "tensor([100.], requires_grad=true)");
  EXPECT_EQ(print(x.grad()), "tensor([2.])");
}

TEST(Autograd, AccumulatesAndResets) {
  auto x = tn::tensor({1.f, 2.f, 3.f}, {.requires_grad = true});
  tn::sum(x * x).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, 4, 6}));
  tn::sum(3 * x).backward();
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{5, 7, 9}));
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, LeavesAndHistory) {
  auto x = tn::ones({2}, {.requires_grad = true});
  auto y = x * 2;
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(y.is_leaf());
  EXPECT_TRUE(y.requires_grad());
  EXPECT_TRUE(static_cast<bool>(y.grad_fn()));
  EXPECT_FALSE(y.detach().requires_grad());
  EXPECT_HAS(message_of([&] { y.set_requires_grad(false); }), "only leaves");
  {
    tn::NoGrad off;
    EXPECT_FALSE((x * 2).requires_grad());
  }
  x.set_requires_grad(false);
  EXPECT_FALSE((x * 2).requires_grad());
}

TEST(Autograd, FreedTapeNamesTheFirstBackward) {
  auto x = tn::ones({1}, {.requires_grad = true});
  auto y = tn::sin(x);
  y.backward();
  const std::string text = message_of([&] { y.backward(); });
  EXPECT_HAS(text, "used up by the backward at");
  EXPECT_HAS(text, "autograd_test.cc");
}

TEST(Autograd, SharedValuesAddUp) {
  auto x = tn::tensor({0.5f}, {.requires_grad = true});
  auto s = tn::sin(x);
  auto y = s * s + s;
  y.backward();
  const float expected = (2 * std::sin(0.5f) + 1) * std::cos(0.5f);
  EXPECT_NEAR(x.grad().item<float>(), expected, 1e-6);
}

TEST(Autograd, NonScalarBackwardIsRefused) {
  auto x = tn::ones({3}, {.requires_grad = true});
  EXPECT_HAS(message_of([&] { (x * 2).backward(); }), "one-element");
  (x * 2).backward(tn::ones({3}));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{2, 2, 2}));
}

TEST(Autograd, InPlaceOnALeafIsRefused) {
  auto x = tn::ones({1}, {.requires_grad = true});
  EXPECT_HAS(message_of([&] { x *= 2; }), "x.data()");
}

TEST(Autograd, MatchesGradToTheBit) {
  const auto f = [](const Tensor& w, const Tensor& x) {
    return tn::mean(tn::gelu(tn::matmul(x, w)) * tn::softmax(tn::matmul(x, w), 1));
  };
  auto w = tn::normal(tn::key(1), {7, 5}), x = tn::normal(tn::key(2), {3, 7});
  const Tensor expected = tn::grad(f)(w, x);
  auto leaf = tn::copy_from(w.raw(), w.shape(), tn::f32, true);
  f(leaf, x).backward();
  EXPECT_EQ(leaf.grad().to_vector<float>(), expected.to_vector<float>());
}

TEST(Autograd, JittedCallsTakePartInTheTape) {
  auto f = tn::jit([](const Tensor& a, const Tensor& b) { return tn::sum(tn::exp(a) * b); });
  auto a = tn::tensor({0.1f, 0.2f}, {.requires_grad = true}), b = tn::tensor({3.f, 4.f});
  auto y = f(a, b) * 2;
  y.backward();
  EXPECT_NEAR(a.grad().to_vector<float>()[1], 2 * std::exp(0.2f) * 4, 1e-5);
}

// A function that was traced while nothing was recorded is traced again where something is.
TEST(Autograd, JittedUnderNoGradRecordsLater) {
  auto f = tn::jit([](const Tensor& a) { return tn::sum(a * a); });
  auto a = tn::tensor({1.f, 3.f}, {.requires_grad = true});
  {
    tn::NoGrad off;
    EXPECT_FALSE(f(a).requires_grad());
  }
  f(a).backward();
  ASSERT_TRUE(a.grad().defined());
  EXPECT_EQ(a.grad().to_vector<float>(), (std::vector<float>{2, 6}));
}

TEST(Autograd, LongChainsAreReleasedWithoutRecursion) {
  auto x = tn::ones({1}, {.requires_grad = true});
  Tensor y = x;
  for (int i = 0; i < 20000; ++i) y = y + 1;
  y.backward();
  EXPECT_EQ(x.grad().item<float>(), 1.f);
}

}  // namespace
