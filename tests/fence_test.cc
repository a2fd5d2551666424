// What compiled programs load and store at the edges of their buffers, with nothing but inaccessible memory behind each:
// static extents up to several vectors, for every dtype, in light and heavy loops, flat and by rows; tiles of contractions.
#include "tenon/tests/fenced.h"

#include <gtest/gtest.h>

#include "tenon/ir/graph/build.h"
#include "tenon/tests/arrays.h"

namespace tenon::testing {
namespace {

using namespace ir;

Value as(Value x, DType t) { return x.dtype() == t ? x : cast(x, t); }

class Fence : public ::testing::TestWithParam<bool> {};

TEST_P(Fence, StaticEdgesStayInside) {
  runtime::CompileOptions options;
  options.disk_cache = options.memory_cache = false;
  if (GetParam()) options.target = Target::portable();
  Random random(5);
  for (int t = 0; t < real_dtype_count; ++t)
    for (int64_t n : {1, 2, 15, 16, 17, 18, 31, 33, 48, 49, 65, 81, 129}) {
      const DType dtype = static_cast<DType>(t), from = dtype == DType::f32 ? DType::f64 : DType::f32;
      GraphBuilder b("main");
      const Value x{&b, b.input({dtype, {3, n}})}, row{&b, b.input({from, {n}})};
      const Value narrow = as(row, dtype), rows = broadcast(narrow, {3, n}, {1});
      const Value heavy = as(tanh(exp(as(row, DType::f32))), dtype);
      const Value shifted = select(as(x, DType::boolean), x, rows);
      const Value sum = dtype == DType::boolean ? shifted : x + rows;
      const auto graph = b.finish(std::vector<ValueId>{narrow.id, sum.id, heavy.id, shifted.id});
      const std::vector<Array> inputs = {random_array({dtype, {3, n}}, random, Domain::moderate),
                                         random_array({from, {n}}, random, Domain::moderate)};
      const auto executable = runtime::compile(*graph, options);
      const std::vector<Array> expected = interpret(*graph, inputs);
      const std::vector<Array> actual = run_fenced(*executable, inputs, {});
      for (size_t i = 0; i < expected.size(); ++i)
        if (const auto wrong = difference(expected[i], actual[i], NaNs::one_value))
          ADD_FAILURE() << name(dtype) << " " << n << ", output " << i << ": " << *wrong;
    }
}

// Whole vectors of columns that do not fill the last tile, whole rows that do not either; small and packed.
TEST_P(Fence, TilesOfContractionsStayInside) {
  runtime::CompileOptions options;
  options.disk_cache = options.memory_cache = false;
  if (GetParam()) options.target = Target::portable();
  Random random(6);
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::i8})
    for (const auto& [m, n, k] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
             {1, 80, 3}, {1, 528, 2}, {2, 112, 5}, {3, 208, 1}, {7, 144, 4}, {13, 17, 16}, {64, 80, 70}, {50, 176, 33}})
      for (const bool turned : {false, true}) {
        GraphBuilder b("main");
        const Type left{dtype, {m, k}}, right{dtype, turned ? Shape{n, k} : Shape{k, n}};
        const Value x{&b, b.input(left)}, y{&b, b.input(right)};
        const auto graph = b.finish(std::vector<ValueId>{dot_general(x, y, {}, {}, {1}, {turned ? 1 : 0}).id});
        const std::vector<Array> inputs = {random_array(left, random, Domain::moderate),
                                           random_array(right, random, Domain::moderate)};
        const std::vector<Array> actual = run_fenced(*runtime::compile(*graph, options), inputs, {});
        if (const auto wrong = difference(interpret(*graph, inputs)[0], actual[0], NaNs::one_value))
          ADD_FAILURE() << name(dtype) << " " << m << " x " << n << " x " << k << ": " << *wrong;
      }
}

INSTANTIATE_TEST_SUITE_P(Machines, Fence, ::testing::Bool(),
                         [](const auto& portable) { return portable.param ? "portable" : "host"; });

}  // namespace
}  // namespace tenon::testing
