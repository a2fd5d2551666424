// What formulas over windows are written with: where windows stand along the axes of a value, their elements as axes of their own,
// and the combining of those. Internal to frontend/ops. Refuses handles, as formula.h does.
#pragma once

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

// Along each of `axes`, one entry each: `taps` elements, `dilation` apart, every `strides` positions, of x with base - 1 holes between
// elements and low and high elements in front and behind. With `ceil` a last window may reach beyond, if it begins before the end.
struct Windowing {
  Axes axes, taps, strides, low, high, dilation, base;
  bool ceil = false;
  int64_t span(size_t k) const { return (taps[k] - 1) * dilation[k] + 1; }
  int64_t count() const;  // elements of a window
};
Windowing windowing_of(const made::Windowed& w);

// How many windows there are along axes[k] of extent n: none where the window is longer than what it moves over.
Dim positions(Symbols& s, const Windowing& w, size_t k, Dim n);
// x[.., axes.., ..] -> [.., taps.., positions.., ..], the taps before axis `at`; `fill`, a scalar, where there is no element.
Value windowed(Value x, const Windowing& w, Value fill, size_t at);
// Axes [at, at + count) as one.
Value merged(Value x, size_t at, size_t count);
// The extremum along an axis, whose derivative is that of the first element that has it; a NaN is the extremum.
Value first_extremum(ir::Op reduction, Value x, size_t axis);
// What leaves other elements as they are when they are combined: a scalar.
Value identity_of(ir::GraphBuilder& b, ir::Op reduction, DType dtype);
// i64 positions along an axis of a shape.
Value along(ir::GraphBuilder& b, const Shape& shape, size_t axis);
// An extent over a shape.
Value extent_over(ir::GraphBuilder& b, Dim extent, const Shape& shape);

}  // namespace tenon::formula
