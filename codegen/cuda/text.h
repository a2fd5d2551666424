// How CUDA C++ spells the leaves of a kernel: literals, identities of reductions, names. Refuses to know loops.
#pragma once

#include <string>

#include "tenon/ir/kernel/kernel.h"

namespace tenon::codegen {

std::string cuda_literal(DType type, uint64_t bits);
std::string cuda_identity(ir::Op combine, DType type);  // of a reduction; the identity of a sum is -0
std::string cuda_name(const std::string& name);         // letters, digits and underscores only

}  // namespace tenon::codegen
