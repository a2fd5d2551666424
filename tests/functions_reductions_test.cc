// Reductions: the battery of every function (tests/function_case.h), and values held against loops written out here: axes, masks,
// dtypes, corrections, scalars, what is empty.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "tenon/tests/function_case.h"
#include "tenon/tests/messages.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tenon::testing::message_of;
using tn::Tensor;

namespace {

using Doubles = std::vector<double>;
Doubles numbers(const Tensor& t) { return t.to_vector<double>(); }

TEST(Reductions, Battery) {
  const std::vector<Drawn> matrix = {{{3, 5}}}, masked = {{{3, 5}}, booleans({3, 5})},
                           by_rows = {{{3, 5}}, booleans({3, 1})};
  const std::vector<std::vector<Drawn>> others = {{{{1, 700}}}, {integers({2, 3}, -3, 4)}, {booleans({2, 3})}};
  std::vector<std::vector<Drawn>> scalars = others;
  scalars.push_back({{{}}});
  check_functions({
      {"sum", TENON_CALL(tn::sum(x[0], {{1}, true})), matrix, others},
      {"sum", TENON_CALL(tn::sum(x[0], {.axes = {0}, .where = x[1]})), masked},
      {"prod", TENON_CALL(tn::prod(x[0], {.where = x[1]})), by_rows},
      {"prod", TENON_CALL(tn::prod(x[0])), matrix, scalars},
      {"max", TENON_CALL(tn::max(x[0])), {{apart({3, 5})}}, scalars},
      {"min", TENON_CALL(tn::min(x[0], {.where = x[1]})), {{apart({3, 5}), booleans({3, 5})}}},
      {"mean", TENON_CALL(tn::mean(x[0], 0)), matrix, scalars},
      {"mean", TENON_CALL(tn::mean(x[0], {.keepdims = true, .where = x[1]})), masked},
      {"var", TENON_CALL(tn::var(x[0], {.axes = {1}, .correction = 1})), matrix, others},
      {"var", TENON_CALL(tn::var(x[0], {.where = x[1]})), masked},
      {"std", TENON_CALL(tn::std(x[0], {.axes = {0}})), matrix, scalars},
      {"std", TENON_CALL(tn::std(x[0], {.where = x[1], .correction = 1})), masked},
      {"logsumexp", TENON_CALL(tn::logsumexp(x[0], {.axes = {0, 1}})), matrix, others},
      {"logsumexp", TENON_CALL(tn::logsumexp(x[0], {.where = x[1]})), masked},
      {"all_of", TENON_CALL(tn::all_of(x[0], {.axes = {1}})), matrix, others, 0},
      {"any_of", TENON_CALL(tn::any_of(x[0], {.where = x[1]})), masked, {}, 0},
  });
}

TEST(Reductions, MasksLeaveElementsOut) {
  const Tensor x = tn::tensor({{1., 2., 3.}, {4., 5., 6.}}),
               m = tn::tensor({{true, false, true}, {false, false, false}});
  EXPECT_EQ(numbers(tn::sum(x, {.axes = {1}, .where = m})), (Doubles{4, 0}));
  EXPECT_EQ(numbers(tn::prod(x, {.axes = {1}, .where = m})), (Doubles{3, 1}));
  EXPECT_EQ(numbers(tn::max(x, {.axes = {1}, .where = m})), (Doubles{3, -INFINITY}));
  EXPECT_EQ(numbers(tn::min(x, {.axes = {0}, .where = m})), (Doubles{1, INFINITY, 3}));
  EXPECT_EQ(numbers(tn::mean(x, {.where = m})), (Doubles{2}));
  EXPECT_EQ(numbers(tn::var(x, {.where = m, .correction = 1})), (Doubles{2}));
  EXPECT_TRUE(std::isnan(tn::mean(x[1], {.where = m[1]}).item<double>()));
  EXPECT_EQ(numbers(tn::sum(x, {.where = tn::tensor({true, false, false})})), (Doubles{5}));
  EXPECT_EQ(tn::any_of(x > 5, {.where = m}).item<bool>(), false);
  EXPECT_EQ(numbers(tn::grad([&](const Tensor& v) { return tn::mean(v, {.where = m}); })(x)),
            (Doubles{0.5, 0, 0.5, 0, 0, 0}));
}

TEST(Reductions, DtypesComeFirst) {
  const Tensor small = tn::tensor({int8_t{100}, int8_t{100}});
  EXPECT_EQ(tn::sum(small).dtype(), tn::i64);
  EXPECT_EQ(tn::sum(small, {.dtype = tn::f64}).dtype(), tn::f64);
  EXPECT_EQ(tn::mean(small, {.dtype = tn::f64}).dtype(), tn::f64);
  EXPECT_EQ(tn::mean(small).dtype(), tn::f32);
  EXPECT_EQ(tn::sum(tn::tensor({0.75, 0.75}), {.dtype = tn::i32}).item<int64_t>(), 0);
  const Tensor half = tn::full({4096}, 1.0, {.dtype = tn::f16});
  EXPECT_EQ(tn::sum(half, {.dtype = tn::f32}).item<float>(), 4096);
}

TEST(Reductions, CorrectionAndEqualElements) {
  const Tensor x = tn::tensor({1., 2., 4.});
  EXPECT_NEAR(tn::var(x).item<double>(), 14. / 9, 1e-15);
  EXPECT_NEAR(tn::var(x, {.correction = 1}).item<double>(), 7. / 3, 1e-15);
  EXPECT_NEAR(tn::std(x, {.correction = 1}).item<double>(), std::sqrt(7. / 3), 1e-15);
  EXPECT_TRUE(std::isnan(tn::var(x[{tn::slice(0, 1)}], {.correction = 1}).item<double>()));
  EXPECT_EQ(tn::std(tn::ones({4})).item<float>(), 0);
  EXPECT_EQ(numbers(tn::grad([](const Tensor& v) { return tn::std(v); })(tn::ones({3}))), (Doubles{0, 0, 0}));
}

TEST(Reductions, AxesAloneScalarsAndMethods) {
  const Tensor x = tn::arange(0, 24).reshape({2, 3, 4});
  EXPECT_EQ(tn::sum(x, 1).shape(), tn::Shape({2, 4}));
  EXPECT_EQ(x.sum({0, 2}).shape(), tn::Shape({3}));
  EXPECT_EQ(x.sum({0}).shape(), tn::Shape({3, 4}));
  EXPECT_EQ(x.sum(-1, true).shape(), tn::Shape({2, 3, 1}));
  EXPECT_EQ(x.sum(std::vector<int64_t>{0, 1}).shape(), tn::Shape({4}));
  EXPECT_EQ(x.max({.axes = {0}, .keepdims = true}).shape(), tn::Shape({1, 3, 4}));
  EXPECT_EQ(x.mean().item<float>(), 11.5);
  EXPECT_TRUE((x >= 0).all().item<bool>());
  EXPECT_FALSE((x > 50).any().item<bool>());
  const Tensor scalar = tn::tensor(3.);
  for (const int64_t axis : {0, -1}) {
    EXPECT_EQ(tn::sum(scalar, axis).item<double>(), 3);
    EXPECT_EQ(scalar.max(axis).item<double>(), 3);
    EXPECT_EQ(tn::mean(scalar, axis).ndim(), 0);
  }
}

TEST(Reductions, RefuseInWords) {
  const Tensor x = tn::ones({2, 3});
  EXPECT_NE(message_of([&] { tn::sum(x, 2); }).find("functions_reductions_test.cc"), std::string::npos);
  EXPECT_NE(message_of([&] { tn::sum(x, {.where = x}); }).find("bool"), std::string::npos);
  EXPECT_NE(message_of([&] { tn::sum(x, {.where = tn::ones({4}) > 0}); }).find("stretch"), std::string::npos);
  EXPECT_NE(message_of([&] { tn::mean(x, {.dtype = tn::i64}); }).find("floating"), std::string::npos);
}

TEST(DefaultDtype, HoldsWhereNothingElseSaysOne) {
  EXPECT_EQ(tn::default_dtype(), tn::f32);
  const Tensor whole = tn::arange(0, 3);
  const auto halved = tn::jit([](const Tensor& v) { return v * 0.5; });
  EXPECT_EQ(halved(whole).dtype(), tn::f32);
  tn::set_default_dtype(tn::f64);
  EXPECT_EQ(tn::zeros({2}).dtype(), tn::f64);
  EXPECT_EQ(tn::full({2}, 0.5).dtype(), tn::f64);
  EXPECT_EQ(tn::arange(0, 1, 0.5).dtype(), tn::f64);
  EXPECT_EQ(tn::sin(whole).dtype(), tn::f64);
  EXPECT_EQ(tn::mean(whole).dtype(), tn::f64);
  EXPECT_EQ(halved(whole).dtype(), tn::f64);
  EXPECT_EQ((tn::tensor({1.f}) * 0.5).dtype(), tn::f32);
  tn::set_default_dtype(tn::f32);
  EXPECT_EQ(tn::mean(whole).dtype(), tn::f32);
  EXPECT_NE(message_of([] { tn::set_default_dtype(tn::i32); }).find("floating"), std::string::npos);
}

TEST(Texts, ShapesDtypesAndDevices) {
  const auto text = [](const auto& v) {
    std::ostringstream out;
    out << v;
    return out.str();
  };
  EXPECT_EQ(text(tn::Shape({2, 3})), "[2, 3]");
  EXPECT_EQ(text(tn::f32), "f32");
  EXPECT_EQ(text(tn::cpu()), "cpu");
  const std::vector<int64_t> sizes = tn::ones({2, 3}).shape();
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tn::Shape(std::vector<int>{4, 5}), tn::Shape({4, 5}));
  EXPECT_EQ(tn::arange(0, 4, 1, {.dtype = tn::f64}).dtype(), tn::f64);
}

}  // namespace
