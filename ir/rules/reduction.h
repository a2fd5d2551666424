// The contract's orders of summation, as numbers and as words (docs/numbers.md, Reductions). Interpreter, lowering and renderers
// take them from here; changing one raises the numerics version.
//
//   row (the reduced axes include the last):  blocks of 512; element i of a block goes to lane i mod 16, each lane a chain
//       that starts from the identity; lanes are joined by halving: l += l + 8, then + 4, + 2, + 1
//   column (otherwise): one ascending chain per block of 64
//   blocks are joined by a pairwise tree over neighbours; an odd last one moves up
//   adjacent reduced axes are one axis; of several groups of axes the last is reduced first
//   the identity of a sum is -0, so absent lanes change nothing; an empty sum is +0
//   halves accumulate in f32 and round at the end
//   argmax and argmin: the first NaN wins; else the first of the extreme elements, -0 and +0 being equal
#pragma once

#include <cstdint>

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir::rules {

inline constexpr Tree tree_of(bool includes_last_axis) { return includes_last_axis ? row_tree : column_tree; }
// A contraction is one fma chain, ascending in k from +0, per segment of k; segments join pairwise.
inline constexpr int64_t contraction_segment = 4096;
// Attention takes keys in blocks of so many, and queries in runs of so many (docs/numbers.md, Attention).
inline constexpr int64_t attention_keys = 128, attention_queries = 64;
// A running reduction chains inside a block; to block b > 0 the left-to-right combination of the earlier blocks' totals is added.
inline constexpr int64_t cumulative_block = 4096;

}  // namespace tenon::ir::rules
