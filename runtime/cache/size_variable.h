// A number of bytes from the environment.
#pragma once

#include <cstdint>

#include "tenon/ir/base/environment.h"

namespace tenon::runtime {

// What the variable says if it is digits and nothing else, `otherwise` if not, and for a program with more rights than its user.
uint64_t size_variable(Variable variable, uint64_t otherwise);

}  // namespace tenon::runtime
