// Linear programs for seeds that are known, against the program run once for each: seeds that meet nothing dear are written out, those
// that meet the same contraction or loop are lanes of one, and where there are too many, all are.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>

#include "tenon/frontend/transform/program.h"
#include "tenon/passes/sparse/sparse.h"

namespace tenon::testing {
namespace {

using namespace ir;

constexpr int64_t n = 12;

Array numbers(const Shape& shape, double first, double step) {
  Array a(Type{DType::f64, shape});
  for (int64_t i = 0; i < shape.numel(); ++i) a.as<double>()[i] = first + step * static_cast<double>(i);
  return a;
}
std::vector<Array> unit_seeds() {
  std::vector<Array> seeds;
  for (int64_t k = 0; k < n; ++k) {
    seeds.emplace_back(Type{DType::f64, Shape({n})});
    seeds.back().as<double>()[k] = static_cast<double>(k % 3) + 1;
  }
  return seeds;
}

size_t count(const Graph& g, Op op) {
  return static_cast<size_t>(
      std::count_if(g.nodes().begin(), g.nodes().end(), [&](const Node& m) { return m.op == op; }));
}

// f(x) by its first argument, a linear program in its last input, for every unit seed.
template <class F>
passes::Seeded check(F f, const std::vector<Array>& seeds) {
  const Tensor x = copy_from(numbers(Shape({n}), 0.5, 0.125).data.data(), {n}, f64);
  const auto traced = trace(f, x);
  const passes::Jvp jvp = passes::jvp(*traced.program()->graph, {true});
  const ValueId product = jvp.graph->outputs()[1];
  const std::vector<const Array*> known(2, nullptr);
  passes::Seeded made = passes::seeded(*jvp.graph, std::span(&product, 1), seeds, known);
  std::vector<Array> inputs{numbers(Shape({n}), 0.5, 0.125)};
  inputs.insert(inputs.end(), made.data.begin(), made.data.end());
  const std::vector<Array> given = interpret(*made.graph, inputs);
  EXPECT_EQ(given.size(), seeds.size());
  for (size_t k = 0; k < seeds.size(); ++k) {
    const std::vector<Array> one = interpret(*jvp.graph, std::vector<Array>{inputs[0], seeds[k]});
    EXPECT_EQ(given[k].type, one[1].type);
    for (int64_t i = 0; i < one[1].numel(); ++i) EXPECT_NEAR(given[k].as<double>()[i], one[1].as<double>()[i], 1e-13);
  }
  return made;
}

TEST(Seeded, WhatMeetsNothingDearIsWrittenOut) {
  const auto made = check([](const Tensor& x) { return x * x + exp(x[slice(0, 1)]); }, unit_seeds());
  EXPECT_EQ(count(*made.graph, Op::dot_general), 0u);
  EXPECT_TRUE(std::none_of(made.data.begin(), made.data.end(), [](const Array& a) { return a.type.shape.size() > 1; }));
}

TEST(Seeded, SeedsThatMeetOneContractionAreItsLanes) {
  // The first half goes through a product, the other half does not.
  const auto made = check(
      [](const Tensor& x) {
        const Tensor low = x[slice(0, n / 2)], high = x[slice(n / 2, n)];
        const Tensor square = sin(low).reshape({2, 3}), a = matmul(square.transpose({1, 0}), square);
        return concat({a.reshape({-1}), high * high}, 0);
      },
      unit_seeds());
  EXPECT_EQ(count(*made.graph, Op::dot_general), 2u);
}

TEST(Seeded, SeedsThatMeetOneLoopAreItsLanes) {
  const auto made = check(
      [](const Tensor& x) {
        return fori_loop(0, 5, [](const Tensor&, const Tensor& v) { return v * 0.5 + sin(v); }, x);
      },
      unit_seeds());
  EXPECT_LE(count(*made.graph, Op::scan) + count(*made.graph, Op::while_loop), 2u);
}

TEST(Seeded, WhereWritingOutGivesTooMuchAllAreLanes) {
  std::vector<Array> seeds;
  for (int k = 0; k < 400; ++k) seeds.push_back(numbers(Shape({n}), k, 1));
  const auto made = check(
      [](const Tensor& x) {
        Tensor y = x;
        for (int i = 0; i < 25; ++i) y = sin(y) + y * x;
        return y;
      },
      seeds);
  EXPECT_LT(made.graph->nodes().size(), 2000u);
}

}  // namespace
}  // namespace tenon::testing
