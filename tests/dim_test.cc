// Extents: a number is never a symbol, arithmetic that leaves the range is an Error, and what is not known before run time
// (a difference, a product) is checked at run time.
#include <gtest/gtest.h>

#include <random>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/symbols.h"

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

TEST(Symbols, EqualExtentsAreOneSymbol) {
  Symbols s;
  const Dim n = s.add("n", 1, 4096), m = s.add("m", 1, 64), empty = s.add("empty", 0, 64);
  EXPECT_EQ(s.difference(s.product(s.sum(n, 2), 3), 6), s.product(n, 3));
  EXPECT_EQ(s.sum(n, n), s.product(n, 2));
  EXPECT_EQ(s.sum(s.sum(n, m), 1), s.sum(m, s.sum(1, n)));
  EXPECT_EQ(s.product(s.sum(n, 1), s.sum(n, 1)), s.sum(s.sum(s.product(n, n), s.product(n, 2)), 1));
  EXPECT_EQ(s.quotient(s.sum(s.product(n, 6), 3), 6), n);
  EXPECT_EQ(s.sum(s.quotient(s.difference(s.product(n, 8), 3), 8), 1), n);
  EXPECT_EQ(s.quotient(s.product(n, m), m), n);
  EXPECT_NE(s.quotient(s.product(n, empty), empty), n);  // 0 / 0 is 0
  EXPECT_EQ(s.even_quotient(s.product(n, empty), empty), n);  // where it comes out even, there is nothing else
  EXPECT_EQ(s.even_quotient(n, 2), std::nullopt);
  EXPECT_EQ(s.remainder(s.product(n, 8), 4), 0);
  EXPECT_NE(s.product(s.quotient(n, 2), 2), n);
  EXPECT_EQ(s.difference(s.sum(n, 5), s.sum(n, 2)), 3);
}

TEST(Symbols, BoundsDecideWhatTheyCan) {
  Symbols s;
  const Dim n = s.add("n", 1, 64), m = s.add("m", 64, 128);
  EXPECT_TRUE(s.at_least(m, n));
  EXPECT_FALSE(s.differ(m, n));  // both may be 64
  EXPECT_TRUE(s.differ(s.sum(m, 1), n));
  EXPECT_TRUE(s.at_least(s.product(n, 2), s.sum(n, 1)));
  EXPECT_FALSE(s.at_least(n, 2));
  EXPECT_TRUE(s.at_least(n, s.quotient(n, 2)));
  EXPECT_TRUE(s.at_least(s.sum(n, m), s.sum(s.quotient(n, 2), s.quotient(s.sum(m, 1), 2))));
  EXPECT_FALSE(s.at_least(n, s.sum(s.quotient(n, 2), 1)));
  EXPECT_EQ(s.maximum(n, m), m);
  EXPECT_EQ(s.minimum(n, m), n);
  EXPECT_EQ(s.minimum(n, 64), n);
  EXPECT_EQ(s.bounds_text(n), "n is 1 to 64");
  EXPECT_THROW(s.difference(n, 65), Error);
}

// Definitions of random expressions have the values of the expressions, whatever was folded on the way, and what is said to be
// certain of them is.
TEST(Symbols, FoldingKeepsValues) {
  std::mt19937_64 random(11);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  int negative = 0, folded = 0;
  for (int round = 0; round < 2000; ++round) {
    Symbols s;
    std::vector<Dim> dims = {s.add("n", 1, 9), s.add("m", 2, 50), s.add("k", 0, 7), Dim(below(6)), Dim(1 + below(4))};
    const std::vector<int64_t> values = {1 + below(9), 2 + below(49), below(8)};
    std::vector<int64_t> direct = {values[0], values[1], values[2], dims[3].number(), dims[4].number()};
    bool refused = false, at_once = false;  // at the call, or where it is negative for every value
    for (int step = 0; step < 8 && !refused; ++step) {
      const size_t a = random() % dims.size(), b = random() % dims.size();
      const int64_t x = direct[a], y = direct[b];
      const size_t before = s.size();
      try {
        switch (below(6)) {
          case 0: dims.push_back(s.sum(dims[a], dims[b])), direct.push_back(x + y); break;
          case 1:
            refused = x < y;
            dims.push_back(s.difference(dims[a], dims[b])), direct.push_back(x - y);
            break;
          case 2: dims.push_back(s.product(dims[a], dims[b])), direct.push_back(x * y); break;
          case 3:
            if (dims[b] == 0) continue;
            dims.push_back(s.quotient(dims[a], dims[b])), direct.push_back(y == 0 ? 0 : x / y);
            break;
          case 4: dims.push_back(s.maximum(dims[a], dims[b])), direct.push_back(std::max(x, y)); break;
          default: dims.push_back(s.minimum(dims[a], dims[b])), direct.push_back(std::min(x, y));
        }
      } catch (const Error&) {
        ASSERT_TRUE(refused);
        at_once = true;
        break;
      }
      if (direct.back() > int64_t{1} << 40) break;
      folded += s.size() == before;
    }
    if (refused) {
      ++negative;
      if (!at_once) {
        EXPECT_THROW(s.evaluate(values), Error) << to_string(dims.back(), &s) << " at " << direct.back();
      }
      continue;
    }
    const std::vector<int64_t> all = s.evaluate(values);
    for (size_t i = 0; i < dims.size(); ++i) {
      ASSERT_EQ(Symbols::value(dims[i], all), direct[i]) << to_string(dims[i], &s);
      for (size_t j = 0; j < dims.size(); ++j) {
        ASSERT_TRUE(!s.at_least(dims[i], dims[j]) || direct[i] >= direct[j]) << to_string(dims[i], &s);
        ASSERT_TRUE(!s.differ(dims[i], dims[j]) || direct[i] != direct[j]) << to_string(dims[i], &s);
      }
    }
  }
  EXPECT_GT(negative, 100);
  EXPECT_GT(folded, 1000);
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
