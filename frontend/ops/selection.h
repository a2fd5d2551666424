// What x[...] selects, for reading and for assigning through it. Internal to the frontend.
#pragma once

#include <span>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// Per axis of x: where the selected elements start, how many there are, and how far apart; a slice with a negative step is
// ascending here and named in `reversed`. `result` is the selection's shape: numbers drop their axes.
struct Selection {
  std::vector<Dim> starts, sizes;
  std::vector<int64_t> strides, reversed;
  Shape result;
};
// How many elements of an axis `size` elements cover, each `step` from the next: none where there are none.
Extent covered(Extent size, int64_t step);
// Error for too many indices, a number out of range, a step of zero.
Selection selection_of(const Tensor& x, std::span<const Index> indices, const Location& at);
Tensor select_at(const Tensor& x, std::span<const Index> indices, const Location& at);

}  // namespace tenon
