// Reductions over windows, which are laid beside each other by the row for that; and what a pooling's gradient is, which finds the winner of
// each window and scatters to where it stood.
#include <algorithm>

#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

struct Window {
  Axes sizes, strides, dilation, base_dilation, low, high;
};

Window window(Call& c, size_t rank) {
  Window w{c.integers({"window_dimensions"}),
           c.integers_or({"window_strides"}, Axes(rank, 1)),
           c.integers_or({"window_dilations"}, Axes(rank, 1)),
           c.integers_or({"base_dilations"}, Axes(rank, 1)),
           {},
           {}};
  const Axes padding = c.integers_or({"padding"}, Axes(2 * rank, 0));
  c.expects(w.sizes.size() == rank && w.strides.size() == rank && w.dilation.size() == rank &&
                w.base_dilation.size() == rank && padding.size() == 2 * rank,
            "its window has an entry for each axis");
  for (size_t i = 0; i < rank; ++i) {
    const int64_t least = std::min({w.sizes[i], w.strides[i], w.dilation[i], w.base_dilation[i]});
    const int64_t most = std::max({w.sizes[i], w.strides[i], w.dilation[i], w.base_dilation[i]});
    c.expects(least >= 1 && most <= INT32_MAX, "sizes, strides and dilations of a window lie between 1 and 2^31");
    w.low.push_back(padding[2 * i]);
    w.high.push_back(padding[2 * i + 1]);
  }
  return w;
}

// The axes along which a window is more than each element.
Axes windowed_axes(const Window& w) {
  Axes axes;
  for (size_t i = 0; i < w.sizes.size(); ++i)
    if (w.sizes[i] != 1 || w.strides[i] != 1) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

// [taps.., positions..]: all windows of x, which is filled up around and between its elements.
Value windows_of(Call& c, Value x, Value fill, const Window& w) {
  Axes interior;
  for (int64_t d : w.base_dilation) interior.push_back(d - 1);
  x = padded(c, x, fill, w.low, w.high, interior);
  ir::WindowsAttrs attrs{.axes = windowed_axes(w)};
  for (int64_t axis : attrs.axes) {
    const auto i = static_cast<size_t>(axis);
    const int64_t span = (w.sizes[i] - 1) * w.dilation[i] + 1, extent = x.shape()[i].number();
    attrs.taps.push_back(w.sizes[i]);
    attrs.sizes.push_back(extent < span ? 0 : (extent - span) / w.strides[i] + 1);
    attrs.starts.push_back(0);
    attrs.strides.push_back(w.strides[i]);
    attrs.dilation.push_back(w.dilation[i]);
  }
  return ir::windows(x, std::move(attrs));
}

Axes first_axes(size_t count) {
  Axes axes(count);
  for (size_t i = 0; i < count; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

Value flat(Value x, size_t leading) {  // the first axes as one
  Shape shape{1};
  for (size_t i = 0; i < x.shape().size(); ++i) {
    if (i < leading) {
      shape[0] = shape[0].number() * x.shape()[i].number();
    } else {
      shape.push_back(x.shape()[i]);
    }
  }
  return ir::reshape(x, shape);
}

}  // namespace

std::vector<Value> import_reduce_window(Call& c) {
  const size_t count = c.in.size() / 2;
  c.expects(count >= 1 && c.in.size() == 2 * count, "it takes tensors and as many scalars to begin with");
  const std::span<const Value> starts = std::span<const Value>(c.in).subspan(count);
  const Window w = window(c, c.in[0].shape().size());
  std::vector<Value> x;
  for (size_t i = 0; i < count; ++i) {
    c.expects(c.in[i].shape() == c.in[0].shape(), "its tensors have one shape");
    c.expects(starts[i].shape().empty() && starts[i].dtype() == c.in[i].dtype(),
              "what it begins with is a scalar of each tensor's dtype");
    x.push_back(windows_of(c, c.in[i], starts[i], w));
  }
  return reduced(c, std::move(x), starts, first_axes(windowed_axes(w).size()));
}

std::vector<Value> import_select_and_scatter(Call& c) {
  c.operands(3);
  c.regions(2);
  const Value x = c.in[0], source = c.in[1], start = c.in[2];
  const Window w = window(c, x.shape().size());
  const size_t taps = windowed_axes(w).size();
  const Shape all{x.shape().numel()};
  // Where each element stands; -1 for what fills up.
  const Value places = ir::reshape(ir::iota(c.b, i64, all, 0), x.shape());
  std::vector<Value> candidates = {flat(windows_of(c, x, ir::splat(c.b, x.dtype(), 0, {}), w), taps),
                                   flat(windows_of(c, places, ir::splat_integer(c.b, i64, -1, {}), w), taps)};
  c.expects(candidates[0].shape()[0].number() > 0, "its window holds an element");
  const auto better = [&](std::vector<Value> left, std::span<const Value> right) {
    const Value values[] = {left[0], right[0]};
    const Value none = ir::literal(left[1], -1);
    const Value chosen = c.scope.importer.inlined(c.scope, c.op.regions[0], values, true).at(0);
    const Value first =
        ir::bit_and(ir::ne(left[1], none), ir::bit_or(ir::eq(right[1], none), spread_scalar(chosen, none.shape())));
    return std::vector<Value>{ir::select(first, left[0], right[0]), ir::select(first, left[1], right[1])};
  };
  const Value winners = folded(std::move(candidates), better)[1];
  c.expects(winners.shape() == source.shape(), "its source has an element for each window");
  const std::vector<std::string> combine = combine_names(c, 1, 1);
  c.expects(!combine.empty(), "its region combines in a way that scatter does not know");
  const Value sums = ir::scatter(spread_scalar(start, all), ir::reshape(winners, {source.shape().numel()}),
                                 ir::reshape(source, {source.shape().numel()}), 0, combine[0]);
  return one(ir::reshape(sums, x.shape()));
}

}  // namespace tenon::hlo
