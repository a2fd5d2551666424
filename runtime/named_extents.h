// Named extents (tn::dim) and what is computed from them outside traces: a Dim is a number or the number of a symbol, so they live
// in a table of the process that only grows. Programs have tables of their own; a trace copies what its specs mention.
#pragma once

#include <string>

#include "tenon/ir/base/symbols.h"

namespace tenon::runtime {

// Indices of named extents start here, so that no program takes one for a symbol of its own table.
inline constexpr uint32_t first_named_extent = 1u << 31;
inline bool is_named_extent(Dim d) { return d.is_symbol() && d.index() >= first_named_extent; }

// The symbol of a name; the same name with the same bounds is the same symbol. Error when the bounds differ.
Dim name_extent(const std::string& name, int64_t lower, int64_t upper);
// Arithmetic on numbers and named extents. Error for a symbol of a trace, which has ended where this is asked.
Dim named_result(Dim (Symbols::*operation)(Dim, Dim), Dim a, Dim b);
bool named_at_least(Dim a, Dim b);
bool named_differ(Dim a, Dim b);
// The same extent in another table: a named one with all that it is computed from; any other as it is.
Dim named_in(Symbols& table, Dim d);
std::string named_text(Dim d);
std::string named_bounds(Dim d);

}  // namespace tenon::runtime
