// What a graph's outputs need, loops and branches looked into: a carry that nobody reads goes with what computes it. Derivatives
// need it where they take a part of a graph that was built as a whole.
//   %2, %3 = while (x, kept) ... give %2   ->   %2 = while (x) ... give %2
// Refuses to drop inputs of the graph itself.
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/grad/differentiate.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Live {
  Flags values;  // of the graph
  Flags inputs;
};

Live live_values(const Graph& g, const Flags& outputs, Effects effects);

// The operands that a node's live results need. Results of a loop grow by what its carries need.
Flags live_operands(const Graph& g, const Node& n, Flags& results, Effects effects) {
  switch (n.op) {
    case Op::call: return live_values(*Call(g, n).graph, results, effects).inputs;
    case Op::cond: {
      const Cond c(g, n);
      Flags inputs = live_values(*c.then, results, effects).inputs;
      const Flags others = live_values(*c.otherwise, results, effects).inputs;
      for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = inputs[i] || others[i];
      inputs.insert(inputs.begin(), true);
      return inputs;
    }
    case Op::while_loop:
    case Op::scan: {
      const Loop loop = loop_of(g, n);
      const Flags tested = loop.condition ? live_values(*loop.condition, {true}, effects).inputs : Flags{};
      Flags inputs;
      for (bool changed = true; changed;) {
        changed = false;
        inputs = live_values(*loop.body, results, effects).inputs;
        for (size_t i = 0; i < tested.size(); ++i) inputs[i] = inputs[i] || tested[i];
        for (size_t i = 0; i < loop.carries; ++i) {
          const bool needed = inputs[loop.constants + i] || results[i];
          if (needed && !results[i]) results[i] = changed = true;
          inputs[loop.constants + i] = needed;
        }
      }
      return inputs;
    }
    default: return Flags(n.operand_count, true);
  }
}

Live live_values(const Graph& g, const Flags& outputs, Effects effects) {
  Live live{Flags(g.value_count()), {}};
  for (size_t o = 0; o < outputs.size(); ++o)
    if (outputs[o]) live.values[index(g.outputs()[o])] = true;
  for (uint32_t i = g.node_count(); i-- > 0;) {
    const Node& n = g.nodes()[i];
    Flags results;
    const bool acts = effects == Effects::stay && has_effect(g, n);
    bool any = acts;
    for (uint32_t r = 0; r < n.result_count; ++r) {
      results.push_back(acts || live.values[index(n.first_result) + r]);
      any = any || results[r];
    }
    if (!any) continue;
    const Flags operands = live_operands(g, n, results, effects);
    for (uint32_t r = 0; r < n.result_count; ++r)
      if (results[r]) live.values[index(n.first_result) + r] = true;
    for (size_t k = 0; k < operands.size(); ++k)
      if (operands[k]) live.values[index(g.operands(n)[k])] = true;
  }
  live.inputs.assign(live.values.begin(), live.values.begin() + g.input_count());
  return live;
}

// A graph with some of its outputs and inputs.
GraphPtr restricted(const Graph& g, const Flags& outputs, const Flags& inputs, Effects effects);

struct Restriction {
  const Graph& g;
  Effects effects;
  GraphBuilder builder;
  std::vector<ValueId> values;

  Restriction(const Graph& graph, Effects e)
      : g(graph), effects(e), builder(graph.name, graph.symbols), values(graph.value_count(), no_value) {
    builder.folding = builder.merging = false;
  }

  Attrs attrs(const Node& n, const Flags& results, const Flags& operands) const {
    Attrs attrs = g.attrs(n);
    if (n.op == Op::cond) {
      const Flags inputs(operands.begin() + 1, operands.end());
      for (Attr& a : attrs) a.graph = restricted(*a.graph, results, inputs, effects);
      return attrs;
    }
    if (n.op == Op::call) return CallAttrs{.graph = restricted(*Call(g, n).graph, results, operands, effects)};
    Loop loop = loop_of(g, n);
    const GraphPtr body = restricted(*loop.body, results, operands, effects);
    const size_t constants = loop.constants;
    for (size_t i = 0; i < constants; ++i) loop.constants -= !operands[i];
    for (size_t i = 0, n_carries = loop.carries; i < n_carries; ++i) loop.carries -= !operands[constants + i];
    if (n.op == Op::while_loop)
      return WhileLoopAttrs{.condition = restricted(*loop.condition, {true}, operands, effects),
                            .body = body,
                            .counts = counts_of(loop),
                            .memory = loop.memory};
    return ScanAttrs{.body = body,
                     .length = loop.length,
                     .counts = counts_of(loop),
                     .reverse = loop.reverse,
                     .memory = loop.memory,
                     .unroll = loop.unroll};
  }

  void node(const Node& n, const Flags& live) {
    Flags results;
    const bool acts = effects == Effects::stay && has_effect(g, n);
    bool any = acts;
    for (uint32_t r = 0; r < n.result_count; ++r) {
      results.push_back(acts || live[index(n.first_result) + r]);
      any = any || results[r];
    }
    if (!any) return;
    const bool inside = n.op == Op::cond || n.op == Op::call || n.op == Op::while_loop || n.op == Op::scan;
    std::vector<ValueId> operands;
    const Flags needed = inside ? live_operands(g, n, results, effects) : Flags(n.operand_count, true);
    for (size_t k = 0; k < needed.size(); ++k)
      if (needed[k]) operands.push_back(values[index(g.operands(n)[k])]);
    builder.set_location(g.location(n));
    uint32_t next =
        index(inside ? builder.add(n.op, operands, attrs(n, results, needed)) : builder.copy(g, n, operands));
    for (uint32_t r = 0; r < n.result_count; ++r)
      if (!inside || results[r]) values[index(n.first_result) + r] = ValueId{next++};
  }
};

GraphPtr restricted(const Graph& g, const Flags& outputs, const Flags& inputs, Effects effects) {
  Restriction to(g, effects);
  const Live live = live_values(g, outputs, effects);
  for (uint32_t i = 0; i < g.input_count(); ++i)
    if (inputs[i]) to.values[i] = to.builder.input(g.type(ValueId{i}), g.input_note(i));
  for (const Node& n : g.nodes()) to.node(n, live.values);
  std::vector<ValueId> given;
  for (size_t o = 0; o < outputs.size(); ++o)
    if (outputs[o]) given.push_back(to.values[index(g.outputs()[o])]);
  return to.builder.finish(given);
}

}  // namespace

GraphPtr live_part(const Graph& graph, Effects effects) {
  return restricted(graph, Flags(graph.outputs().size(), true), Flags(graph.input_count(), true), effects);
}

}  // namespace tenon::passes
