// StableHLO texts that mean harm: cut off, changed, nested, multiplied. Each is read or refused with an Error that names its place, soon.
#include <gtest/gtest.h>

#include <chrono>

#include "tenon/frontend/tenon.h"
#include "tenon/tests/hostile_text.h"

namespace tenon::testing {
namespace {

const char* const sample =
    "module @m attributes {mhlo.num_replicas = 1 : i32} {\n"
    "  func.func public @main(%arg0: tensor<3x4xf32> {jax.a = \"b\"}, %arg1: tensor<4xi32>) -> (tensor<4xf32>, "
    "tensor<4xi32>) {\n"
    "    %cst = stablehlo.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 1.0, 2.0, 3.0]]> : "
    "tensor<3x4xf32>\n"
    "    %0 = stablehlo.dot_general %arg0, %cst, batching_dims = [0] x [0], contracting_dims = [1] x [1] : "
    "(tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3xf32>\n"
    "    %1 = stablehlo.pad %arg0, %2, low = [1, -1], high = [0, 2], interior = [0, 1] : (tensor<3x4xf32>, "
    "tensor<f32>) -> "
    "tensor<4x8xf32>\n"
    "    %3 = stablehlo.slice %arg0 [0:2, 1:4:2] : (tensor<3x4xf32>) -> tensor<2x2xf32>\n"
    "    %4 = stablehlo.iota dim = 0 : tensor<3x4xi32>\n"
    "    %5:2 = stablehlo.reduce(%arg0 init: %2), (%4 init: %6) across dimensions = [0] : (tensor<3x4xf32>, "
    "tensor<3x4xi32>, tensor<f32>, tensor<i32>) -> (tensor<4xf32>, tensor<4xi32>)\n"
    "     reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<i32>, %d: tensor<i32>) {\n"
    "      %7 = stablehlo.compare GT, %a, %b, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>\n"
    "      %8 = stablehlo.select %7, %a, %b : tensor<i1>, tensor<f32>\n"
    "      %9 = stablehlo.select %7, %c, %d : tensor<i1>, tensor<i32>\n"
    "      stablehlo.return %8, %9 : tensor<f32>, tensor<i32>\n"
    "    }\n"
    "    %10 = \"stablehlo.sort\"(%5#1) <{dimension = 0 : i64}> ({\n"
    "    ^bb0(%e: tensor<i32>, %f: tensor<i32>):\n"
    "      %11 = stablehlo.compare LT, %e, %f, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>\n"
    "      stablehlo.return %11 : tensor<i1>\n"
    "    }) : (tensor<4xi32>) -> tensor<4xi32>\n"
    "    %12 = stablehlo.convolution(%13, %14) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = {stride = [2], "
    "pad = "
    "[[1, 1]], rhs_dilate = [2]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<1x3x4xf32>, "
    "tensor<2x4x1xf32>) -> tensor<1x2x1xf32>\n"
    "    return %5#0, %10 : tensor<4xf32>, tensor<4xi32>\n"
    "  }\n"
    "}\n";

// The sample with its definitions in order.
std::string whole() {
  std::string text = sample;
  const std::string before =
      "    %2 = stablehlo.constant dense<0.5> : tensor<f32>\n    %6 = stablehlo.constant dense<0> : tensor<i32>\n"
      "    %13 = stablehlo.reshape %arg0 : (tensor<3x4xf32>) -> tensor<1x3x4xf32>\n"
      "    %14 = stablehlo.constant dense<0.25> : tensor<2x4x1xf32>\n";
  return text.insert(text.find("    %cst"), before);
}

// Whether a text is read, or refused as it should be; anything else ends the test.
bool read(const std::string& text) {
  const auto start = std::chrono::steady_clock::now();
  bool fine = true;
  try {
    stablehlo::parse(text);
  } catch (const Error& e) {
    fine = false;
    EXPECT_NE(std::string(e.what()).find("<text>"), std::string::npos) << e.what();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double most = *TENON_SANITIZE == '\0' ? 2.0 : 30.0;  // sanitizers are slow
  EXPECT_LT(seconds, most) << text.substr(0, 200);
  return fine;
}

TEST(StableHloHostile, TheSampleIsRead) { EXPECT_TRUE(read(whole())); }

TEST(StableHloHostile, EveryPrefixIsRefused) {
  const std::string text = whole();
  for (size_t size = 0; size + 2 < text.size(); ++size) EXPECT_FALSE(read(text.substr(0, size))) << size;
}

TEST(StableHloHostile, EveryNumberAtItsExtremes) {
  const std::string text = whole();
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (!digit(text[i]) || (i > 0 && digit(text[i - 1]))) continue;
    size_t end = i;
    while (end < text.size() && digit(text[end])) ++end;
    for (const std::string& value : extremes(text.substr(i, end - i)))
      read(text.substr(0, i) + value + text.substr(end));
  }
}

TEST(StableHloHostile, EveryByteDeletedDoubledOrStrange) {
  const std::string text = whole();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    read(changed.erase(i, 1));
    changed = text;
    read(changed.insert(i, 1, text[i]));
    for (char strange : {'\0', '\xff', '"', '<', '{', '%', '?', '-'}) {
      changed = text;
      changed[i] = strange;
      read(changed);
    }
  }
}

TEST(StableHloHostile, NestingIsBounded) {
  const auto main = [](const std::string& body) { return "func.func @main() -> tensor<f32> {\n" + body + "\n}\n"; };
  std::string many(100000, '[');
  EXPECT_FALSE(read(main("%0 = stablehlo.constant dense<" + many + "> : tensor<f32>")));
  EXPECT_FALSE(read(main("%0 = \"stablehlo.iota\"() <{iota_dimension = " + many + "}> : () -> tensor<f32>")));
  std::string regions;
  for (int i = 0; i < 20000; ++i) regions += "\"stablehlo.case\"() ({\n";
  EXPECT_FALSE(read(main(regions)));
  EXPECT_FALSE(read(std::string(100000, '(')));
  std::string modules;
  for (int i = 0; i < 100000; ++i) modules += "module {";
  EXPECT_FALSE(read(modules));
}

// Thirty functions that each call the next twice come to a billion operations.
TEST(StableHloHostile, CallsDoNotMultiply) {
  std::string text =
      "func.func @main(%x: tensor<f32>) -> tensor<f32> {\n%0 = call @f0(%x) : (tensor<f32>) -> tensor<f32>\n"
      "return %0 : tensor<f32>\n}\n";
  for (int i = 0; i < 30; ++i) {
    const std::string next = "@f" + std::to_string(i + 1) + "(";
    text += "func.func private @f" + std::to_string(i) + "(%x: tensor<f32>) -> tensor<f32> {\n%0 = call " + next +
            "%x) : (tensor<f32>) -> tensor<f32>\n%1 = call " + next +
            "%0) : (tensor<f32>) -> tensor<f32>\nreturn %1 : "
            "tensor<f32>\n}\n";
  }
  text +=
      "func.func private @f30(%x: tensor<f32>) -> tensor<f32> {\n%0 = stablehlo.sine %x : tensor<f32>\n"
      "return %0 : tensor<f32>\n}\n";
  EXPECT_FALSE(read(text));
  EXPECT_FALSE(
      read("func.func @main(%x: tensor<f32>) -> tensor<f32> {\n%0 = call @main(%x) : (tensor<f32>) -> "
           "tensor<f32>\nreturn %0 : tensor<f32>\n}\n"));
}

// Three million numbers in a list, types, names: each would take a hundred bytes.
TEST(StableHloHostile, SmallThingsInLargeNumbers) {
  const auto repeated = [](const std::string& what) {
    std::string text;
    for (int i = 0; i < 3'000'000; ++i) text += what;
    return text;
  };
  EXPECT_FALSE(read("func.func @main() -> tensor<f32> {\n%0 = \"stablehlo.iota\"() <{a = [" + repeated("1,") +
                    "1]}> : () -> tensor<f32>\n}\n"));
  EXPECT_FALSE(read("func.func @main(" + repeated("i1,") + "i1)"));
  EXPECT_FALSE(read("func.func @main() {\n" + repeated("return\n") + "}\n"));
}

TEST(StableHloHostile, SizesAreNotTakenOnTrust) {
  const auto constant = [](const std::string& literal, const std::string& type) {
    return "func.func @main() -> " + type + " {\n%0 = stablehlo.constant dense<" + literal + "> : " + type +
           "\nreturn %0 : " + type + "\n}\n";
  };
  EXPECT_FALSE(read(constant("1.0", "tensor<4611686018427387904x4611686018427387904xf32>")));
  EXPECT_FALSE(read(constant("[1.0]", "tensor<1099511627776xf32>")));
  EXPECT_FALSE(read(constant("\"0x00000000\"", "tensor<1099511627776xf64>")));
  EXPECT_FALSE(read(constant("[1.0, 2.0]", "tensor<3xf32>")));
  EXPECT_FALSE(read(constant("\"0x0G\"", "tensor<1xi8>")));
  EXPECT_FALSE(read(constant("300", "tensor<2xi8>")));
  EXPECT_FALSE(read(constant("-1", "tensor<2xui8>")));
  EXPECT_FALSE(read(constant("1.0", "tensor<2xf8E4M3FN>")));
}

// The short form has room for one operation, and lists of tensors of any length.
TEST(StableHloHostile, OneOperationIsNotAppliedToSeveralTensors) {
  const std::string f = "tensor<4xf32>", i = "tensor<f32>";
  EXPECT_FALSE(read("func.func @main(%a: " + f + ", %i: " + i + ") -> " + i +
                    " {\n%0:2 = stablehlo.reduce(%a init: %i), (%a init: %i) applies stablehlo.add across dimensions = "
                    "[0] : (" +
                    f + ", " + f + ", " + i + ", " + i + ") -> (" + i + ", " + i + ")\nreturn %0#0 : " + i + "\n}\n"));
}

}  // namespace
}  // namespace tenon::testing
