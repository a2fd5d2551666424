// Tensors as a PyTorch or NumPy user types them: methods, conversions between shapes and vectors, shifts of numbers, einsum with
// ellipses and extents that stretch, scalars that have an axis.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Doubles = std::vector<double>;
Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }

TEST(Methods, AreTheFunctions) {
  const Tensor x = tn::tensor({{1., 2.}, {3., 4.}}), y = tn::tensor({{5., 6.}, {7., 8.}});
  EXPECT_EQ(numbers(x.matmul(y)), numbers(tn::matmul(x, y)));
  EXPECT_EQ(numbers(x.exp()), numbers(tn::exp(x)));
  EXPECT_EQ(numbers(x.pow(2)), (Doubles{1, 4, 9, 16}));
  EXPECT_EQ(numbers(x.maximum(y).minimum(6)), (Doubles{5, 6, 6, 6}));
  EXPECT_EQ(numbers(x.clip(2, 3)), (Doubles{2, 2, 3, 3}));
  EXPECT_EQ(numbers(x.cumsum(0)), (Doubles{1, 2, 4, 6}));
  EXPECT_EQ(numbers(x.T()), (Doubles{1, 3, 2, 4}));
  EXPECT_EQ(numbers(x.flip({1})), (Doubles{2, 1, 4, 3}));
  EXPECT_EQ(x.softmax(0).shape(), x.shape());
  EXPECT_EQ(x.view({4}).shape(), tn::Shape({4}));
  EXPECT_EQ(x.to(tn::f32).dtype(), tn::f32);
  EXPECT_EQ(x.dim(), 2);
  EXPECT_EQ(x.size(-1), 2);
  EXPECT_NE(message_of([&] { (void)x.size(2); }).find("manners_test.cc"), std::string::npos);
  EXPECT_NE(message_of([&] { (void)x.matmul(tn::ones({3})); }).find("manners_test.cc"), std::string::npos);
}

TEST(Methods, TakePartInTracesAndTheTape) {
  const auto f = [](const Tensor& v) { return v.sin().clip(0, 1).sum(); };
  const auto g = [](const Tensor& v) { return tn::sum(tn::clip(tn::sin(v), 0, 1)); };
  Tensor x = tn::tensor({0.5, 1., -1.});
  EXPECT_EQ(tn::trace(f, x).ir(), tn::trace(g, x).ir());
  x.set_requires_grad(true);
  f(x).backward();
  EXPECT_EQ(numbers(x.grad()), numbers(tn::grad(g)(x.detach())));
}

TEST(Shifts, OfNumbersByTensors) {
  const Tensor n = tn::tensor({0, 1, 3});
  EXPECT_EQ((5 << n).to_vector<int>(), (std::vector<int>{5, 10, 40}));
  EXPECT_EQ((40 >> n).to_vector<int>(), (std::vector<int>{40, 20, 5}));
}

TEST(Einsum, EllipsesStandForLeadingAxes) {
  const Tensor a = tn::arange(0, 24).reshape({2, 3, 4}).astype(tn::f64),
               b = tn::arange(0, 40).reshape({2, 4, 5}).astype(tn::f64);
  EXPECT_EQ(numbers(tn::einsum("...ij,...jk->...ik", {a, b})), numbers(tn::matmul(a, b)));
  EXPECT_EQ(numbers(tn::einsum("...ij,...jk", {a, b})), numbers(tn::matmul(a, b)));
  EXPECT_EQ(numbers(tn::einsum("i...->...i", {a})), numbers(tn::transpose(a, {1, 2, 0})));
  EXPECT_EQ(numbers(tn::einsum("...->", {a})), numbers(tn::sum(a)));
  EXPECT_EQ(numbers(tn::einsum("...,...", {a, a[0]})), numbers(a * a[0]));
  EXPECT_NE(
      message_of([&] { tn::einsum("...ij,...jk->...ik", {a, b[{tn::all, tn::slice(0, 3)}]}); }).find("'j' differ"),
      std::string::npos);
}

TEST(Einsum, LettersThatOccurTwiceAreDiagonals) {
  const Tensor a = tn::arange(0, 18).reshape({2, 3, 3}).astype(tn::f64), v = tn::tensor({1., 2., 3.});
  EXPECT_EQ(numbers(tn::einsum("bii->bi", {a})), (Doubles{0, 4, 8, 9, 13, 17}));
  EXPECT_EQ(numbers(tn::einsum("bii", {a})), (Doubles{12, 39}));
  EXPECT_EQ(numbers(tn::einsum("...ii->...", {a})), (Doubles{12, 39}));
  EXPECT_EQ(numbers(tn::einsum("bii,i->b", {a, v})), (Doubles{32, 86}));
  EXPECT_EQ(numbers(tn::einsum("iii->i", {tn::arange(0, 8).reshape({2, 2, 2})})), (Doubles{0, 7}));
  EXPECT_EQ(numbers(tn::einsum("ijij->", {tn::ones({2, 3, 2, 3})})), (Doubles{6}));
  EXPECT_EQ(numbers(tn::grad([](const Tensor& t) { return tn::sum(tn::einsum("bii->b", {t})); })(a[{tn::slice(0, 1)}])),
            (Doubles{1, 0, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_NE(message_of([&] { tn::einsum("ii->i", {a[0][{tn::slice(0, 2)}]}); }).find("extents of 'i' differ"),
            std::string::npos);
}

TEST(Einsum, ExtentsOfOneStretch) {
  const Tensor a = tn::arange(0, 6).reshape({2, 3}).astype(tn::f64), one = tn::tensor({{2.}, {3.}}),
               row = tn::tensor({{1., 2., 3.}});
  EXPECT_EQ(numbers(tn::einsum("ij,ij->ij", {a, one})), numbers(a * one));
  EXPECT_EQ(numbers(tn::einsum("ij,ij->i", {a, row})), numbers(tn::sum(a * row, 1)));
  EXPECT_EQ(numbers(tn::einsum("ij,ij->", {a, one})), numbers(tn::sum(a * one)));
  const auto f = [&](const Tensor& v) { return tn::sum(tn::einsum("ij,ij->i", {a, v})); };
  EXPECT_EQ(numbers(tn::grad(f)(one)), (Doubles{3, 12}));
  EXPECT_EQ(numbers(tn::jit(tn::grad(f))(one)), (Doubles{3, 12}));
}

TEST(Scalars, AreRowsOfOne) {
  const Tensor x = tn::tensor(3.);
  for (const int64_t axis : {0, -1}) {
    EXPECT_EQ(tn::softmax(x, axis).item<double>(), 1);
    EXPECT_EQ(tn::log_softmax(x, axis).item<double>(), 0);
  }
  EXPECT_EQ(tn::softmax(tn::arange(0, 3), -1, tn::f64).dtype(), tn::f64);
  EXPECT_NE(message_of([&] { tn::softmax(x, 1); }).find("axis"), std::string::npos);
}

}  // namespace
