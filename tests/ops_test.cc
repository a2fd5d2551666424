// Every row of the op table over every dtype that it takes: all routes give the interpreter's bits. Generated from the table;
// a new elementwise row is covered by being a row.
#include <gtest/gtest.h>

#include "tenon/runtime/compile.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/shared_object.h"
#include "tenon/tests/thorough.h"

namespace tenon::testing {
namespace {

using namespace ir;

// One of each kind: what stays apart is decided without looking at widths.
bool is_tried_op_by_op(DType t) {
  return t == DType::f32 || t == DType::bf16 || t == DType::i64 || t == DType::u8 || t == DType::boolean ||
         t == DType::c64;
}

class Ops : public ::testing::TestWithParam<int> {};

TEST_P(Ops, AllRoutesAgree) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  if (row.op == Op::custom_call) GTEST_SKIP() << "a host function has no meaning to compare with";
  if (row.family == Family::transform && !row.inlined) GTEST_SKIP() << "replaced by transforms, or refused";
  ASSERT_TRUE(has_cases(row.op)) << "other_cases() in tests/control_cases.cc has no entry for " << row.name;
  int runs = 0, failures = 0;
  for (int t = 0; t < dtype_count; ++t) {
    if (!contains(row.dtypes, static_cast<DType>(t))) continue;
    const std::vector<Case> cases = op_cases(row.op, static_cast<DType>(t));
    for (const Route& route : routes()) {
      const std::string_view way = route.name;
      if (way == "saved") continue;  // the test below goes further
      if (way == "op by op" && row.family == Family::elementwise) continue;  // one op is one kernel either way
      if (way == "op by op" && !thorough() && !is_tried_op_by_op(static_cast<DType>(t))) continue;
      const Graph* prepared = nullptr;
      Runnable run;
      for (const Case& one : cases) {
        std::optional<std::string> wrong;
        try {
          if (prepared != one.graph.get()) run = route.prepare(one.graph);  // neighbours share a program
          prepared = one.graph.get();
          wrong = disagreement(run, one.inputs, interpret(*one.graph, one.inputs), one.nans);
        } catch (const std::exception& e) {
          wrong = e.what();
        }
        ++runs;
        if (!wrong) continue;
        ADD_FAILURE() << one.name << ", " << route.name << ": " << *wrong << "\n" << one.graph->text().substr(0, 2000);
        if (++failures > 5) return;
      }
    }
  }
  EXPECT_GT(runs, 0);
}

// The programs of fixed extents, saved and linked by the system's compiler into one library a row.
TEST_P(Ops, AheadOfTimeAgrees) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  if (row.op == Op::custom_call) GTEST_SKIP() << "a host function has no meaning to compare with";
  if (row.family == Family::transform && !row.inlined) GTEST_SKIP() << "replaced by transforms, or refused";
  std::vector<Case> cases;
  std::vector<runtime::Artifact> programs;
  for (int t = 0; t < dtype_count; ++t) {
    if (!contains(row.dtypes, static_cast<DType>(t))) continue;
    std::vector<Case> of_dtype = op_cases(row.op, static_cast<DType>(t));
    if (of_dtype.empty()) continue;
    runtime::CompileOptions options;
    options.target = Target::portable();
    options.entry = "case_" + std::string(name(static_cast<DType>(t)));
    programs.push_back(runtime::compile_artifact(*of_dtype[0].graph, options));
    cases.push_back(std::move(of_dtype[0]));
  }
  const SharedObject library(programs);
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto run = [&](std::span<const Array> inputs) { return library.run(programs[i].manifest, inputs); };
    const auto wrong = disagreement(run, cases[i].inputs, interpret(*cases[i].graph, cases[i].inputs), cases[i].nans);
    EXPECT_FALSE(wrong) << cases[i].name << ", ahead of time: " << *wrong;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, Ops, ::testing::Range(0, op_count), [](const ::testing::TestParamInfo<int>& row) {
  return std::string(name(static_cast<Op>(row.param)));
});

}  // namespace
}  // namespace tenon::testing
