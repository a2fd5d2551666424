// What functions over windows say of their arguments before a formula is built: sizes per axis, images, windows that fit.
// Internal to frontend/ops.
#pragma once

#include "tenon/frontend/ops/attributes.h"
#include "tenon/frontend/ops/windowing.h"
#include "tenon/frontend/ops/windows.h"

namespace tenon {

// One entry for each of `spatial` axes, each at least `least`. Error names `what` of function `op`.
std::vector<int64_t> per_axis(const PerAxis& given, size_t spatial, int64_t least, const char* what, const char* op,
                              const Location& at);
// [n, channels, spatial..] or [channels, spatial..].
Tensor image_of(const Operand& x, size_t spatial, const char* op);
// Windows along the last axes of x, without padding, holes or steps.
formula::Windowing last_axes(const Tensor& x, size_t spatial);
// Error where numbers say that a window is longer than what it moves over.
void check_windows(const Tensor& x, const formula::Windowing& w, const char* op, const Location& at);
made::WindowedAttrs windowed_attrs(const formula::Windowing& w);

namespace formula {
// Flat places in a plane of x, from the number of the element that was found in each window.
Value places_of(const Windowing& w, Value tap, const Shape& plane);
}  // namespace formula

}  // namespace tenon
