// Convolutions. ONNX has channels first and padding of its own at each end, so they go to the function that has both.
#include "tenon/frontend/onnx/windows.h"

namespace tenon::onnx {
namespace {

Axes kernel_of(Call& c, const Tensor& weight) {
  c.expects(weight.ndim() >= 2, "its weight is [out, in / groups, ...]");
  Axes kernel;
  for (int64_t i = 2; i < weight.ndim(); ++i) {
    const Dim n = weight.shape()[static_cast<size_t>(i)];
    c.expects(n.is_number() && n.number() > 0, "its kernel has extents of 1 or more");
    kernel.push_back(n.number());
  }
  return kernel;
}

Tensor with_bias(const Tensor& y, const Tensor& bias) {
  if (!bias.defined()) return y;
  std::vector<Extent> shape(static_cast<size_t>(y.ndim()), 1);
  shape[1] = bias.numel();
  return y + bias.reshape(shape);
}

}  // namespace

Tensor convolved(Call& c, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Window w = window_of(c, x.shape(), kernel_of(c, weight), false);
  Axes kernel_order = spatial_axes(weight);
  kernel_order.push_back(1), kernel_order.push_back(0);
  const Tensor y = convolution(movedim(x, 1, -1), weight.transpose(kernel_order),
                               Convolution{.strides = w.strides,
                                           .low = w.low,
                                           .high = w.high,
                                           .dilation = w.dilations,
                                           .groups = c.integer("group", 1)});
  return with_bias(movedim(y, -1, 1), bias);
}

Results import_conv(Call& c) { return one(convolved(c, c.tensor(0), c.tensor(1), c.tensor_or(2, {}))); }

namespace {

// The weight [in, out / g, k..] as that of the convolution over x with holes: [k.., in / g, out], turned around.
Tensor turned(Call& c, const Tensor& weight, int64_t groups) {
  const Shape& s = weight.shape();
  c.expects(groups >= 1 && s[0].is_number() && s[0].number() % groups == 0, "its groups do not divide the channels");
  const Axes spatial = spatial_axes(weight);
  std::vector<Extent> apart = {groups, s[0].number() / groups}, together;
  Axes order;
  for (size_t i = 1; i < s.size(); ++i) apart.push_back(s[i]);
  for (int64_t i : spatial) order.push_back(i + 1), together.push_back(s[static_cast<size_t>(i)]);
  for (int64_t i : {1, 0, 2}) order.push_back(i);
  together.push_back(s[0].number() / groups), together.push_back(s[1] * groups);
  return (spatial.empty() ? weight : flip(weight, spatial)).reshape(apart).transpose(order).reshape(together);
}

// What is cut off at both ends of the whole result; negative: what is added.
void cuts(Call& c, const Window& w, const Shape& x, const Axes& more, Axes& low, Axes& high) {
  const Axes shape = c.integers("output_shape");
  const std::string name = c.word("auto_pad", "NOTSET");
  const size_t count = w.kernel.size();
  c.expects(shape.empty() || shape.size() == count || shape.size() == count + 2,
            "output_shape has a number for each axis");
  for (size_t i = 0; i < count; ++i) {
    low.push_back(w.low[i]);
    high.push_back(w.high[i] - more[i]);
    if (shape.empty() && !name.starts_with("SAME")) continue;
    c.number_of(x, i + 2, "an output of this shape");
    const int64_t whole = (x[i + 2].number() - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1;
    const int64_t wanted = shape.empty() ? x[i + 2].number() * w.strides[i] : shape[shape.size() - count + i];
    c.expects(wanted >= 0 && wanted <= INT32_MAX, "its output is too large");
    const int64_t total = whole + more[i] - wanted;
    low[i] = name == "SAME_UPPER" ? total / 2 : total - total / 2;
    if (total < 0) low[i] = 0;
    high[i] = total - low[i] - more[i];
  }
}

}  // namespace

Results import_conv_transpose(Call& c) {
  const Tensor x = c.tensor(0), weight = c.tensor(1);
  const Window w = window_of(c, x.shape(), kernel_of(c, weight), false);
  const size_t count = w.kernel.size();
  Axes low, high, reach;
  const Axes more = c.integers("output_padding", Axes(count, 0));
  c.expects(more.size() == count, "output_padding has a number for each axis");
  for (size_t i = 0; i < count; ++i) {
    c.expects(more[i] >= 0 && more[i] <= INT32_MAX, "output_padding is 0 or more");
    reach.push_back((w.kernel[i] - 1) * w.dilations[i]);
  }
  cuts(c, w, x.shape(), more, low, high);
  const int64_t groups = c.integer("group", 1);
  const Tensor y = convolution(
      movedim(x, 1, -1), turned(c, weight, groups),
      Convolution{.low = reach, .high = reach, .dilation = w.dilations, .groups = groups, .lhs_dilation = w.strides});
  Widths widths = {{0, 0}, {0, 0}};
  for (size_t i = 0; i < count; ++i) widths.emplace_back(-low[i], -high[i]);
  return one(with_bias(pad(movedim(y, -1, 1), widths), c.tensor_or(2, {})));
}

// Columns [n, channels * kernel, windows] to the image that they come from, added up where they overlap.
Results import_col2im(Call& c) {
  const Tensor x = c.tensor(0);
  const Axes image = c.integers(1), block = c.integers(2);
  const size_t count = image.size();
  c.expects(count == 2 && block.size() == 2, "images of two axes are known");
  const Axes pads = c.integers("pads", Axes(2 * count, 0));
  c.expects(pads.size() == 2 * count, "pads has two numbers for each axis");
  Axes padded;
  Widths widths = {{0, 0}, {0, 0}};
  for (size_t i = 0; i < count; ++i) {
    c.expects(pads[i] >= 0 && pads[count + i] >= 0 && image[i] >= 0 && image[i] <= INT32_MAX && pads[i] <= INT32_MAX &&
                  pads[count + i] <= INT32_MAX,
              "extents and padding are 0 or more");
    padded.push_back(image[i] + pads[i] + pads[count + i]);
    widths.emplace_back(-pads[i], -pads[count + i]);
  }
  const Unfold how{.dilation = c.integers("dilations", Axes(count, 1)),
                   .stride = c.integers("strides", Axes(count, 1))};
  return one(pad(fold(x, padded, block, how), widths));
}

}  // namespace tenon::onnx
