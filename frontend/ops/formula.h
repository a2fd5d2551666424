// What the formulas of public functions are written with: ir::Value -> ir::Value, in graph algebra. A function of several ops is
// one such formula, applied once: in a trace its ops, eagerly one program, on the tape one entry.
// Refuses handles: what is to be said of tensors (dtypes that meet, shapes that fit, places) has been said before it is built.
#pragma once

#include <initializer_list>

#include "tenon/frontend/ops/attributes.h"
#include "tenon/ir/graph/build.h"

namespace tenon::formula {

using ir::Value;
using Axes = std::vector<int64_t>;

// ---- dtypes
DType floating(DType given);  // integers and bools enter as the default dtype; complex numbers stay
DType wide(DType given);  // a half is computed in f32 throughout and rounded once, at the end
DType summed_as(DType given);  // bools and integers as i64; u64 stays
Value widened(Value x);
// f(x) in floating point, rounded once.
template <class F>
std::vector<Value> rounded(Value x, F f) {
  const DType given = floating(x.dtype());
  return {ir::cast(f(ir::cast(x, wide(given))), given)};
}
Value truth(Value x);  // x != 0
// Integers as i64 positions. A u64 beyond i64 becomes the largest i64: it lies behind every end, and does not wrap to the front.
Value position(Value x);
// The one rule of broadcasting: the shape that shapes stretch to, axes aligned from the last. refuse(axis, extent, other), which
// throws, is called where neither of two extents is 1; the axis counts from the last as -1.
template <class Shapes, class ShapeOf, class Refuse>
Shape common_shape(const Shapes& list, ShapeOf shape_of, Refuse refuse) {
  Shape shape;
  for (const auto& x : list) {
    const Shape& s = shape_of(x);
    while (shape.rank() < s.rank()) shape.insert(0, Dim(1));
    for (int axis = -s.rank(); axis < 0; ++axis) {
      Dim& d = shape[shape.rank() + axis];
      const Dim e = s[s.rank() + axis];
      if (e == 1 || d == e) continue;
      if (!(d == 1)) refuse(axis, d, e);
      d = e;
    }
  }
  return shape;
}
// In their common shape. Error names the shapes.
std::vector<Value> broadcast_together(std::span<const Value> values, const char* op);
// In one dtype, one after the other, then in one shape.
std::vector<Value> together(std::initializer_list<Value> values, DType dtype);

// ---- reductions
Value reduced(ir::Op op, Value x, const Axes& axes, bool keepdims);
Value total(Value x, const Axes& axes);  // the axes stay, with extent 1
Value peak(Value x, const Axes& axes);  // ... and of no elements it is -inf
// The element that `combine` leaves others alone with, in the shape of x: 0 for sums, 1 for products, the lowest for maxima.
Value identity(ir::Op combine, Value x);
// x where inputs[1], a mask that stretches to it, is true, `other` elsewhere; x itself where there is no mask.
Value where_mask(std::span<const Value> inputs, Value x, Value other);

// How many elements lie along axes of x: a number, or a sum of ones where an extent is symbolic. It is exact and rounds once, to
// the dtype that is computed in, so it is the same number however an extent came to be known.
class Count {
 public:
  Count(Value x, const Axes& axes, DType dtype);
  Value over(Value x) const;  // in the shape of x

 private:
  int64_t number_ = 1;
  Value sum_;
};

// ---- formulas that others are made of
Value mean(Value x, const Axes& axes, bool keepdims);  // statistics.cc
Value log_softmax(Value x, int64_t axis);  // normalize.cc
Value one_hot(Value indices, const Shape& shape, DType dtype);  // indexing.cc
Value matmul(Value lhs, Value rhs, DType dtype);  // matmul.cc

}  // namespace tenon::formula
