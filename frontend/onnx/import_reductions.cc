// Reductions, places of extrema, running sums, the greatest. Axes became an operand in opset 18, of sums in 13.
#include <cmath>

#include "tenon/frontend/onnx/families.h"

namespace tenon::onnx {
namespace {

struct Over {
  Axes axes;
  bool keepdims = true, nothing = false;  // nothing: no axis is reduced
};

Over over(Call& c, int64_t from = 18) {
  const auto listed = c.list("axes", 1, from);
  Over o{.axes = {}, .keepdims = c.integer("keepdims", 1) != 0};
  const int rank = c.rank(0);
  o.axes = c.axes(listed.value_or(Axes()), rank);
  if (o.axes.empty()) {
    o.nothing = c.integer("noop_with_empty_axes", 0) != 0;
    for (int64_t i = 0; i < rank; ++i) o.axes.push_back(i);
  }
  return o;
}

// Integers keep their dtype. A scalar has no axes, and is what it is reduced to.
template <class F>
Results reduced(Call& c, F f, int64_t from = 18) {
  const Over o = over(c, from);
  const Tensor x = c.tensor(0);
  if (o.nothing) return one(x);
  return one(f(x, Reduce{.axes = o.axes, .keepdims = o.keepdims}).astype(x.dtype()));
}

}  // namespace

Results import_reduce_sum(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return sum(x, r); }, 13);
}
Results import_reduce_mean(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return mean(x, r); });
}
Results import_reduce_prod(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return prod(x, r); });
}
namespace {

// Of no elements what leaves every number alone: an infinity, or the end of the integers.
Tensor extremum(const Tensor& x, const Reduce& r, bool greatest) {
  if (x.dtype() == boolean) return greatest ? any_of(x, r) : all_of(x, r);
  bool empty = false;
  for (int64_t a : r.axes) empty |= x.size(a) == Extent(0);
  if (!empty) return greatest ? max(x, r) : min(x, r);
  const Shape shape = sum(x, r).shape();
  if (is_floating(x.dtype())) return full(shape, greatest ? -INFINITY : INFINITY, {.dtype = x.dtype()});
  const uint64_t all = ~uint64_t{0} >> (64 - bits(x.dtype()) + (is_signed(x.dtype()) ? 1 : 0));
  const auto most = static_cast<int64_t>(all);
  if (greatest) return full(shape, is_signed(x.dtype()) ? -most - 1 : 0, {.dtype = x.dtype()});
  return full(shape, is_signed(x.dtype()) ? Operand(most) : Operand(all), {.dtype = x.dtype()});
}

}  // namespace

Results import_reduce_max(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return extremum(x, r, true); });
}
Results import_reduce_min(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return extremum(x, r, false); });
}
Results import_reduce_l1(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return sum(abs(x), r); });
}
Results import_reduce_l2(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) {
    const Tensor wide = is_floating(x.dtype()) ? x : x.astype(f64);
    return sqrt(sum(wide * wide, r));
  });
}
Results import_reduce_log_sum(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return log(sum(x, r)); });
}
Results import_reduce_log_sum_exp(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return logsumexp(x, r); });
}
Results import_reduce_sum_square(Call& c) {
  return reduced(c, [](const Tensor& x, const Reduce& r) { return sum(x * x, r); });
}

namespace {

template <class F>
Results place_of(Call& c, F f) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", 0), x.ndim());
  const bool keepdims = c.integer("keepdims", 1) != 0;
  if (c.integer("select_last_index", 0) == 0) return one(f(x, axis, keepdims));
  return one(Operand(x.size(axis) - 1) - f(flip(x, {axis}), axis, keepdims));
}

}  // namespace

Results import_arg_max(Call& c) {
  return place_of(c, [](const Tensor& x, int64_t axis, bool keep) { return argmax(x, axis, keep); });
}
Results import_arg_min(Call& c) {
  return place_of(c, [](const Tensor& x, int64_t axis, bool keep) { return argmin(x, axis, keep); });
}

Results import_cum_sum(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer(1), x.ndim());
  const bool reverse = c.integer("reverse", 0) != 0;
  Tensor total = cumsum(x, axis, reverse).astype(x.dtype());
  if (c.integer("exclusive", 0) != 0) {  // moved on by one element
    Widths widths(static_cast<size_t>(x.ndim()), {0, 0});
    widths[static_cast<size_t>(axis)] = reverse ? std::pair<Extent, Extent>(-1, 1) : std::pair<Extent, Extent>(1, -1);
    total = pad(total, widths);
  }
  return one(total);
}

Results import_cum_prod(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer(1), x.ndim());
  const bool reverse = c.integer("reverse", 0) != 0;
  Tensor total = cumprod(x, axis, reverse).astype(x.dtype());
  if (c.integer("exclusive", 0) != 0) {
    Widths widths(static_cast<size_t>(x.ndim()), {0, 0});
    widths[static_cast<size_t>(axis)] = reverse ? std::pair<Extent, Extent>(-1, 1) : std::pair<Extent, Extent>(1, -1);
    total = pad(total, widths, 1);
  }
  return one(total);
}

Results import_top_k(Call& c) {
  const Tensor x = c.tensor(0);
  const int64_t axis = c.axis(c.integer("axis", -1), x.ndim());
  const int64_t k = c.opset >= 10 ? c.integer(1) : c.required("k");
  auto [values, places] = topk(x, k, axis, {.largest = c.integer("largest", 1) != 0});
  return {values, places};
}

}  // namespace tenon::onnx
