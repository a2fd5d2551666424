// What x[...] selects, for reading and for assigning through it. Internal to the frontend.
#pragma once

#include <span>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// Per axis of x: where the selected elements start, how many there are, and how far apart; a slice with a negative step is
// ascending here and named in `reversed`. `result` is the selection's shape: numbers drop their axes, none adds one.
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
// x with `value` at the selected place, stretched to it and cast.
Tensor with_assigned(const Tensor& x, std::span<const Index> indices, const Operand& value, const Location& at);
// The value as a place of this shape takes it: of x's dtype; leading axes of extent 1 may be left over.
Tensor fitted(const Tensor& x, const Shape& shape, const Operand& value, const Location& at);
// Error unless it stretches to the place.
void check_stretches(const Tensor& x, const Shape& place, const Tensor& value, const Location& at);

// ---- indices among which there are tensors (frontend/ops/index_tensors.cc)

// The ellipsis written out, and a mask as the positions where it holds. Error for what is no index, for two ellipses, for too many.
std::vector<Index> written_out(const Tensor& x, std::span<const Index> indices, const Location& at);
bool has_tensors(std::span<const Index> indices);
Tensor select_by_tensors(const Tensor& x, std::span<const Index> indices, const Location& at);
enum class Writes : uint8_t { set, add };
Tensor assign_by_tensors(const Tensor& x, std::span<const Index> indices, const Operand& value, Writes how,
                         const Location& at);

}  // namespace tenon
