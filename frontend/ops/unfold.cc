// Windows as columns and back: unfold, fold, windows along one axis; and pixel_shuffle, which deals channels out over a plane.
#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

Windowing planes(const made::Unfolded& u, int rank) {
  Windowing w;
  for (size_t k = 0; k < u.taps.size(); ++k) w.axes.push_back(rank - static_cast<int64_t>(u.taps.size() - k));
  w.taps = u.taps, w.strides = u.strides, w.low = u.low, w.high = u.high, w.dilation = u.dilation;
  w.base = Axes(w.taps.size(), 1);
  return w;
}

Dim product(Symbols& s, const Shape& shape, size_t begin, size_t end) {
  Dim all = 1;
  for (size_t i = begin; i < end; ++i) all = s.product(all, shape[i]);
  return all;
}

// [.., c, h, w] -> [.., c * taps, windows]
std::vector<Value> build_unfold(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Unfolded u(attrs);
  const Windowing w = planes(u, x[0].shape().rank());
  const auto at = static_cast<size_t>(w.axes[0]);
  const Value windows = windowed(x[0], w, ir::splat_integer(b, x[0].dtype(), 0, {}), at);
  const Shape shape = windows.shape();
  Shape columns;
  for (size_t i = 0; i + 1 < at; ++i) columns.push_back(shape[i]);
  columns.push_back(product(b.symbols(), shape, at - 1, at + w.axes.size()));
  columns.push_back(product(b.symbols(), shape, at + w.axes.size(), shape.size()));
  return {ir::reshape(windows, columns)};
}

// The way back: every element of the plane adds up the columns' entries that were read from it. They are found tap by tap, as in the
// derivative of windows.
std::vector<Value> build_fold(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Unfolded u(attrs);
  Symbols& s = b.symbols();
  const Shape columns = x[0].shape();
  const size_t rank = columns.size() + u.taps.size() - 1, count = u.taps.size();  // of the result
  const Windowing w = planes(u, static_cast<int>(rank));
  const auto at = static_cast<size_t>(w.axes[0]);
  Shape apart;
  for (size_t i = 0; i + 1 < at; ++i) apart.push_back(columns[i]);
  apart.push_back(s.quotient(columns[at - 1], w.count()));
  for (int64_t taps : w.taps) apart.push_back(Dim(taps));
  for (size_t k = 0; k < count; ++k) apart.push_back(positions(s, w, k, u.sizes[k]));
  std::vector<Dim> low(apart.size(), 0), high = low;
  Axes interior(apart.size(), 0), starts, dilation, taps;
  for (size_t k = 0; k < count; ++k) {
    const size_t axis = at + count + k;
    low[axis] = w.span(k) - 1;
    interior[axis] = w.strides[k] - 1;
    const Dim covered = s.sum(s.product(s.difference(s.maximum(apart[axis], 1), 1), w.strides[k]), 1);
    const Dim needed = s.sum(u.sizes[k], w.low[k]);
    high[axis] = s.difference(s.maximum(needed, covered), covered);
    starts.push_back(w.low[k] + w.span(k) - 1);
    dilation.push_back(-w.dilation[k]);
    taps.push_back(static_cast<int64_t>(at + k));
  }
  const Value padded =
      ir::pad(ir::reshape(x[0], apart), ir::splat_integer(b, x[0].dtype(), 0, {}), low, high, interior);
  const Value laid = ir::windows(padded, {.axes = w.axes,
                                          .taps = w.taps,
                                          .sizes = u.sizes,
                                          .starts = starts,
                                          .strides = Axes(count, 1),
                                          .dilation = dilation,
                                          .at = at,
                                          .tapped = true});
  return {ir::reduce(ir::Op::reduce_sum, laid, taps)};
}

std::vector<Value> build_sliding(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Sliding to(attrs);
  Windowing w;
  w.axes = {to.axis}, w.taps = {to.size}, w.strides = {to.step};
  w.low = w.high = {0}, w.dilation = w.base = {1};
  return {windowed(x[0], w, Value{}, x[0].shape().size())};
}

// [.., c r r, h, w] -> [.., c, h r, w r], or back.
std::vector<Value> build_shuffle(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Shuffled to(attrs);
  Symbols& s = b.symbols();
  const Shape from = x[0].shape();
  const size_t rank = from.size(), c = rank - 3;
  const Dim r = to.factor, square = s.product(r, r);
  Shape apart, together;
  Axes order;
  for (size_t i = 0; i < c; ++i)
    apart.push_back(from[i]), together.push_back(from[i]), order.push_back(static_cast<int64_t>(i));
  const auto at = static_cast<int64_t>(c);
  if (!to.back) {
    for (Dim d : {s.quotient(from[c], square), r, r, from[c + 1], from[c + 2]}) apart.push_back(d);
    for (int64_t i : {0, 3, 1, 4, 2}) order.push_back(at + i);
    for (Dim d : {s.quotient(from[c], square), s.product(from[c + 1], r), s.product(from[c + 2], r)})
      together.push_back(d);
  } else {
    const Dim h = s.quotient(from[c + 1], r), w = s.quotient(from[c + 2], r);
    for (Dim d : {from[c], h, r, w, r}) apart.push_back(d);
    for (int64_t i : {0, 2, 4, 1, 3}) order.push_back(at + i);
    for (Dim d : {s.product(from[c], square), h, w}) together.push_back(d);
  }
  return {ir::reshape(ir::transpose(ir::reshape(x[0], apart), order), together)};
}

}  // namespace
}  // namespace formula

namespace {

made::UnfoldedAttrs unfolded(const char* op, const PerAxis& size, const Unfold& u, const Location& at) {
  constexpr size_t spatial = 2;
  made::UnfoldedAttrs attrs;
  attrs.taps = per_axis(size, spatial, 1, "kernel_size", op, at);
  attrs.strides = per_axis(u.stride, spatial, 1, "stride", op, at);
  attrs.low = attrs.high = per_axis(u.padding, spatial, 0, "padding", op, at);
  attrs.dilation = per_axis(u.dilation, spatial, 1, "dilation", op, at);
  return attrs;
}

Tensor shuffled(const char* op, const Operand& operand, int64_t factor, bool back) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op);
  if (x.ndim() < 3) throw Error(std::string(op) + " takes [.., channels, height, width], not " + describe(x), at);
  if (factor < 1 || factor > 46340)
    throw Error(std::string(op) + ": the factor is 1 or more, not " + std::to_string(factor), at);
  const auto c = static_cast<size_t>(x.ndim() - 3);
  const auto even = [&](size_t axis, int64_t by) {
    const Dim n = x.shape()[axis];
    if (n.is_number() && n.number() % by != 0)
      throw Error(std::string(op) + ": axis " + std::to_string(axis) + " of " + describe(x) + " is no multiple of " +
                      std::to_string(by),
                  at);
  };
  if (back)
    even(c + 1, factor), even(c + 2, factor);
  else
    even(c, factor * factor);
  return apply_one({op, formula::build_shuffle}, made::ShuffledAttrs{.factor = factor, .back = back}, {x}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor unfold(Operand operand, PerAxis kernel_size, const Unfold& u) try {
  const Location& at = operand.where();
  const Tensor x = image_of(operand, 2, "unfold");
  made::UnfoldedAttrs attrs = unfolded("unfold", kernel_size, u, at);
  formula::Windowing w = last_axes(x, 2);
  w.taps = attrs.taps, w.low = w.high = attrs.low, w.dilation = attrs.dilation;
  check_windows(x, w, "unfold", at);
  return apply_one({"unfold", formula::build_unfold}, std::move(attrs), {x}, at);
} catch (...) {
  leave_with_error("unfold", operand.where());
}

Tensor fold(Operand operand, PerAxis output_size, PerAxis kernel_size, const Unfold& u) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "fold");
  if (x.ndim() != 2 && x.ndim() != 3)
    throw Error("fold takes [n, channels * kernel, windows] or the same without n, not " + describe(x), at);
  made::UnfoldedAttrs attrs = unfolded("fold", kernel_size, u, at);
  int64_t windows = 1;
  for (int64_t n : per_axis(output_size, 2, 1, "output_size", "fold", at)) {
    const size_t k = attrs.sizes.size();
    attrs.sizes.push_back(n);
    const int64_t room = n + 2 * attrs.low[k] - (attrs.taps[k] - 1) * attrs.dilation[k] - 1;
    windows *= room < 0 ? 0 : room / attrs.strides[k] + 1;
  }
  const Dim columns = x.shape()[static_cast<size_t>(x.ndim() - 2)],
            length = x.shape()[static_cast<size_t>(x.ndim() - 1)];
  const int64_t taps = attrs.taps[0] * attrs.taps[1];
  if ((columns.is_number() && columns.number() % taps != 0) || (length.is_number() && length.number() != windows))
    throw Error("fold: " + describe(x) + " does not hold columns of " + std::to_string(taps) +
                    " elements a channel for " + std::to_string(windows) + " windows",
                at);
  return apply_one({"fold", formula::build_fold}, std::move(attrs), {x}, at);
} catch (...) {
  leave_with_error("fold", operand.where());
}

Tensor unfold(Operand operand, int64_t axis, int64_t size, int64_t step) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "unfold");
  const int64_t a = axis_of(axis, x.ndim(), "unfold", at);
  if (size < 1 || step < 1 || size > INT32_MAX || step > INT32_MAX)
    throw Error("unfold: size and step are 1 or more, and below 2^31", at);
  formula::Windowing w = last_axes(x, 1);
  w.axes = {a}, w.taps = {size};
  check_windows(x, w, "unfold", at);
  return apply_one({"unfold", formula::build_sliding}, made::SlidingAttrs{.axis = a, .size = size, .step = step}, {x},
                   at);
} catch (...) {
  leave_with_error("unfold", operand.where());
}

Tensor pixel_shuffle(Operand x, int64_t factor) { return shuffled("pixel_shuffle", x, factor, false); }
Tensor pixel_unshuffle(Operand x, int64_t factor) { return shuffled("pixel_unshuffle", x, factor, true); }

}  // namespace tenon
