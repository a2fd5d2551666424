// The default dtype of the process. Programs that were made with another one are others: keys hold it.
#include "tenon/frontend/tensor/default_dtype.h"

#include <atomic>
#include <string>

#include "tenon/frontend/tensor/extents.h"
#include "tenon/frontend/tensor/thread_modes.h"

namespace tenon {

constinit std::atomic<DType> default_dtype_in_force{f32};

void set_default_dtype(DType dtype, const std::source_location& at) {
  if (!is_floating(dtype))
    throw Error("set_default_dtype: a default is floating, and " + std::string(name(dtype)) +
                    " is not; use f32, f64, f16 or bf16",
                place(at));
  default_dtype_in_force.store(dtype, std::memory_order_relaxed);
}
DType default_dtype() { return default_dtype_in_force.load(std::memory_order_relaxed); }

}  // namespace tenon
