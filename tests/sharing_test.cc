// A buffer that several tensors share is never given away or written: whoever else holds it keeps the old values.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Floats = std::vector<float>;
Floats values(const Tensor& t) { return t.to_vector<float>(); }
Tensor numbers() { return tn::tensor({1.f, 2.f, 3.f, 4.f}) * 1; }
const auto plus_one = [] { return tn::jit([](const Tensor& x) { return x + 1; }, {.donate = {0}}); };

// Donates x while `other`, made from it, shares its buffer.
template <class Make>
void expect_kept(Make make) {
  const Tensor x = numbers();
  const auto other = make(x);
  ASSERT_EQ(other.raw(), x.raw()) << "shares no buffer, so this case checks nothing";
  testing::internal::CaptureStderr();
  const Tensor y = plus_one()(x);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_HAS(said, "copies the donated tensor");
  EXPECT_EQ(values(y), (Floats{2, 3, 4, 5}));
  EXPECT_EQ(values(other), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(values(x), (Floats{1, 2, 3, 4}));
}

TEST(Sharing, DonationSparesReshapes) {
  expect_kept([](const Tensor& x) { return x.reshape({2, 2}); });
  expect_kept([](const Tensor& x) { return tn::expand_dims(x, 0); });
}
TEST(Sharing, DonationSparesDetachedTensors) {
  expect_kept([](const Tensor& x) { return x.detach(); });
}
TEST(Sharing, DonationSparesData) {
  expect_kept([](const Tensor& x) { return x.data(); });
}

TEST(Sharing, DonationSparesWhatTheTapeKept) {
  const Tensor x = numbers();
  auto w = tn::tensor({1.f, 1.f, 1.f, 1.f}, {.requires_grad = true});
  const Tensor loss = tn::sum(w * x);  // x is the residual
  plus_one()(x);
  loss.backward();
  EXPECT_EQ(values(w.grad()), (Floats{1, 2, 3, 4}));
}

TEST(Sharing, DonationSparesBorrowedMemory) {
  float memory[] = {1, 2, 3, 4};
  const Tensor x = tn::from_blob(memory, {4}, tn::f32);
  EXPECT_EQ(values(plus_one()(x)), (Floats{2, 3, 4, 5}));
  EXPECT_EQ(memory[0], 1);
}

TEST(Sharing, DonatedAndPassedTwiceIsAnError) {
  const auto f = tn::jit([](const Tensor& x, const Tensor& y) { return x + y; }, {.donate = {0}});
  const Tensor x = numbers();
  EXPECT_HAS(message_of([&] { f(x, x); }), "donated");
  EXPECT_HAS(message_of([&] { f(x, x.reshape({4})); }), "donated");
  EXPECT_EQ(values(x), (Floats{1, 2, 3, 4}));
}

TEST(Sharing, InPlaceFormsLeaveSharersAlone) {
  Tensor x = numbers();
  const Tensor shaped = x.reshape({2, 2}), detached = x.detach();
  x += 1;
  x[0] = 9;
  EXPECT_EQ(values(shaped), (Floats{1, 2, 3, 4}));
  x = numbers();
  const Tensor again = x.reshape({2, 2}), kept = x;
  x.data() *= 10;  // a new buffer in x's cell, which `kept` shares and the reshape does not
  EXPECT_EQ(values(again), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(values(kept), (Floats{10, 20, 30, 40}));
  EXPECT_EQ(values(detached), (Floats{1, 2, 3, 4}));
}

}  // namespace
