// GPUs as devices of the runtime: one table each, made when it is first asked for. Refuses to be asked in a process whose parent
// used a GPU.
#pragma once

#include <string>

#include "tenon/runtime/device.h"
#include "tenon/runtime/tenon_cuda.h"

namespace tenon::runtime {

std::string cuda_compiler();  // as a device's table has it; needs no device
const Device* cuda_device(int index);  // null where programs cannot run on it
void synchronize_cuda();  // all that were opened
[[noreturn]] void refuse_cuda_device(int index);  // Error that says why not
tenon_cuda_counts cuda_counts(int index);  // what was done on it; for tests and reports

}  // namespace tenon::runtime
