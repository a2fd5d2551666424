// Every row of the op table over many lanes, generated from the table: each operand alone with lanes, and all of them, give the bits
// of the op on every lane by itself; and so does the compiled program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>

#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

using namespace ir;

constexpr int64_t lanes = 3;

// The elements moved round: other values, all as good for the op as these.
Array rotated(const Array& x, int64_t by) {
  Array y(x.type);
  const int64_t count = x.numel(), size = bytes(x.type.dtype);
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(y.data.data() + (i + by) % count * size, x.data.data() + i * size, static_cast<size_t>(size));
  return y;
}

Array stacked(const std::vector<Array>& rows) {
  Type type = rows[0].type;
  type.shape.insert(0, Dim(static_cast<int64_t>(rows.size())));
  Array all(type);
  size_t at = 0;
  for (const Array& row : rows) {
    std::copy(row.data.begin(), row.data.end(), all.data.begin() + static_cast<std::ptrdiff_t>(at));
    at += row.data.size();
  }
  return all;
}

using GraphPtr = std::shared_ptr<const Graph>;

// A program's inputs and its results, lanes in front.
struct Lanes {
  GraphPtr graph;
  std::vector<Array> inputs, expected;
};

Lanes over_lanes(const Case& one, const std::vector<bool>& flags) {
  Lanes result;
  std::vector<std::vector<Array>> results(one.graph->outputs().size());
  std::vector<std::vector<Array>> columns(one.inputs.size());
  for (int64_t lane = 0; lane < lanes; ++lane) {
    std::vector<Array> inputs;
    for (size_t i = 0; i < one.inputs.size(); ++i) {
      inputs.push_back(flags[i] ? rotated(one.inputs[i], lane) : one.inputs[i]);
      columns[i].push_back(inputs.back());
    }
    std::vector<Array> outputs = interpret(*one.graph, inputs);
    for (size_t o = 0; o < outputs.size(); ++o) results[o].push_back(std::move(outputs[o]));
  }
  for (size_t i = 0; i < columns.size(); ++i) result.inputs.push_back(flags[i] ? stacked(columns[i]) : one.inputs[i]);
  for (const auto& rows : results) result.expected.push_back(stacked(rows));
  result.graph = passes::batch(*one.graph, {.size = lanes}, flags, std::vector<bool>(results.size(), true)).graph;
  return result;
}

// Where each input goes: the operand of the row's op that it is, or is made into; of several, the first.
std::vector<size_t> positions(const Graph& graph, Op op) {
  std::vector<std::optional<size_t>> found(graph.input_count());
  std::vector<std::set<uint32_t>> from(
      graph.value_count());  // the inputs that a value is made of and that are not found yet
  for (uint32_t i = 0; i < graph.input_count(); ++i) from[i] = {i};
  for (const Node& node : graph.nodes()) {
    std::set<uint32_t> inputs;
    size_t position = 0;
    for (const ValueId operand : graph.operands(node)) {
      for (const uint32_t i : from[index(operand)]) {
        if (found[i]) continue;
        if (node.op == op) found[i] = position;
        inputs.insert(i);
      }
      ++position;
    }
    for (uint32_t r = 0; r < node.result_count && node.op != op && node.op != Op::unset; ++r)
      from[index(graph.result(node, r))] = inputs;
  }
  std::vector<size_t> result;
  for (const auto& position : found) result.push_back(position.value_or(0));
  return result;
}

// Each operand alone, then all. A case of many programs side by side has the same operand of all of them at once. Dtypes that
// differ in nothing which lanes could touch are tried with all alone. `./dev test --all` takes every input by itself.
bool is_tried_in_part(DType t) {
  return t == DType::f32 || t == DType::i64 || t == DType::boolean || t == DType::u32 || t == DType::bf16;
}
std::vector<std::vector<bool>> choices(const Graph& graph, Op op, DType t) {
  std::vector<std::vector<bool>> result;
  std::vector<size_t> position = positions(graph, op);
  if (thorough()) std::iota(position.begin(), position.end(), size_t{0});
  const size_t operands = position.empty() ? 0 : 1 + *std::max_element(position.begin(), position.end());
  for (size_t p = 0; p < operands && operands > 1 && is_tried_in_part(t); ++p) {
    result.emplace_back(position.size(), false);
    for (size_t i = 0; i < position.size(); ++i) result.back()[i] = position[i] == p;
    if (std::count(position.begin(), position.end(), p) == 0) result.pop_back();
  }
  if (!position.empty()) result.emplace_back(position.size(), true);
  return result;
}

const Route& fused() {
  for (const Route& route : routes())
    if (std::string_view(route.name) == "fused") return route;
  throw std::logic_error("there is no route 'fused'");
}

class Batch : public ::testing::TestWithParam<int> {};

TEST_P(Batch, EveryLaneHasItsOwnBits) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  if (row.family == Family::transform && !row.inlined) GTEST_SKIP() << "means nothing by itself: tests/vmap_test.cc";
  if (row.op == Op::custom_call) GTEST_SKIP() << "a host function has no meaning to compare with";
  int runs = 0;
  for (int t = 0; t < dtype_count; ++t) {
    if (!contains(row.dtypes, static_cast<DType>(t))) continue;
    for (const Case& one : op_cases(row.op, static_cast<DType>(t))) {
      size_t left = row.op == Op::replay ? 2 : SIZE_MAX;  // interpreted machines are slow
      const auto all_choices = choices(*one.graph, row.op, static_cast<DType>(t));
      for (size_t at = all_choices.size(); at-- > 0 && left-- > 0;) {
        const std::vector<bool>& flags = all_choices[at];
        const Lanes all = over_lanes(one, flags);
        ASSERT_TRUE(verify(*all.graph).empty()) << one.name << ": " << verify(*all.graph)[0] << "\n"
                                                << all.graph->text();
        std::optional<std::string> wrong;
        try {
          const std::vector<Array> actual = interpret(*all.graph, all.inputs);
          for (size_t o = 0; o < actual.size() && !wrong; ++o) wrong = difference(all.expected[o], actual[o], one.nans);
        } catch (const std::exception& e) {
          wrong = e.what();
        }
        ++runs;
        ASSERT_FALSE(wrong) << one.name << ": " << *wrong << "\n" << one.graph->text() << "\n" << all.graph->text();
      }
    }
  }
  RecordProperty("runs", runs);
}

// Compiled: one dtype a row is enough, since the ops are those that other tests compile.
TEST_P(Batch, CompiledAgrees) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  if ((row.family == Family::transform && !row.inlined) || row.op == Op::custom_call) GTEST_SKIP() << "as above";
  for (DType t : {DType::f32, DType::i64, DType::u32, DType::boolean}) {
    if (!contains(row.dtypes, t)) continue;
    for (const Case& one : op_cases(row.op, t)) {
      if (one.inputs.empty()) continue;
      const Lanes all = over_lanes(one, std::vector<bool>(one.inputs.size(), true));
      const auto wrong = disagreement(fused().prepare(all.graph), all.inputs, all.expected, one.nans);
      EXPECT_FALSE(wrong) << one.name << ": " << *wrong << "\n" << all.graph->text();
      break;
    }
    break;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Batch, ::testing::Range(0, op_count), [](const ::testing::TestParamInfo<int>& row) {
  return std::string(name(static_cast<Op>(row.param)));
});

}  // namespace
}  // namespace tenon::testing
