// Ops outside every trace: each becomes a small program that is compiled once per function, attributes, dtypes and pattern of
// extents. Internal to the frontend, and called by apply() alone. Refuses tensors without a value.
#pragma once

#include <span>

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/few.h"

namespace tenon {

void apply_eagerly(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at,
                   Few<Tensor, 4>& results);

}  // namespace tenon
