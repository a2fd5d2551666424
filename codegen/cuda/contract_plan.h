// How a contraction is cut on a CUDA device: tiles of a block, a warp and a thread, from the extents and the target. Pure
// arithmetic. Of the exact path no choice made here can change a bit: chains run whole in one thread, whatever the tile.
// Refuses to emit code and to search: sizes are computed, and nothing is timed.
//
// The exact path multiplies and adds one element at a time, by fma in the contract's order. The tensor path feeds halves to
// the tensor cores, which add several products at once in f32: not the contract's order, but bounded (docs/numbers.md).
#pragma once

#include <cstdint>
#include <span>

#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/access.h"

namespace tenon::codegen {

struct CudaContractPlan {
  int64_t batch = ir::unknown_extent, m = ir::unknown_extent, n = ir::unknown_extent, k = ir::unknown_extent;
  int64_t most_m = ir::unknown_extent, most_n = ir::unknown_extent, most_k = ir::unknown_extent;  // at most

  bool tensor = false;  // the tensor path
  DType halves = DType::bf16;  // that it multiplies: f16 or bf16

  int rows = 64, columns = 64, depth = 16;  // of a block's tile; depth divides the segments
  int threads = 128;
  int lane_rows = 4;  // exact: the rows of lanes in a warp
  int thread_rows = 8, thread_columns = 4;  // exact: sums of a thread
  int warp_rows = 0, warp_columns = 0;  // tensor: of a warp's tile
  int stages = 2;  // tiles of operands in shared memory

  bool lhs_along_k = true, rhs_along_k = false;  // operands are copied along k, or along i and j
  int lhs_run = 1, rhs_run = 1;  // elements that are copied at once, 16 bytes at most
  bool narrow = false;  // every index fits 31 bits
  int levels = 0;  // sums of segments that may wait in a thread
  bool deep = false;  // k may need more levels: then one thread walks each chain alone

  int blocks_per_processor = 1;  // that registers are rationed for
  int64_t shared_bytes() const;  // tensor: dynamic shared memory
};

// alignment: of the address of each buffer in bytes, by its number; empty: an element's.
CudaContractPlan plan_cuda_contract(const ir::Kernel& kernel, const ir::Instruction& contract, const CudaTarget& target,
                                    int processors, std::span<const int64_t> alignment = {});

// The load whose elements a block yields, bare or cast to the accumulator's dtype; null when it computes anything else.
const ir::Instruction* bare_load(const ir::Kernel& kernel, ir::BlockId block);
// What the tensor path multiplies: the operand of the cast that a block yields.
ir::ScalarId before_cast(const ir::Kernel& kernel, ir::BlockId block);

}  // namespace tenon::codegen
