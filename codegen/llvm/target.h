// LLVM's view of a CPU target: a machine description per thread, because LLVM's is not thread-safe and costs 0.1 ms to make.
#pragma once

#include <llvm/Target/TargetMachine.h>

#include "tenon/ir/base/target.h"

namespace tenon::codegen {

// Lives as long as the thread; `level` is LLVM's effort.
llvm::TargetMachine& target_machine(const CpuTarget& target, llvm::CodeGenOptLevel level);
void forget_target_machines();  // this thread's, without destroying them: LLVM was interrupted while it used one

}  // namespace tenon::codegen
