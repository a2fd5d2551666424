// Simplify's rules for movement and for reductions of nothing. Movement copies bits, so a law is about indices alone.
// Refuses to reason about symbolic extents beyond their being the same symbol.
#include <algorithm>

#include "tenon/passes/simplify/rules.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool is_identity(const std::vector<int64_t>& axes) {
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<int64_t>(i)) return false;
  return true;
}
bool all_are(const std::vector<int64_t>& numbers, int64_t value) {
  return std::all_of(numbers.begin(), numbers.end(), [=](int64_t n) { return n == value; });
}
bool all_are(const std::vector<Dim>& dims, int64_t value) {
  return std::all_of(dims.begin(), dims.end(), [=](Dim d) { return d == value; });
}

std::vector<Value> reshape_same(const Match& m) {
  return Reshape(m.attrs).shape == m.x().shape().dims() ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> reshape_reshape(const Match& m) {
  const Node* inner = producer(m.x(), Op::reshape);
  return inner ? emit(m, Op::reshape, {operand(m.x(), *inner)}, m.attrs) : std::vector<Value>{};
}

std::vector<Value> transpose_same(const Match& m) {
  return is_identity(Transpose(m.attrs).permutation) ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> transpose_transpose(const Match& m) {
  const Node* inner = producer(m.x(), Op::transpose);
  if (!inner) return {};
  const Transpose before(attrs(m.x(), *inner));
  std::vector<int64_t> permutation;
  for (int64_t axis : Transpose(m.attrs).permutation) permutation.push_back(before.permutation[axis]);
  return emit(m, Op::transpose, {operand(m.x(), *inner)}, TransposeAttrs{.permutation = std::move(permutation)});
}
std::vector<Value> transpose_of_ones(const Match& m) {
  int64_t last = -1;
  std::vector<Dim> dims;
  for (int64_t axis : Transpose(m.attrs).permutation) {
    const Dim d = m.x().shape()[axis];
    dims.push_back(d);
    if (d == 1) continue;
    if (axis < last) return {};
    last = axis;
  }
  return emit(m, Op::reshape, {m.x()}, ReshapeAttrs{.shape = std::move(dims)});
}

std::vector<Value> broadcast_same(const Match& m) {
  const Broadcast b(m.attrs);
  const bool same = b.shape == m.x().shape().dims() && is_identity(b.axes);
  return same ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> broadcast_broadcast(const Match& m) {
  const Node* inner = producer(m.x(), Op::broadcast);
  if (!inner) return {};
  const Broadcast first(attrs(m.x(), *inner)), second(m.attrs);
  std::vector<int64_t> axes;
  for (int64_t axis : first.axes) axes.push_back(second.axes[axis]);
  return emit(m, Op::broadcast, {operand(m.x(), *inner)},
              BroadcastAttrs{.shape = second.shape, .axes = std::move(axes)});
}

std::vector<Value> reverse_nothing(const Match& m) {
  const std::vector<int64_t>& axes = Reverse(m.attrs).axes;
  std::vector<int64_t> moving;
  for (int64_t axis : axes)
    if (m.x().shape()[axis] != 1) moving.push_back(axis);
  if (moving.empty()) return {m.x()};
  if (moving.size() == axes.size()) return {};
  return emit(m, Op::reverse, {m.x()}, ReverseAttrs{.axes = std::move(moving)});
}
std::vector<Value> reverse_reverse(const Match& m) {
  const Node* inner = producer(m.x(), Op::reverse);
  if (!inner) return {};
  std::vector<int64_t> outer = Reverse(m.attrs).axes, before = Reverse(attrs(m.x(), *inner)).axes, once;
  std::sort(outer.begin(), outer.end());
  std::sort(before.begin(), before.end());
  std::set_symmetric_difference(outer.begin(), outer.end(), before.begin(), before.end(), std::back_inserter(once));
  return emit(m, Op::reverse, {operand(m.x(), *inner)}, ReverseAttrs{.axes = std::move(once)});
}

std::vector<Value> slice_whole(const Match& m) {
  const Slice s(m.attrs);
  const bool whole = all_are(s.starts, 0) && s.sizes == m.x().shape().dims() && all_are(s.strides, 1);
  return whole ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> slice_slice(const Match& m) {
  const Node* inner = producer(m.x(), Op::slice);
  if (!inner) return {};
  const Slice first(attrs(m.x(), *inner)), second(m.attrs);
  std::vector<Dim> starts;
  std::vector<int64_t> strides;
  for (size_t i = 0; i < second.strides.size(); ++i) {
    const Dim a = first.starts[i], b = second.starts[i];
    if (!a.is_number() || !b.is_number()) return {};
    int64_t start = 0, stride = 0;  // slices of nothing may start and step beyond every bound
    if (__builtin_mul_overflow(b.number(), first.strides[i], &start) ||
        __builtin_add_overflow(start, a.number(), &start) ||
        __builtin_mul_overflow(first.strides[i], second.strides[i], &stride))
      return {};
    starts.push_back(start);
    strides.push_back(stride);
  }
  return emit(m, Op::slice, {operand(m.x(), *inner)},
              SliceAttrs{.starts = std::move(starts), .sizes = second.sizes, .strides = std::move(strides)});
}
std::vector<Value> dynamic_slice_whole(const Match& m) {
  return DynamicSlice(m.attrs).sizes == m.x().shape().dims() ? std::vector{m.x()} : std::vector<Value>{};
}
std::vector<Value> dynamic_update_whole(const Match& m) {
  return m.y().shape() == m.x().shape() ? std::vector{m.y()} : std::vector<Value>{};
}

std::vector<Value> pad_nothing(const Match& m) {
  const Pad p(m.attrs);
  const bool nothing = all_are(p.low, 0) && all_are(p.high, 0) && all_are(p.interior, 0);
  return nothing ? std::vector{m.x()} : std::vector<Value>{};
}

std::vector<Value> concat_nonempty(const Match& m) {
  const size_t axis = Concat(m.attrs).axis;
  std::vector<Value> parts;
  for (Value part : m.operands)
    if (part.shape()[axis] != 0) parts.push_back(part);
  if (parts.empty()) parts.push_back(m.x());
  if (parts.size() == 1) return {parts[0]};
  if (parts.size() == m.operands.size()) return {};
  return add_simplified(m.builder, Op::concat, parts, m.attrs);
}

std::vector<Value> reduce_one(const Match& m) {
  const Shape& shape = m.x().shape();
  const std::vector<int64_t>& axes = Reduce(m.attrs).axes;
  std::vector<Dim> kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) == axes.end())
      kept.push_back(shape[i]);
    else if (shape[i] != 1)
      return {};
  }
  return emit(m, Op::reshape, {m.x()}, ReshapeAttrs{.shape = std::move(kept)});
}

constexpr const char* one_element = "the identity of the combining op changes no element: -0 + x, 1 * x, max(-inf, x)";

constexpr Rule rules[] = {
    {"reshape_same", Op::reshape, "the same shape", reshape_same},
    {"reshape_reshape", Op::reshape, "row-major order stays; only the last shape counts", reshape_reshape},
    {"transpose_same", Op::transpose, "the identity permutation", transpose_same},
    {"transpose_transpose", Op::transpose, "permutations compose", transpose_transpose},
    {"transpose_of_ones", Op::transpose, "moving axes of extent 1 keeps row-major order: a reshape", transpose_of_ones},
    {"broadcast_same", Op::broadcast, "the same shape and axes", broadcast_same},
    {"broadcast_broadcast", Op::broadcast, "axis maps compose", broadcast_broadcast},
    {"reverse_nothing", Op::reverse, "an axis of extent 1 is its own reverse", reverse_nothing},
    {"reverse_reverse", Op::reverse, "an axis reversed twice is as it was", reverse_reverse},
    {"slice_whole", Op::slice, "everything, step 1", slice_whole},
    {"slice_slice", Op::slice, "index maps compose: a + s (b + t i)", slice_slice},
    {"dynamic_slice_whole", Op::dynamic_slice, "a window of the whole size clamps to the whole", dynamic_slice_whole},
    {"dynamic_update_whole", Op::dynamic_update_slice, "an update of the whole size clamps to the whole",
     dynamic_update_whole},
    {"pad_nothing", Op::pad, "nothing is added", pad_nothing},
    {"concat_nonempty", Op::concat, "a part of extent 0 adds nothing; one part alone is the result", concat_nonempty},
    {"reduce_sum_one", Op::reduce_sum, one_element, reduce_one},
    {"reduce_prod_one", Op::reduce_prod, one_element, reduce_one},
    {"reduce_max_one", Op::reduce_max, one_element, reduce_one},
    {"reduce_min_one", Op::reduce_min, one_element, reduce_one},
    {"reduce_and_one", Op::reduce_and, one_element, reduce_one},
    {"reduce_or_one", Op::reduce_or, one_element, reduce_one},
};

}  // namespace

std::span<const Rule> movement_rules() { return rules; }

}  // namespace tenon::passes
