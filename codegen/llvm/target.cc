// What code is generated for, in LLVM's words: the processor at hand, and machines as LLVM describes them.
#include "tenon/codegen/llvm/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/IR/Function.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/scalar.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

Processor emitter::host_processor() {
  Processor p{llvm::sys::getHostCPUName().str(), {}};
  std::vector<std::string> features;
  for (const auto& f : llvm::sys::getHostCPUFeatures()) features.push_back((f.second ? "+" : "-") + f.first().str());
  std::sort(features.begin(), features.end());
  for (const std::string& f : features) p.features += (p.features.empty() ? "" : ",") + f;
  return p;
}

Machine machine_of(const CpuTarget& target) {
  if (target.triple.starts_with("x86_64-")) return Machine::x86_64;
  if (target.triple.starts_with("aarch64-")) return Machine::aarch64;
  throw InternalError("no code is generated for " + target.triple);
}

bool has_masks(const CpuTarget& target) { return machine_of(target) == Machine::x86_64 && target.level >= 4; }

std::unique_ptr<llvm::TargetMachine> make_target_machine(const CpuTarget& target, llvm::CodeGenOptLevel level) {
  std::string problem;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple triple(target.triple);
#else
  const std::string triple = target.triple;
#endif
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!found) throw InternalError("no code generator for " + target.triple + ": " + problem);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // an fma only where the kernel says fma
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  if (!machine) throw InternalError("cannot make a code generator for " + target.cpu);
  return machine;
}

const void* emitter::address() { return reinterpret_cast<const void*>(&LLVMInitializeX86Target); }

void set_attributes(llvm::Function& function, const CpuTarget& target) {
  function.addFnAttr(llvm::Attribute::NoUnwind);
  const std::string width = std::to_string(8 * target.vector_bytes);
  function.addFnAttr("prefer-vector-width", width);
  function.addFnAttr("min-legal-vector-width", width);
  if (has_masks(target)) function.addFnAttr(has_masks_attribute);
}

}  // namespace tenon::codegen
