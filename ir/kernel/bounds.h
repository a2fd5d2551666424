// Whether a kernel stays inside its buffers.
#pragma once

#include <string>
#include <vector>

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

// Every load and store of the kernel whose index is not proved to lie inside its buffer, for one value of each symbol of the
// kernel's table (as Symbols::evaluate gives them). Empty when it is sound.
std::vector<std::string> check_bounds(const Kernel& kernel, const std::vector<int64_t>& extents);

}  // namespace tenon::ir
