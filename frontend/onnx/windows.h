// Windows as ONNX says where they lie: kernel, strides, dilations, padding by numbers or by name. Refuses free extents where their
// padding depends on them.
#pragma once

#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {

struct Window {
  Axes kernel, strides, dilations, low, high;
  Axes beyond;  // how far the last window of ceil_mode reaches behind the padding
  WindowPadding padding() const;  // with what lies beyond; the first two axes are whole
  ReduceWindow reduced(const char* combine) const;
};
// Of a node's attributes. kernel: of a convolution its weight's, else the attribute kernel_shape.
Window window_of(Call& c, const Shape& x, Axes kernel, bool pools);
// Whole spatial axes, from axis 2 on.
Axes spatial_axes(const Tensor& x);

}  // namespace tenon::onnx
