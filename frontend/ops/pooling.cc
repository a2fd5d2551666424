// Max and average pooling: reductions over the axes that hold the windows' elements, ascending; the elements are read where they are
// combined. Refuses windows that hold padding alone.
#include "tenon/frontend/ops/pooling.h"

#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// Per windowed axis the place in x of a tap. Where the tap lies in front of x nothing in the window is larger than padding: then the
// place is that of the window's first element that x has.
Value place_along(const Windowing& w, size_t k, Value tap) {
  const Value start = along(*tap.builder, tap.shape(), static_cast<size_t>(w.axes[k])) * w.strides[k] - w.low[k];
  const Value zero = ir::zeros_like(start);
  const Value first = w.dilation[k] == 1 ? zero - start : (zero - start + (w.dilation[k] - 1)) / w.dilation[k];
  return w.low[k] == 0 ? start + tap * w.dilation[k] : start + ir::max(tap, first) * w.dilation[k];
}

}  // namespace

Value places_of(const Windowing& w, Value tap, const Shape& plane) {
  const Shape extents = plane;  // it may be that of a value, which may move while ops are added
  std::vector<Value> places(w.axes.size());
  for (size_t k = w.axes.size(); k-- > 0;) {
    places[k] = place_along(w, k, k == 0 ? tap : ir::rem(tap, ir::literal(tap, w.taps[k])));
    if (k > 0) tap = tap / w.taps[k];
  }
  Value flat = places[0];
  for (size_t k = 1; k < places.size(); ++k)
    flat = flat * extent_over(*flat.builder, extents[static_cast<size_t>(w.axes[k])], flat.shape()) + places[k];
  return flat;
}

namespace {

std::vector<Value> build_max_pool(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Windowed to(attrs);
  const Windowing w = windowing_of(to);
  const auto at = static_cast<size_t>(w.axes[0]);
  const Value windows = windowed(x[0], w, identity_of(b, ir::Op::reduce_max, x[0].dtype()), at);
  const Value elements = merged(windows, at, w.axes.size());
  std::vector<Value> results{first_extremum(ir::Op::reduce_max, elements, at)};
  if (to.with_places) results.push_back(places_of(w, ir::reduce(ir::Op::argmax, elements, {w.axes[0]}), x[0].shape()));
  return results;
}

// How many elements count along an axis, over the result: of the window what x has, or x with its padding.
Value counted_along(const Windowing& w, size_t k, bool padding, Dim n, Value result) {
  ir::GraphBuilder& b = *result.builder;
  const Value start = along(b, result.shape(), static_cast<size_t>(w.axes[k])) * w.strides[k] - w.low[k];
  const Value end = extent_over(b, b.symbols().sum(n, padding ? w.high[k] : 0), result.shape());
  return ir::min(start + w.taps[k], end) - (padding ? start : ir::max(start, ir::zeros_like(start)));
}

Value average(Value x, const made::Windowed& to) {
  const Windowing w = windowing_of(to);
  const Shape plane = x.shape();
  const auto at = static_cast<size_t>(w.axes[0]);
  const Value windows = windowed(x, w, ir::splat_integer(*x.builder, x.dtype(), 0, {}), at);
  Axes taps;
  for (size_t k = 0; k < w.axes.size(); ++k) taps.push_back(static_cast<int64_t>(at + k));
  const Value sum = ir::reduce(ir::Op::reduce_sum, windows, taps);
  if (to.divisor != 0) return sum / to.divisor;
  Value count;
  int64_t whole = 1;
  for (size_t k = 0; k < w.axes.size(); ++k) {
    if (!w.ceil && (to.counts_padding || w.low[k] == 0)) {
      whole *= w.taps[k];
      continue;
    }
    const Value c = counted_along(w, k, to.counts_padding, plane[static_cast<size_t>(w.axes[k])], sum);
    count = count ? count * c : c;
  }
  return count ? sum / ir::cast(whole == 1 ? count : count * whole, sum.dtype()) : sum / whole;
}

std::vector<Value> build_avg_pool(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Windowed to(attrs);
  return rounded(x[0], [&](Value v) { return average(v, to); });
}

// The p-th root of the sum of p-th powers, as PyTorch has it: of an average times the elements of a whole window.
std::vector<Value> build_lp_pool(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Windowed to(attrs);
  const int64_t whole = windowing_of(to).count();
  return rounded(x[0], [&](Value v) {
    const Value p = ir::cast(x[1], v.dtype()), mean = average(ir::pow(v, ir::spread(p, v)), to);
    return ir::pow(mean * whole, ir::spread(1.0 / p, mean));
  });
}

}  // namespace
}  // namespace formula

namespace {

formula::Windowing pooled(const char* op, const Tensor& x, size_t spatial, const PerAxis& size, const PerAxis& stride,
                          const PerAxis& padding, const PerAxis& dilation, bool ceil, const Location& at) {
  formula::Windowing w = last_axes(x, spatial);
  w.taps = per_axis(size, spatial, 1, "kernel_size", op, at);
  w.strides = stride.given() ? per_axis(stride, spatial, 1, "stride", op, at) : w.taps;
  w.low = w.high = per_axis(padding, spatial, 0, "padding", op, at);
  w.dilation = per_axis(dilation, spatial, 1, "dilation", op, at);
  w.ceil = ceil;
  check_windows(x, w, op, at);
  for (size_t k = 0; k < spatial; ++k)
    if (2 * w.low[k] > w.span(k))
      throw Error(std::string(op) + ": padding is at most half of the window, " + std::to_string(w.span(k) / 2) +
                      ", not " + std::to_string(w.low[k]),
                  at);
  return w;
}

std::vector<Tensor> max_pool(const char* op, const Operand& operand, size_t spatial, const PerAxis& size,
                             const MaxPool& p, bool with_places) try {
  const Location& at = operand.where();
  const Tensor x = image_of(operand, spatial, op);
  check_real(x.dtype(), op, at);
  if (x.dtype() == boolean) throw Error(std::string(op) + ": bools have no order; cast them", at);
  made::WindowedAttrs attrs =
      windowed_attrs(pooled(op, x, spatial, size, p.stride, p.padding, p.dilation, p.ceil_mode, at));
  attrs.with_places = with_places;
  return apply({op, formula::build_max_pool}, std::move(attrs), std::span(&x, 1), at);
} catch (...) {
  leave_with_error(op, operand.where());
}

Tensor avg_pool(const char* op, const Operand& operand, size_t spatial, const PerAxis& size, const AvgPool& p) try {
  const Location& at = operand.where();
  const Tensor x = image_of(operand, spatial, op);
  check_real(x.dtype(), op, at);
  made::WindowedAttrs attrs = windowed_attrs(pooled(op, x, spatial, size, p.stride, p.padding, 1, p.ceil_mode, at));
  attrs.divisor = p.divisor_override;
  attrs.counts_padding = p.count_include_pad;
  return apply({op, formula::build_avg_pool}, std::move(attrs), std::span(&x, 1), at)[0];
} catch (...) {
  leave_with_error(op, operand.where());
}

Tensor lp_pool(const char* op, const Operand& operand, size_t spatial, double norm_type, const PerAxis& size,
               const LpPool& p) try {
  const FloatEnvironment standard;
  const Location& at = operand.where();
  const Tensor x = image_of(operand, spatial, op);
  check_real(x.dtype(), op, at);
  made::WindowedAttrs attrs = windowed_attrs(pooled(op, x, spatial, size, p.stride, 0, 1, p.ceil_mode, at));
  attrs.counts_padding = true;
  if (!(norm_type > 0)) throw Error(std::string(op) + ": the norm type is a positive number", at);
  const Tensor power = materialize(Operand(norm_type, at), formula::wide(formula::floating(x.dtype())), op);
  return apply_one({op, formula::build_lp_pool}, std::move(attrs), {x, power}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor lp_pool1d(Operand x, double norm_type, PerAxis kernel_size, const LpPool& p) {
  return lp_pool("lp_pool1d", x, 1, norm_type, kernel_size, p);
}
Tensor lp_pool2d(Operand x, double norm_type, PerAxis kernel_size, const LpPool& p) {
  return lp_pool("lp_pool2d", x, 2, norm_type, kernel_size, p);
}

#define TENON_POOLING(n)                                                                                    \
  Tensor max_pool##n##d(Operand x, PerAxis kernel_size, const MaxPool& p) {                                 \
    return max_pool("max_pool" #n "d", x, n, kernel_size, p, false)[0];                                     \
  }                                                                                                         \
  std::pair<Tensor, Tensor> max_pool##n##d_with_indices(Operand x, PerAxis kernel_size, const MaxPool& p) { \
    const std::vector<Tensor> both = max_pool("max_pool" #n "d_with_indices", x, n, kernel_size, p, true);  \
    return {both[0], both[1]};                                                                              \
  }                                                                                                         \
  Tensor avg_pool##n##d(Operand x, PerAxis kernel_size, const AvgPool& p) {                                 \
    return avg_pool("avg_pool" #n "d", x, n, kernel_size, p);                                               \
  }
TENON_POOLING(1)
TENON_POOLING(2)
TENON_POOLING(3)
#undef TENON_POOLING

}  // namespace tenon
