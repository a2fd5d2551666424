// Functions that packed contractions share between programs: compiled once, linked into each, the same bits as in one object.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>

#include "tenon/codegen/codegen.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/arrays.h"

namespace tenon {
namespace {

const Dim rows = dim("shared_rows", 1, 4096), inner = dim("shared_inner", 1, 8192);

// Two contractions whose plans differ and whose tiles do not: one has a known depth, the other a free one.
Tensor chain(const Tensor& x, const Tensor& w, const Tensor& y) { return matmul(tanh(matmul(x, w)), y); }
ir::Program chained() {
  const auto traced = trace(chain, spec({rows, 784}, f32), spec({784, inner}, f32), spec({inner, 200}, f32));
  return passes::build_program(*traced.program()->graph, codegen::host_target());
}
ir::Program single() {
  const auto traced = trace([](const Tensor& x, const Tensor& w) { return relu(matmul(x, w)); },
                            spec({rows, inner}, f32), spec({inner, 200}, f32));
  return passes::build_program(*traced.program()->graph, codegen::host_target());
}

std::vector<std::string> objects(const ir::Program& program, bool apart) {
  codegen::Options options;
  options.entry_apart = apart;
  return codegen::compile_objects(program, codegen::host_target(), options);
}

TEST(SharedContraction, ObjectsDoNotTellWhoCameFirst) {
  const std::vector<std::string> first = objects(chained(), true), other = objects(single(), true);
  EXPECT_EQ(objects(chained(), true), first);
  EXPECT_EQ(objects(single(), true), other);
  EXPECT_GT(first.size(), 4u);  // entry, kernels, two drivers, tiles
  size_t common = 0;
  for (const std::string& object : other) common += std::count(first.begin(), first.end(), object);
  EXPECT_GE(common, 2u);  // the driver and the tile that both have
  EXPECT_EQ(objects(chained(), false).size(), 1u);
}

// Pairs of contractions in one program, run with sizes at the edges of tiles, panels and segments.
TEST(SharedContraction, ProgramsOfSeveralRunAsInOneObject) {
  const auto both = [](const Tensor& x, const Tensor& w, const Tensor& y, const Tensor& z) {
    return std::pair(matmul(x, w), matmul(y, z));
  };
  testing::Random random(1);
  const auto normal = [&](int64_t m, int64_t n) { return testing::random_array({f32, {m, n}}, random); };
  for (const auto& [m, n] : {std::pair(16, 64), {64, 200}, {200, 48}, {130, 130}}) {
    const auto traced =
        trace(both, spec({rows, inner}, f32), spec({inner, n}, f32), spec({rows, 300}, f32), spec({300, m}, f32));
    const ir::Graph& graph = *traced.program()->graph;
    runtime::CompileOptions apart, together;
    apart.memory_cache = together.memory_cache = apart.disk_cache = together.disk_cache = false;
    together.parts = 1;
    const auto shared = runtime::compile(graph, apart), alone = runtime::compile(graph, together);
    for (const auto& [r, k] : {std::pair(1, 5), {6, 17}, {67, 1025}, {13, 4097}}) {
      const std::vector<ir::Array> inputs{normal(r, k), normal(k, n), normal(r, 300), normal(300, m)};
      const auto expected = ir::interpret(graph, inputs);
      for (const auto& executable : {shared, alone}) {
        const auto found = executable->run(inputs);
        for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(found[i].data, expected[i].data) << r << ' ' << k;
      }
    }
  }
}

// An operand's place goes back, across what is computed outside, to a scalar that no block names itself.
TEST(SharedContraction, BlocksSeeWhatTheirIndicesCameFrom) {
  const auto graph = ir::parse(R"(graph @main(%0: f32[2, 2, 48, 48], %1: i64[]) -> (%8) {
  %2 = constant {dtype = i64, shape = [], value = [0]} : i64[]
  %3 = reshape %0 {shape = [4, 48, 48]} : f32[4, 48, 48]
  %4 = dynamic_slice %3, %1, %2, %2 {sizes = [1, 48, 48]} : f32[1, 48, 48]
  %5 = reshape %4 {shape = [48, 48]} : f32[48, 48]
  %6 = slice %0 {starts = [1, 0, 0, 0], sizes = [1, 1, 48, 48], strides = [1, 1, 1, 1]} : f32[1, 1, 48, 48]
  %7 = reshape %6 {shape = [48, 48]} : f32[48, 48]
  %8 = dot_general %5, %7 {lhs_batch = [], rhs_batch = [], lhs_contract = [1], rhs_contract = [0]} : f32[48, 48]
}
)");
  testing::Random random(2);
  std::vector<ir::Array> inputs{testing::random_array({f32, {2, 2, 48, 48}}, random), ir::Array({i64, {}})};
  *inputs[1].as<int64_t>() = 3;
  EXPECT_EQ(runtime::compile(*graph)->run(inputs)[0].data, ir::interpret(*graph, inputs)[0].data);
}

}  // namespace
}  // namespace tenon
