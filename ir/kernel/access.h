// What is known of a block's operands without running it: extents, and how the places that it loads move with its arguments.
// Both renderers decide by it how they copy operands of a contraction. Refuses to prove bounds: ir/kernel/bounds.h does.
#pragma once

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

inline constexpr int64_t unknown_extent = -1;

const Instruction* definition(const Kernel& kernel, ScalarId v);  // null: a block's argument
int64_t number_of(const Kernel& kernel, ScalarId v);  // of a literal or a fixed extent, else unknown_extent
int64_t most_of(const Kernel& kernel, ScalarId v);  // the largest that an extent can be, else unknown_extent

// How many loads of a block move by exactly one element when argument `argument` moves by one. Divisions count as standing
// still and remainders as moving like their dividend: a guess that chooses orders, never what is read.
int64_t unit_loads(const Kernel& kernel, BlockId block, size_t argument);

// Elements that a load moves by when the argument moves by one, by the same guess; unknown_extent where its buffer's extents are not
// known.
int64_t load_step(const Kernel& kernel, const Instruction& load, ScalarId argument);

// Whether elements [argument, argument + count) of the load's buffer lie one behind the other, from a multiple of `count`
// elements on, whenever the argument is a multiple of `count` (a power of two) and not negative. Exact.
bool loads_runs(const Kernel& kernel, const Instruction& load, ScalarId argument, int64_t count);

}  // namespace tenon::ir
