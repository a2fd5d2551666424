// Draws that repeat until they are accepted: a loop over all elements at once, each round with the bits of a stream of its own, which
// ends when every element has its value. An element that was accepted keeps its value, so the result does not depend on the others.
#pragma once

#include "tenon/frontend/ops/loop_formula.h"
#include "tenon/frontend/random/draw.h"

namespace tenon::formula {

// round(constants, stream) -> (accepted, value). `first` is what an element has that no round accepted: after `rounds` of them,
// which nobody will see where a round accepts with a probability above a few percent.
template <class Round>
Value accepted(std::span<const Value> constants, Value first, int64_t rounds, Round round) {
  ir::GraphBuilder& b = *first.builder;
  const Value carries[] = {ir::splat_integer(b, u32, 0, {}), ir::splat_integer(b, boolean, 0, first.shape()), first};
  const auto more = [rounds](Values, Values carried) {
    const Value left = any(bit_not(carried[1]));
    return bit_and(left, lt(carried[0], literal(carried[0], rounds)));
  };
  const auto step = [&round](Values fixed, Values carried) {
    const auto [accept, value] = round(fixed, carried[0]);
    const Value done = carried[1], next = select(bit_and(accept, bit_not(done)), value, carried[2]);
    return std::vector<Value>{carried[0] + literal(carried[0], 1), bit_or(done, accept), next};
  };
  return iterate(constants, carries, more, step)[2];
}

}  // namespace tenon::formula
