// Memory that must be there before work begins that could not stop half-way.
#pragma once

#include <cstdint>

namespace tenon::codegen {

// Whether so much address space is to be had. It is asked for and given back.
bool has_room(uint64_t bytes);
// Error: `doing` takes so many bytes, and they are not to be had.
void require_room(uint64_t bytes, const char* doing);

}  // namespace tenon::codegen
