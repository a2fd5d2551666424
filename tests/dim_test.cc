// Extents: a number is never a symbol, arithmetic that leaves the range is an Error, and what is not known before run time
// (a difference, a product) is checked at run time.
#include <gtest/gtest.h>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/shape.h"

namespace tenon {
namespace {

constexpr int64_t most = INT64_MAX;

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Dim, ANegativeNumberIsNoSymbol) {
  for (int64_t n : {int64_t{-1}, int64_t{-2}, INT64_MIN})
    EXPECT_NE(error_of([&] { Dim d(n); }).find("an extent is negative: " + std::to_string(n)), std::string::npos);
  EXPECT_NE(error_of([] { Shape s{2, -1}; }).find("negative"), std::string::npos);
  EXPECT_NE(error_of([] { Shape::from({3, INT64_MIN}); }).find("negative"), std::string::npos);
}

TEST(Dim, KindsAndCodesAreApart) {
  const int64_t numbers[] = {0, 1, INT32_MAX, int64_t{1} << 32, most};
  const uint32_t symbols[] = {0, 1, INT32_MAX, UINT32_MAX};
  for (int64_t n : numbers) {
    EXPECT_TRUE(Dim(n).is_number());
    EXPECT_EQ(Dim(n).number(), n);
    EXPECT_THROW(Dim(n).index(), InternalError);
    for (uint32_t s : symbols) {
      EXPECT_FALSE(Dim(n) == Dim::symbol(s));
      EXPECT_FALSE(Dim::symbol(s) == n);
      EXPECT_NE(Dim(n).code(), Dim::symbol(s).code());
    }
  }
  for (uint32_t s : symbols) {
    EXPECT_TRUE(Dim::symbol(s).is_symbol());
    EXPECT_EQ(Dim::symbol(s).index(), s);
    EXPECT_THROW(Dim::symbol(s).number(), InternalError);
    EXPECT_FALSE(Dim::symbol(s) == ~static_cast<int64_t>(s));
  }
}

TEST(Symbols, NumbersThatLeaveTheRangeAreErrors) {
  Symbols s;
  EXPECT_THROW(s.sum(most, 1), Error);
  EXPECT_THROW(s.product(most, 2), Error);
  EXPECT_THROW(s.product(int64_t{1} << 32, int64_t{1} << 31), Error);
  EXPECT_THROW(s.difference(0, 1), Error);
  EXPECT_THROW(s.difference(1, most), Error);
  EXPECT_THROW(s.quotient(1, 0), Error);
  EXPECT_EQ(s.sum(most - 1, 1).number(), most);
  EXPECT_EQ(s.numel({most, most, 0}).number(), 0);
  const Dim n = s.add("n", 0, most);
  EXPECT_THROW(s.sum(s.sum(n, most), 1), Error);
  EXPECT_THROW(s.product(s.product(n, most), 2), Error);
  EXPECT_THROW(s.difference(s.difference(n, most), 1), Error);
  const Dim few = s.add("few", 0, 3);
  EXPECT_NE(error_of([&] { s.difference(few, 4); }).find("negative for every value"), std::string::npos);
}

TEST(Symbols, WhatLeavesTheRangeAtRunTimeIsAnError) {
  Symbols s;
  const Dim n = s.add("n", 0, most), m = s.add("m", 0, most);
  const Dim difference = s.difference(n, m), product = s.product(n, m), sum = s.sum(n, m);
  EXPECT_NE(error_of([&] { s.evaluate({2, 3}); }).find("the extent (n - m) is negative: 2 - 3"), std::string::npos);
  EXPECT_NE(error_of([&] { s.evaluate({most, 2}); }).find("the extent (n * m) does not fit"), std::string::npos);
  const std::vector<int64_t> all = s.evaluate({5, 3});
  EXPECT_EQ(Symbols::value(difference, all), 2);
  EXPECT_EQ(Symbols::value(product, all), 15);
  EXPECT_EQ(Symbols::value(sum, all), 8);
  EXPECT_THROW(s.evaluate({-1, 3}), Error);
  EXPECT_THROW(s.evaluate({most, 1}), Error);  // n + m
}

TEST(Symbols, BoundsOfDefinitionsDoNotOverflow) {
  Symbols s;
  const Dim n = s.add("n", 5, most), m = s.add("m", int64_t{1} << 40, int64_t{1} << 62);
  for (Dim d : {s.sum(n, m), s.product(n, m), s.product(m, m), s.maximum(n, m), s.quotient(n, m),
                s.sum(s.product(m, m), m), s.difference(n, m)}) {
    EXPECT_GE(s[d.index()].lower, 0);
    EXPECT_GE(s[d.index()].upper, s[d.index()].lower);
  }
  EXPECT_EQ(s[s.product(m, m).index()].lower, most);
}

// Each line doubles what the definition would print.
TEST(Symbols, DefinitionsStayShort) {
  Symbols s;
  Dim d = s.quotient(s.add("n"), 3);
  std::string error;
  for (int i = 0; i < 70 && error.empty(); ++i) {
    const std::string found = error_of([&] { d = s.maximum(s.sum(d, 1), s.product(d, d)); });
    if (found != "no error") error = found;
  }
  EXPECT_NE(error.find("too long"), std::string::npos);
  EXPECT_LT(to_string(d, &s).size(), 100'000u);
}

TEST(Shape, SizesAreChecked) {
  EXPECT_EQ(byte_count({3, 0, 5}, 4), 0);
  EXPECT_EQ(byte_count({int64_t{1} << 60}, 4), most_bytes);
  for (const Shape& shape : {Shape{int64_t{1} << 61}, Shape{most}, Shape{most, 0}, Shape{2, 2, 0, most - 1},
                             Shape{int64_t{1} << 31, int64_t{1} << 31}, Shape{int64_t{1} << 32, int64_t{1} << 32}}) {
    const std::string error = error_of([&] { byte_count(shape, 4); });
    EXPECT_NE(error.find("is too large"), std::string::npos) << to_string(shape);
  }
  Symbols s;
  check_size({s.add("n"), int64_t{1} << 60}, 4);
  EXPECT_THROW(check_size({s.add("n"), int64_t{1} << 61}, 4), Error);
}

}  // namespace
}  // namespace tenon
