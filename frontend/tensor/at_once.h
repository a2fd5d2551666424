// Checks and prints that stand in no trace: they happen where they are called, and compile nothing. Internal to the frontend.
#pragma once

#include <span>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/op.h"

namespace tenon {

// Whether the op was one of these, and has happened. Over lanes it has not: such ops come from transforms, as programs.
bool happens_at_once(ir::Op op, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at);

}  // namespace tenon
