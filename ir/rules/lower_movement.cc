// Lowers movement: the index in the operand from the index in the result. Where a result element may come from several
// places (padding, concatenation), each is read under a mask.
#include "tenon/ir/rules/lower.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::ir::rules {

Scalar lower_broadcast(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Shape& from = c.operand_type(node, 0).shape;
  const auto& axes = Broadcast(c.graph, node).axes;
  std::vector<Scalar> place;
  for (size_t i = 0; i < from.size(); ++i) place.push_back(from[i] == 1 ? c.index_literal(0) : index[axes[i]]);
  return c.element(node, 0, place);
}

// Result axis i is operand axis permutation[i].
Scalar lower_transpose(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const auto& permutation = Transpose(c.graph, node).permutation;
  std::vector<Scalar> place(index.size());
  for (size_t i = 0; i < index.size(); ++i) place[permutation[i]] = index[i];
  return c.element(node, 0, place);
}

Scalar lower_slice(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Slice s(c.graph, node);
  std::vector<Scalar> place;
  for (size_t i = 0; i < index.size(); ++i)
    place.push_back(c.extent(s.starts[i]) + index[i] * c.index_literal(s.strides[i]));
  return c.element(node, 0, place);
}

Scalar lower_reverse(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Shape& shape = c.result_type(node).shape;
  std::vector<Scalar> place(index.begin(), index.end());
  for (int64_t axis : Reverse(c.graph, node).axes) {
    const size_t i = static_cast<size_t>(axis);
    place[i] = c.extent(shape[i]) - c.index_literal(1) - index[i];
  }
  return c.element(node, 0, place);
}

Scalar lower_pad(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Pad p(c.graph, node);
  const Shape& from = c.operand_type(node, 0).shape;
  const Scalar zero = c.index_literal(0);
  std::vector<Scalar> place;
  Scalar inside{&c.builder, c.builder.literal(DType::boolean, 1)};
  for (size_t i = 0; i < index.size(); ++i) {
    if (from[i] == c.result_type(node).shape[i] && p.low[i] == 0) {  // nothing is added along this axis
      place.push_back(index[i]);
      continue;
    }
    const Scalar step = c.index_literal(p.interior[i] + 1);
    const Scalar offset = index[i] - c.extent(p.low[i]);
    place.push_back(offset / step);
    // A negative offset that is no multiple of the step would round up to element 0.
    inside = inside & (offset >= zero) & (place[i] < c.extent(from[i])) & (rem(offset, step) == zero);
  }
  const Scalar fill = c.element(node, 1, {});
  return c.masked_element(node, 0, place, inside, fill);
}

Scalar lower_concat(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const size_t axis = Concat(c.graph, node).axis;
  std::vector<Dim> starts{Dim(0)};
  for (uint32_t k = 0; k < node.operand_count; ++k)
    starts.push_back(c.builder.symbols().sum(starts.back(), c.operand_type(node, k).shape[axis]));
  // From the last part to the first, each read where it has the element and passing on what the later ones gave.
  Scalar value = c.literal(c.result_type(node).dtype, 0);
  for (uint32_t k = node.operand_count; k-- > 0;) {
    const Scalar start = c.extent(starts[k]), end = c.extent(starts[k + 1]);
    std::vector<Scalar> place(index.begin(), index.end());
    place[axis] = index[axis] - start;
    value = c.masked_element(node, k, place, (index[axis] >= start) & (index[axis] < end), value);
  }
  return value;
}

Scalar lower_windows(Lowering& c, const Node& node, std::span<const Scalar> index) {
  const Windows w(c.graph, node);
  const WindowAxes axes(w);
  std::vector<Scalar> place;
  for (size_t i = 0; i < index.size(); ++i)
    if (w.tapped || i < axes.at || i >= axes.at + axes.count) place.push_back(index[i]);
  for (size_t k = 0; k < axes.count; ++k) {
    Scalar& along = place[axes.in_operand(static_cast<size_t>(w.axes[k]))];
    const Scalar tap = index[axes.at + k], reach = c.index_literal(std::abs(w.dilation[k]));
    const Scalar first = c.index_literal(w.starts[k]) + along * c.index_literal(w.strides[k]);
    along = w.dilation[k] > 0 ? first + tap * reach : first - tap * reach;
  }
  return c.element(node, 0, place);
}

}  // namespace tenon::ir::rules
