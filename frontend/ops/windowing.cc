// Windows in graph algebra: a pad for what lies outside, then the row `windows`, which is read where it is combined and never stored.
#include "tenon/frontend/ops/windowing.h"

#include <numeric>

#include "tenon/frontend/ops/rule_formula.h"

namespace tenon::formula {
namespace {

// Of n elements with holes between them.
Dim dilated(Symbols& s, Dim n, int64_t base) {
  if (base == 1 || n == 0) return n;
  return s.sum(s.product(s.difference(s.maximum(n, 1), 1), base - 1), n);
}

// a - b, or 0 where that is negative.
Dim beyond(Symbols& s, Dim a, Dim b) { return s.difference(s.maximum(a, b), b); }

}  // namespace

int64_t Windowing::count() const {
  return std::accumulate(taps.begin(), taps.end(), int64_t{1}, std::multiplies<int64_t>());
}

Windowing windowing_of(const made::Windowed& w) {
  return {.axes = w.axes,
          .taps = w.taps,
          .strides = w.strides,
          .low = w.low,
          .high = w.high,
          .dilation = w.dilation,
          .base = w.base,
          .ceil = w.ceil};
}

Dim positions(Symbols& s, const Windowing& w, size_t k, Dim n) {
  const Dim inside = dilated(s, n, w.base[k]);
  const Dim reach = s.sum(inside, w.low[k] + w.high[k] + w.strides[k]);
  const Dim room = beyond(s, reach, w.span(k));
  if (!w.ceil || w.strides[k] == 1) return s.quotient(room, w.strides[k]);
  // One more where there is a rest, and none that begins behind the elements and what is in front of them.
  const Dim covering = s.quotient(s.sum(room, w.strides[k] - 1), w.strides[k]);
  const Dim beginning = s.quotient(s.sum(inside, w.low[k] + w.strides[k] - 1), w.strides[k]);
  return s.minimum(covering, beginning);
}

Value windowed(Value x, const Windowing& w, Value fill, size_t at) {
  Symbols& s = x.builder->symbols();
  const Shape shape = x.shape();
  std::vector<Dim> low(shape.size(), 0), high = low, sizes;
  Axes interior(shape.size(), 0);
  bool adds = false;
  for (size_t k = 0; k < w.axes.size(); ++k) {
    const auto axis = static_cast<size_t>(w.axes[k]);
    sizes.push_back(positions(s, w, k, shape[axis]));
    low[axis] = w.low[k];
    high[axis] = w.high[k];
    if (w.ceil) {  // as far as the last window reaches
      const Dim end = s.sum(s.product(beyond(s, sizes[k], 1), w.strides[k]), w.span(k));
      high[axis] = s.maximum(high[axis], beyond(s, end, s.sum(dilated(s, shape[axis], w.base[k]), w.low[k])));
    }
    interior[axis] = w.base[k] - 1;
    adds = adds || !(low[axis] == 0) || !(high[axis] == 0) || interior[axis] != 0;
  }
  if (adds) x = ir::pad(x, fill, std::move(low), std::move(high), std::move(interior));
  return ir::windows(x, {.axes = w.axes,
                         .taps = w.taps,
                         .sizes = std::move(sizes),
                         .starts = Axes(w.axes.size(), 0),
                         .strides = w.strides,
                         .dilation = w.dilation,
                         .at = at,
                         .tapped = false});
}

Value merged(Value x, size_t at, size_t count) {
  if (count == 1) return x;
  Shape shape = x.shape();
  Dim all = 1;
  for (size_t k = 0; k < count; ++k) {
    all = x.builder->symbols().product(all, shape[at]);
    shape.erase(at);
  }
  shape.insert(at, all);
  return ir::reshape(x, shape);
}

Value first_extremum(ir::Op reduction, Value x, size_t axis) {
  const ir::Op place = reduction == ir::Op::reduce_max ? ir::Op::argmax : ir::Op::argmin;
  const Axes axes{static_cast<int64_t>(axis)};
  if (!is_floating(x.dtype())) return ir::reduce(reduction, x, axes);
  const auto rule = [&](const std::vector<Value>& in, const std::vector<Value>& tangents) {
    const Value primal = in[0], tangent = tangents[0];
    const Value first = ir::reduce(place, primal, axes), r = ir::reduce(reduction, primal, axes);
    const Shape shape = primal.shape();
    Axes others;
    for (int64_t i = 0; i < shape.rank(); ++i)
      if (i != axes[0]) others.push_back(i);
    const Value chosen = ir::eq(along(*primal.builder, shape, axis), ir::broadcast(first, shape, others));
    const Value moved = ir::reduce(ir::Op::reduce_sum, ir::select(chosen, tangent, ir::zeros_like(tangent)), axes);
    return std::pair(r, moved);
  };
  return with_rule({x}, [&](const std::vector<Value>& in) { return ir::reduce(reduction, in[0], axes); }, rule);
}

Value identity_of(ir::GraphBuilder& b, ir::Op reduction, DType dtype) {
  const ir::Op combine = ir::def(reduction).combine;
  if (is_complex(dtype)) return ir::splat(b, dtype, combine == ir::Op::mul, {});
  const uint64_t bits = ir::identity_bits(combine, dtype);
  return ir::constant(b, dtype, {},
                      std::string(reinterpret_cast<const char*>(&bits), static_cast<size_t>(bytes(dtype))));
}

Value along(ir::GraphBuilder& b, const Shape& shape, size_t axis) {
  const Shape all = shape;  // it may be that of a value, which may move while ops are added
  return ir::iota(b, i64, all, static_cast<int64_t>(axis));
}

Value extent_over(ir::GraphBuilder& b, Dim extent, const Shape& shape) {
  const Shape all = shape;
  if (extent.is_number()) return ir::splat_integer(b, i64, extent.number(), all);
  return ir::broadcast(ir::extent_value(b, extent), all, {});
}

}  // namespace tenon::formula
