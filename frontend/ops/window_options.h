// What functions over windows are told beside their operands: sizes per axis, pooling, unfolding, resampling, convolutions. Fields bear
// PyTorch's names and stand in PyTorch's order. Included by frontend/ops/options.h.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/extents.h"

namespace tenon {

// A number for every spatial axis, or one for each.
class PerAxis {
 public:
  PerAxis() = default;  // not given
  template <std::integral T>
  PerAxis(T each) : values_{static_cast<int64_t>(each)} {}  // NOLINT
  PerAxis(std::initializer_list<int64_t> values) : values_(values) {}
  PerAxis(std::vector<int64_t> values) : values_(std::move(values)) {}  // NOLINT
  bool given() const { return !values_.empty(); }
  const std::vector<int64_t>& values() const { return values_; }

 private:
  std::vector<int64_t> values_;
};

// "same", "valid", or (low, high) for each axis.
struct WindowPadding {
  std::vector<std::pair<int64_t, int64_t>> widths = {};
  std::string name = "valid";
  WindowPadding() = default;
  WindowPadding(std::initializer_list<std::pair<int64_t, int64_t>> w) : widths(w), name() {}
  WindowPadding(std::vector<std::pair<int64_t, int64_t>> w) : widths(std::move(w)), name() {}  // NOLINT
  WindowPadding(const char* n) : name(n) {}  // NOLINT
  WindowPadding(std::string n) : name(std::move(n)) {}  // NOLINT
};
// One entry for each axis of x; fewer are those of the last axes.
struct ReduceWindow {
  std::vector<int64_t> window, strides = {};
  WindowPadding padding = {};
  std::vector<int64_t> dilation = {}, base_dilation = {};
  std::string combine = "sum";  // or prod, max, min, and, or
};

// The stride is the window's size where it is not given.
struct MaxPool {
  PerAxis stride = {}, padding = 0, dilation = 1;
  bool ceil_mode = false;
};
struct AvgPool {
  PerAxis stride = {}, padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  int64_t divisor_override = 0;  // 0: the number of elements
};

struct LpPool {
  PerAxis stride = {};
  bool ceil_mode = false;
};

struct Unfold {
  PerAxis dilation = 1, padding = 0, stride = 1;
};

struct Sizes {
  std::vector<Extent> values = {};
  Sizes() = default;
  Sizes(std::initializer_list<Extent> v) : values(v) {}
  Sizes(std::vector<Extent> v) : values(std::move(v)) {}  // NOLINT
};
struct Scales {
  std::vector<double> values = {};
  Scales() = default;
  Scales(double each) : values{each} {}  // NOLINT
  Scales(std::initializer_list<double> v) : values(v) {}
};
struct Interpolate {
  Sizes size = {};
  Scales scale_factor = {};
  std::string mode = "nearest";  // nearest-exact, linear, bilinear, trilinear, bicubic, area
  bool align_corners = false;
};

class ConvolutionPadding {
 public:
  ConvolutionPadding() : widths_(0) {}
  template <std::integral T>
  ConvolutionPadding(T each) : widths_(each) {}  // NOLINT
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

}  // namespace tenon
