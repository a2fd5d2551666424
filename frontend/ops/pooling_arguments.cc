// The arguments of functions over windows: sizes per axis, images, windows that fit.
#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"

namespace tenon {

std::vector<int64_t> per_axis(const PerAxis& given, size_t spatial, int64_t least, const char* what, const char* op,
                              const Location& at) {
  std::vector<int64_t> values = given.values();
  if (values.size() == 1) values.assign(spatial, values[0]);
  if (values.size() != spatial)
    throw Error(std::string(op) + ": " + what + " has " + std::to_string(values.size()) + " entries for " +
                    std::to_string(spatial) + " spatial axes; one for each, or one for all",
                at);
  for (int64_t v : values)
    if (v < least || v > INT32_MAX)
      throw Error(std::string(op) + ": " + what + " is " + std::to_string(v) + "; it is " + std::to_string(least) +
                      " or more, and below 2^31",
                  at);
  return values;
}

Tensor image_of(const Operand& operand, size_t spatial, const char* op) {
  const Tensor x = as_tensor(operand, op);
  const auto rank = static_cast<size_t>(x.ndim());
  if (rank != spatial + 1 && rank != spatial + 2)
    throw Error(std::string(op) + " takes [n, channels, " + std::to_string(spatial) +
                    " spatial axes] or the same without n, not " + describe(x),
                operand.where());
  return x;
}

formula::Windowing last_axes(const Tensor& x, size_t spatial) {
  formula::Windowing w;
  for (size_t k = 0; k < spatial; ++k) w.axes.push_back(x.ndim() - static_cast<int64_t>(spatial - k));
  w.taps = w.strides = w.dilation = w.base = std::vector<int64_t>(spatial, 1);
  w.low = w.high = std::vector<int64_t>(spatial, 0);
  return w;
}

void check_windows(const Tensor& x, const formula::Windowing& w, const char* op, const Location& at) {
  for (size_t k = 0; k < w.axes.size(); ++k) {
    const Dim n = x.shape()[static_cast<size_t>(w.axes[k])];
    int64_t span;
    if (__builtin_mul_overflow(w.taps[k] - 1, w.dilation[k], &span) || span > INT32_MAX)
      throw Error(std::string(op) + ": a window reaches beyond 2^31 elements", at);
    if (n.is_number() && n.number() + w.low[k] + w.high[k] <= span)
      throw Error(std::string(op) + ": a window covers " + std::to_string(span + 1) + " elements along axis " +
                      std::to_string(w.axes[k]) + " of " + describe(x) + ", which has " +
                      std::to_string(n.number() + w.low[k] + w.high[k]) + " with padding",
                  at);
  }
}

made::WindowedAttrs windowed_attrs(const formula::Windowing& w) {
  return {.axes = w.axes,
          .taps = w.taps,
          .strides = w.strides,
          .low = w.low,
          .high = w.high,
          .dilation = w.dilation,
          .base = w.base,
          .ceil = w.ceil};
}

}  // namespace tenon
