// What compilation must know of a machine: what is asked of any target, and one struct for each kind of machine. A plain value:
// no query, no global, and `Target{}` is `Target::portable()`, nothing else. Passes read Target and its tiles; only the code
// generator of a kind looks into the struct of that kind.
//
// Nothing here can change a bit of a result. Numbers that could belong to the contract on numbers and stand with it: the trees
// of reductions (ir/kernel/kernel.h), segments of contractions and blocks of scans (ir/rules/reduction.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

namespace tenon {

enum class TargetKind : uint8_t { cpu, cuda };  // in the order of Target::machine
const char* name(TargetKind kind);

// How work is cut into pieces, and how much is kept close.
struct Tiles {
  int64_t map_block = 4096;  // elements of the innermost run that one iteration handles at most; 0: all
  int64_t column_block = 64;  // columns that one iteration owns; 0: all
  int64_t work_per_chunk = 65536;  // scalar operations that are worth handing to another worker
  int64_t row_scratch_bytes = 64 << 10;  // per value of a row; what stays in the memory next to a core
  int64_t row_run =
      64 * 512;  // elements of a row that one partial result covers: a power of two of the row tree's blocks
  int64_t column_parts = 32;  // partial results per column, about
  int64_t scan_tensor = 16;  // numbers per tensor of a loop that runs in registers
  int64_t scan_carried = 64;  // numbers that such a loop carries in all
  int64_t nontemporal_bytes = 16 << 20;  // outputs above it bypass the caches: half of the last level
  bool operator==(const Tiles&) const = default;
};

// The sizes at which fusion decides one way or the other: they change which kernels there are, never what they compute. Costs are
// in scalar operations per element.
struct FusionLimits {
  int kernel_ops = 1000;  // that one kernel may hold: compile time outgrows length, and registers run out
  int free = 6;  // up to here a value is computed again wherever it is read: a load would cost as much
  int cheap = 4;  // up to here it may be computed a few times rather than stored once: a store and a load cost as much
  int dear = 8;  // from here on it is kept on chip rather than computed once per pass over a row
  int number = 24;  // up to here every thread may repeat what a single number takes: a launch costs more
  int view_depth = 8;  // movement ops that one read may pass: bounds recursion while lowering
  uint32_t reads = 32;  // reads of one value that are looked at: keeps both sweeps linear in the graph
  uint32_t beside = 32;  // small maps that one kernel computes side by side, where there are many
  uint32_t parts = 4;  // a concatenation of more is copied together: elsewhere every element asks every part

  // A reduction is split into partial results when its results alone would leave threads without work, and every thread
  // gets more than its launch costs.
  int64_t few_rows = 8, long_rows = 65536;  // results at most, elements in all at least, over trailing axes
  int64_t few_columns = 256, long_column = 4096;  // results at most, elements of each at least, over leading axes
  bool operator==(const FusionLimits&) const = default;
};

// Blocks of a contraction on a CPU (codegen/llvm/contract/plan.cc).
struct ContractTiles {
  int64_t rows = 6,
          vectors = 4;  // of accumulators, at most: 6 x 64 beats squarer tiles: few lines of C, long runs of B
  int64_t depth = 1024;  // of a packed block, at most; divides the segment
  int64_t padding = 16;  // elements, so that rows do not share cache sets
  int64_t small_work = 32 * 1024;  // multiply-adds below which packing costs more than it saves
  int64_t claim = 1 << 17;  // multiply-adds that one thread takes at least: about 2 us
  int64_t unknown_workers = 8;  // of objects that do not know how many cores they will run on
  bool operator==(const ContractTiles&) const = default;
};

struct CpuTarget {
  std::string triple = "x86_64-unknown-linux-gnu";
  std::string cpu = "x86-64-v3";  // LLVM's processor name
  std::string features;  // LLVM's feature string, on top of the processor's own
  std::string tune;  // LLVM's name of the processor whose timing counts, empty for `cpu`
  int level = 3;  // x86-64 micro-architecture level, checked before the first call; 0 of another architecture
  int vector_bytes = 32;  // width of a machine register
  int vector_registers = 16;
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20, l3_bytes = 32 << 20;
  ContractTiles contract;
  bool operator==(const CpuTarget&) const = default;
};

struct CudaTarget {
  int sm = 90;  // architecture
  int warp = 32;
  int block_threads = 256;
  int64_t shared_bytes = 227 << 10;  // that one block may have
  int registers = 64 << 10;  // of one multiprocessor
  bool tensor_cores = true;  // contractions of halves may use them: not bit for bit the chain (docs/numbers.md)
  bool operator==(const CudaTarget&) const = default;
};

struct Target {
  int lanes = 16;  // logical vector width in elements: of the contract on numbers, the same for every dtype and machine
  int cores = 1;  // that work is dealt to; 1 where it is not known
  Tiles tiles;
  FusionLimits fusion;
  std::variant<CpuTarget, CudaTarget> machine;

  static Target portable() { return {}; }  // the floor of saved objects: x86-64-v3
  static Target cuda_sm(int sm);
  TargetKind kind() const { return static_cast<TargetKind>(machine.index()); }
  const CpuTarget& cpu() const;  // InternalError for another kind
  const CudaTarget& cuda() const;
  CpuTarget& cpu();
  bool operator==(const Target&) const = default;
};

// Every field by its name: what caches know a target by. Two targets with one text are equal.
std::string to_string(const Target& target);

// Calls f(name, field) for every field, those of members that are structs in turn. The bindings count them, so that a field
// which is added and not listed does not compile.
template <class T, class Of>
concept Fields = std::same_as<std::remove_const_t<T>, Of>;

template <Fields<Tiles> T, class F>
void for_each_field(T& tiles, F&& f) {
  auto& [map_block, column_block, work_per_chunk, row_scratch, row_run, column_parts, tensor, carried, bypass] = tiles;
  f("map_block", map_block);
  f("column_block", column_block);
  f("work_per_chunk", work_per_chunk);
  f("row_scratch_bytes", row_scratch);
  f("row_run", row_run);
  f("column_parts", column_parts);
  f("scan_tensor", tensor);
  f("scan_carried", carried);
  f("nontemporal_bytes", bypass);
}
template <Fields<FusionLimits> T, class F>
void for_each_field(T& limits, F&& f) {
  auto& [kernel_ops, free, cheap, dear, number, depth, reads, beside, parts, few_rows, long_rows, few_columns,
         long_column] = limits;
  f("kernel_ops", kernel_ops);
  f("free", free);
  f("cheap", cheap);
  f("dear", dear);
  f("number", number);
  f("view_depth", depth);
  f("reads", reads);
  f("beside", beside);
  f("parts", parts);
  f("few_rows", few_rows);
  f("long_rows", long_rows);
  f("few_columns", few_columns);
  f("long_column", long_column);
}
template <Fields<ContractTiles> T, class F>
void for_each_field(T& tiles, F&& f) {
  auto& [rows, vectors, depth, padding, small_work, claim, workers] = tiles;
  f("rows", rows);
  f("vectors", vectors);
  f("depth", depth);
  f("padding", padding);
  f("small_work", small_work);
  f("claim", claim);
  f("unknown_workers", workers);
}
template <Fields<CpuTarget> T, class F>
void for_each_field(T& machine, F&& f) {
  auto& [triple, cpu, features, tune, level, vector_bytes, vector_registers, l1, l2, l3, contract] = machine;
  f("triple", triple);
  f("cpu", cpu);
  f("features", features);
  f("tune", tune);
  f("level", level);
  f("vector_bytes", vector_bytes);
  f("vector_registers", vector_registers);
  f("l1_bytes", l1);
  f("l2_bytes", l2);
  f("l3_bytes", l3);
  for_each_field(contract, f);
}
template <Fields<CudaTarget> T, class F>
void for_each_field(T& machine, F&& f) {
  auto& [sm, warp, threads, shared_bytes, registers, tensor_cores] = machine;
  f("sm", sm);
  f("warp", warp);
  f("block_threads", threads);
  f("shared_bytes", shared_bytes);
  f("registers", registers);
  f("tensor_cores", tensor_cores);
}
template <Fields<Target> T, class F>
void for_each_field(T& target, F&& f) {
  auto& [lanes, cores, tiles, fusion, machine] = target;
  f("lanes", lanes);
  f("cores", cores);
  for_each_field(tiles, f);
  for_each_field(fusion, f);
  std::visit([&](auto& m) { for_each_field(m, f); }, machine);
}

}  // namespace tenon
