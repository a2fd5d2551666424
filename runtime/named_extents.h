// Named extents (tn::dim): a Dim is a number or the number of a symbol, so the names live in a table of the process that
// only grows. Programs have tables of their own; a trace copies what its specs mention.
#pragma once

#include <string>

#include "tenon/ir/shape.h"

namespace tenon::runtime {

// The symbol of a name; the same name with the same bounds is the same symbol. Error when the bounds differ.
Dim name_extent(const std::string& name, int64_t lower, int64_t upper);
Symbol named_extent(Dim d);

}  // namespace tenon::runtime
