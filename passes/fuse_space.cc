// Iteration spaces and accesses through views.
#include "tenon/passes/fuse_space.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

std::vector<int> Spaces::axes(const Shape& shape) {
  std::vector<int> result;
  for (int i = 0; i < shape.rank(); ++i)
    if (!(shape[static_cast<size_t>(i)] == 1)) result.push_back(i);
  return result;
}

SpaceId Spaces::of(const Shape& shape) {
  std::vector<int64_t> key;
  std::vector<Dim> dims;
  for (Dim d : shape)
    if (!(d == 1)) key.push_back(d.code()), dims.push_back(d);
  const auto [at, fresh] = known_.try_emplace(std::move(key), static_cast<SpaceId>(spaces_.size()));
  if (fresh) spaces_.push_back(std::move(dims));
  return at->second;
}

SpaceId Spaces::of(ValueId v) {
  const size_t type = static_cast<size_t>(graph_.type_id(v));
  if (by_type_.size() <= type) by_type_.resize(type + 1, 0);
  if (by_type_[type] == 0) by_type_[type] = of(graph_.type(v).shape) + 1;
  return by_type_[type] - 1;
}

int64_t Spaces::numel(SpaceId s) const {
  int64_t n = 1;
  for (Dim d : spaces_[s]) {
    if (d.is_symbol()) return -1;
    if (__builtin_mul_overflow(n, d.number(), &n)) return INT64_MAX;
  }
  return n;
}

bool Access::identity() const {
  if (!exact || expands) return false;
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<int>(i)) return false;
  return true;
}

Access direct(ValueId v, Spaces& spaces) {
  Access a;
  a.base = v;
  const size_t rank = spaces.dims(spaces.of(v)).size();
  for (size_t i = 0; i < rank; ++i) a.axes.push_back(static_cast<int>(i));
  return a;
}

Access through(const Graph& graph, const Node& node, const Access& inner, Spaces& spaces) {
  const Shape& from = graph.type(graph.operands(node)[0]).shape;
  const Shape& to = graph.type(graph.result(node)).shape;
  const std::vector<int> from_axes = Spaces::axes(from);
  std::vector<int> to_place(static_cast<size_t>(to.rank()), -1);  // axis of `to` -> axis of its space
  int to_rank = 0;
  for (int axis : Spaces::axes(to)) to_place[static_cast<size_t>(axis)] = to_rank++;

  std::vector<int> step;  // axis of the operand's space -> axis of the result's space
  Access a = inner;
  a.depth = inner.depth + 1;
  const OpDef& row = def(node.op);
  const AxisMap map = row.axes ? row.axes(graph, node) : AxisMap{};
  if (row.axes && std::find(map.moved.begin(), map.moved.end(), 1) == map.moved.end()) {
    for (int axis : from_axes)
      step.push_back(to_place[static_cast<size_t>(map.result_axis[static_cast<size_t>(axis)])]);
  } else if (row.reads == Reads::number && spaces.of(from) == spaces.of(to)) {  // only unit extents come or go
    for (size_t i = 0; i < from_axes.size(); ++i) step.push_back(static_cast<int>(i));
  } else {  // not told by axes
    a.exact = false;
    a.axes.clear();
    return a;
  }
  if (!a.exact) {
    a.expands |= static_cast<int>(step.size()) < to_rank;
    return a;
  }
  for (int& axis : a.axes) axis = step[static_cast<size_t>(axis)];
  a.expands = static_cast<int>(a.axes.size()) < to_rank;
  return a;
}

}  // namespace tenon::passes
