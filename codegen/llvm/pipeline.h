// Modules to relocatable objects, straight through LLVM's code generator. Refuses to optimise the module first.
#pragma once

#include <string>

namespace llvm {
class Module;
class TargetMachine;
}  // namespace llvm

namespace tenon::codegen {

// `machine` is what target_machine(...) gave this thread, and what `module` was made for.
std::string emit_object(llvm::Module& module, llvm::TargetMachine& machine);
void forget_pipelines();  // this thread's, without destroying them: LLVM was interrupted while it used one

}  // namespace tenon::codegen
