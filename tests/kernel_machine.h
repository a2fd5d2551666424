// Runs kernels instruction by instruction, one scalar at a time: a third opinion between the interpreter of graphs and the
// renderers, and the one that checks every address. Refuses speed.
#pragma once

#include <span>
#include <vector>

#include "tenon/ir/kernel/kernel.h"
#include "tenon/ir/reference/array.h"

namespace tenon::testing {

// buffers: one array per buffer that is no scratch, in order; outputs are overwritten. symbols: the values of the kernel's
// symbols (Symbols::evaluate). Throws InternalError on an access out of range, on a read of scratch that was never written,
// and when the kernel does not verify.
void run_kernel(const ir::Kernel& kernel, std::span<ir::Array* const> buffers,
                const std::vector<int64_t>& symbols = {});

}  // namespace tenon::testing
