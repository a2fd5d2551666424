// The floating dtype of what brings none of its own: zeros({2}), full({2}, 0.5), arange(0, 1, 0.1), and integers that enter a
// floating function. f32 unless told otherwise, for the whole process. Refuses the dtype of C++ values: tensor({1.0}) is f64.
#pragma once

#include <source_location>

#include "tenon/ir/base/dtype.h"

namespace tenon {

// Error for a dtype that is not floating.
void set_default_dtype(DType dtype, const std::source_location& at = std::source_location::current());
DType default_dtype();

}  // namespace tenon
