// What of control flow depends on the tangents, and which cut each form takes.
#include "tenon/passes/grad/linearize_control.h"

#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

GraphPtr with_outputs(const Graph& g, std::span<const ValueId> outputs) {
  Rebuild to(g);
  for (const Node& n : g.nodes()) to.copy(n);
  std::vector<ValueId> mapped;
  for (ValueId v : outputs) mapped.push_back(to.values[index(v)]);
  return dce(*to.builder.finish(mapped));
}

// Which inputs of the body are linear: a carry is if its start or its next value is.
Flags linear_body_inputs(const Loop& loop, Flags linear) {
  for (bool changed = true; changed;) {
    const Flags outputs = depends_on(*loop.body, linear);
    changed = false;
    for (size_t i = 0; i < loop.carries; ++i) {
      if (!outputs[i] || linear[loop.constants + i]) continue;
      linear[loop.constants + i] = true;
      changed = true;
    }
  }
  return linear;
}

Split split_body(const Loop& loop, const Flags& linear) {
  Flags force(loop.body->outputs().size(), false);
  for (size_t i = 0; i < loop.carries; ++i) force[i] = linear[loop.constants + i];
  return split(*loop.body, linear, force);
}

Flags linear_results(const Graph& graph, const Node& node, const Flags& linear) {
  switch (node.op) {
    case Op::replay: return Flags(node.result_count, true);
    case Op::call:
    case Op::checkpoint: return depends_on(*Call(graph, node).graph, linear);
    case Op::cond: {
      const Flags inputs(linear.begin() + 1, linear.end());
      const Cond c(graph, node);
      Flags a = depends_on(*c.then, inputs);
      const Flags b = depends_on(*c.otherwise, inputs);
      for (size_t i = 0; i < a.size(); ++i) a[i] = a[i] || b[i];
      return a;
    }
    default: {  // loops
      const Loop loop = loop_of(graph, node);
      const Flags inputs = linear_body_inputs(loop, linear);
      Flags outputs = depends_on(*loop.body, inputs);
      for (size_t i = 0; i < loop.carries; ++i) outputs[i] = inputs[loop.constants + i];
      return outputs;
    }
  }
}

Flags depends_on(const Graph& graph, const Flags& linear_inputs) {
  std::vector<bool> linear(graph.value_count());
  for (uint32_t i = 0; i < graph.input_count(); ++i) linear[i] = linear_inputs[i];
  Flags operands;
  for (const Node& n : graph.nodes()) {
    operands.clear();
    bool any = false;
    for (ValueId v : graph.operands(n)) {
      operands.push_back(linear[index(v)]);
      any = any || linear[index(v)];
    }
    if (!any) continue;
    const bool control = def(n.op).family == Family::control;
    const Flags results = control ? linear_results(graph, n, operands) : Flags(n.result_count, true);
    for (uint32_t r = 0; r < n.result_count; ++r) linear[index(n.first_result) + r] = results[r];
  }
  Flags outputs;
  for (ValueId v : graph.outputs()) outputs.push_back(linear[index(v)]);
  return outputs;
}

NodeSplit split_node(const Graph& graph, const Node& node, const Flags& linear) {
  NodeSplit s = node.op == Op::while_loop   ? split_while(graph, node, linear)
                : node.op == Op::scan       ? split_scan(graph, node, linear)
                : node.op == Op::checkpoint ? split_checkpoint(graph, node, linear)
                                            : split_branches(graph, node, linear);
  if (s.forward_op == Op{}) s.forward_op = s.linear_op = node.op;
  return s;
}

}  // namespace tenon::passes
