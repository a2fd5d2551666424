// Pooling over windows and over whole axes, and its inverse.
#include <algorithm>
#include <limits>

#include "tenon/frontend/onnx/windows.h"

namespace tenon::onnx {
namespace {

double lowest(DType dtype) {
  if (is_floating(dtype)) return -std::numeric_limits<double>::infinity();
  return is_unsigned(dtype) ? 0 : -static_cast<double>(uint64_t{1} << (bits(dtype) - 1));
}

// Places in planes without padding, made of places in planes with it, become places in the whole tensor.
Tensor flat_places(Call& c, const Tensor& x, const Window& w, Tensor places) {
  const size_t count = w.kernel.size();
  const bool columns = c.integer("storage_order", 0) != 0;
  std::vector<Extent> padded;
  for (size_t i = 0; i < count; ++i) padded.push_back(x.shape()[i + 2] + (w.low[i] + w.high[i] + w.beyond[i]));
  Tensor flat;
  Extent stride = 1;
  for (size_t k = 0; k < count; ++k) {  // columns: the first axis goes round first
    Tensor rest = places;
    for (size_t i = count; i-- > 0;) {
      const Tensor at = rest % Operand(padded[i]) - w.low[i];
      rest = rest / Operand(padded[i]);
      const size_t wanted = columns ? k : count - 1 - k;
      if (i != wanted) continue;
      const Tensor part = at * Operand(stride);
      flat = flat.defined() ? flat + part : part;
      stride = stride * x.shape()[i + 2];
    }
  }
  std::vector<Extent> planes(static_cast<size_t>(x.ndim()), 1);
  planes[0] = x.shape()[0], planes[1] = x.shape()[1];
  return flat + arange(0, x.shape()[0] * x.shape()[1]).reshape(planes) * Operand(stride);
}

}  // namespace

Results import_max_pool(Call& c) {
  const Tensor x = c.tensor(0);
  const Window w = window_of(c, x.shape(), {}, true);
  const size_t count = w.kernel.size();
  if (!c.wants(1)) return one(reduce_window(x, w.reduced("max")));
  c.expects(count >= 1 && count <= 3, "places of maxima are known for one to three axes");
  Widths widths = {{0, 0}, {0, 0}};
  for (size_t i = 0; i < count; ++i) widths.emplace_back(w.low[i], w.high[i] + w.beyond[i]);
  const Tensor padded = pad(x, widths, lowest(x.dtype()));
  const MaxPool how{.stride = w.strides, .dilation = w.dilations};
  const auto [values, places] = count == 1   ? max_pool1d_with_indices(padded, w.kernel, how)
                                : count == 2 ? max_pool2d_with_indices(padded, w.kernel, how)
                                             : max_pool3d_with_indices(padded, w.kernel, how);
  return {values, flat_places(c, x, w, places)};
}

Results import_average_pool(Call& c) {
  const Tensor x = c.tensor(0);
  const Window w = window_of(c, x.shape(), {}, true);
  Tensor counted = ones({1, 1}, {.dtype = x.dtype()});
  std::vector<Extent> shape = {1, 1};
  for (size_t i = 2; i < x.shape().size(); ++i) shape.push_back(x.shape()[i]);
  counted = ones(shape, {.dtype = x.dtype()});
  Window over = w;
  if (c.integer("count_include_pad", 0) != 0) {  // but not what lies beyond it
    Widths widths = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < w.kernel.size(); ++i) widths.emplace_back(w.low[i], w.high[i]);
    counted = pad(counted, widths, 1);
    over.low.assign(w.low.size(), 0), over.high = over.low;
  }
  return one(reduce_window(x, w.reduced("sum")) / reduce_window(counted, over.reduced("sum")));
}

Results import_lp_pool(Call& c) {
  const Tensor x = c.tensor(0);
  const Window w = window_of(c, x.shape(), {}, true);
  const auto p = static_cast<double>(c.integer("p", 2));
  if (p == 2) return one(sqrt(reduce_window(x * x, w.reduced("sum"))));
  return one(pow(reduce_window(pow(abs(x), p), w.reduced("sum")), 1 / p));
}

Results import_global_average_pool(Call& c) {
  const Tensor x = c.tensor(0);
  c.expects(x.ndim() > 2, "its input is [n, channels, ...]");
  return one(mean(x, {.axes = spatial_axes(x), .keepdims = true}));
}
Results import_global_max_pool(Call& c) {
  const Tensor x = c.tensor(0);
  c.expects(x.ndim() > 2, "its input is [n, channels, ...]");
  return one(max(x, {.axes = spatial_axes(x), .keepdims = true}));
}
Results import_global_lp_pool(Call& c) {
  const Tensor x = c.tensor(0);
  c.expects(x.ndim() > 2, "its input is [n, channels, ...]");
  const auto p = static_cast<double>(c.integer("p", 2));
  return one(pow(sum(pow(abs(x), p), {.axes = spatial_axes(x), .keepdims = true}), 1 / p));
}

Results import_max_unpool(Call& c) {
  const Tensor x = c.tensor(0), places = c.tensor(1);
  const Window w = window_of(c, x.shape(), {}, true);
  const size_t count = w.kernel.size();
  std::vector<Extent> natural = {x.shape()[0], x.shape()[1]}, shape;
  for (size_t i = 0; i < count; ++i)
    natural.push_back((x.shape()[i + 2] - 1) * w.strides[i] + (w.kernel[i] - w.low[i] - w.high[i]));
  shape = c.has(2) ? c.extents(2) : natural;
  c.expects(shape.size() == natural.size(), "its output shape has a number for each axis");
  // Places are those of the natural output; in a larger one they stand in its corner.
  const Tensor flat =
      zeros({product(Shape(Extents(natural).checked("MaxUnpool", x.dtype(), {})), 0, x.ndim())}, {.dtype = x.dtype()});
  Tensor y = scatter(flat, 0, places.reshape({-1}), x.reshape({-1})).reshape(natural);
  Widths widths;
  for (size_t i = 0; i < shape.size(); ++i) widths.emplace_back(0, shape[i] - natural[i]);
  return one(pad(y, widths));
}

}  // namespace tenon::onnx
