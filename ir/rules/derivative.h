// What the derivative rules share. An absent tangent or cotangent is a Value without an id; zeros are built only where an op
// needs an operand.
#pragma once

#include "tenon/ir/rules/rules.h"

namespace tenon::ir::rules {

inline Value zeros(GraphBuilder& b, const Type& type) { return splat_integer(b, type.dtype, 0, type.shape); }
inline Value or_zeros(Value tangent, Value primal) { return tangent ? tangent : zeros_like(primal); }
inline std::vector<Value> absent(size_t count) { return std::vector<Value>(count); }

}  // namespace tenon::ir::rules
