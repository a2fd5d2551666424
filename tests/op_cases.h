// Programs of one op each, with inputs, made from the op table: what every route must agree on. An elementwise row needs
// nothing but its row; each other row has an entry in op_cases.cc, whose absence fails a test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenon/tests/arrays.h"

namespace tenon::testing {

struct Case {
  std::string name;  // exp f32, special values
  std::shared_ptr<const ir::Graph> graph;
  std::vector<ir::Array> inputs;
  NaNs nans = NaNs::one_value;
};

std::vector<Case> op_cases(ir::Op op, DType dtype);
bool has_cases(ir::Op op);

}  // namespace tenon::testing
