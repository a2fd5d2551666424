// Convolutions as layers, channels first: x is [n, in, extents..] or one image [in, extents..]. What they compute stands at tn::conv1d and
// its kind; makers and functions share a name and differ in what they take. Refuses kernels whose extents are not as many as the axes.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/ops/windows.h"

namespace tenon::nn {

// ConvNd: weight [out, in / groups, kernel..], bias [out], or undefined. ConvTransposeNd: weight [in, out / groups, kernel..]. Numbers are one
// for each axis, or one for all. same: pads so that extents stay, whatever .padding says.
#define TENON_CONVOLUTION_LAYERS(n)                                                         \
  struct Conv##n##d {                                                                       \
    Tensor weight, bias = {};                                                               \
    std::vector<int64_t> stride = {1}, padding = {0}, dilation = {1};                       \
    bool same = false;                                                                      \
    int64_t groups = 1;                                                                     \
    Tensor operator()(Operand x) const;                                                     \
  };                                                                                        \
  struct ConvTranspose##n##d {                                                              \
    Tensor weight, bias = {};                                                               \
    std::vector<int64_t> stride = {1}, padding = {0}, output_padding = {0}, dilation = {1}; \
    int64_t groups = 1;                                                                     \
    Tensor operator()(Operand x) const;                                                     \
  };
TENON_CONVOLUTION_LAYERS(1)
TENON_CONVOLUTION_LAYERS(2)
TENON_CONVOLUTION_LAYERS(3)
#undef TENON_CONVOLUTION_LAYERS

struct ConvOptions {
  PerAxis stride = 1;
  ConvolutionPadding padding = 0;  // widths, "same" or "valid"
  PerAxis dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  DType dtype = default_dtype();
};
struct ConvTransposeOptions {
  PerAxis stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  PerAxis dilation = 1;
  DType dtype = default_dtype();
};

// Weight and bias uniform within 1 / sqrt(weight.shape()[1] * taps), as PyTorch's.
Conv1d conv1d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size, const ConvOptions& o = {},
              const At& at = At::current());
Conv2d conv2d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size, const ConvOptions& o = {},
              const At& at = At::current());
Conv3d conv3d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size, const ConvOptions& o = {},
              const At& at = At::current());
ConvTranspose1d conv_transpose1d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,
                                 const ConvTransposeOptions& o = {}, const At& at = At::current());
ConvTranspose2d conv_transpose2d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,
                                 const ConvTransposeOptions& o = {}, const At& at = At::current());
ConvTranspose3d conv_transpose3d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,
                                 const ConvTransposeOptions& o = {}, const At& at = At::current());

// Over as many axes as the kernel has extents: conv(key, in, out, {3, 3}).
template <size_t n>
  requires(n <= 3)
auto conv(const Tensor& key, int64_t in, int64_t out, const int64_t (&kernel_size)[n], const ConvOptions& o = {},
          const At& at = At::current()) {
  const std::vector<int64_t> extents(kernel_size, kernel_size + n);
  if constexpr (n == 1)
    return conv1d(key, in, out, extents, o, at);
  else if constexpr (n == 2)
    return conv2d(key, in, out, extents, o, at);
  else
    return conv3d(key, in, out, extents, o, at);
}

}  // namespace tenon::nn
