// Few rows past a right operand from afar, whose sums wait in memory between some steps of k (codegen/llvm/contract/streamed.cc): the
// bits of the chains, for every number of rows, at edges of columns, of steps and of segments, on both widths of registers, and no
// byte read or written beside the tensors.
#include <gtest/gtest.h>

#include <string>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/arrays.h"
#include "tenon/tests/fenced.h"

namespace tenon {
namespace {

// A product with something on both sides of it: the left operand is read as it is, the sums go through an epilogue.
auto product(int64_t m, int64_t n, int64_t k, DType t) {
  const std::string type(name(t)), rows = std::to_string(m), columns = std::to_string(n), depth = std::to_string(k);
  const std::string out = type + "[" + rows + ", " + columns + "]";
  return ir::parse("graph @main(%0: " + type + "[" + rows + ", " + depth + "], %1: " + type + "[" + depth + ", " +
                   columns + "], %2: " + out +
                   ") -> (%5) {\n  %3 = dot_general %0, %1 {lhs_batch = [], rhs_batch = [], lhs_contract = [1], "
                   "rhs_contract = [0]} : " +
                   out + "\n  %4 = add %3, %2 : " + out + "\n  %5 = mul %4, %2 : " + out + "\n}\n");
}

void check(int64_t m, int64_t n, int64_t k, DType t, const Target& target) {
  const auto graph = product(m, n, k, t);
  testing::Random random(static_cast<uint64_t>(m * n + k));
  std::vector<ir::Array> inputs;
  for (uint32_t i = 0; i < graph->input_count(); ++i)
    inputs.push_back(testing::random_array(graph->type(ir::ValueId{i}), random));
  runtime::CompileOptions options;
  options.target = target;
  options.memory_cache = options.disk_cache = false;
  const auto executable = runtime::compile(*graph, options);
  const auto found = testing::run_fenced(*executable, inputs, {});
  EXPECT_EQ(found[0].data, ir::interpret(*graph, inputs)[0].data) << m << 'x' << k << 'x' << n << ' ' << name(t);
}

TEST(FewRows, OfEveryNumber) {
  for (int64_t m = 1; m <= 34; m += m < 10 ? 1 : 3) {
    check(m, 520 + m, 701 + m % 9, DType::f32, codegen::host_target());
    check(m, 240 + m, 801 + m % 9, DType::f32, Target::portable());
  }
}

TEST(FewRows, OfOtherTypesAndSegments) {
  for (const Target& target : {codegen::host_target(), Target::portable()}) {
    for (int64_t m : {3, 8, 13, 32}) check(m, 250, 640 + m, DType::f64, target);
    for (int64_t m : {2, 5, 16, 30}) check(m, 129, 4096 + m, DType::f32, target);
    check(7, 128, 8192 + 9, DType::f32, target);
    check(12, 512, 1024, DType::f32, target);
    check(9, 300, 1027, DType::i32, target);
    check(6, 700, 1027, DType::bf16, target);
  }
}

}  // namespace
}  // namespace tenon
