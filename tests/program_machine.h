// Runs programs step by step on arrays, kernels through the kernel machine: checks lowering and buffer plans without any
// code generation. Arena buffers live at the bytes that the plan gave them. Refuses speed.
#pragma once

#include <vector>

#include "tenon/ir/kernel/program.h"
#include "tenon/ir/reference/array.h"

namespace tenon::testing {

// dims: values of the free symbols. Throws InternalError where a kernel leaves its buffers.
std::vector<ir::Array> run_program(const ir::Program& program, const std::vector<ir::Array>& inputs,
                                   const std::vector<int64_t>& dims = {});

// A type with its symbols replaced by their values.
ir::Type bind(const ir::Type& type, const std::vector<int64_t>& symbols);

}  // namespace tenon::testing
