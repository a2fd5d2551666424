// Every row of the op table over every dtype that it takes: all routes give the interpreter's bits. Generated from the table;
// a new elementwise row is covered by being a row.
#include <gtest/gtest.h>

#include "tenon/tests/op_cases.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {
namespace {

using namespace ir;

class Ops : public ::testing::TestWithParam<int> {};

TEST_P(Ops, AllRoutesAgree) {
  const OpDef& row = def(static_cast<Op>(GetParam()));
  if (row.op == Op::custom_call) GTEST_SKIP() << "a host function has no meaning to compare with";
  ASSERT_TRUE(has_cases(row.op)) << "other_cases() in tests/control_cases.cc has no entry for " << row.name;
  int runs = 0, failures = 0;
  for (int t = 0; t < dtype_count; ++t) {
    if (!contains(row.dtypes, static_cast<DType>(t))) continue;
    for (const Case& one : op_cases(row.op, static_cast<DType>(t))) {
      const std::vector<Array> expected = interpret(*one.graph, one.inputs);
      for (const Route& route : routes()) {
        ++runs;
        const auto wrong = disagreement(route, *one.graph, one.inputs, expected, one.nans);
        if (wrong) ADD_FAILURE() << one.name << ", " << *wrong << "\n" << one.graph->text().substr(0, 2000);
        failures += wrong.has_value();
        if (failures > 5) return;
      }
    }
  }
  EXPECT_GT(runs, 0);
}

INSTANTIATE_TEST_SUITE_P(Table, Ops, ::testing::Range(0, op_count), [](const ::testing::TestParamInfo<int>& row) {
  return std::string(name(static_cast<Op>(row.param)));
});

}  // namespace
}  // namespace tenon::testing
