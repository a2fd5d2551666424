// What batching of control flow is divided into: lanes that go the same way (batch_control.cc), and lanes that part (batch_lanes.cc).
#pragma once

#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/batch.h"
#include "tenon/ir/rules/sketch.h"

namespace tenon::ir::rules {

std::vector<bool> flags_from(const std::vector<bool>& flags, size_t first);
// Operands of a sub-graph that takes the mask, where there is one, before its inputs.
std::vector<Value> with_mask(const BatchArgs& args, std::span<const Value> operands);

// A graph of inputs like these that gives zeros: what is done instead of a branch that nobody takes.
GraphPtr giving_zeros(const BatchArgs& args, std::span<const Type> inputs, std::span<const Type> outputs);

BatchResults cond_of_lanes(const BatchArgs& args);
BatchResults while_of_lanes(const BatchArgs& args, const Loop& loop);

}  // namespace tenon::ir::rules
