// Functions over windows: reductions over them, pooling, unfolding and folding, resampling, convolutions. Channels come first, as in
// PyTorch, whose names, options and defaults these are: x is [n, channels, spatial..], or one image without n. Formulas stand in
// docs/numbers.md ("Windows"). What windows read is never copied: it is read where it is combined.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "tenon/frontend/ops/shape.h"

namespace tenon {

// A number for every spatial axis, or one for each.
class PerAxis {
 public:
  PerAxis() = default;  // not given
  template <std::integral T>
  PerAxis(T all) : values_{static_cast<int64_t>(all)} {}  // NOLINT
  PerAxis(std::initializer_list<int64_t> values) : values_(values) {}
  PerAxis(std::vector<int64_t> values) : values_(std::move(values)) {}  // NOLINT
  bool given() const { return !values_.empty(); }
  const std::vector<int64_t>& values() const { return values_; }

 private:
  std::vector<int64_t> values_;
};

// ---- reductions over windows of all axes
struct WindowPadding {
  std::vector<std::pair<int64_t, int64_t>> widths = {};  // (low, high) for each axis
  std::string name = "valid";
  WindowPadding() = default;
  WindowPadding(std::initializer_list<std::pair<int64_t, int64_t>> w) : widths(w), name() {}
  WindowPadding(std::vector<std::pair<int64_t, int64_t>> w) : widths(std::move(w)), name() {}  // NOLINT
  WindowPadding(const char* n) : name(n) {}  // NOLINT: "same" or "valid"
  WindowPadding(std::string n) : name(std::move(n)) {}  // NOLINT
};
// One entry for each axis of x; fewer are those of the last axes.
struct ReduceWindow {
  std::vector<int64_t> window, strides = {};
  WindowPadding padding = {};
  std::vector<int64_t> dilation = {}, base_dilation = {};
  std::string combine = "sum";  // or prod, max, min, and, or
};
Tensor reduce_window(Operand x, const ReduceWindow& w);
namespace detail {
// The elements that all windows have at one place, for each place, ascending; init in the shape of one of them in front.
std::vector<Tensor> window_elements(const Operand& x, const Operand& init, const ReduceWindow& w);
}  // namespace detail
// f(.. f(f(init, first element), second) .., last) for each window, f being any function of two tensors of one shape. Padding holds
// init, and f is called once for each element of a window.
template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&>
Tensor reduce_window(Operand x, Operand init, F f, const ReduceWindow& w) {
  const std::vector<Tensor> elements = detail::window_elements(x, init, w);
  Tensor result = elements[0];
  for (size_t i = 1; i < elements.size(); ++i) result = f(std::as_const(result), elements[i]);
  return result;
}

// ---- pooling. The stride is the window's size where it is not given
struct MaxPool {
  PerAxis stride = {}, padding = 0, dilation = 1;
  bool ceil_mode = false;
};
// A NaN is the largest; the derivative is that of the first largest element.
Tensor max_pool1d(Operand x, PerAxis kernel_size, const MaxPool& p = {});
Tensor max_pool2d(Operand x, PerAxis kernel_size, const MaxPool& p = {});
Tensor max_pool3d(Operand x, PerAxis kernel_size, const MaxPool& p = {});
// The values, and where in its plane of x each was found (i64).
std::pair<Tensor, Tensor> max_pool1d_with_indices(Operand x, PerAxis kernel_size, const MaxPool& p = {});
std::pair<Tensor, Tensor> max_pool2d_with_indices(Operand x, PerAxis kernel_size, const MaxPool& p = {});
std::pair<Tensor, Tensor> max_pool3d_with_indices(Operand x, PerAxis kernel_size, const MaxPool& p = {});
struct AvgPool {
  PerAxis stride = {}, padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  int64_t divisor_override = 0;  // 0: the number of elements
};
Tensor avg_pool1d(Operand x, PerAxis kernel_size, const AvgPool& p = {});
Tensor avg_pool2d(Operand x, PerAxis kernel_size, const AvgPool& p = {});
Tensor avg_pool3d(Operand x, PerAxis kernel_size, const AvgPool& p = {});
// Windows that cover x in `output_size` parts, some longer by an element than others. -1: as long as x is.
Tensor adaptive_avg_pool1d(Operand x, PerAxis output_size);
Tensor adaptive_avg_pool2d(Operand x, PerAxis output_size);
Tensor adaptive_avg_pool3d(Operand x, PerAxis output_size);
Tensor adaptive_max_pool1d(Operand x, PerAxis output_size);
Tensor adaptive_max_pool2d(Operand x, PerAxis output_size);
Tensor adaptive_max_pool3d(Operand x, PerAxis output_size);
std::pair<Tensor, Tensor> adaptive_max_pool1d_with_indices(Operand x, PerAxis output_size);
std::pair<Tensor, Tensor> adaptive_max_pool2d_with_indices(Operand x, PerAxis output_size);
std::pair<Tensor, Tensor> adaptive_max_pool3d_with_indices(Operand x, PerAxis output_size);

// ---- windows as columns, and back
struct Unfold {
  PerAxis dilation = 1, padding = 0, stride = 1;
};
Tensor unfold(Operand x, PerAxis kernel_size, const Unfold& u = {});  // [n, c, h, w] -> [n, c * kernel, windows]
Tensor fold(Operand x, PerAxis output_size, PerAxis kernel_size, const Unfold& u = {});  // what overlaps is added up
Tensor unfold(Operand x, int64_t axis, int64_t size, int64_t step);  // windows along one axis; their elements are the last axis
Tensor pixel_shuffle(Operand x, int64_t upscale_factor);  // [.., c * r * r, h, w] -> [.., c, h * r, w * r]
Tensor pixel_unshuffle(Operand x, int64_t downscale_factor);

// ---- resampling
struct Sizes {
  std::vector<Extent> values = {};
  Sizes() = default;
  Sizes(std::initializer_list<Extent> v) : values(v) {}
  Sizes(std::vector<Extent> v) : values(std::move(v)) {}  // NOLINT
};
struct Scales {
  std::vector<double> values = {};
  Scales() = default;
  Scales(double all) : values{all} {}  // NOLINT
  Scales(std::initializer_list<double> v) : values(v) {}
};
struct Interpolate {
  Sizes size = {};
  Scales scale_factor = {};
  std::string mode = "nearest";  // nearest-exact, linear, bilinear, trilinear, bicubic, area
  bool align_corners = false;
};
Tensor interpolate(Operand x, const Interpolate& o);
Tensor interpolate(Operand x, const Sizes& size, Interpolate o);
Tensor interpolate(Operand x, const Sizes& size, const std::string& mode = "nearest", bool align_corners = false);

// ---- convolutions: x[n, in, spatial..], weight[out, in / groups, kernel..], of transposed ones [in, out / groups, kernel..]; bias[out]
class ConvolutionPadding {
 public:
  ConvolutionPadding() : widths_(0) {}
  template <std::integral T>
  ConvolutionPadding(T all) : widths_(all) {}  // NOLINT
  ConvolutionPadding(std::initializer_list<int64_t> widths) : widths_(widths) {}
  ConvolutionPadding(std::vector<int64_t> widths) : widths_(std::move(widths)) {}  // NOLINT
  ConvolutionPadding(const char* name) : name_(name) {}  // NOLINT: "same" or "valid"
  ConvolutionPadding(std::string name) : name_(std::move(name)) {}  // NOLINT
  const PerAxis& widths() const { return widths_; }
  const std::string& name() const { return name_; }

 private:
  PerAxis widths_;
  std::string name_;
};
struct Conv {
  PerAxis stride = 1;
  ConvolutionPadding padding = 0;
  PerAxis dilation = 1;
  int64_t groups = 1;
};
struct ConvTranspose {
  PerAxis stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  PerAxis dilation = 1;
};
#define TENON_CONVOLUTION(name, Options)                                \
  Tensor name(Operand x, Operand weight, const Options& o = {});        \
  Tensor name(Operand x, Operand weight, Operand bias, const Options& o = {});
TENON_CONVOLUTION(conv1d, Conv)
TENON_CONVOLUTION(conv2d, Conv)
TENON_CONVOLUTION(conv3d, Conv)
TENON_CONVOLUTION(conv_transpose1d, ConvTranspose)
TENON_CONVOLUTION(conv_transpose2d, ConvTranspose)
TENON_CONVOLUTION(conv_transpose3d, ConvTranspose)
#undef TENON_CONVOLUTION

namespace nn {
using tenon::adaptive_avg_pool1d, tenon::adaptive_avg_pool2d, tenon::adaptive_avg_pool3d, tenon::adaptive_max_pool1d,
    tenon::adaptive_max_pool2d, tenon::adaptive_max_pool3d, tenon::avg_pool1d, tenon::avg_pool2d, tenon::avg_pool3d,
    tenon::conv1d, tenon::conv2d, tenon::conv3d, tenon::conv_transpose1d, tenon::conv_transpose2d,
    tenon::conv_transpose3d, tenon::fold, tenon::interpolate, tenon::max_pool1d, tenon::max_pool2d, tenon::max_pool3d,
    tenon::pixel_shuffle, tenon::pixel_unshuffle, tenon::unfold;
}  // namespace nn

}  // namespace tenon
