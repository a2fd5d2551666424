// What is the same around every reduction, whatever its loops.
#include "tenon/passes/lower/reduce.h"

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Halves combine in f32: sums round once at the end, comparisons are exact either way. A bool is ordered as a number.
DType accumulator(Op op, DType dtype) {
  if (dtype == DType::boolean && def(op).positional) return DType::u8;
  return is_half(dtype) ? DType::f32 : dtype;
}

}  // namespace

Tree tree_of(const Graph& graph, const Node& reduction) {
  const int64_t last = graph.type(graph.operands(reduction)[0]).shape.rank() - 1;
  for (int64_t axis : Reduce(graph, reduction).axes)
    if (axis == last) return row_tree;
  return column_tree;
}

Reductions reductions_of(const Graph& graph, const Group& group, const Tree* tree,
                         const std::function<bool(ValueId)>& wanted) {
  Reductions found;
  for (NodeId id : group.nodes) {
    const Node& n = graph.node(id);
    if (def(n.op).family != Family::reduction || !wanted(graph.result(n))) continue;
    if (tree && !(tree_of(graph, n) == *tree)) continue;
    found.nodes.push_back(&n);
    found.combines.push_back(def(n.op).combine);
    found.types.push_back(accumulator(n.op, graph.type(graph.operands(n)[0]).dtype));
  }
  return found;
}

std::vector<ScalarId> Reductions::yields(Elements& e, const IndexOf& index_of) const {
  std::vector<ScalarId> result;
  for (size_t k = 0; k < nodes.size(); ++k) {
    const ValueId x = e.graph.operands(*nodes[k])[0];
    const ScalarId value = e.at(x, index_of(x));
    result.push_back(e.builder.scalar(Op::cast, std::span(&value, 1), types[k]));
  }
  return result;
}

void Reductions::set_results(Elements& e, const std::vector<ScalarId>& results, const IndexOf& index_of) const {
  for (size_t k = 0; k < results.size(); ++k) {
    const ValueId v = e.graph.result(*nodes[k]);
    const Index at = index_of(v);
    e.set(v, at, e.builder.scalar(Op::cast, std::span(&results[k], 1), e.graph.type(v).dtype));
  }
}

}  // namespace tenon::passes
