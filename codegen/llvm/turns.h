// Running results of one block of a reduction, whose elements come turn by turn. A place is the number of the turn that it was
// found in, as wide as the value itself, so that value and place fill as many registers and one mask serves both: of a floating
// dtype the turn of the first NaN stands apart, for what is no NaN then takes one comparison. Refuses blocks of more turns than
// the narrowest number counts.
#pragma once

#include "tenon/codegen/llvm/partial.h"

namespace tenon::codegen {

inline constexpr int64_t most_turns = 254;

Partial begin_turns(Builder& b, const Combines& combines, unsigned width);
// `element`: one value for a place, else what `lift` gives. `turn`: an i64, counted from 1. `masks`: lanes of conditions are registers
// of their own; elsewhere they are as wide as what they choose, and are numbers.
Partial take_turn(Builder& b, const Combines& combines, ValueRefs running, ValueRefs element, llvm::Value* turn,
                  bool masks);
// Of a row, whose element i has its turn i / width in lane i mod width, `count` elements from `first` on: the lanes joined.
Partial end_row(Builder& b, const Combines& combines, ValueRefs running, llvm::Value* first, llvm::Value* count);
// Of chains, one in every lane, that begin at `first`.
Partial end_chains(Builder& b, const Combines& combines, ValueRefs running, llvm::Value* first);

}  // namespace tenon::codegen
