// Ops outside every trace: each becomes a small program that is compiled once per function, attributes, dtypes and pattern of
// extents. Internal to the frontend, and called by apply() alone. Refuses tensors without a value.
#pragma once

#include <span>
#include <vector>

#include "tenon/frontend/tensor/apply.h"

namespace tenon {

std::vector<Tensor> apply_eagerly(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                                  const Location& at);

}  // namespace tenon
