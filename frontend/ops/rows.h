// A tensor as rows: what functions of order compute along, and how they read elements at places that are computed. Internal to the
// frontend. Refuses places outside a row: whoever computes one keeps it inside.
#pragma once

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// Where `axis` counts from the end, from the beginning. A scalar is a row of one element: its axes are 0 and -1.
int64_t row_axis(int64_t axis, const Tensor& x, const char* op, const Location& at);
// Error where the axis that a function picks an element from has none.
void check_row(const Tensor& x, int64_t axis, const char* op, const Location& at);
// How many of something there are to be. Error for fewer than `least`.
Dim checked_size(Extent n, int64_t least, const char* op, const char* what, const Location& at);

}  // namespace tenon

namespace tenon::formula {

// x with `axes`, which ascend, behind the others and as one: [others..., n]. No axes: n is 1.
Value as_rows(Value x, const Axes& axes);
// rows [others..., n] at places i64[others..., m]: [others..., m].
Value picked(Value rows, Value places);
// places i64[others...] for one element of each row: [others...].
Value picked_one(Value rows, Value places);
// x without its last axis, of which there is one.
Value without_last(Value x);
// x with an axis of extent 1 behind the others.
Value with_last(Value x);
// [others...] with the reduced axes back in their places, each of extent 1, or as it is.
Value returned(Value reduced, const Shape& shape, const Axes& axes, bool keepdims);

struct Ordered {
  Value keys, places;  // places: i64, where in the row each key was
};
// Ascending, NaN last, or descending, NaN first; stable both ways.
Ordered ordered(Value x, int64_t axis, bool descending = false);

// More elements of an axis, of those that it has: of a constant mode none. (pad_modes.cc)
Value padded_axis(Value x, size_t axis, Dim low, Dim high, Pad mode);
// A slice of one axis.
Value part(Value x, int64_t axis, Dim start, Dim size);
Value is_nan(Value x);  // of integers nowhere
Value flattened(Value x);
// Zeros of an extent to which `added` has been added at `places`, i64; what lies outside is dropped.
Value tallied(Value places, Value added, Dim size);

// What f gives for x, a scalar counting as a row of one element.
template <class F>
std::vector<Value> with_axis(Value x, F f) {
  if (x.shape().rank() != 0) return f(x);
  std::vector<Value> results = f(ir::reshape(x, {Dim(1)}));
  for (Value& v : results) v = ir::reshape(v, {});
  return results;
}

}  // namespace tenon::formula
