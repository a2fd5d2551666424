// The calls that a symbolic program is checked for: its extents, as numbers. For checkers only; refuses to serve a planner.
#pragma once

#include <cstdint>
#include <vector>

#include "tenon/ir/kernel/program.h"

namespace tenon::passes {

// Values of all symbols of a table, one list a call that the program may see; one empty list where there are none. A symbol is
// taken at its bounds, at 0 and 1, at small primes that no two symbols share, around the sizes at which loops are cut into
// blocks, and large; definitions follow.
std::vector<std::vector<int64_t>> sample_calls(const Symbols& symbols);
// Elements of a shape; -1 where there is no such buffer.
int64_t elements(const Shape& shape, const std::vector<int64_t>& extents);
// Whether every buffer of the program can be there.
bool is_possible(const ir::Program& program, const std::vector<int64_t>& extents);

}  // namespace tenon::passes
