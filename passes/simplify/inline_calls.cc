// Replaces what stands for a graph by the nodes of that graph: calls, checkpoints, functions with rules of their own, of which only the
// function is left when no transform is left to ask for the rule. A name is its value.
//   %1 = call @square(%0)      ->      %1 = mul %0, %0
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/grad/differentiate.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {
namespace {

using namespace ir;

bool stands_for_others(const Node& node) {
  return def(node.op).inlined || node.op == Op::named || def(node.op).family == Family::transform;
}

bool has_call(const Graph& graph) {
  for (const Node& node : graph.nodes())
    if (stands_for_others(node)) return true;
  return false;
}

// What an op stands for: a graph on its operands.
GraphPtr meaning_of(const Graph& graph, const Node& node) {
  if (def(node.op).inlined) return Call(graph, node).graph;  // the first field of every such row
  if (node.op == Op::custom_tangent) return meaning_of_tangent(graph, node);
  const std::string& axis = AxisSum(graph, node).axis;
  throw Error(std::string(name(node.op)) + ": there is no axis '" + axis + "' here; tn::vmap(f, {.axis_name = \"" +
                  axis + "\"}) makes one",
              graph.location(node));
}

GraphPtr inline_one_level(const Graph& graph) {
  Rebuild to(graph);
  return to.sweep([&](const Node& node) {
    if (!stands_for_others(node)) return to.copy(node);
    if (node.op == Op::named) return to.set(node, 0, to.operands(node)[0]);
    const std::vector<ValueId> results = to.builder.splice(*meaning_of(graph, node), to.operands(node));
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
