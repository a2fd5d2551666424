// What code is generated for: the processor at hand, or the portable floor x86-64-v3. Refuses processors below the floor.
#include "tenon/codegen/llvm_target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

namespace {

int64_t cache_bytes(int name, int64_t otherwise) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

Target find_host() {
  Target t;
  t.cpu = llvm::sys::getHostCPUName().str();
  const auto features = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> names;
  for (const auto& f : features) names.push_back((f.second ? "+" : "-") + f.first().str());
  std::sort(names.begin(), names.end());
  for (const std::string& n : names) t.features += (t.features.empty() ? "" : ",") + n;
  const auto has = [&](const char* name) { return features.lookup(name); };
  for (const char* name : {"avx2", "fma", "f16c", "bmi2", "movbe", "lzcnt"})
    if (!has(name)) throw Error("this processor lacks " + std::string(name) + ": Tenon needs x86-64-v3 (2013 and later)");
  if (has("avx512f") && has("avx512bw") && has("avx512cd") && has("avx512dq") && has("avx512vl")) {
    t.level = 4;
    t.vector_bytes = 64;
    t.vector_registers = 32;
  }
  t.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, t.l1_bytes);
  t.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, t.l2_bytes);
  t.l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE, t.l3_bytes);
  t.cores = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  return t;
}

}  // namespace

Target host_target() {
  static const Target host = find_host();
  return host;
}

Target portable_target() { return Target{}; }

llvm::TargetMachine& target_machine(const Target& target, llvm::CodeGenOptLevel level) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  struct Entry {
    Target target;
    llvm::CodeGenOptLevel level;
    std::unique_ptr<llvm::TargetMachine> machine;
  };
  thread_local std::vector<Entry> machines;
  for (const Entry& e : machines)
    if (e.level == level && e.target == target) return *e.machine;

  std::string problem;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple triple(target.triple);
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, problem);
#else
  const std::string triple = target.triple;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, problem);
#endif
  if (!found) throw InternalError("no code generator for " + target.triple + ": " + problem);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // an fma only where the kernel says fma
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  if (!machine) throw InternalError("cannot make a code generator for " + target.cpu);
  machines.push_back({target, level, std::move(machine)});
  return *machines.back().machine;
}

}  // namespace tenon::codegen
