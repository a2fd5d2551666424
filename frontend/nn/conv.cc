// Convolution layers over the functions of their names.
#include "tenon/frontend/nn/conv.h"

#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/ops/pooling.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

constexpr const char* names[] = {"nn::Conv1d", "nn::Conv2d", "nn::Conv3d"};
constexpr const char* transposed_names[] = {"nn::ConvTranspose1d", "nn::ConvTranspose2d", "nn::ConvTranspose3d"};

std::string image_text(Extent channels, int spatial) {
  return "x[n, " + extent_text(channels) + ", " + std::to_string(spatial) + (spatial == 1 ? " extent" : " extents") +
         "] or one image without n";
}

// Whole images have the channels at axis 1, one image at axis 0.
Tensor image(const Operand& x, const char* layer, int spatial, Extent channels) {
  const Tensor t = as_tensor(x, layer);
  if (t.ndim() != spatial + 1 && t.ndim() != spatial + 2)
    throw Error(std::string(layer) + ": takes " + image_text(channels, spatial) + ", and is applied to " + describe(t) +
                    "; reshape or unsqueeze it",
                x.where());
  return entering(Operand(t, x.where()), layer, spatial + 1, -(spatial + 1), Dim(channels),
                  image_text(channels, spatial));
}

struct Function {
  Tensor (*plain)(Operand, Operand, const Conv&);
  Tensor (*biased)(Operand, Operand, Operand, const Conv&);
};
constexpr Function functions[] = {
    {tenon::conv1d, tenon::conv1d}, {tenon::conv2d, tenon::conv2d}, {tenon::conv3d, tenon::conv3d}};
struct Transposed {
  Tensor (*plain)(Operand, Operand, const ConvTranspose&);
  Tensor (*biased)(Operand, Operand, Operand, const ConvTranspose&);
};
constexpr Transposed transposed[] = {{tenon::conv_transpose1d, tenon::conv_transpose1d},
                                     {tenon::conv_transpose2d, tenon::conv_transpose2d},
                                     {tenon::conv_transpose3d, tenon::conv_transpose3d}};

void check_groups(const char* maker, int64_t in, int64_t out, int64_t groups, const Location& at) {
  check_count(maker, "in", in, at);
  check_count(maker, "out", out, at);
  check_count(maker, ".groups", groups, at);
  if (in % groups != 0 || out % groups != 0)
    throw Error(std::string(maker) + ": .groups is " + std::to_string(groups) + ", which does not divide " +
                    std::to_string(in) + " channels in and " + std::to_string(out) + " out",
                at);
}

// A weight of these channels and a bias, both within the bound.
std::pair<Tensor, Tensor> drawn(const Tensor& key, int64_t first, int64_t second, int64_t out,
                                const std::vector<int64_t>& kernel, bool bias, DType dtype, const At& from) {
  std::vector<int64_t> shape{first, second};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  double taps = static_cast<double>(second);
  for (int64_t k : kernel) taps *= static_cast<double>(k);
  const double bound = 1 / std::sqrt(taps);
  const auto [one, two] = split(key, from);
  const init::Uniform within{.low = -bound, .high = bound, .dtype = dtype};
  return {init::uniform(one, shape, within, from), bias ? init::uniform(two, {out}, within, from) : Tensor()};
}

template <int spatial>
ConvTransposeOver<spatial> transposed_over(const char* maker, const Tensor& key, int64_t in, int64_t out,
                                           const PerAxis& kernel_size, const ConvTransposeOptions& o,
                                           const At& from) try {
  const Location at = place(from);
  check_groups(maker, in, out, o.groups, at);
  check_floating(maker, o.dtype, at);
  const auto axes = [&](const PerAxis& p, int64_t least, const char* what) {
    return per_axis(p, spatial, least, what, maker, at);
  };
  const std::vector<int64_t> kernel = axes(kernel_size, 1, "kernel_size");
  auto [weight, bias] = drawn(key, in, out / o.groups, out, kernel, o.bias, o.dtype, from);
  return {std::move(weight),
          std::move(bias),
          axes(o.stride, 1, "stride"),
          axes(o.padding, 0, "padding"),
          axes(o.output_padding, 0, "output_padding"),
          axes(o.dilation, 1, "dilation"),
          o.groups};
} catch (...) {
  leave_with_error(maker, place(from));
}

}  // namespace

template <int spatial>
Tensor ConvOver<spatial>::operator()(Operand x) const {
  constexpr const char* layer = names[spatial - 1];
  try {
    const Location& at = x.where();
    const Dim in = weight_of(weight, layer, spatial + 2, at).shape()[1];
    const Tensor t = image(x, layer, spatial, in * groups);
    const Conv o{.stride = stride,
                 .padding = same ? ConvolutionPadding("same") : ConvolutionPadding(padding),
                 .dilation = dilation,
                 .groups = groups};
    const Function& f = functions[spatial - 1];
    return bias.defined() ? f.biased(Operand(t, at), Operand(weight, at), Operand(bias, at), o)
                          : f.plain(Operand(t, at), Operand(weight, at), o);
  } catch (...) {
    leave_with_error(layer, x.where());
  }
}

template <int spatial>
Tensor ConvTransposeOver<spatial>::operator()(Operand x) const {
  constexpr const char* layer = transposed_names[spatial - 1];
  try {
    const Location& at = x.where();
    const Dim in = weight_of(weight, layer, spatial + 2, at).shape()[0];
    const Tensor t = image(x, layer, spatial, in);
    const ConvTranspose o{
        .stride = stride, .padding = padding, .output_padding = output_padding, .groups = groups, .dilation = dilation};
    const Transposed& f = transposed[spatial - 1];
    return bias.defined() ? f.biased(Operand(t, at), Operand(weight, at), Operand(bias, at), o)
                          : f.plain(Operand(t, at), Operand(weight, at), o);
  } catch (...) {
    leave_with_error(layer, x.where());
  }
}

template <int spatial>
ConvOver<spatial> detail::conv_over(const char* maker, const Tensor& key, int64_t in, int64_t out,
                                    const PerAxis& kernel_size, const ConvOptions& o, const At& from) try {
  const Location at = place(from);
  check_groups(maker, in, out, o.groups, at);
  check_floating(maker, o.dtype, at);
  const auto axes = [&](const PerAxis& p, int64_t least, const char* what) {
    return per_axis(p, spatial, least, what, maker, at);
  };
  const std::vector<int64_t> kernel = axes(kernel_size, 1, "kernel_size"), stride = axes(o.stride, 1, "stride");
  const std::string& named = o.padding.name();
  if (!named.empty() && named != "same" && named != "valid")
    throw Error(std::string(maker) + ": .padding is \"same\", \"valid\" or widths, not \"" + named + "\"", at);
  if (named == "same")
    for (int64_t s : stride)
      if (s != 1) throw Error(std::string(maker) + ": \"same\" padding goes with a stride of 1", at);
  auto [weight, bias] = drawn(key, out, in / o.groups, out, kernel, o.bias, o.dtype, from);
  return {std::move(weight),
          std::move(bias),
          stride,
          named.empty() ? axes(o.padding.widths(), 0, "padding") : std::vector<int64_t>(spatial, 0),
          axes(o.dilation, 1, "dilation"),
          named == "same",
          o.groups};
} catch (...) {
  leave_with_error(maker, place(from));
}

#define TENON_CONVOLUTION_LAYERS(n)                                                                                   \
  template struct ConvOver<n>;                                                                                        \
  template struct ConvTransposeOver<n>;                                                                               \
  template ConvOver<n> detail::conv_over<n>(const char*, const Tensor&, int64_t, int64_t, const PerAxis&,             \
                                            const ConvOptions&, const At&);                                           \
  Conv##n##d conv##n##d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size, const ConvOptions& o, \
                        const At& at) {                                                                               \
    return detail::conv_over<n>("nn::conv" #n "d", key, in, out, kernel_size, o, at);                                 \
  }                                                                                                                   \
  ConvTranspose##n##d conv_transpose##n##d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,    \
                                           const ConvTransposeOptions& o, const At& at) {                             \
    return transposed_over<n>("nn::conv_transpose" #n "d", key, in, out, kernel_size, o, at);                         \
  }
TENON_CONVOLUTION_LAYERS(1)
TENON_CONVOLUTION_LAYERS(2)
TENON_CONVOLUTION_LAYERS(3)
#undef TENON_CONVOLUTION_LAYERS

}  // namespace tenon::nn
