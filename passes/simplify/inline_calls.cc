// Replaces every call by the body of its graph, and the calls in that body likewise.
//   %1 = call @square(%0)      ->      %1 = mul %0, %0
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool has_call(const Graph& graph) {
  for (const Node& node : graph.nodes())
    if (node.op == Op::call) return true;
  return false;
}

GraphPtr inline_one_level(const Graph& graph) {
  Rebuild to(graph);
  return to.sweep([&](const Node& node) {
    if (node.op != Op::call) return to.copy(node);
    const std::vector<ValueId> results = to.builder.splice(*Call(graph, node).graph, to.operands(node));
    for (uint32_t i = 0; i < node.result_count; ++i) to.set(node, i, results[i]);
  });
}

}  // namespace

GraphPtr inline_calls(const Graph& graph) {
  GraphPtr result = inline_one_level(graph);
  while (has_call(*result)) result = inline_one_level(*result);  // a graph cannot contain itself, so nesting is finite
  return result;
}

}  // namespace tenon::passes
