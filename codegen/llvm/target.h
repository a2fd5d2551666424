// LLVM's view of a CPU target: a machine description per thread, because LLVM's is not thread-safe and costs 0.1 ms to make.
#pragma once

#include <llvm/Target/TargetMachine.h>

#include "tenon/ir/base/target.h"

namespace tenon::codegen {

enum class Machine : uint8_t { x86_64, aarch64 };
Machine machine_of(const CpuTarget& target);  // by its triple; InternalError for another one

// Lives as long as the thread; `level` is LLVM's effort.
llvm::TargetMachine& target_machine(const CpuTarget& target, llvm::CodeGenOptLevel level);

}  // namespace tenon::codegen
