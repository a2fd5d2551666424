// Accesses through views, one movement op after the other.
#include "tenon/passes/fuse/access.h"

#include <numeric>

namespace tenon::passes {

using namespace ir;

bool Access::identity() const {
  if (!exact || expands) return false;
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<int>(i)) return false;
  return true;
}

Access direct(ValueId v, const Axes& axes) {
  Access a;
  a.base = v;
  a.axes.resize(axes.rank(v));
  std::iota(a.axes.begin(), a.axes.end(), 0);
  return a;
}

Access through(const Graph& graph, NodeId id, const Access& inner, const Axes& axes) {
  const Node& node = graph.node(id);
  const OpDef& row = def(node.op);
  const ValueId from = graph.operands(node)[0], to = graph.result(node);
  std::vector<int> step;  // axis of the operand -> axis of the result
  Access a = inner;
  a.depth = inner.depth + 1;
  if (row.axes && !axes.reads(id).moves) {
    step = axes.reads(id).result_axis[0];
  } else if (row.reads == Reads::number && axes.space(from) == axes.space(to)) {  // the same axes, in the same order
    step = direct(from, axes).axes;
  } else {  // not told by axes
    a.exact = false;
    a.axes.clear();
    a.expands |= row.axes && axes.rank(from) < axes.rank(to);  // windows hold an element several times
    return a;
  }
  if (!a.exact) {
    a.expands |= static_cast<int>(step.size()) < axes.rank(to);
    return a;
  }
  for (int& axis : a.axes) axis = step[axis];
  a.expands = static_cast<int>(a.axes.size()) < axes.rank(to);
  return a;
}

}  // namespace tenon::passes
