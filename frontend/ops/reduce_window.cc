// Reductions over windows of all axes, by the name of what combines, or by any function, which is called for one element of all
// windows after the other.
#include <algorithm>

#include "tenon/frontend/ops/pooling.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

struct Combination {
  const char* name;
  ir::Op reduction;
};
constexpr Combination combinations[] = {{"sum", ir::Op::reduce_sum}, {"prod", ir::Op::reduce_prod},
                                        {"max", ir::Op::reduce_max}, {"min", ir::Op::reduce_min},
                                        {"and", ir::Op::reduce_and}, {"or", ir::Op::reduce_or}};

// What elements are combined as: bools are counted, and ordered, as numbers.
DType combined_as(ir::Op reduction, DType given) {
  const bool numbers = reduction != ir::Op::reduce_and && reduction != ir::Op::reduce_or;
  return numbers && given == boolean ? i64 : given;
}

std::vector<Value> build_reduce_window(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Windowed to(attrs);
  const ir::Op reduction = combinations[to.combine].reduction;
  const DType given = x[0].dtype(), dtype = combined_as(reduction, given);
  const Value windows = windowed(ir::cast(x[0], dtype), windowing_of(to), identity_of(b, reduction, dtype), 0);
  const Value elements = merged(windows, 0, to.axes.size());
  const bool extremum = reduction == ir::Op::reduce_max || reduction == ir::Op::reduce_min;
  return {extremum ? first_extremum(reduction, elements, 0) : ir::reduce(reduction, elements, {0})};
}

// x, init -> init in the shape of one element of all windows, then those elements, ascending.
std::vector<Value> build_elements(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const Windowing w = windowing_of(made::Windowed(attrs));
  const Value windows = windowed(x[0], w, x[1], 0), elements = merged(windows, 0, w.axes.size());
  Shape one = elements.shape();
  std::vector<Dim> starts(one.size(), 0), sizes = one.dims();
  sizes[0] = 1;
  one.erase(0);
  std::vector<Value> results{ir::broadcast(x[1], one, {})};
  for (int64_t i = 0; i < w.count(); ++i) {
    starts[0] = i;
    results.push_back(ir::reshape(ir::slice(elements, starts, sizes, Axes(starts.size(), 1)), one));
  }
  return results;
}

}  // namespace
}  // namespace formula

namespace {

using formula::Windowing;

// Of the last axes where fewer are given.
std::vector<int64_t> listed(const std::vector<int64_t>& given, size_t count, const char* what, const Location& at) {
  if (given.empty()) return std::vector<int64_t>(count, 1);
  return per_axis(given, count, 1, what, "reduce_window", at);
}

void pad_windows(Windowing& w, const Tensor& x, const WindowPadding& padding, const Location& at) {
  if (padding.name == "valid" || padding.name == "VALID") return;
  const bool same = padding.name == "same" || padding.name == "SAME";
  if (!same && !padding.name.empty())
    throw Error("reduce_window: padding is \"same\", \"valid\" or widths, not \"" + padding.name + "\"", at);
  if (!same && padding.widths.size() != w.axes.size())
    throw Error("reduce_window: " + std::to_string(padding.widths.size()) + " pairs of widths for " +
                    std::to_string(w.axes.size()) + " axes",
                at);
  for (size_t k = 0; k < w.axes.size(); ++k) {
    if (!same) {
      const auto [low, high] = padding.widths[k];
      if (low < 0 || high < 0 || low > INT32_MAX || high > INT32_MAX)
        throw Error("reduce_window: widths of padding are 0 or more, and below 2^31; slice instead", at);
      w.low[k] = low, w.high[k] = high;
      continue;
    }
    const Dim n = x.shape()[static_cast<size_t>(w.axes[k])];
    int64_t total = w.span(k) - 1;
    if (w.strides[k] != 1 || w.base[k] != 1) {
      if (n.is_symbol())
        throw Error("reduce_window: \"same\" padding with strides needs fixed extents, not " + describe(x), at);
      const int64_t inside = n.number() == 0 ? 0 : (n.number() - 1) * w.base[k] + 1;
      total =
          std::max<int64_t>(0, ((inside + w.strides[k] - 1) / w.strides[k] - 1) * w.strides[k] + w.span(k) - inside);
    }
    w.low[k] = total / 2, w.high[k] = total - total / 2;
  }
}

Windowing windows_of(const Tensor& x, const ReduceWindow& r, const Location& at) {
  const size_t count = r.window.size();
  if (count == 0 || count > static_cast<size_t>(x.ndim()))
    throw Error("reduce_window: a window has an entry for each axis of " + describe(x) + ", or for its last axes", at);
  Windowing w = last_axes(x, count);
  w.taps = per_axis(r.window, count, 1, "window", "reduce_window", at);
  w.strides = listed(r.strides, count, "strides", at);
  w.dilation = listed(r.dilation, count, "dilation", at);
  w.base = listed(r.base_dilation, count, "base_dilation", at);
  for (size_t k = 0; k < count; ++k)
    if (w.span(k) > INT32_MAX) throw Error("reduce_window: a window reaches beyond 2^31 elements", at);
  pad_windows(w, x, r.padding, at);
  return w;
}

}  // namespace

Tensor reduce_window(Operand operand, const ReduceWindow& r) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "reduce_window");
  made::WindowedAttrs attrs = windowed_attrs(windows_of(x, r, at));
  const auto known = std::find_if(std::begin(formula::combinations), std::end(formula::combinations),
                                  [&](const formula::Combination& c) { return r.combine == c.name; });
  if (known == std::end(formula::combinations))
    throw Error(
        "reduce_window: combine is sum, prod, max, min, and, or, not \"" + r.combine + "\"; give a function instead",
        at);
  if (is_floating(x.dtype()) && (r.combine == "and" || r.combine == "or"))
    throw Error(
        "reduce_window: bits of integers and bools are combined by \"" + r.combine + "\", not those of " + describe(x),
        at);
  if (r.combine != "sum") check_real(x.dtype(), ("reduce_window: \"" + r.combine + "\"").c_str(), at);
  attrs.combine = known - std::begin(formula::combinations);
  return apply({"reduce_window", formula::build_reduce_window}, std::move(attrs), std::span(&x, 1), at)[0];
} catch (...) {
  leave_with_error("reduce_window", operand.where());
}

std::vector<Tensor> detail::window_elements(const Operand& operand, const Operand& init, const ReduceWindow& r) try {
  constexpr int64_t most = 1024;
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "reduce_window");
  const Windowing w = windows_of(x, r, at);
  int64_t count = 1;
  for (int64_t taps : w.taps)
    if (__builtin_mul_overflow(count, taps, &count) || count > most)
      throw Error("reduce_window: a function is called for each element of a window, at most " + std::to_string(most) +
                      "; name the combination, or scan",
                  at);
  const Tensor first = entered(init, x.dtype(), "reduce_window");
  if (first.ndim() != 0) throw Error("reduce_window: init is a number, not " + describe(first), at);
  const Tensor inputs[] = {x, cast_to(first, x.dtype(), at)};
  return apply({"reduce_window", formula::build_elements}, windowed_attrs(w), inputs, at);
} catch (...) {
  leave_with_error("reduce_window", operand.where());
}

}  // namespace tenon
