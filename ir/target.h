// What code generation must know of a machine. A plain value: no query, no global. Extend it, never hard-code it.
#pragma once

#include <cstdint>
#include <string>

namespace tenon {

enum class TargetKind : uint8_t { cpu, cuda };

struct Target {
  TargetKind kind = TargetKind::cpu;
  std::string triple = "x86_64-unknown-linux-gnu";
  std::string cpu = "x86-64-v3";      // LLVM's processor name
  std::string features;               // LLVM's feature string, empty for the processor's own
  int level = 3;                      // x86-64 micro-architecture level, checked before the first call
  int lanes = 16;                     // logical vector width in elements, the same for every dtype and machine
  int vector_bytes = 32;              // width of a machine register
  int vector_registers = 16;
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20, l3_bytes = 32 << 20;
  int cores = 1;
  int sm = 90;                        // CUDA architecture
  bool operator==(const Target&) const = default;
};

}  // namespace tenon
