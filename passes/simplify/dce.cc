// Drops nodes that reach no output and have no effect; inputs stay, so the signature stays.
//   %2 = exp %0   %3 = neg %0   return %3      ->      %2 = neg %0   return %2
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {
using namespace ir;

GraphPtr dce(const Graph& graph) {
  std::vector<bool> live(graph.value_count()), kept(graph.node_count());
  for (ValueId v : graph.outputs()) live[index(v)] = true;
  for (uint32_t n = graph.node_count(); n-- > 0;) {
    const Node& node = graph.node(NodeId{n});
    kept[n] = has_effect(graph, node);
    for (uint32_t i = 0; i < node.result_count; ++i) kept[n] = kept[n] || live[index(graph.result(node, i))];
    if (kept[n])
      for (ValueId v : graph.operands(node)) live[index(v)] = true;
  }
  Rebuild to(graph);
  to.builder.folding = to.builder.merging = false;  // drops nodes and does nothing else: transforms rely on it
  return to.sweep([&](const Node& node) {
    if (kept[&node - graph.nodes().data()]) to.copy(node);
  });
}

}  // namespace tenon::passes
