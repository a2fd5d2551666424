// A number of bytes from the environment.
#pragma once

#include <cstdint>

namespace tenon::runtime {

// What the variable says if it is digits and nothing else, `otherwise` if not, and for a program with more rights than its user.
uint64_t size_variable(const char* name, uint64_t otherwise);

}  // namespace tenon::runtime
