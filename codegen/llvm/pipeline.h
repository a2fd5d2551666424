// Modules to relocatable objects, straight through LLVM's code generator, as long as LLVM lives: its own objects are destroyed
// when the process ends. Refuses to optimise the module first.
#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>

#include "tenon/ir/base/target.h"

namespace llvm {
class Module;
}  // namespace llvm

namespace tenon::codegen {

// Makes LLVM ready, if it is not; whatever uses LLVM calls it first, in a section that lasts until it is done
// (ir/base/undisturbed.h). InternalError when LLVM is gone (codegen.h, has_ended).
void start_llvm();

struct Pipeline;

// A code generator of LLVM's, on loan to one thread: an idle one, or one that is made now.
class Generator {
 public:
  Generator(const CpuTarget& target, llvm::CodeGenOptLevel level);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;
  llvm::TargetMachine& machine() const;  // what modules are made for
  std::string emit(llvm::Module& module);

 private:
  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace tenon::codegen
