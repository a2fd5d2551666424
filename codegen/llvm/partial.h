// Running results of reductions. One reduction may combine several values at once, and each combine keeps a few parts: a sum
// itself; value and index of an arg reduction; of a floating max or min the largest of what is no NaN, the signs seen, and
// whether there was a NaN, three chains of one cheap op each where the ordered op itself is a chain of five.
// Refuses to know in which order elements are combined.
#pragma once

#include <vector>

#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

struct Combine {
  ir::Op op;
  DType type;
};
using Combines = std::vector<Combine>;
using Partial = Values;  // the parts of all combines, one after the other; single values or one per lane

bool is_place(const Combine& c);  // argmax or argmin: gives an index
size_t part_count(const Combine& c);
Partial identities(Builder& b, const Combines& combines, unsigned width);
// One element as a running result; a place without a position is the value alone.
Partial lift(Builder& b, const Combine& c, llvm::Value* value, llvm::Value* position);
Partial combine(Builder& b, const Combines& combines, ValueRefs older, ValueRefs newer);
// Joins the lanes of a partial by halving: lane l takes lane l + half.
Partial halve(Builder& b, const Combines& combines, Partial p);
Partial choose(Builder& b, llvm::Value* mask, ValueRefs chosen, ValueRefs other);
Values settle(Builder& b, const Combines& combines, ValueRefs parts);  // one value per combine

}  // namespace tenon::codegen
