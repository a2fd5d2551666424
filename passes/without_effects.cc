// Leaves out what a graph says, and keeps what it computes: for values that are computed again.
//   check %1   print %2   %3 = exp %0   return %3      ->      %3 = exp %0   return %3
// Refuses to touch custom calls: only their caller knows what they do. Recursion follows nesting.
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {
using namespace ir;

GraphPtr without_effects(const Graph& graph) {
  Rebuild to(graph);
  to.builder.folding = to.builder.merging = false;  // drops nodes and does nothing else
  return to.sweep([&](const Node& node) {
    if (node.op == Op::check || node.op == Op::print) return;
    if (def(node.op).family != Family::control || !has_effect(graph, node)) return to.copy(node);
    Attrs attrs = graph.attrs(node);
    for (Attr& attr : attrs)
      if (attr.graph) attr.graph = without_effects(*attr.graph);
    to.set_all(node, to.builder.add(node.op, to.operands(node), std::move(attrs)));
  });
}

}  // namespace tenon::passes
