// Processors that programs are compiled for, by name, and what their code needs of the processor that runs it: the bits of
// tenon_cpu_features(), checked before the first call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/ir/base/target.h"

namespace tenon::runtime {

// The target of programs for a GPU of this architecture, by name: "sm_90" for 90. Error for one that is too old.
std::string cuda_target_name(int sm);
// "x86-64-v3", "znver4", "sm_90", "aarch64-linux-gnu" ...; "native" is the machine at hand. Error for another name, which lists all.
Target named_target(const std::string& name);
std::vector<std::string> target_names();

uint64_t needed_features(const Target& target);  // 0 for a target of another kind
// The names of such bits, as a C expression: TENON_CPU_X86_64_V3 | TENON_CPU_GFNI.
std::string feature_expression(uint64_t features);

}  // namespace tenon::runtime
