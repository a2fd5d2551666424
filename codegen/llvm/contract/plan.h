// Sizes of tiles and blocks for a contraction on the CPU, from the machine and from what is known of the extents. Pure
// arithmetic: no choice made here can change a bit of the result. Refuses to emit code and to search: sizes are computed.
//
// Scratch memory of a packed contraction, at the end of the program's arena: 64 bytes with the counter from which workers
// claim work, then one slot per worker. The entry point launches at most as many workers as there are slots, and each
// piece of the launch uses the slot of its own number, so threads need no names and no piece waits for another.
#pragma once

#include <cstdint>

#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/access.h"

namespace tenon::codegen {

using ir::unknown_extent;
inline constexpr int64_t contract_header_bytes = 64;
inline constexpr int64_t rows_ahead =
    16;  // of a right operand that comes from afar: those that are asked for before they are read
inline constexpr int64_t streamed_rows = 8;  // of it that are read side by side where few rows stream past it
inline constexpr int64_t contract_segment = 4096;  // elements of k in one chain (docs/numbers.md, Reductions)

struct ContractPlan {
  bool packed = false;  // otherwise direct: without scratch memory, a tile of rows x vectors logical vectors at a time
  int64_t batch = unknown_extent, m = unknown_extent, n = unknown_extent, k = unknown_extent;

  int64_t most_m = unknown_extent, most_n = unknown_extent, most_k = unknown_extent;  // what they are at most

  // The accumulators in registers: rows x (vectors x width); width is a machine register's, of a direct plan 16 lanes.
  int64_t rows = 1, vectors = 1, width = 16;
  int64_t columns() const { return vectors * width; }
  bool turned = false;  // of a direct plan: n is a few, a tile is a machine register of rows
  bool far = false;  // of a direct plan: rows of the right operand are asked for ahead
  bool streamed =
      false;  // of a direct plan: a tile, of all rows, is larger than registers hold, and its sums wait in L1
  int64_t band = 1, across = 1;  // of a streamed tile: rows and vectors whose sums are in registers at once

  // A block of the left operand has block_rows x depth elements; a panel of the right one depth x columns().
  int64_t block_rows = 0, depth = 0;
  bool lhs_along_k = true;  // the left block keeps k contiguous (else i), as its loads do
  bool rhs_along_k = false;  // the right operand is read along k and turned while it is packed
  int64_t row_stride = 0, k_stride = 0;  // elements between neighbours of the packed left block, inside a tile's rows
  int64_t place_stride =
      0;  // elements from one row of the left operand to the next where it is read in place; 0: it is packed
  int64_t tile_stride = 0;  // elements from the rows of one tile to those of the next
  int64_t edge_rows = 0;  // rows of the last tile when they have code of their own, else 0: padded
  bool resumes = true;  // chains may have to wait between blocks of k

  int64_t tiles = 0;  // accumulator tiles that a slot has room for
  int64_t group = 1, panel_bytes = 0;  // panels that lie in L2 at once, and how far one is from the next
  int64_t panel_offset = 0, tile_offset = 0, slot_bytes = 0;
  int64_t turn_offset = 0;  // in a panel: where squares are turned
  int64_t workers = 1;
  int64_t claim = 1;  // multiply-adds that one thread takes at least
  int64_t scratch_bytes() const { return packed ? contract_header_bytes + workers * slot_bytes : 0; }
};

// shared: the contraction is the one statement whose work threads share, so it may use scratch memory.
ContractPlan plan_contract(const ir::Kernel& kernel, const ir::Instruction& contract, const Target& target,
                           bool shared);

}  // namespace tenon::codegen
