// The memory of a tensor, for hand-written loops over the same data. Refuses to let them write it.
#pragma once

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::bench {

inline const float* data(const Tensor& t) { return static_cast<const float*>(t.raw()); }

}  // namespace tenon::bench
