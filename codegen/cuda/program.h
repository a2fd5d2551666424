// A program for a GPU: cubins of at most 16 kernels, compiled on threads, and the list of what is launched, copied and repeated
// (launch_list.h). Refuses to run anything.
#pragma once

#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"

namespace tenon::codegen {

// A kernel of the program as it is launched. Kernels whose text is the same share an entry.
struct CudaLaunch {
  const ir::Kernel* kernel = nullptr;
  CudaSource source;
  uint32_t module = 0;
};

// stored: inputs at the end that lie in the data behind the list, each this far behind the constants, which follow it.
std::string launch_list(const ir::Program& program, const std::vector<CudaLaunch>& launches,
                        std::span<const int64_t> stored);

}  // namespace tenon::codegen
