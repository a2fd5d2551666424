// Convolution layers over the functions of their names.
#include "tenon/frontend/nn/conv.h"

#include <cmath>

#include "tenon/frontend/nn/init.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/ops/pooling.h"
#include "tenon/ir/base/door.h"

namespace tenon::nn {
namespace {

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

// f: the function of tensors, which takes a bias or none.
template <class Layer, class Options, class F>
Tensor applied(const char* name, const Layer& l, const Operand& x, int spatial, Extent channels, const Options& o,
               F f) {
  const Location& at = x.where();
  const Operand image(nn::image(x, name, spatial, channels), at), weight(l.weight, at);
  return l.bias.defined() ? f(image, weight, Operand(l.bias, at), o) : f(image, weight, o);
}

template <class Layer>
Layer made(const char* maker, int spatial, const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,
           const ConvOptions& o, const At& from) try {
  const Location at = place(from);
  check_groups(maker, in, out, o.groups, at);
  check_floating(maker, o.dtype, at);
  const auto axes = [&](const PerAxis& p, int64_t least, const char* what) {
    return per_axis(p, static_cast<size_t>(spatial), least, what, maker, at);
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
          axes(named.empty() ? o.padding.widths() : PerAxis(0), 0, "padding"),
          axes(o.dilation, 1, "dilation"),
          named == "same",
          o.groups};
} catch (...) {
  leave_with_error(maker, place(from));
}

template <class Layer>
Layer made_transposed(const char* maker, int spatial, const Tensor& key, int64_t in, int64_t out,
                      const PerAxis& kernel_size, const ConvTransposeOptions& o, const At& from) try {
  const Location at = place(from);
  check_groups(maker, in, out, o.groups, at);
  check_floating(maker, o.dtype, at);
  const auto axes = [&](const PerAxis& p, int64_t least, const char* what) {
    return per_axis(p, static_cast<size_t>(spatial), least, what, maker, at);
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

#define TENON_CONVOLUTION_LAYERS(n)                                                                                   \
  Tensor Conv##n##d::operator()(Operand x) const try {                                                                \
    constexpr const char* name = "nn::Conv" #n "d";                                                                   \
    const Conv o{.stride = stride,                                                                                    \
                 .padding = same ? ConvolutionPadding("same") : ConvolutionPadding(padding),                          \
                 .dilation = dilation,                                                                                \
                 .groups = groups};                                                                                   \
    const Extent in = weight_of(weight, name, n + 2, x.where()).shape()[1] * groups;                                  \
    return applied(name, *this, x, n, in, o, [](const auto&... given) { return tenon::conv##n##d(given...); });       \
  } catch (...) {                                                                                                     \
    leave_with_error("nn::Conv" #n "d", x.where());                                                                   \
  }                                                                                                                   \
  Tensor ConvTranspose##n##d::operator()(Operand x) const try {                                                       \
    constexpr const char* name = "nn::ConvTranspose" #n "d";                                                          \
    const ConvTranspose o{.stride = stride,                                                                           \
                          .padding = padding,                                                                         \
                          .output_padding = output_padding,                                                           \
                          .groups = groups,                                                                           \
                          .dilation = dilation};                                                                      \
    const Extent in = weight_of(weight, name, n + 2, x.where()).shape()[0];                                           \
    return applied(name, *this, x, n, in, o,                                                                          \
                   [](const auto&... given) { return tenon::conv_transpose##n##d(given...); });                       \
  } catch (...) {                                                                                                     \
    leave_with_error("nn::ConvTranspose" #n "d", x.where());                                                          \
  }                                                                                                                   \
  Conv##n##d conv##n##d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size, const ConvOptions& o, \
                        const At& at) {                                                                               \
    return made<Conv##n##d>("nn::conv" #n "d", n, key, in, out, kernel_size, o, at);                                  \
  }                                                                                                                   \
  ConvTranspose##n##d conv_transpose##n##d(const Tensor& key, int64_t in, int64_t out, const PerAxis& kernel_size,    \
                                           const ConvTransposeOptions& o, const At& at) {                             \
    return made_transposed<ConvTranspose##n##d>("nn::conv_transpose" #n "d", n, key, in, out, kernel_size, o, at);    \
  }
TENON_CONVOLUTION_LAYERS(1)
TENON_CONVOLUTION_LAYERS(2)
TENON_CONVOLUTION_LAYERS(3)
#undef TENON_CONVOLUTION_LAYERS

}  // namespace tenon::nn
