// The table of named targets. A row enables only instruction sets that can be asked for at run time (runtime/c/cpu.c); the
// processor's own name only says what is fast there. Refuses to enable what the check before the first call does not know.
#include "tenon/runtime/targets.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/device.h"
#include "tenon/runtime/tenon_runtime.h"

namespace tenon::runtime {
namespace {

// LLVM's features beyond the levels that code is generated for where the processor has them, and their bits.
struct Feature {
  const char* llvm;
  uint64_t bit;
  const char* name;
};
constexpr Feature x86_features[] = {
    {"avx512vbmi", TENON_CPU_AVX512_VBMI, "TENON_CPU_AVX512_VBMI"},
    {"avx512vbmi2", TENON_CPU_AVX512_VBMI2, "TENON_CPU_AVX512_VBMI2"},
    {"avx512bitalg", TENON_CPU_AVX512_BITALG, "TENON_CPU_AVX512_BITALG"},
    {"avx512vpopcntdq", TENON_CPU_AVX512_VPOPCNTDQ, "TENON_CPU_AVX512_VPOPCNTDQ"},
    {"gfni", TENON_CPU_GFNI, "TENON_CPU_GFNI"},
};
constexpr Feature floors[] = {
    {"", TENON_CPU_X86_64_V3, "TENON_CPU_X86_64_V3"},
    {"", TENON_CPU_X86_64_V4, "TENON_CPU_X86_64_V4"},
    {"", TENON_CPU_AARCH64, "TENON_CPU_AARCH64"},
};

struct Row {
  const char* name;
  int level;  // of x86-64; 0: AArch64
  bool extended;  // has all of x86_features
  const char* tune;
  int64_t l1_kib, l2_kib, l3_mib;
};
constexpr Row table[] = {
    {"x86-64-v3", 3, false, "", 32, 1024, 32},
    {"x86-64-v4", 4, false, "", 32, 1024, 32},
    {"haswell", 3, false, "haswell", 32, 256, 16},
    {"skylake-avx512", 4, false, "skylake-avx512", 32, 1024, 24},
    {"icelake-server", 4, true, "icelake-server", 48, 1280, 36},
    {"sapphirerapids", 4, true, "sapphirerapids", 48, 2048, 60},
    {"znver3", 3, false, "znver3", 32, 512, 32},
    {"znver4", 4, true, "znver4", 32, 1024, 32},
    {"znver5", 4, true, "znver5", 48, 1024, 32},
    {"aarch64-linux-gnu", 0, false, "", 32, 512, 8},
    {"cortex-a72", 0, false, "cortex-a72", 32, 512, 1},
    {"cortex-a76", 0, false, "cortex-a76", 64, 512, 2},
    {"neoverse-n1", 0, false, "neoverse-n1", 64, 1024, 32},
    {"neoverse-v1", 0, false, "neoverse-v1", 64, 1024, 32},
    {"neoverse-v2", 0, false, "neoverse-v2", 64, 2048, 64},
};

void set_level(CpuTarget& cpu, int level) {
  cpu.level = level;
  if (level == 0) {
    cpu.triple = "aarch64-unknown-linux-gnu";
    cpu.cpu = "generic";
    cpu.vector_bytes = 16;
    cpu.vector_registers = 32;
  } else {
    cpu.cpu = "x86-64-v" + std::to_string(level);
    cpu.vector_bytes = level >= 4 ? 64 : 32;
    cpu.vector_registers = level >= 4 ? 32 : 16;
  }
}

bool has(const std::string& features, const char* name) {
  return ("," + features + ",").find(",+" + std::string(name) + ",") != std::string::npos;
}

template <class Keep>
std::string features_that(Keep keep) {
  std::string kept;
  for (const Feature& f : x86_features)
    if (keep(f)) kept += std::string(kept.empty() ? "+" : ",+") + f.llvm;
  return kept;
}

// The machine at hand, less what the check does not know.
Target native() {
  const Device& host = device_of(TargetKind::cpu);
  Target target = host.target(host);
  CpuTarget& cpu = target.cpu();
  cpu.tune = cpu.cpu;
  cpu.features = features_that([&](const Feature& f) { return cpu.level >= 4 && has(cpu.features, f.llvm); });
  set_level(cpu, cpu.level);
  return target;
}

}  // namespace

std::vector<std::string> target_names() {
  std::vector<std::string> names{"native"};
  for (const Row& row : table) names.emplace_back(row.name);
  return names;
}

std::string cuda_target_name(int sm) {
  constexpr int oldest = 75, newest = 999;
  if (sm < oldest || sm > newest)
    throw Error("cuda_target: sm_" + std::to_string(sm) +
                " is no architecture that serves; 80 is Ampere, 90 Hopper, 100 " + "Blackwell, and " +
                std::to_string(oldest) + " the oldest");
  return "sm_" + std::to_string(sm);
}

Target named_target(const std::string& name) {
  if (name == "native") return native();
  if (name.starts_with("sm_")) {
    int sm = 0;
    const auto [end, fault] = std::from_chars(name.data() + 3, name.data() + name.size(), sm);
    if (fault == std::errc() && end == name.data() + name.size() && cuda_target_name(sm) == name)
      return Target::cuda_sm(sm);
  }
  const auto* row = std::find_if(std::begin(table), std::end(table), [&](const Row& r) { return name == r.name; });
  if (row == std::end(table)) {
    std::string known;
    for (const std::string& n : target_names()) known += (known.empty() ? "" : ", ") + n;
    throw Error("there is no target '" + name.substr(0, 100) + "'; there are: " + known +
                ", and sm_80, sm_90 ... of GPUs");
  }
  Target target;
  CpuTarget& cpu = target.cpu();
  set_level(cpu, row->level);
  if (row->extended) cpu.features = features_that([](const Feature&) { return true; });
  cpu.tune = row->tune;
  cpu.l1_bytes = row->l1_kib << 10;
  cpu.l2_bytes = row->l2_kib << 10;
  cpu.l3_bytes = row->l3_mib << 20;
  target.tiles.nontemporal_bytes = cpu.l3_bytes / 2;
  return target;
}

uint64_t needed_features(const Target& target) {
  if (target.kind() != TargetKind::cpu) return 0;
  const CpuTarget& cpu = target.cpu();
  if (cpu.level == 0) return TENON_CPU_AARCH64;
  uint64_t needed = cpu.level >= 4 ? TENON_CPU_X86_64_V4 : TENON_CPU_X86_64_V3;
  for (const Feature& f : x86_features)
    if (has(cpu.features, f.llvm)) needed |= f.bit;
  return needed;
}

std::string feature_expression(uint64_t features) {
  std::string text;
  const auto add = [&](const Feature& f) {
    if ((features & f.bit) != 0) text += (text.empty() ? "" : " | ") + std::string(f.name);
  };
  for (const Feature& f : floors) add(f);
  for (const Feature& f : x86_features) add(f);
  return text.empty() ? "0" : text;
}

}  // namespace tenon::runtime
