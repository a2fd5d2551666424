// Tensors, promotion, printing, indexing and the errors a user meets first.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of, tenon::testing::print;
using tn::Tensor;

namespace {

TEST(Tensor, MakingAndReading) {
  auto a = tn::tensor({{1.f, 2.f}, {3.f, 4.f}});
  EXPECT_EQ(a.shape(), tn::Shape({2, 2}));
  EXPECT_EQ(a.ndim(), 2);
  EXPECT_EQ(a.numel(), 4);
  EXPECT_EQ(a.dtype(), tn::f32);
  EXPECT_EQ((a + a).to_vector<float>(), (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(tn::arange(0, 6).reshape({2, 3}).to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tn::full({2}, 7).dtype(), tn::i64);
  EXPECT_EQ(tn::full({2}, 7.0).dtype(), tn::f32);
  float values[] = {1, 2, 3};
  auto w = tn::from_blob(values, {3}, tn::f32);
  values[0] = 10;
  EXPECT_EQ((w * 1).to_vector<float>()[0], 10);
  EXPECT_EQ(tn::tensor(3).item<int>(), 3);
}

TEST(Tensor, Operators) {
  auto a = tn::tensor({{1.f, 2.f}, {3.f, 4.f}}), b = tn::tensor({10.f, 20.f});
  EXPECT_EQ((a + b).to_vector<float>(), (std::vector<float>{11, 22, 13, 24}));
  EXPECT_EQ((2 * a - 1).to_vector<float>(), (std::vector<float>{1, 3, 5, 7}));
  EXPECT_EQ(tn::matmul(a, a).to_vector<float>(), (std::vector<float>{7, 10, 15, 22}));
  EXPECT_EQ(tn::sum(a, {.axes = {0}, .keepdims = true}).shape(), tn::Shape({1, 2}));
  EXPECT_EQ(tn::sum(a).item<float>(), 10);
  EXPECT_EQ(tn::max(a).item<float>(), 4);
  EXPECT_EQ(tn::mean(a).item<float>(), 2.5f);
  EXPECT_EQ(tn::where(a > 2, a, 0).to_vector<float>(), (std::vector<float>{0, 0, 3, 4}));
  EXPECT_EQ((a > 2).dtype(), tn::boolean);
  EXPECT_EQ(a.transpose().to_vector<float>(), (std::vector<float>{1, 3, 2, 4}));
  EXPECT_EQ(a[0].to_vector<float>(), (std::vector<float>{1, 2}));
  auto column = a[{tn::all, 1}];
  EXPECT_EQ(column.to_vector<float>(), (std::vector<float>{2, 4}));
  auto reversed = tn::arange(5)[{tn::slice(4, -100, -2)}];
  EXPECT_EQ(reversed.to_vector<int64_t>(), (std::vector<int64_t>{4, 2, 0}));
  EXPECT_EQ((tn::tensor({7, -7}) / 2).to_vector<int>(), (std::vector<int>{3, -3}));
  EXPECT_EQ(tn::argmax(a, 1).to_vector<int64_t>(), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(tn::sort(tn::tensor({3.f, 1.f, 2.f})).to_vector<float>(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(tn::argsort(tn::tensor({3.f, 1.f, 2.f})).to_vector<int64_t>(), (std::vector<int64_t>{1, 2, 0}));
  EXPECT_EQ(tn::concat({a, a}, 1).shape(), tn::Shape({2, 4}));
  EXPECT_EQ(tn::stack({b, b}).to_vector<float>(), (std::vector<float>{10, 20, 10, 20}));
  EXPECT_EQ(tn::einsum("ij,jk->ki", {a, a}).to_vector<float>(), (std::vector<float>{7, 15, 10, 22}));
  EXPECT_EQ(tn::pad(b, {{1, 0}}, 5).to_vector<float>(), (std::vector<float>{5, 10, 20}));
}

TEST(Tensor, Promotion) {
  auto f = tn::ones({1}), i = tn::ones({1}, {.dtype = tn::i32}), b = tn::ones({1}, {.dtype = tn::boolean});
  EXPECT_EQ((f * 1.1).dtype(), tn::f32);
  EXPECT_EQ((i * 1.5).dtype(), tn::f32);
  EXPECT_EQ((i * 2).dtype(), tn::i32);
  EXPECT_EQ((i + f).dtype(), tn::f32);
  EXPECT_EQ((b + i).dtype(), tn::i32);
  EXPECT_EQ((b + b).dtype(), tn::boolean);
  EXPECT_EQ((f.astype(tn::f16) + f.astype(tn::bf16)).dtype(), tn::f32);
  EXPECT_EQ((i.astype(tn::u8) + i.astype(tn::i8)).dtype(), tn::i16);
  EXPECT_EQ(tn::sum(b).dtype(), tn::i64);
  EXPECT_EQ(tn::exp(i).dtype(), tn::f32);
  EXPECT_HAS(message_of([&] { i.astype(tn::u64) + i; }), "u64");
  EXPECT_HAS(message_of([&] { i.astype(tn::u8) + 300; }), "does not fit u8");
  EXPECT_HAS(message_of([&] { i.astype(tn::u64) + -1; }), "does not fit u64");
}

TEST(Tensor, Printing) {
  EXPECT_EQ(print(tn::tensor({1.f, 2.5f})), "tensor([1.0000, 2.5000])");
  EXPECT_EQ(print(tn::tensor({{1.f, 2.f}, {3.f, 4.f}})), "tensor([[1., 2.],\n        [3., 4.]])");
  EXPECT_EQ(print(tn::tensor({1, 20})), "tensor([ 1, 20], dtype=i32)");
  EXPECT_EQ(print(tn::arange(3)), "tensor([0, 1, 2])");
  EXPECT_EQ(print(tn::tensor({true, false})), "tensor([ true, false])");
  EXPECT_EQ(print(tn::tensor(3.0)), "tensor(3., dtype=f64)");
  EXPECT_EQ(print(tn::arange(2000)), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])");
  EXPECT_EQ(print(tn::zeros({0, 3})), "tensor([], size=(0, 3))");
}

// What is drawn from a key says nothing of the keys that it is split into.
TEST(Random, SplittingAndDrawingAreApart) {
  const Tensor key = tn::key(42);
  const std::vector<Tensor> keys = tn::split(key, int64_t{2});
  const std::vector<uint32_t> drawn = tn::random_bits(key, {4}, tn::u32).to_vector<uint32_t>();
  for (size_t i = 0; i < 2; ++i)
    for (uint32_t word : keys[i].to_vector<uint32_t>())
      EXPECT_EQ(std::count(drawn.begin(), drawn.end(), word), 0) << "key " << i;
  EXPECT_NE(tn::fold_in(key, 0).to_vector<uint32_t>(), keys[0].to_vector<uint32_t>());
}

TEST(Errors, NameOperandsAndPlaces) {
  auto a = tn::zeros({64, 784});
  auto b = tn::zeros({768, 128});
  const std::string text = message_of([&] { tn::matmul(a, b); });
  EXPECT_HAS(text, "f32[64, 784]");
  EXPECT_HAS(text, "f32[768, 128]");
  EXPECT_HAS(text, "tensor_test.cc");
  size_t places = 0;
  for (size_t at = 0; (at = text.find("tensor_test.cc:", at)) != std::string::npos; ++at) ++places;
  EXPECT_EQ(places, 3u) << text;  // this call and both operands' lines

  EXPECT_HAS(message_of([&] { tn::sum(a, {.axes = {2}}); }), "out of range");
  EXPECT_HAS(message_of([&] { a[{64, 0}]; }), "out of range");
  EXPECT_HAS(message_of([&] { a + b; }), "do not broadcast");
  EXPECT_HAS(message_of([&] { a << 1; }), "takes integers");
  EXPECT_HAS(message_of([&] { tn::arange(3) << 1.5; }), "shift count");
  EXPECT_HAS(message_of([&] { tn::arange(3) << 1.5; }), "tensor_test.cc");
  EXPECT_HAS(message_of([&] { a.item(); }), "one-element");
  EXPECT_HAS(message_of([&] { a.reshape({3, -1}); }), "do not fit");
  EXPECT_HAS(message_of([&] { Tensor() + 1; }), "undefined");
  EXPECT_HAS(message_of([&] { tn::cross_entropy(a, tn::ones({5})); }), "integer labels");
}

TEST(Errors, Traces) {
  const auto x = tn::ones({3});
  EXPECT_HAS(message_of([&] { tn::grad([](const Tensor& t) { return t * 2; })(x); }), "floating scalar");
  EXPECT_HAS(message_of([&] { tn::jit([](const Tensor& t) { return t * tn::sum(t).item(); })(x); }), "tn::where");
  Tensor leaked;
  tn::jit([&](const Tensor& t) { return leaked = t + 1; })(x);
  EXPECT_HAS(message_of([&] { leaked + 1; }), "leaked tensor");
  EXPECT_HAS(message_of([&] { leaked.to_vector(); }), "leaked tensor");
}

}  // namespace
