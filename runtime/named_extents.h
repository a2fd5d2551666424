// Named extents (tn::dim): a Dim is a number or the number of a symbol, so the names live in a table of the process that
// only grows. Programs have tables of their own; a trace copies what its specs mention.
#pragma once

#include <string>

#include "tenon/ir/base/shape.h"

namespace tenon::runtime {

// Indices of named extents start here, so that no program takes one for a symbol of its own table.
inline constexpr uint32_t first_named_extent = 1u << 31;
inline bool is_named_extent(Dim d) { return d.is_symbol() && d.index() >= first_named_extent; }

// The symbol of a name; the same name with the same bounds is the same symbol. Error when the bounds differ.
Dim name_extent(const std::string& name, int64_t lower, int64_t upper);
Symbol named_extent(Dim d);

}  // namespace tenon::runtime
