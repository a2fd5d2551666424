// Transposes of movement: where an element went, its cotangent comes from.
#include <algorithm>

#include "tenon/ir/rules/derivative.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::ir::rules {
namespace {

std::vector<Dim> zero_dims(size_t count) { return std::vector<Dim>(count, Dim(0)); }
std::vector<int64_t> repeated(size_t count, int64_t value) { return std::vector<int64_t>(count, value); }

}  // namespace

std::vector<Value> reshape_transpose(const TransposeArgs& args) {
  return {reshape(args.cotangents[0], args.operand_types[0].shape)};
}

// Sums over what was repeated: axes that the operand lacks, and axes of extent 1 that were stretched.
std::vector<Value> broadcast_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const Shape from = args.operand_types[0].shape, to = ct.shape();
  const auto& axes = Broadcast(args.attrs).axes;
  std::vector<int64_t> summed;
  for (int64_t j = 0; j < to.rank(); ++j) {
    const auto at = std::find(axes.begin(), axes.end(), j);
    if (at == axes.end() || !(from[at - axes.begin()] == to[j])) summed.push_back(j);
  }
  return {reshape(summed.empty() ? ct : reduce(Op::reduce_sum, ct, summed), from)};
}

std::vector<Value> transpose_transpose(const TransposeArgs& args) {
  const auto& permutation = Transpose(args.attrs).permutation;
  std::vector<int64_t> inverse(permutation.size());
  for (size_t i = 0; i < permutation.size(); ++i) inverse[permutation[i]] = static_cast<int64_t>(i);
  return {transpose(args.cotangents[0], std::move(inverse))};
}

std::vector<Value> slice_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const Shape from = args.operand_types[0].shape;
  const Slice taken(args.attrs);
  Symbols& s = args.builder.symbols();
  std::vector<Dim> high;
  std::vector<int64_t> interior;
  for (size_t i = 0; i < taken.sizes.size(); ++i) {
    if (taken.sizes[i] == 0) return {zeros(args.builder, args.operand_types[0])};
    // starts + (size - 1) * stride + 1 elements are covered up to the last one taken, and none beyond starts where none is
    Dim covered = taken.sizes[i];
    if (taken.strides[i] != 1)
      covered = s.sum(s.product(s.difference(s.maximum(covered, 1), 1), taken.strides[i]), s.minimum(covered, 1));
    high.push_back(
        s.difference(from[i], s.sum(taken.starts[i], covered)));  // so that low + covered + high is seen to be from
    interior.push_back(taken.strides[i] - 1);
  }
  return {pad(ct, zeros(args.builder, {ct.dtype(), {}}), taken.starts, std::move(high), std::move(interior))};
}

std::vector<Value> dynamic_slice_transpose(const TransposeArgs& args) {
  std::vector<Value> result = absent(args.operands.size());
  result[0] =
      dynamic_update_slice(zeros(args.builder, args.operand_types[0]), args.cotangents[0], args.operands.subspan(1));
  return result;
}

std::vector<Value> dynamic_update_slice_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const auto starts = args.operands.subspan(2);
  std::vector<Value> result = absent(args.operands.size());
  if (args.linear[0]) result[0] = dynamic_update_slice(ct, zeros(args.builder, args.operand_types[1]), starts);
  if (args.linear[1]) result[1] = dynamic_slice(ct, starts, args.operand_types[1].shape.dims());
  return result;
}

std::vector<Value> pad_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const Pad p(args.attrs);
  const Type x = args.operand_types[0];
  std::vector<Value> result = absent(2);
  if (args.linear[0]) {
    std::vector<int64_t> strides;
    for (int64_t i : p.interior) strides.push_back(i + 1);
    result[0] = slice(ct, p.low, x.shape.dims(), std::move(strides));
  }
  if (args.linear[1]) {  // the sum of what lies outside x
    const Value inside = pad(splat_integer(args.builder, boolean, 1, x.shape),
                             splat_integer(args.builder, boolean, 0, {}), p.low, p.high, p.interior);
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < x.shape.rank(); ++i) axes.push_back(i);
    result[1] = reduce(Op::reduce_sum, select(inside, zeros_like(ct), ct), std::move(axes));
  }
  return result;
}

std::vector<Value> concat_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const size_t axis = Concat(args.attrs).axis;
  const auto rank = args.operand_types[0].shape.size();
  std::vector<Value> result;
  Dim start = 0;
  for (size_t k = 0; k < args.operand_types.size(); ++k) {
    const Shape shape = args.operand_types[k].shape;
    std::vector<Dim> starts = zero_dims(rank);
    starts[axis] = start;
    result.push_back(args.linear[k] ? slice(ct, std::move(starts), shape.dims(), repeated(rank, 1)) : Value{});
    start = args.builder.symbols().sum(start, shape[axis]);
  }
  return result;
}

std::vector<Value> reverse_transpose(const TransposeArgs& args) {
  return {reverse(args.cotangents[0], Reverse(args.attrs).axes)};
}

std::vector<Value> barrier_transpose(const TransposeArgs& args) {
  std::vector<Value> present, result = absent(args.operands.size());
  for (const Value& ct : args.cotangents)
    if (ct) present.push_back(ct);
  const auto held = apply(args.builder, Op::barrier, present);
  size_t next = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    if (!args.cotangents[i]) continue;
    if (args.linear[i]) result[i] = held[next];
    ++next;
  }
  return result;
}

std::vector<Value> barrier_jvp(const JvpArgs& args) {
  std::vector<Value> present, result = absent(args.tangents.size());
  for (const Value& t : args.tangents)
    if (t) present.push_back(t);
  const auto held = apply(args.builder, Op::barrier, present);
  size_t next = 0;
  for (size_t i = 0; i < result.size(); ++i)
    if (args.tangents[i]) result[i] = held[next++];
  return result;
}

// What windows overlap adds up: element e of x is tap t of the position (e - start - t * dilation) / stride, where that comes out
// even. The cotangent is padded so that every element finds every tap, a zero where there is none: again a reading of windows, of
// taps that are there already and lie the other way round.
std::vector<Value> windows_transpose(const TransposeArgs& args) {
  const Value ct = args.cotangents[0];
  const Windows w(args.attrs);
  const WindowAxes axes(w);
  const Shape from = args.operand_types[0].shape, to = ct.shape();
  Symbols& s = args.builder.symbols();
  std::vector<Dim> low = zero_dims(to.size()), high = low, sizes;
  std::vector<int64_t> interior = repeated(to.size(), 0), starts, taps, dilation;
  for (size_t k = 0; k < axes.count; ++k) {
    if (w.sizes[k] == 0) return {zeros(args.builder, args.operand_types[0])};
    const auto axis = static_cast<size_t>(w.axes[k]);
    const size_t at = axes.in_result(axis);
    const Dim extent = from[axes.in_operand(axis)];
    low[at] = w.starts[k] + ahead(w, k);
    interior[at] = w.strides[k] - 1;
    // Where the positions stand, from start on, up to one behind the last.
    const Dim end = s.sum(s.product(s.difference(s.maximum(w.sizes[k], 1), 1), w.strides[k]),
                          s.product(s.minimum(w.sizes[k], 1), w.starts[k] + 1));
    high[at] = s.sum(s.difference(extent, end), behind(w, k));
    sizes.push_back(extent);
    starts.push_back(ahead(w, k));
    dilation.push_back(-w.dilation[k]);
    taps.push_back(static_cast<int64_t>(axes.at + k));
  }
  const Value padded =
      pad(ct, zeros(args.builder, {ct.dtype(), {}}), std::move(low), std::move(high), std::move(interior));
  const Value laid = windows(padded, {.axes = w.axes,
                                      .taps = w.taps,
                                      .sizes = std::move(sizes),
                                      .starts = std::move(starts),
                                      .strides = repeated(axes.count, 1),
                                      .dilation = std::move(dilation),
                                      .at = w.at,
                                      .tapped = true});
  return {w.tapped || taps.empty() ? laid : reduce(Op::reduce_sum, laid, std::move(taps))};
}

}  // namespace tenon::ir::rules
