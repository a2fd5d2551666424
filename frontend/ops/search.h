// Binary search as a formula. Internal to the frontend.
#pragma once

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

int64_t search_steps(Extent n);  // how many steps find a place among n

namespace formula {

// How many elements of `sorted`, [n] or [others..., n], lie before each value, [others..., m]: those that are less, with `right` also
// those that are equal.
Value place_in(Value sorted, Value values, bool right, int64_t steps);

}  // namespace formula
}  // namespace tenon
