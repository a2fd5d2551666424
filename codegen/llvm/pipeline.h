// Modules to relocatable objects, straight through LLVM's code generator, as long as LLVM lives: its own objects are destroyed
// when the process ends. Refuses to optimise the module first.
#pragma once

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <functional>
#include <memory>
#include <string>

#include "tenon/ir/base/target.h"

namespace tenon::codegen {

// Makes LLVM ready, if it is not; whatever uses LLVM calls it first, in a section that lasts until it is done
// (ir/base/undisturbed.h) and that began before LLVM's end (codegen/compiler.h).
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

// An empty module for what `machine` generates.
std::unique_ptr<llvm::Module> new_module(const std::string& name, llvm::LLVMContext& context,
                                         llvm::TargetMachine& machine);
// What each is given at its end; where assertions are on it is verified.
void finish_module(llvm::Module& module, const CpuTarget& target);

// What a thread works on with LLVM.
struct Work {
  Work(const CpuTarget& target, llvm::CodeGenOptLevel level) : generator(target, level) {}
  Generator generator;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
};

// Does `work`. Where LLVM fails meanwhile (codegen/llvm/interrupt.h), what it worked on is left behind: neither destroyed nor
// lent again.
std::string with_llvm(const CpuTarget& target, llvm::CodeGenOptLevel level,
                      const std::function<std::string(Work&)>& work);

}  // namespace tenon::codegen
