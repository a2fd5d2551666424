// A program's entry point and the functions beside it, written into LLVM modules.
#pragma once

#include <string>

#include <llvm/IR/Module.h>

#include "tenon/codegen/codegen.h"

namespace tenon::codegen {

// The symbol of kernel number k, hidden, unique among programs by the entry's name.
std::string kernel_symbol(const std::string& entry, size_t k);
// Defines `int32_t NAME(const tenon_call*)` and `int64_t NAME_arena_bytes(const int64_t*)`; kernels are declared where the
// module does not define them.
void emit_entry(llvm::Module& module, const ir::Program& program, const Target& target, const Options& options);

}  // namespace tenon::codegen
