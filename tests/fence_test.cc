// What compiled programs load and store at the edges of their buffers: every static extent up to several vectors, for every
// dtype, in light and heavy loops, flat and by rows, with nothing but inaccessible memory behind each buffer.
#include "tenon/tests/fenced.h"

#include <gtest/gtest.h>

#include "tenon/ir/build.h"
#include "tenon/tests/arrays.h"

namespace tenon::testing {
namespace {

using namespace ir;

Value as(Value x, DType t) { return x.dtype() == t ? x : cast(x, t); }

class Fence : public ::testing::TestWithParam<bool> {};

TEST_P(Fence, StaticEdgesStayInside) {
  runtime::CompileOptions options;
  options.disk_cache = options.memory_cache = false;
  options.portable = GetParam();
  Random random(5);
  for (int t = 0; t < dtype_count; ++t)
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

INSTANTIATE_TEST_SUITE_P(Machines, Fence, ::testing::Bool(),
                         [](const auto& portable) { return portable.param ? "portable" : "host"; });

}  // namespace
}  // namespace tenon::testing
