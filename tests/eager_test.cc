// Eager programs: a miss builds its graph once, a hit not at all; what is wrong with the caller's extents is said of the numbers,
// however little the rules see of it in symbols.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/frontend/tensor/apply.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/messages.h"

namespace tenon::testing {
namespace {

int builds = 0;

Tensor apply_to(const Emit& emit, std::initializer_list<Tensor> inputs) {
  return apply_one(emit, {}, inputs, place(At::current()));
}

std::vector<ir::Value> build_twice(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs&) {
  ++builds;
  return {x[0] + x[0]};
}
constexpr Emit twice{"twice", build_twice};

TEST(Eager, AMissBuildsOnceAndAHitNotAtAll) {
  const auto count = [](const Tensor& x) {
    builds = 0;
    apply_to(twice, {x});
    return builds;
  };
  EXPECT_EQ(count(ones({3, 4})), 1);
  EXPECT_EQ(count(ones({5, 6})), 0);
  EXPECT_EQ(count(ones({5, 5})), 1);  // another pattern
  EXPECT_EQ(count(ones({1, 6})), 1);
  EXPECT_EQ(count(ones({5, 6}, {.requires_grad = true})), 1);
  EXPECT_EQ(count(ones({7, 8}, {.requires_grad = true})), 0);
}

// The sum of the two halves of an even number of elements: the rules cannot compare halves of symbols.
std::vector<ir::Value> build_halves(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  ++builds;
  const Dim n = x[0].shape()[0], half = b.symbols().quotient(n, 2), rest = b.symbols().difference(n, half);
  return {ir::slice(x[0], {Dim(0)}, {half}, {1}) + ir::slice(x[0], {half}, {rest}, {1})};
}
constexpr Emit halves{"halves", build_halves};

TEST(Eager, WhereRulesNeedNumbersEveryShapeHasAProgram) {
  const auto count = [](int64_t n) {
    builds = 0;
    EXPECT_EQ(apply_to(halves, {arange(n)}).shape(), (Shape{n / 2}));
    return builds;
  };
  EXPECT_EQ(count(6), 2);  // in symbols, and in numbers
  EXPECT_EQ(count(6), 0);
  EXPECT_EQ(count(8), 1);
  const std::string text = message_of([] { apply_to(halves, {arange(7)}); });
  EXPECT_HAS(text, "i64[3]");
  EXPECT_HAS(text, "i64[4]");
  EXPECT_HAS(text, "eager_test.cc");
}

// Pairs of an even number of elements: that is checked at the call, and what is wrong is said in numbers.
std::vector<ir::Value> build_pairs(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  ++builds;
  const Dim n = x[0].shape()[0], half = b.symbols().quotient(n, 2);
  return {ir::reshape(x[0], {half, Dim(2)})};
}
constexpr Emit pairs{"pairs", build_pairs};

TEST(Eager, WhatIsCheckedAtTheCallIsSaidInNumbers) {
  const auto count = [](int64_t n) {
    builds = 0;
    EXPECT_EQ(apply_to(pairs, {arange(n)}).shape(), (Shape{n / 2, 2}));
    return builds;
  };
  EXPECT_EQ(count(6), 1);
  EXPECT_EQ(count(8), 0);
  const std::string text = message_of([] { apply_to(pairs, {arange(7)}); });
  EXPECT_HAS(text, "[7] has 7, [3, 2] has 6");
  EXPECT_HAS(text, "eager_test.cc");
}

// What can be written down of symbols and does not hold of these numbers.
TEST(Eager, ErrorsSpeakOfNumbers) {
  const Tensor x = ones({7, 5}), start = full({}, 0, {.dtype = i64});
  const std::vector<Tensor> starts{start, start};
  const auto cut = [&](int64_t n) { return dynamic_slice(x, starts, {n, 5}); };
  EXPECT_HAS(message_of([&] { cut(9); }), "size 9 exceeds the extent 7 of axis 0");
  EXPECT_EQ(cut(6).shape(), (Shape{6, 5}));  // its pattern, which was refused, serves it
  EXPECT_HAS(message_of([&] { dynamic_update_slice(x, ones({9, 5}), starts); }),
             "the update's extent 9 exceeds the extent 7 of axis 0");
}

TEST(Eager, TooLargeAResultIsRefusedByItsNumbers) {
  const int64_t large = int64_t{1} << 40;
  const Tensor a = zeros({large, 0}), b = zeros({0, large + 1});
  const std::string text = message_of([&] { matmul(a, b); });
  EXPECT_HAS(text, "dot_general");
  EXPECT_HAS(text, "[1099511627776, 1099511627777] is too large");
  EXPECT_EQ(matmul(zeros({3, 0}), zeros({0, 4})).shape(), (Shape{3, 4}));
  EXPECT_EQ(message_of([&] { matmul(a, b); }).find("the extent"), std::string::npos);  // a hit speaks of numbers, too
}

// argmax over the first fifth.
std::vector<ir::Value> build_fifth(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs&) {
  const Dim fifth = b.symbols().quotient(x[0].shape()[0], 5);
  const ir::Value part = ir::slice(x[0], {Dim(0)}, {fifth}, {1});
  return ir::apply(b, ir::Op::argmax, std::span(&part, 1), ir::ReduceAttrs{{0}});
}
constexpr Emit fifth{"fifth", build_fifth};

TEST(Eager, AnExtentThatComesOutAsNothingIsEmpty) {
  EXPECT_HAS(message_of([] { apply_to(fifth, {arange(3)}); }), "is empty: it has no extremum");
  EXPECT_EQ(apply_to(fifth, {arange(15)}).item<int64_t>(), 2);
}

}  // namespace
}  // namespace tenon::testing
