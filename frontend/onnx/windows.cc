// auto_pad, ceil_mode, and defaults.
#include "tenon/frontend/onnx/windows.h"

#include <algorithm>

namespace tenon::onnx {
namespace {

constexpr int64_t most = INT32_MAX;

Axes per_axis(Call& c, std::string_view name, size_t count, int64_t otherwise, int64_t least) {
  Axes list = c.integers(name, Axes(count, otherwise));
  if (list.empty()) list.assign(count, otherwise);
  if (list.size() != count)
    c.fail("attribute '" + std::string(name) + "' has a number for each of " + std::to_string(count) + " axes");
  for (int64_t n : list)
    if (n < least || n > most) c.fail("attribute '" + std::string(name) + "' has " + std::to_string(n));
  return list;
}

// The padding that gives an element for every `stride`.
void pad_to_same(Call& c, Window& w, const Shape& x, size_t i, bool lower) {
  const int64_t span = (w.kernel[i] - 1) * w.dilations[i] + 1;
  int64_t total = span - w.strides[i];
  if (w.strides[i] != 1) {
    const int64_t n = c.number_of(x, i + 2, "padding by name with strides");
    total = ((n + w.strides[i] - 1) / w.strides[i] - 1) * w.strides[i] + span - n;
  }
  total = std::max<int64_t>(total, 0);
  w.low[i] = lower ? (total + 1) / 2 : total / 2;
  w.high[i] = total - w.low[i];
}

// How many elements more the last window needs, where it begins before the padding ends.
int64_t reach_beyond(Call& c, const Window& w, const Shape& x, size_t i) {
  if (w.strides[i] == 1) return 0;
  const int64_t n = c.number_of(x, i + 2, "ceil_mode"), span = (w.kernel[i] - 1) * w.dilations[i] + 1;
  const int64_t room = n + w.low[i] + w.high[i] - span;
  if (room < 0) return 0;
  int64_t last = (room + w.strides[i] - 1) / w.strides[i];
  if (last * w.strides[i] >= n + w.low[i]) --last;
  return std::max<int64_t>(last * w.strides[i] - room, 0);
}

}  // namespace

WindowPadding Window::padding() const {
  std::vector<std::pair<int64_t, int64_t>> widths = {{0, 0}, {0, 0}};
  for (size_t i = 0; i < low.size(); ++i) widths.emplace_back(low[i], high[i] + beyond[i]);
  return widths;
}

ReduceWindow Window::reduced(const char* combine) const {
  const auto with_ones = [](Axes list) {
    list.insert(list.begin(), 2, 1);
    return list;
  };
  return {.window = with_ones(kernel),
          .strides = with_ones(strides),
          .padding = padding(),
          .dilation = with_ones(dilations),
          .combine = combine};
}

Window window_of(Call& c, const Shape& x, Axes kernel, bool pools) {
  if (x.rank() < 2) c.fail("its first input is [n, channels, ...]");
  const size_t count = static_cast<size_t>(x.rank()) - 2;
  Window w;
  w.kernel = per_axis(c, "kernel_shape", count, 1, 1);
  if (!kernel.empty()) {
    if (c.find("kernel_shape") != nullptr && w.kernel != kernel)
      c.fail("attribute 'kernel_shape' is not that of its weight");
    w.kernel = std::move(kernel);
  } else if (pools && c.find("kernel_shape") == nullptr) {
    c.fail("it lacks attribute 'kernel_shape'");
  }
  if (w.kernel.size() != count)
    c.fail("its kernel has " + std::to_string(w.kernel.size()) + " axes, and its first input " + std::to_string(count));
  w.strides = per_axis(c, "strides", count, 1, 1);
  w.dilations = per_axis(c, "dilations", count, 1, 1);
  w.beyond.assign(count, 0);
  const Axes pads = per_axis(c, "pads", 2 * count, 0, 0);
  w.low.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(count));
  w.high.assign(pads.begin() + static_cast<std::ptrdiff_t>(count), pads.end());
  for (size_t i = 0; i < count; ++i) {
    int64_t reach;
    if (__builtin_mul_overflow(w.kernel[i] - 1, w.dilations[i], &reach) || reach > most)
      c.fail("its windows reach too far");
  }
  const std::string name = c.word("auto_pad", "NOTSET");
  if (name != "NOTSET" && name != "VALID" && name != "SAME_UPPER" && name != "SAME_LOWER" && !name.empty())
    c.fail("auto_pad '" + name + "' is none");
  for (size_t i = 0; i < count; ++i) {
    if (name == "VALID") w.low[i] = w.high[i] = 0;
    if (name.starts_with("SAME")) pad_to_same(c, w, x, i, name == "SAME_LOWER");
    if (pools && c.integer("ceil_mode", 0) != 0) w.beyond[i] = reach_beyond(c, w, x, i);
  }
  return w;
}

Axes spatial_axes(const Tensor& x) {
  Axes axes;
  for (int64_t i = 2; i < x.ndim(); ++i) axes.push_back(i);
  return axes;
}

}  // namespace tenon::onnx
