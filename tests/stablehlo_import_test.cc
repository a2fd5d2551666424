// Small StableHLO texts, one or more for each family of operations, interpreted and jitted; and texts that are wrong.
#include <gtest/gtest.h>

#include <cmath>

#include "tenon/frontend/tenon.h"
#include "tenon/tests/arrays.h"
#include "tenon/tests/stablehlo_case.h"

namespace tenon::testing {
namespace {

std::string module_of(const std::string& signature, const std::string& body) {
  return "module @m {\n  func.func public @main" + signature + " {\n" + body + "\n  }\n}\n";
}

using Numbers = std::vector<double>;

Numbers numbers(const ir::Array& a) {
  const ir::Array wide = ir::recast(a, f64);
  return {wide.as<double>(), wide.as<double>() + wide.numel()};
}

// The first result, which both routes agree on.
Numbers run(const std::string& text, const std::vector<Tensor>& inputs = {}, size_t which = 0) {
  const Traced program = stablehlo::parse(text);
  const auto step = jit([&](const std::vector<Tensor>& x) { return program(x); });
  const ir::Array jitted = array_of(step(inputs).at(which)), eager = array_of(program(inputs).at(which));
  EXPECT_FALSE(difference(eager, jitted, NaNs::one_value)) << text;
  return numbers(jitted);
}

std::string refused(const std::string& text) {
  try {
    stablehlo::parse(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Tensor vector(const std::vector<float>& values) {
  return copy_from(values.data(), {static_cast<int64_t>(values.size())}, f32);
}
Tensor integers(const std::vector<int32_t>& values) {
  return copy_from(values.data(), {static_cast<int64_t>(values.size())}, i32);
}

TEST(StableHloImport, DivisionPowersAndShiftsOfIntegers) {
  const auto binary = [](const std::string& op, const std::vector<int32_t>& x, const std::vector<int32_t>& y) {
    const std::string t = "tensor<" + std::to_string(x.size()) + "xi32>";
    return run(module_of("(%a: " + t + ", %b: " + t + ") -> " + t,
                         "%0 = stablehlo." + op + " %a, %b : " + t + "\n return %0 : " + t),
               {integers(x), integers(y)});
  };
  EXPECT_EQ(binary("divide", {7, -7, 5, INT32_MIN}, {2, 2, 0, -1}), (Numbers{3, -3, -1, INT32_MIN}));
  EXPECT_EQ(binary("remainder", {7, -7, 5}, {2, 2, 0}), (Numbers{1, -1, 5}));
  EXPECT_EQ(binary("power", {3, 2, -1, 1, 5, -1}, {4, 31, -3, -9, -1, -2}), (Numbers{81, INT32_MIN, -1, 1, 0, 1}));
  EXPECT_EQ(binary("shift_left", {1, 1, 1}, {3, 31, 32}), (Numbers{8, INT32_MIN, 0}));
  EXPECT_EQ(binary("shift_right_logical", {-1, 8, -1}, {28, 1, 40}), (Numbers{15, 4, 0}));
  EXPECT_EQ(binary("shift_right_arithmetic", {-16, 8, -1}, {2, 1, 40}), (Numbers{-4, 4, -1}));
}

TEST(StableHloImport, RoundingBitsAndTotalOrder) {
  const auto unary = [](const std::string& op, const Tensor& x, const std::string& from, const std::string& to) {
    return run(module_of("(%a: " + from + ") -> " + to,
                         "%0 = stablehlo." + op + " %a : (" + from + ") -> " + to + "\n return %0 : " + to),
               {x});
  };
  const Tensor halves = vector({0.5f, 1.5f, -0.5f, -2.5f, 0.49999997f});
  EXPECT_EQ(unary("round_nearest_even", halves, "tensor<5xf32>", "tensor<5xf32>"), (Numbers{0, 2, -0.0, -2, 0}));
  EXPECT_EQ(unary("round_nearest_afz", halves, "tensor<5xf32>", "tensor<5xf32>"), (Numbers{1, 2, -1, -3, 0}));
  const Tensor bits = integers({0, 1, -1, 65536});
  EXPECT_EQ(unary("popcnt", bits, "tensor<4xi32>", "tensor<4xi32>"), (Numbers{0, 1, 32, 1}));
  EXPECT_EQ(unary("count_leading_zeros", bits, "tensor<4xi32>", "tensor<4xi32>"), (Numbers{32, 31, 0, 15}));
  EXPECT_EQ(unary("convert", vector({1e10f, -1e10f, NAN, -1.9f}), "tensor<4xf32>", "tensor<4xi32>"),
            (Numbers{INT32_MAX, INT32_MIN, 0, -1}));
  EXPECT_EQ(
      run(module_of("(%a: tensor<3xf32>, %b: tensor<3xf32>) -> tensor<3xi1>",
                    "%0 = stablehlo.compare LT, %a, %b, TOTALORDER : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>\n"
                    "return %0 : tensor<3xi1>"),
          {vector({-0.0f, 1, -NAN}), vector({0.0f, NAN, -INFINITY})}),
      (Numbers{1, 1, 1}));
  EXPECT_EQ(run(module_of("(%a: tensor<2xi32>) -> tensor<2x4xui8>",
                          "%0 = stablehlo.bitcast_convert %a : (tensor<2xi32>) -> tensor<2x4xui8>\n"
                          "return %0 : tensor<2x4xui8>"),
                {integers({0x01020304, -1})}),
            (Numbers{4, 3, 2, 1, 255, 255, 255, 255}));
  EXPECT_EQ(
      run(module_of("(%a: tensor<3xf32>) -> tensor<3xf32>",
                    "%0 = stablehlo.reduce_precision %a, format = e5m2 : tensor<3xf32>\nreturn %0 : tensor<3xf32>"),
          {vector({1.125f, 1.3f, 1e9f})}),
      (Numbers{1, 1.25, INFINITY}));
}

TEST(StableHloImport, LiteralsOfEveryKind) {
  EXPECT_EQ(run(module_of("() -> tensor<2x2xf32>",
                          "%0 = stablehlo.constant dense<[[1.0, -2.5e-1], [0x7F800000, 3.0]]> : "
                          "tensor<2x2xf32>\nreturn %0 : tensor<2x2xf32>")),
            (Numbers{1, -0.25, INFINITY, 3}));
  EXPECT_EQ(
      run(module_of("() -> tensor<2xbf16>",
                    "%0 = stablehlo.constant dense<\"0x803F0040\"> : tensor<2xbf16>\nreturn %0 : tensor<2xbf16>")),
      (Numbers{1, 2}));
  EXPECT_EQ(
      run(module_of("() -> tensor<3xi1>",
                    "%0 = stablehlo.constant dense<[true, false, true]> : tensor<3xi1>\nreturn %0 : tensor<3xi1>")),
      (Numbers{1, 0, 1}));
  EXPECT_EQ(run(module_of("() -> tensor<0x3xf32>",
                          "%0 = stablehlo.constant dense<> : tensor<0x3xf32>\nreturn %0 : tensor<0x3xf32>")),
            Numbers{});
  EXPECT_EQ(run(module_of("() -> tensor<3xui8>",
                          "%0 = \"stablehlo.constant\"() <{value = dense<255> : tensor<3xui8>}> : () -> tensor<3xui8>\n"
                          "return %0 : tensor<3xui8>")),
            (Numbers{255, 255, 255}));
}

TEST(StableHloImport, PaddingMayBeNegative) {
  EXPECT_EQ(run(module_of("(%a: tensor<4xf32>, %z: tensor<f32>) -> tensor<6xf32>",
                          "%0 = stablehlo.pad %a, %z, low = [-1], high = [0], interior = [1] : (tensor<4xf32>, "
                          "tensor<f32>) -> tensor<6xf32>\nreturn %0 : tensor<6xf32>"),
                {vector({1, 2, 3, 4}), full({}, 9.0f)}),
            (Numbers{9, 2, 9, 3, 9, 4}));
}

TEST(StableHloImport, ReducersOfAnyForm) {
  EXPECT_EQ(run(module_of("(%a: tensor<2x3xf32>, %i: tensor<f32>) -> tensor<2xf32>",
                          "%0 = stablehlo.reduce(%a init: %i) applies stablehlo.add across dimensions = [1] : "
                          "(tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>\nreturn %0 : tensor<2xf32>"),
                {arange(0.0, 6.0).reshape({2, 3}), full({}, 10.0f)}),
            (Numbers{13, 22}));
  // Not commutative: the sum of the differences in their order, a - b being associative from one side alone, so a first wins.
  EXPECT_EQ(
      run(module_of("(%a: tensor<5xf32>, %i: tensor<f32>) -> tensor<f32>",
                    "%0 = stablehlo.reduce(%a init: %i) across dimensions = [0] : (tensor<5xf32>, tensor<f32>) -> "
                    "tensor<f32>\n reducer(%x: tensor<f32>, %y: tensor<f32>) {\n"
                    "%z = stablehlo.constant dense<0.0> : tensor<f32>\n"
                    "%n = stablehlo.compare NE, %y, %z, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>\n"
                    "%l = stablehlo.select %n, %y, %x : tensor<i1>, tensor<f32>\n"
                    "stablehlo.return %l : tensor<f32>\n}\nreturn %0 : tensor<f32>"),
          {vector({3, 0, 7, 0, 0}), full({}, 0.0f)}),
      (Numbers{7}));
}

TEST(StableHloImport, SortsByKeys) {
  const std::string sort = "(%a: tensor<5xf32>, %b: tensor<5xi32>) -> (tensor<5xf32>, tensor<5xi32>)";
  const std::string body =
      "%0:2 = \"stablehlo.sort\"(%a, %b) <{dimension = 0 : i64, is_stable = true}> ({\n"
      "^bb0(%x: tensor<f32>, %y: tensor<f32>, %u: tensor<i32>, %v: tensor<i32>):\n"
      "%c = stablehlo.compare DIRECTION, %x, %y, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>\n"
      "stablehlo.return %c : tensor<i1>\n}) : (tensor<5xf32>, tensor<5xi32>) -> (tensor<5xf32>, tensor<5xi32>)\n"
      "return %0#0, %0#1 : tensor<5xf32>, tensor<5xi32>";
  const auto with = [&](const std::string& direction) {
    std::string text = body;
    return module_of(sort, text.replace(text.find("DIRECTION"), 9, direction));
  };
  const std::vector<Tensor> inputs = {vector({2, 1, 2, 3, 1}), integers({0, 1, 2, 3, 4})};
  EXPECT_EQ(run(with("LT"), inputs, 1), (Numbers{1, 4, 0, 2, 3}));
  EXPECT_EQ(run(with("GT"), inputs, 1), (Numbers{3, 0, 2, 1, 4}));
}

TEST(StableHloImport, LoopsAndBranchesReachOut) {
  EXPECT_EQ(
      run(module_of(
              "(%n: tensor<i32>, %x: tensor<2xf32>) -> tensor<2xf32>",
              "%c = stablehlo.constant dense<0> : tensor<i32>\n"
              "%one = stablehlo.constant dense<1> : tensor<i32>\n"
              "%0:2 = stablehlo.while(%i = %c, %s = %x) : tensor<i32>, tensor<2xf32>\n"
              "cond {\n%1 = stablehlo.compare LT, %i, %n, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>\n"
              "stablehlo.return %1 : tensor<i1>\n} do {\n%2 = stablehlo.add %i, %one : tensor<i32>\n"
              "%3 = stablehlo.add %s, %x : tensor<2xf32>\nstablehlo.return %2, %3 : tensor<i32>, tensor<2xf32>\n}\n"
              "return %0#1 : tensor<2xf32>"),
          {full({}, 3, {.dtype = i32}), vector({1, 2})}),
      (Numbers{4, 8}));
  for (int index : {-1, 0, 1, 2, 7})
    EXPECT_EQ(run(module_of("(%i: tensor<i32>, %x: tensor<f32>) -> tensor<f32>",
                            "%0 = \"stablehlo.case\"(%i) ({\n\"stablehlo.return\"(%x) : (tensor<f32>) -> ()\n}, {\n"
                            "%1 = stablehlo.negate %x : tensor<f32>\nstablehlo.return %1 : tensor<f32>\n}, {\n"
                            "%2 = stablehlo.add %x, %x : tensor<f32>\nstablehlo.return %2 : tensor<f32>\n}) : "
                            "(tensor<i32>) -> tensor<f32>\nreturn %0 : tensor<f32>"),
                  {full({}, index, {.dtype = i32}), full({}, 3.0f)}),
              (Numbers{index == 0   ? 3.0
                       : index == 1 ? -3.0
                                    : 6.0}))
        << index;
}

TEST(StableHloImport, CompositesAreWhatTheyAreComposedOf) {
  EXPECT_EQ(
      run("func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {\n%0 = stablehlo.composite \"my.double\" %x "
          "{decomposition = @double, version = 1 : i32} : (tensor<2xf32>) -> tensor<2xf32>\nreturn %0 : "
          "tensor<2xf32>\n}\nfunc.func private @double(%x: tensor<2xf32>) -> tensor<2xf32> {\n%0 = stablehlo.add %x, "
          "%x : tensor<2xf32>\nreturn %0 : tensor<2xf32>\n}\n",
          {vector({1, 2})}),
      (Numbers{2, 4}));
}

// Windows with dilation and padding; of the last two a pair of elements is the largest together with where it stands.
TEST(StableHloImport, WindowsReduceAndScatter) {
  EXPECT_EQ(
      run(module_of(
              "(%x: tensor<5xf32>, %i: tensor<f32>) -> tensor<3xf32>",
              "%0 = \"stablehlo.reduce_window\"(%x, %i) <{window_dimensions = array<i64: 2>, window_strides = "
              "array<i64: 2>, window_dilations = array<i64: 2>, padding = dense<[[1, 1]]> : tensor<1x2xi64>}> ({\n"
              "^bb0(%a: tensor<f32>, %b: tensor<f32>):\n%s = stablehlo.add %a, %b : tensor<f32>\n"
              "stablehlo.return %s : tensor<f32>\n}) : (tensor<5xf32>, tensor<f32>) -> tensor<3xf32>\n"
              "return %0 : tensor<3xf32>"),
          {vector({1, 2, 3, 4, 5}), full({}, 0.0f)}),
      (Numbers{2, 6, 4}));
  EXPECT_EQ(
      run(module_of("(%x: tensor<4xf32>, %s: tensor<3xf32>, %i: tensor<f32>) -> tensor<4xf32>",
                    "%0 = \"stablehlo.select_and_scatter\"(%x, %s, %i) <{window_dimensions = array<i64: 2>}> ({\n"
                    "^bb0(%a: tensor<f32>, %b: tensor<f32>):\n%c = stablehlo.compare GE, %a, %b, FLOAT : (tensor<f32>, "
                    "tensor<f32>) -> tensor<i1>\nstablehlo.return %c : tensor<i1>\n}, {\n^bb0(%a: tensor<f32>, %b: "
                    "tensor<f32>):\n%c = stablehlo.add %a, %b : tensor<f32>\nstablehlo.return %c : tensor<f32>\n}) : "
                    "(tensor<4xf32>, tensor<3xf32>, tensor<f32>) -> tensor<4xf32>\nreturn %0 : tensor<4xf32>"),
          {vector({1, 5, 5, 2}), vector({10, 20, 30}), full({}, 1.0f)}),
      (Numbers{1, 31, 31, 1}));
}

TEST(StableHloImport, ScattersCombineInOrder) {
  const auto scatter = [](const std::string& region) {
    return run(module_of("(%x: tensor<4xf32>, %i: tensor<3x1xi32>, %u: tensor<3xf32>) -> tensor<4xf32>",
                         "%0 = \"stablehlo.scatter\"(%x, %i, %u) <{scatter_dimension_numbers = "
                         "#stablehlo.scatter<inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], "
                         "index_vector_dim = 1>}> ({\n^bb0(%a: tensor<f32>, %b: tensor<f32>):\n" +
                             region +
                             "}) : (tensor<4xf32>, tensor<3x1xi32>, tensor<3xf32>) -> tensor<4xf32>\nreturn %0 : "
                             "tensor<4xf32>"),
               {vector({1, 2, 3, 4}), integers({2, 2, 9}).reshape({3, 1}), vector({10, 20, 30})});
  };
  EXPECT_EQ(scatter("stablehlo.return %b : tensor<f32>\n"), (Numbers{1, 2, 20, 4}));
  EXPECT_EQ(scatter("%c = stablehlo.multiply %a, %b : tensor<f32>\nstablehlo.return %c : tensor<f32>\n"),
            (Numbers{1, 2, 600, 4}));
}

TEST(StableHloImport, DifferentiatesAndCallsFunctions) {
  const Traced program = stablehlo::parse(
      "func.func @main(%x: tensor<3xf32>) -> tensor<f32> {\n%0 = call @square(%x) : (tensor<3xf32>) -> tensor<3xf32>\n"
      "%z = stablehlo.constant dense<0.0> : tensor<f32>\n%1 = stablehlo.reduce(%0 init: %z) applies stablehlo.add "
      "across "
      "dimensions = [0] : (tensor<3xf32>, tensor<f32>) -> tensor<f32>\nreturn %1 : tensor<f32>\n}\n"
      "func.func private @square(%x: tensor<3xf32>) -> tensor<3xf32> {\n%0 = stablehlo.multiply %x, %x : "
      "tensor<3xf32>\n"
      "return %0 : tensor<3xf32>\n}\nfunc.func private @unread(%x: !other.type) { other.op %x -> {} }\n");
  const Tensor g = grad([&](const Tensor& x) { return program({x})[0]; })(vector({1, 2, 3}));
  EXPECT_EQ(numbers(array_of(g)), (Numbers{2, 4, 6}));
}

TEST(StableHloImport, FreeExtentsComeWithTheArguments) {
  const std::string text = module_of(
      "(%n: tensor<i64>, %x: tensor<?x2xf32>) -> tensor<?x2xf32>",
      "%0 = stablehlo.convert %n : (tensor<i64>) -> tensor<i32>\n%1 = stablehlo.reshape %0 : (tensor<i32>) -> "
      "tensor<1xi32>\n"
      "%2 = stablehlo.constant dense<2> : tensor<1xi32>\n%3 = stablehlo.concatenate %1, %2, dim = 0 : (tensor<1xi32>, "
      "tensor<1xi32>) -> tensor<2xi32>\n%4 = stablehlo.dynamic_iota %3, dim = 0 : (tensor<2xi32>) -> tensor<?x2xf32>\n"
      "%5 = stablehlo.add %4, %x : tensor<?x2xf32>\nreturn %5 : tensor<?x2xf32>");
  const Traced program = stablehlo::parse(text);
  const auto step = jit([&](const std::vector<Tensor>& x) { return program(x); });
  for (int64_t n : {1, 3, 4}) {
    const std::vector<Tensor> inputs = {full({}, n), zeros({n, 2})};
    Numbers expected;
    for (int64_t i = 0; i < 2 * n; ++i) expected.push_back(static_cast<double>(i / 2));
    EXPECT_EQ(numbers(array_of(program(inputs)[0])), expected);
    EXPECT_EQ(numbers(array_of(step(inputs)[0])), expected);
  }
  EXPECT_THROW(program({full({}, int64_t{5}), zeros({3, 2})}), Error);
  EXPECT_THROW(step(std::vector<Tensor>{full({}, int64_t{5}), zeros({3, 2})}),
               Error);  // found among the extents, and checked
  EXPECT_THROW(program.ir(), Error);
}

TEST(StableHloImport, ChecksAreChecked) {
  const auto text = [](const std::string& check, const std::string& expected) {
    return module_of("(%x: tensor<f32>) -> tensor<f32>", "%e = stablehlo.constant dense<" + expected +
                                                             "> : tensor<f32>\nstablehlo.custom_call @check." + check +
                                                             "(%x, %e) {has_side_effect = true} : (tensor<f32>, "
                                                             "tensor<f32>) -> ()\nreturn %x : tensor<f32>");
  };
  EXPECT_EQ(run(text("expect_eq", "1.0"), {full({}, 1.0f)}), Numbers{1});
  EXPECT_THROW(stablehlo::parse(text("expect_eq", "0x3F800001"))({full({}, 1.0f)}), Error);
  EXPECT_EQ(run(text("expect_close", "0x3F800003"), {full({}, 1.0f)}), Numbers{1});
  EXPECT_THROW(stablehlo::parse(text("expect_close", "0x3F800004"))({full({}, 1.0f)}), Error);
  EXPECT_EQ(run(text("expect_almost_eq", "1.0009"), {full({}, 1.0f)}), Numbers{1});
  EXPECT_THROW(stablehlo::parse(text("expect_almost_eq", "1.002"))({full({}, 1.0f)}), Error);
}

TEST(StableHloImport, ErrorsNameOperationAndLine) {
  const std::string unknown = refused(module_of("(%x: tensor<f32>) -> tensor<f32>",
                                                "%0 = stablehlo.unheard_of %x : tensor<f32>\nreturn %0 : tensor<f32>"));
  EXPECT_NE(unknown.find("stablehlo.unheard_of"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("<text>:3:6"), std::string::npos) << unknown;
  const std::string type =
      refused(module_of("(%x: tensor<2xf32>) -> tensor<3xf32>",
                        "\n%0 = stablehlo.abs %x : (tensor<2xf32>) -> tensor<3xf32>\nreturn %0 : tensor<3xf32>"));
  EXPECT_NE(type.find("<text>:4:6: stablehlo.abs"), std::string::npos) << type;
  EXPECT_THROW(stablehlo::load("/nowhere/at/all.mlir"), Error);
}

}  // namespace
}  // namespace tenon::testing
