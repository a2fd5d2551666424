// Which axis of the result reads which axis of an operand, for ops that find elements by the index.
#include "tenon/ir/rules/rules.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::ir::rules {
namespace {

// Operands and result have the same axes; what is not as long in the result as in operand 0 is moved.
AxisMap same_axes(const Graph& g, const Node& n) {
  const Shape& to = g.type(g.result(n)).shape;
  AxisMap map;
  map.moved.resize(to.size());
  for (size_t i = 0; i < to.size(); ++i) map.result_axis.push_back(static_cast<int>(i));
  if (n.operand_count == 0) return map;
  const Shape& from = g.type(g.operands(n)[0]).shape;
  for (size_t i = 0; i < to.size(); ++i) map.moved[i] = from[i] != to[i];
  return map;
}

}  // namespace

AxisMap broadcast_axes(const Graph& g, const Node& n) {
  const std::vector<int64_t>& axes = Broadcast(g, n).axes;
  return {{axes.begin(), axes.end()}, std::vector<char>(g.type(g.result(n)).shape.size())};
}

AxisMap transpose_axes(const Graph& g, const Node& n) {
  const std::vector<int64_t>& permutation = Transpose(g, n).permutation;
  AxisMap map{std::vector<int>(permutation.size()), std::vector<char>(permutation.size())};
  for (size_t i = 0; i < permutation.size(); ++i) map.result_axis[permutation[i]] = static_cast<int>(i);
  return map;
}

AxisMap slice_axes(const Graph& g, const Node& n) {
  const Slice s(g, n);
  AxisMap map = same_axes(g, n);
  for (size_t i = 0; i < map.moved.size(); ++i) map.moved[i] |= s.starts[i] != 0 || s.strides[i] != 1;
  return map;
}

AxisMap dynamic_slice_axes(const Graph& g, const Node& n) { return same_axes(g, n); }

AxisMap pad_axes(const Graph& g, const Node& n) {
  const Pad p(g, n);
  AxisMap map = same_axes(g, n);
  for (size_t i = 0; i < map.moved.size(); ++i) map.moved[i] |= p.low[i] != 0;
  return map;
}

AxisMap concat_axes(const Graph& g, const Node& n) {
  AxisMap map = same_axes(g, n);
  map.moved[Concat(g, n).axis] = 1;
  return map;
}

AxisMap reverse_axes(const Graph& g, const Node& n) {
  AxisMap map = same_axes(g, n);
  for (int64_t axis : Reverse(g, n).axes) map.moved[axis] = 1;
  return map;
}

AxisMap iota_axes(const Graph& g, const Node& n) {
  AxisMap map = same_axes(g, n);
  map.moved[Iota(g, n).axis] = 1;
  return map;
}

// The index along a windowed axis is found from a position and a tap.
AxisMap windows_axes(const Graph& g, const Node& n) {
  const Windows w(g, n);
  const WindowAxes axes(w);
  AxisMap map;
  map.moved.resize(g.type(g.result(n)).shape.size());
  for (size_t k = 0; k < axes.count; ++k) map.moved[axes.at + k] = 1;
  for (int64_t axis : w.axes) map.moved[axes.in_result(static_cast<size_t>(axis))] = 1;
  const size_t rank = g.type(g.operands(n)[0]).shape.size();
  for (size_t i = 0; i < rank; ++i) map.result_axis.push_back(static_cast<int>(w.tapped ? i : axes.in_result(i)));
  return map;
}

}  // namespace tenon::ir::rules
