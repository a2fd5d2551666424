// What compilation produces and every route shares: relocatable objects with one entry point, and a manifest. jit links
// it in memory, the disk cache stores its bytes, ahead-of-time compilation writes the objects beside a C header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/program.h"

namespace tenon::runtime {

// Raised whenever a polynomial, a reduction tree or the formula of a composed function changes: part of every key.
inline constexpr uint32_t numerics_version = 2;

struct KernelRecord {
  std::string name, kind;
  std::vector<uint32_t> nodes;  // numbers of graph nodes it computes
  Dim bytes_read, bytes_written, flops;  // numbers, or symbols of the manifest
};

struct Manifest {
  std::string entry;
  TargetKind kind = TargetKind::cpu;  // of the device that runs it
  int32_t level = 3;  // x86-64 level that the code needs; 0 where no such processor runs it
  std::vector<ir::Type> inputs, outputs;  // symbolic extents refer to `symbols`
  std::vector<Symbol> symbols;
  int64_t arena_bytes = 0;  // of a static program; otherwise ask NAME_arena_bytes
  bool is_static = true;
  std::vector<std::pair<uint32_t, uint32_t>> aliases;  // (input, output) pairs that may share memory
  std::vector<KernelRecord> kernels;
  std::vector<ir::FusionNote> not_fused;
};

struct Artifact {
  Manifest manifest;
  std::vector<std::string> objects;
  std::string bytes() const;  // self-contained, versioned
  std::string archive() const;  // the objects as a static library
  static std::optional<Artifact> from_bytes(std::string_view);  // bounded; nullopt on anything unexpected
};

Manifest manifest_of(const ir::Program& program, const std::string& entry, const Target& target);

}  // namespace tenon::runtime
