// What code is generated for: the processor at hand, the portable floor x86-64-v3, or another machine by LLVM's names. Refuses
// processors below the floor.
#include "tenon/codegen/llvm/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/IR/Function.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <unistd.h>

#include <fstream>
#include <locale>
#include <memory>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

// What the kernel says of one core's data cache of a level. sysconf multiplies the last level on some processors.
int64_t cache_bytes(int level, int64_t otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    std::ifstream level_file(folder + "level"), type_file(folder + "type"), size_file(folder + "size");
    for (std::ifstream* file : {&level_file, &type_file, &size_file}) file->imbue(std::locale::classic());
    int found = 0;
    int64_t size = 0;
    std::string type, unit;
    if (!(level_file >> found) || !(type_file >> type) || !(size_file >> size)) continue;
    if (found != level || type == "Instruction" || size <= 0) continue;
    size_file >> unit;
    return size * (unit == "K" ? 1 << 10 : unit == "M" ? 1 << 20 : 1);
  }
  return otherwise;
}

constexpr int64_t most_share = 8 << 20;  // bytes of the last level that one core can count on, at most

Target find_host() {
  Target target = Target::portable();
  CpuTarget& t = target.cpu();
  t.cpu = llvm::sys::getHostCPUName().str();
  const auto features = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> names;
  for (const auto& f : features) names.push_back((f.second ? "+" : "-") + f.first().str());
  std::sort(names.begin(), names.end());
  for (const std::string& n : names) t.features += (t.features.empty() ? "" : ",") + n;
  const auto has = [&](const char* name) { return features.lookup(name); };
  for (const char* name : {"avx2", "fma", "f16c", "bmi2", "movbe", "lzcnt"})
    if (!has(name))
      throw Error("this processor lacks " + std::string(name) + ": Tenon needs x86-64-v3 (2013 and later)");
  if (has("avx512f") && has("avx512bw") && has("avx512cd") && has("avx512dq") && has("avx512vl")) {
    t.level = 4;
    t.vector_bytes = 64;
    t.vector_registers = 32;
  }
  t.l1_bytes = cache_bytes(1, t.l1_bytes);
  t.l2_bytes = cache_bytes(2, t.l2_bytes);
  t.l3_bytes = cache_bytes(3, t.l3_bytes);
  target.cores = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  // A virtual machine sees the last level of the whole processor, of which its few cores have but a share.
  target.tiles.nontemporal_bytes = std::min(t.l3_bytes / 2, target.cores * most_share);
  return target;
}

}  // namespace

Target host_target() {
  static constinit Forever<const Target> host;
  return host.get([] { return new Target(find_host()); });
}

Machine machine_of(const CpuTarget& target) {
  if (target.triple.starts_with("x86_64-")) return Machine::x86_64;
  if (target.triple.starts_with("aarch64-")) return Machine::aarch64;
  throw InternalError("no code is generated for " + target.triple);
}

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

const void* compiler_address() { return reinterpret_cast<const void*>(&LLVMInitializeX86Target); }

void set_attributes(llvm::Function& function, const CpuTarget& target) {
  function.addFnAttr(llvm::Attribute::NoUnwind);
  const std::string width = std::to_string(8 * target.vector_bytes);
  function.addFnAttr("prefer-vector-width", width);
  function.addFnAttr("min-legal-vector-width", width);
}

}  // namespace tenon::codegen
