// What the interpreter does part by part: an op on complex operands that means the same op on their real and on their imaginary parts.
// Shares nothing with passes/planes.cc, which makes two values of each in a graph.
#pragma once

#include <vector>

#include "tenon/ir/op.h"
#include "tenon/ir/reference/array.h"

namespace tenon::ir {

// Whether an op with these operands and results is run on parts: it computes with elements, and some of them are complex.
bool runs_on_parts(const EvalArgs& args);
// Runs it with `real`, which takes real operands only.
std::vector<Array> on_parts(const EvalArgs& args, std::vector<Array> (*real)(const EvalArgs&));

}  // namespace tenon::ir
