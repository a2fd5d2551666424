// Reference meaning of sources and movement: every result element is one operand element, found by its index.
#include <algorithm>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::ir::rules {

// The literal holds all elements, or one that stands for all.
std::vector<Array> eval_constant(const EvalArgs& args) {
  Array result(args.results[0]);
  const std::string& raw = Constant(args.attrs).value;
  const size_t size = static_cast<size_t>(bytes(result.type.dtype));
  if (raw.size() == result.data.size()) {
    std::copy(raw.begin(), raw.end(), result.data.begin());
  } else {
    ensure(raw.size() == size, "a constant's literal has the bytes of one element or of all");
    for (size_t at = 0; at < result.data.size(); at += size) std::memcpy(&result.data[at], raw.data(), size);
  }
  return one_result(std::move(result));
}

std::vector<Array> eval_unset(const EvalArgs& args) { return one_result(Array(args.results[0])); }  // zeros

std::vector<Array> eval_iota(const EvalArgs& args) {
  Array counts({DType::i64, args.results[0].shape});
  const size_t axis = Iota(args.attrs).axis;
  int64_t at = 0;
  for (Odometer o(extents(counts.type.shape)); !o.done(); o.next()) counts.as<int64_t>()[at++] = o.index[axis];
  Array result(args.results[0]);
  cast(Lanes::from(DType::i64, counts.data.data(), counts.numel()), result.type.dtype).copy_to(result.data.data());
  return one_result(std::move(result));
}

std::vector<Array> eval_reshape(const EvalArgs& args) {
  Array result = *args.operands[0];
  result.type = args.results[0];
  return one_result(std::move(result));
}

std::vector<Array> eval_broadcast(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Indices& axes = Broadcast(args.attrs).axes;
  const Indices sizes = extents(x.type.shape), step = strides(sizes);
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < axes.size(); ++i)
      if (sizes[i] != 1) offset += index[axes[i]] * step[i];
    return offset;
  }));
}

// Result axis i is operand axis permutation[i].
std::vector<Array> eval_transpose(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Indices& permutation = Transpose(args.attrs).permutation;
  const Indices step = strides(extents(x.type.shape));
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < index.size(); ++i) offset += index[i] * step[permutation[i]];
    return offset;
  }));
}

std::vector<Array> eval_slice(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Slice s(args.attrs);
  const Indices starts = numbers(s.starts), step = strides(extents(x.type.shape));
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < index.size(); ++i) offset += (starts[i] + index[i] * s.strides[i]) * step[i];
    return offset;
  }));
}

namespace {

// Starts in i64 scalars, clamped so that the window lies inside.
Indices clamped_starts(std::span<const Array* const> starts, const Indices& sizes, const Indices& window) {
  Indices result;
  for (size_t i = 0; i < sizes.size(); ++i)
    result.push_back(std::clamp<int64_t>(starts[i]->as<int64_t>()[0], 0, std::max<int64_t>(sizes[i] - window[i], 0)));
  return result;
}

}  // namespace

std::vector<Array> eval_dynamic_slice(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Indices sizes = extents(x.type.shape), step = strides(sizes);
  const int64_t origin = dot(clamped_starts(args.operands.subspan(1), sizes, extents(args.results[0].shape)), step);
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) { return origin + dot(index, step); }));
}

std::vector<Array> eval_dynamic_update_slice(const EvalArgs& args) {
  Array result = *args.operands[0];
  const Array& update = *args.operands[1];
  const Indices sizes = extents(result.type.shape), window = extents(update.type.shape), step = strides(sizes);
  const int64_t origin = dot(clamped_starts(args.operands.subspan(2), sizes, window), step);
  int64_t at = 0;
  for (Odometer o(window); !o.done(); o.next()) copy_element(result, origin + dot(o.index, step), update, at++);
  return one_result(std::move(result));
}

std::vector<Array> eval_pad(const EvalArgs& args) {
  const Array &x = *args.operands[0], &fill = *args.operands[1];
  const Pad p(args.attrs);
  const Indices low = numbers(p.low), sizes = extents(x.type.shape);
  Array result = rearranged(args.results[0], fill, [](const Indices&) { return 0; });
  const Indices step = strides(extents(result.type.shape));
  int64_t at = 0;
  for (Odometer o(sizes); !o.done(); o.next()) {
    int64_t offset = 0;
    for (size_t i = 0; i < sizes.size(); ++i) offset += (low[i] + o.index[i] * (p.interior[i] + 1)) * step[i];
    copy_element(result, offset, x, at++);
  }
  return one_result(std::move(result));
}

std::vector<Array> eval_concat(const EvalArgs& args) {
  Array result(args.results[0]);
  const size_t axis = Concat(args.attrs).axis;
  const Indices step = strides(extents(result.type.shape));
  int64_t before = 0;
  for (const Array* part : args.operands) {
    int64_t at = 0;
    for (Odometer o(extents(part->type.shape)); !o.done(); o.next())
      copy_element(result, dot(o.index, step) + before * step[axis], *part, at++);
    before += part->type.shape[axis].number();
  }
  return one_result(std::move(result));
}

std::vector<Array> eval_reverse(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Indices sizes = extents(x.type.shape), step = strides(sizes);
  std::vector<bool> flipped(sizes.size());
  for (int64_t axis : Reverse(args.attrs).axes) flipped[axis] = true;
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) {
    int64_t offset = 0;
    for (size_t i = 0; i < index.size(); ++i) offset += (flipped[i] ? sizes[i] - 1 - index[i] : index[i]) * step[i];
    return offset;
  }));
}

std::vector<Array> eval_windows(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const Windows w(args.attrs);
  const WindowAxes axes(w);
  const Indices step = strides(extents(x.type.shape));
  int64_t origin = 0;
  Indices by(args.results[0].shape.size(), 0);  // how far an axis of the result moves the place in x
  for (size_t j = 0; j + axes.count < by.size(); ++j) by[axes.in_result(j)] = step[axes.in_operand(j)];
  for (size_t k = 0; k < axes.count; ++k) {
    const auto axis = static_cast<size_t>(w.axes[k]);
    const int64_t along = step[axes.in_operand(axis)];
    origin += w.starts[k] * along;
    by[axes.in_result(axis)] = w.strides[k] * along;
    by[axes.at + k] = w.dilation[k] * along + (w.tapped ? step[axes.at + k] : 0);
  }
  return one_result(rearranged(args.results[0], x, [&](const Indices& index) { return origin + dot(index, by); }));
}

}  // namespace tenon::ir::rules
