// LLVM's view of a CPU target: a machine description, good for one thread at a time.
#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "tenon/ir/base/target.h"

namespace tenon::codegen {

enum class Machine : uint8_t { x86_64, aarch64 };
Machine machine_of(const CpuTarget& target);  // by its triple; InternalError for another one
bool has_masks(const CpuTarget& target);  // lanes of conditions are registers of their own: AVX-512

// `level` is LLVM's effort. LLVM has been started (codegen/llvm/pipeline.h, start_llvm).
std::unique_ptr<llvm::TargetMachine> make_target_machine(const CpuTarget& target, llvm::CodeGenOptLevel level);

void set_attributes(llvm::Function& function, const CpuTarget& target);  // that each one of a kernel has

}  // namespace tenon::codegen
