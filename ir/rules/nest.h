// Loops for rows that lower themselves as a nest: axes that are independent of each other become one parallel loop, and the
// last of them, where it is innermost in memory, a vector loop.
#pragma once

#include <span>
#include <vector>

#include "tenon/ir/rules/lower.h"

namespace tenon::ir::rules {

// The indices of the element with this row-major number.
inline std::vector<Scalar> indices_of(Lowering& c, Scalar number, std::span<const Dim> extents) {
  std::vector<Scalar> index(extents.size());
  for (size_t i = extents.size(); i-- > 0;) {
    index[i] = i == 0 ? number : rem(number, c.extent(extents[i]));
    if (i > 0) number = number / c.extent(extents[i]);
  }
  return index;
}

inline Dim product_of(Lowering& c, std::span<const Dim> extents) {
  Dim total = 1;
  for (Dim d : extents) total = c.builder.symbols().product(total, d);
  return total;
}

// Opens one parallel loop over all the given axes and gives each its index (the last runs fastest). No axes: one iteration.
inline std::vector<Scalar> open_parallel(Lowering& c, std::span<const Dim> extents) {
  const Dim total = product_of(c, extents);
  return indices_of(c, {&c.builder, c.builder.open_loop(LoopKind::parallel, c.extent(total).id)[0]}, extents);
}

inline Scalar open_loop(Lowering& c, LoopKind kind, Scalar extent) {
  return {&c.builder, c.builder.open_loop(kind, extent.id)[0]};
}

// An axis of a node's operand, and every other axis: parallel ones, and one for a vector loop when the last axis of all is
// not the chosen one.
struct AxisNest {
  Lowering& c;
  const Shape& shape;
  size_t axis;
  bool vector;  // the last axis is a vector loop
  std::vector<size_t> others;  // the parallel axes
  std::vector<Scalar> index;  // of the parallel axes, set by open()

  AxisNest(Lowering& context, const Shape& s, size_t chosen)
      : c(context), shape(s), axis(chosen), vector(chosen + 1 != s.size() && !(s[s.size() - 1] == 1)) {
    for (size_t i = 0; i < s.size(); ++i)
      if (i != axis && !(vector && i + 1 == s.size())) others.push_back(i);
  }
  std::vector<Dim> extents() const {
    std::vector<Dim> list;
    for (size_t i : others) list.push_back(shape[i]);
    return list;
  }
  void open() { index = open_parallel(c, extents()); }
  // The whole index from the place along the axis and, where there is a vector loop, its lane.
  std::vector<Scalar> at(Scalar place, Scalar lane) const {
    std::vector<Scalar> full(shape.size(), lane);
    for (size_t i = 0; i < others.size(); ++i) full[others[i]] = index[i];
    full[axis] = place;
    return full;
  }
  void close() { c.builder.close_loop(); }
};

}  // namespace tenon::ir::rules
