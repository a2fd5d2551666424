// Movement over lanes: the lanes are one more axis in front, which stays where it is. Slices that start elsewhere in every lane read
// their elements by number, in one gather over all lanes.
#include <algorithm>

#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {
namespace {

bool any(const std::vector<bool>& flags, size_t first) {
  return std::find(flags.begin() + static_cast<std::ptrdiff_t>(first), flags.end(), true) != flags.end();
}

// A start as slices clamp it, so that `size` elements lie inside `extent`; a scalar, or one a lane.
Value clamped_start(Value start, Dim extent, Dim size) {
  GraphBuilder& b = *start.builder;
  const Value room = extent_value(b, b.symbols().difference(extent, size));
  const Value zero = i64_scalar(b, 0);
  return min(max(start, over(zero, start.shape())), over(room, start.shape()));
}

// How many leading axes a window covers only in part; the axes behind them it has whole.
size_t partial_axes(const Shape& whole, const Shape& window) {
  size_t count = whole.size();
  while (count > 0 && whole[count - 1] == window[count - 1]) --count;
  return count;
}

// The leading `count` axes as one, behind the lanes where there are some.
Value flattened(Value x, bool batched, size_t count) {
  Symbols& s = x.builder->symbols();
  const Shape shape = x.shape();
  const size_t first = batched ? 1 : 0;
  Dim rows = batched ? shape[0] : Dim(1);
  for (size_t i = 0; i < count; ++i) rows = s.product(rows, shape[first + i]);
  Shape flat({rows});
  for (size_t i = first + count; i < shape.size(); ++i) flat.push_back(shape[i]);
  return reshape(x, flat);
}

// Row numbers from an index per leading axis, each i64 over one shape: their numbers in row-major order of `extents`.
Value row_number(std::span<const Value> index, const Shape& extents) {
  Value row = index[0];
  for (size_t i = 1; i < index.size(); ++i)
    row = row * over(extent_value(*row.builder, extents[i]), row.shape()) + index[i];
  return row;
}

Value rows_of(Value x, bool batched, size_t leading, Value rows, const Shape& lane) {
  Dim count = 1;
  for (size_t i = 0; i < leading; ++i) count = x.builder->symbols().product(count, lane[i]);
  return take(flattened(x, batched, leading), batched ? through_lanes(rows, count) : rows, 0);
}

}  // namespace

Value through_lanes(Value indices, Dim rows) {
  GraphBuilder& b = *indices.builder;
  const Shape shape = indices.shape();
  return indices + iota(b, DType::i64, shape, 0) * over(extent_value(b, rows), shape);
}

BatchResults batch_source(const BatchArgs& args) { return {apply(args.builder, args.op, {}, args.attrs), {false}}; }

BatchResults batch_reshape(const BatchArgs& args) {
  return {{reshape(args.operands[0], with_lanes(args.batching.size, Shape(Reshape(args.attrs).shape)))}};
}

BatchResults batch_broadcast(const BatchArgs& args) {
  const Broadcast to(args.attrs);
  return {{broadcast(args.operands[0], with_lanes(args.batching.size, Shape(to.shape)),
                     in_front<int64_t>(0, behind_lanes(to.axes)))}};
}

BatchResults batch_transpose(const BatchArgs& args) {
  return {{transpose(args.operands[0], in_front<int64_t>(0, behind_lanes(Transpose(args.attrs).permutation)))}};
}

BatchResults batch_slice(const BatchArgs& args) {
  const Slice s(args.attrs);
  return {{slice(args.operands[0], in_front(Dim(0), s.starts), in_front(args.batching.size, s.sizes),
                 in_front<int64_t>(1, s.strides))}};
}

BatchResults batch_dynamic_slice(const BatchArgs& args) {
  const DynamicSlice d(args.attrs);
  const Shape lane = lane_shape(args, 0), window(d.sizes);
  if (!any(args.batched, 1)) {
    std::vector<Value> starts(args.operands.begin() + 1, args.operands.end());
    return {{dynamic_slice(args.operands[0], in_front(i64_scalar(args.builder, 0), std::move(starts)),
                           in_front(args.batching.size, d.sizes))}};
  }
  const size_t leading = partial_axes(lane, window);
  if (leading == 0) return {{lifted(args, 0)}};  // all of it, wherever it starts
  Shape rows({args.batching.size});
  for (size_t i = 0; i < leading; ++i) rows.push_back(window[i]);
  std::vector<Value> index;
  for (size_t i = 0; i < leading; ++i)
    index.push_back(over(clamped_start(args.operands[1 + i], lane[i], window[i]), rows) +
                    iota(args.builder, DType::i64, rows, static_cast<int64_t>(i) + 1));
  return {{rows_of(args.operands[0], args.batched[0], leading, row_number(index, lane), lane)}};
}

// Where every lane writes elsewhere, each element finds out whether it is written, and with which element of the update.
BatchResults batch_dynamic_update_slice(const BatchArgs& args) {
  GraphBuilder& b = args.builder;
  const Shape lane = lane_shape(args, 0), window = lane_shape(args, 1);
  const Value x = lifted(args, 0);
  if (!any(args.batched, 2)) {
    std::vector<Value> starts(args.operands.begin() + 2, args.operands.end());
    return {{dynamic_update_slice(x, lifted(args, 1), in_front(i64_scalar(b, 0), std::move(starts)))}};
  }
  const size_t leading = partial_axes(lane, window);
  if (leading == 0) return {{lifted(args, 1)}};
  for (Dim d : window)
    if (d == 0) return {{x}};
  Shape rows({args.batching.size});
  for (size_t i = 0; i < leading; ++i) rows.push_back(lane[i]);
  std::vector<Value> index;
  Value written;
  for (size_t i = 0; i < leading; ++i) {
    const Value relative = iota(b, DType::i64, rows, static_cast<int64_t>(i) + 1) -
                           over(clamped_start(args.operands[2 + i], lane[i], window[i]), rows);
    const Value zero = zeros_like(relative), size = over(extent_value(b, window[i]), rows);
    const Value inside = bit_and(ge(relative, zero), lt(relative, size));
    written = written ? bit_and(written, inside) : inside;
    index.push_back(min(max(relative, zero), size - literal(size, 1)));
  }
  const Value update = rows_of(args.operands[1], args.batched[1], leading, row_number(index, window), window);
  return {{select(broadcast(written, x.shape(), counting(0, leading + 1)), update, x)}};
}

BatchResults batch_pad(const BatchArgs& args) {
  const Pad p(args.attrs);
  const Value x = lifted(args, 0);
  auto low = in_front(Dim(0), p.low), high = in_front(Dim(0), p.high);
  auto interior = in_front<int64_t>(0, p.interior);
  if (!args.batched[1]) return {{pad(x, args.operands[1], low, high, interior)}};
  GraphBuilder& b = args.builder;  // a fill for every lane
  const Value moved = pad(x, splat_integer(b, x.dtype(), 0, {}), low, high, interior);
  const Value inside =
      pad(splat_integer(b, DType::boolean, 1, x.shape()), splat_integer(b, DType::boolean, 0, {}), low, high, interior);
  return {{select(inside, moved, over(args.operands[1], moved.shape()))}};
}

BatchResults batch_concat(const BatchArgs& args) {
  return {{concat(all_lifted(args), static_cast<int64_t>(Concat(args.attrs).axis) + 1)}};
}

BatchResults batch_reverse(const BatchArgs& args) {
  return {{reverse(args.operands[0], behind_lanes(Reverse(args.attrs).axes))}};
}

BatchResults batch_windows(const BatchArgs& args) {
  const Windows w(args.attrs);
  return {{windows(args.operands[0], {.axes = behind_lanes(w.axes),
                                      .taps = w.taps,
                                      .sizes = w.sizes,
                                      .starts = w.starts,
                                      .strides = w.strides,
                                      .dilation = w.dilation,
                                      .at = w.at + 1,
                                      .tapped = w.tapped})}};
}

}  // namespace tenon::ir::rules
