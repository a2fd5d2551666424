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
inline constexpr uint32_t numerics_version = 3;

struct KernelRecord {
  std::string name, kind;
  std::vector<uint32_t> nodes;  // of the optimised graph, those of loops' bodies too (ir/graph/levels.h)
  Dim bytes_read, bytes_written, flops;  // numbers, or symbols of the manifest
};

// What may fail while a program runs: number k of the list, from 1 on, is what its entry gives.
struct CheckRecord {
  uint32_t node = 0;  // as a kernel's nodes are numbered
  std::string custom_call;  // the name of the function; empty: a check of the program's own
  std::string message, place;  // of that; place is file:line:column, or empty
};

struct Manifest {
  std::string entry;
  TargetKind kind = TargetKind::cpu;  // of the device that runs it
  uint64_t needs = 0;  // bits of tenon_cpu_features() that the code needs
  std::vector<ir::Type> inputs, outputs;  // symbolic extents refer to `symbols`
  std::vector<Symbol> symbols;
  int64_t arena_bytes = 0;  // of a static program; otherwise ask NAME_arena_bytes
  bool is_static = true;
  std::vector<std::pair<uint32_t, uint32_t>> aliases;  // (input, output) pairs that may share memory
  std::vector<KernelRecord> kernels;
  std::vector<ir::FusionNote> not_fused;
  std::vector<CheckRecord> checks;
  std::vector<ir::RanksNote> ranks_notes;
  uint64_t ranks = 0;  // a world of so many at least, for its groups; 0 of a program that asks no other ranks
};

struct Artifact {
  Manifest manifest;
  std::vector<std::string> objects;
  std::string bytes() const;  // self-contained, versioned
  std::string bundle(int sm) const;  // of a program for GPUs of this architecture: modules and list as one piece
  std::string archive() const;  // the objects as a static library
  void put_constants(
      const std::vector<std::string>& pieces);  // into the one object, or behind the list: CompileOptions::stored
  static std::optional<Artifact> from_bytes(std::string_view);  // bounded; nullopt on anything unexpected
};

// An object for this machine's processors that holds bytes: `name`, and their number, the u64 `name`_bytes.
std::string data_object(const std::string& name, const std::string& data);
// inputs and outputs: the types of the graph, whose complex numbers the program knows as what they are in memory.
Manifest manifest_of(const ir::Graph& graph, const ir::Program& program, const std::string& entry,
                     const Target& target);

}  // namespace tenon::runtime
