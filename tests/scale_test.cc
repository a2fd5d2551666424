// Long programs: nothing recurses over graph depth, and a hundred thousand ops compile.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include "tenon/frontend/transform/program.h"
#include "tenon/ir/reference/array.h"
#include "tenon/tests/small_stack.h"

namespace tn = tenon;
using tn::Tensor;

namespace {

// n ops that hash-consing cannot merge.
Tensor chain(Tensor x, int n) {
  for (int i = 0; i < n / 2; ++i) x = tn::sin(x) * x;
  return x;
}

TEST(Scale, AMillionOpsTraceDifferentiateAndPrintOnASmallStack) {
  tenon::on_small_stack([] {
    const auto traced = tn::trace(tn::grad([](const Tensor& x) { return chain(x, 1000000); }), tn::tensor(0.5f));
    const std::string text = traced.ir();
    EXPECT_GT(traced.program()->graph->node_count(), 2000000u);
    EXPECT_GT(text.size(), 50000000u);
  });
}

TEST(Scale, AHundredThousandOpsCompile) {
  const auto f = [](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 50000; ++i) y = y * 0.75f + static_cast<float>(i % 7);
    return y;
  };
  const auto x = tn::arange(0, 40).astype(tn::f32);
  const std::vector<float> compiled = tn::jit(f)(x).to_vector<float>();
  std::vector<float> expected;
  for (int j = 0; j < 40; ++j) {
    float y = static_cast<float>(j);
    for (int i = 0; i < 50000; ++i) y = y * 0.75f + static_cast<float>(i % 7);
    expected.push_back(y);
  }
  EXPECT_EQ(compiled, expected);
}

}  // namespace
