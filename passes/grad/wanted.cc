// Which tangents a derivative needs: those that can reach a wanted output through ops that have derivatives. A value that is only
// compared, floored or counted with needs none, and a while loop among such values is no obstacle to reverse mode.
//   %1 = floor %0;  %2 = mul %1, %3   ->   wanted: %3, not %0
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

Flags wanted_inputs(const Graph& graph, const Flags& wanted_outputs) {
  const std::vector<bool> wanted = wanted_tangents(graph, wanted_outputs);
  return {wanted.begin(), wanted.begin() + graph.input_count()};
}

}  // namespace

std::vector<bool> wanted_tangents(const Graph& graph, const Flags& wanted_outputs) {
  std::vector<bool> wanted(graph.value_count());
  const auto want = [&](ValueId v) {
    if (is_continuous(graph.type(v).dtype)) wanted[index(v)] = true;
  };
  for (size_t o = 0; o < wanted_outputs.size(); ++o)
    if (wanted_outputs[o]) want(graph.outputs()[o]);
  Flags results;
  for (uint32_t i = graph.node_count(); i-- > 0;) {
    const Node& n = graph.nodes()[i];
    const OpDef& row = def(n.op);
    if (row.flat) continue;
    bool any = false;
    results.clear();
    for (uint32_t r = 0; r < n.result_count; ++r) {
      results.push_back(wanted[index(n.first_result) + r]);
      any = any || results[r];
    }
    if (!any) continue;
    const auto operands = graph.operands(n);
    Flags serves(operands.size(), true);
    if (row.family == Family::control) serves = wanted_operands(graph, n, results);
    for (size_t k = 0; k < operands.size(); ++k)
      if (serves[k]) want(operands[k]);
  }
  return wanted;
}

Flags wanted_operands(const Graph& graph, const Node& node, Flags& results) {
  if (node.op == Op::replay)
    return Flags(node.operand_count, true);  // it is differentiated as the loops that it stands for
  if (is_call(node.op)) return wanted_inputs(*Call(graph, node).graph, results);
  if (def(node.op).inlined) return Flags(node.operand_count, true);  // a rule that a caller gave tells
  if (node.op == Op::cond) {
    const Cond c(graph, node);
    Flags first = wanted_inputs(*c.then, results);
    const Flags second = wanted_inputs(*c.otherwise, results);
    for (size_t i = 0; i < first.size(); ++i) first[i] = first[i] || second[i];
    first.insert(first.begin(), false);
    return first;
  }
  // A loop: what a wanted carry is made from is wanted in the iteration before.
  const Loop loop = loop_of(graph, node);
  Flags inputs;
  for (bool changed = true; changed;) {
    inputs = wanted_inputs(*loop.body, results);
    changed = false;
    for (size_t i = 0; i < loop.carries; ++i) {
      if (inputs[loop.constants + i] && !results[i]) results[i] = changed = true;
    }
  }
  for (size_t i = 0; i < loop.carries; ++i)
    inputs[loop.constants + i] = results[i];  // without an iteration the start is the result
  return inputs;
}

}  // namespace tenon::passes
