// Graphs through the whole pipeline to kernels and steps, run on the program machine, held against the interpreter to the
// bit: every case of the op table, then programs of many ops where fusion has choices.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tenon/ir/build.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/program_machine.h"
#include "tenon/tests/random_graph.h"

namespace tenon::testing {
namespace {

using namespace ir;

std::vector<int64_t> dims_of(const Graph& graph, const std::vector<Array>& inputs) {
  std::vector<int64_t> values;
  for (uint32_t symbol : graph.symbols->free_symbols()) {
    int64_t value = graph.symbols->operator[](symbol).lower;
    for (uint32_t i = 0; i < graph.input_count(); ++i) {
      const Shape& shape = graph.type(ValueId{i}).shape;
      for (size_t d = 0; d < shape.size(); ++d)
        if (shape[d].is_symbol() && shape[d].index() == symbol) value = inputs[i].type.shape[d].number();
    }
    values.push_back(value);
  }
  return values;
}

void check_case(const Graph& graph, const std::vector<Array>& inputs, NaNs nans, const std::string& name, bool fuse) {
  passes::Options options;
  options.fuse = fuse;
  const Program program = passes::build_program(graph, Target{}, options);
  ASSERT_EQ(passes::check_buffers(program), std::vector<std::string>{}) << name << "\n" << program.text();
  const std::vector<Array> expected = interpret(graph, inputs);
  const std::vector<Array> actual = run_program(program, inputs, dims_of(graph, inputs));
  ASSERT_EQ(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto text = difference(expected[i], actual[i], nans);
    ASSERT_FALSE(text) << name << ", output " << i << (fuse ? ", fused: " : ", not fused: ") << *text << "\n"
                       << graph.text() << program.text();
  }
}

TEST(Lower, RandomGraphs) {
  const char* first = std::getenv("TENON_SEED");
  const char* count = std::getenv("TENON_COUNT");
  const uint64_t begin = first ? std::strtoull(first, nullptr, 10) : 1, n = count ? std::strtoull(count, nullptr, 10) : 60;
  for (uint64_t seed = begin; seed < begin + n; ++seed) {
    const Case c = random_graph(seed, 4 + static_cast<int>(seed % 30));
    check_case(*c.graph, c.inputs, c.nans, c.name, true);
    if (HasFatalFailure()) return;
  }
}

TEST(Lower, EveryOpCase) {
  int count = 0;
  for (const OpDef& row : op_table()) {
    if (row.op == Op::custom_call) continue;  // has no meaning without a host function
    for (int t = 0; t < dtype_count; ++t) {
      if (!contains(row.dtypes, static_cast<DType>(t))) continue;
      for (const Case& c : op_cases(row.op, static_cast<DType>(t))) {
        for (bool fuse : {true, false}) check_case(*c.graph, c.inputs, c.nans, c.name, fuse);
        if (HasFatalFailure()) return;
        ++count;
      }
    }
  }
  EXPECT_GT(count, 300);
}

}  // namespace
}  // namespace tenon::testing
