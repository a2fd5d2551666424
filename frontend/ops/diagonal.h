// The one way to a diagonal, in graph algebra. Refuses handles, as formulas do.
#pragma once

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

// The diagonal of two axes, `offset` over the main one, as the last axis. As movement: no element is computed with.
Value diagonal(Value x, int64_t offset, int64_t first, int64_t second);

}  // namespace tenon::formula
