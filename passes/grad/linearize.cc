// Linearization: jvp, then a split by reachability from the tangents. Forward computes the outputs and what the linear part
// reads (residuals); what is cheaper to compute again than to keep (constants, broadcasts, widening casts, masks of two
// constants) is no residual.
//   %2 = sin %0;  %3 = cos %0;  %4 = mul %1, %3   ->   forward: %0 -> sin %0, cos %0;   linear: %r, %1 -> mul %1, %r
#include "tenon/ir/graph/build.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

bool is_repeated(const Graph& g, ValueId v) {
  while (!g.is_input(v)) {
    const Node& n = g.node(g.producer(v));
    if (def(n.op).family == Family::source) return true;
    if (!def(n.op).whole || def(n.op).again != Again::always) return false;  // no broadcast
    v = g.operands(n)[0];
  }
  return false;
}

bool is_cheap(const Graph& g, const Node& n) {
  const auto operands = g.operands(n);
  switch (def(n.op).again) {
    case Again::kept: return false;
    case Again::always: return true;
    case Again::widened: return bytes(g.type(operands[0]).dtype) < bytes(g.type(g.result(n)).dtype);
    case Again::repeated: break;
  }
  for (size_t k = 0; k < operands.size(); ++k)  // of what it moves, the operands that it is linear in
    if ((def(n.op).linear >> k & 1) && !is_repeated(g, operands[k])) return false;
  return true;
}

// The split of one graph, step by step.
struct Cut {
  struct ControlNode {
    NodeSplit split;
    std::vector<ValueId> extra, hoisted;  // in the forward graph
  };

  const Graph& g;
  std::vector<bool> linear;  // by value: depends on a linear input
  std::vector<uint8_t> part;  // by node
  static constexpr uint8_t in_forward = 0, in_linear = 1, in_both = 2;
  std::vector<std::pair<uint32_t, ControlNode>> controls;  // by node number, ascending
  GraphBuilder forward, tangent;
  std::vector<ValueId> forward_of, tangent_of;  // by value
  std::vector<bool> again;  // by node: computed again in the linear graph
  std::vector<ValueId> residuals;  // values of the forward graph
  std::vector<uint32_t> residual_number;  // by value of the forward graph

  explicit Cut(const Graph& graph)
      : g(graph),
        linear(graph.value_count()),
        part(graph.node_count()),
        forward(graph.name, graph.symbols),
        tangent(graph.name, graph.symbols),
        forward_of(graph.value_count(), no_value),
        tangent_of(graph.value_count(), no_value),
        again(graph.node_count()) {
    forward.folding = forward.merging = tangent.folding = tangent.merging = false;
  }

  Flags linear_operands(const Node& n) const {
    Flags flags;
    for (ValueId v : g.operands(n)) flags.push_back(linear[index(v)]);
    return flags;
  }

  void mark(const Flags& linear_inputs) {
    for (uint32_t i = 0; i < g.input_count(); ++i) linear[i] = linear_inputs[i];
    for (uint32_t i = 0; i < g.node_count(); ++i) {
      const Node& n = g.nodes()[i];
      bool any = false;
      for (ValueId v : g.operands(n)) any = any || linear[index(v)];
      if (!any) continue;
      const bool control = def(n.op).family == Family::control;
      part[i] = control ? in_both : in_linear;
      if (control) controls.emplace_back(i, ControlNode{split_node(g, n, linear_operands(n)), {}, {}});
      for (uint32_t r = 0; r < n.result_count; ++r)
        linear[index(n.first_result) + r] = !control || controls.back().second.split.result_is_linear[r];
    }
  }

  std::vector<ValueId> mapped(std::span<const ValueId> values) const {
    std::vector<ValueId> result;
    for (ValueId v : values) result.push_back(forward_of[index(v)]);
    return result;
  }

  void build_forward() {
    for (uint32_t i = 0; i < g.input_count(); ++i)
      if (!linear[i]) forward_of[i] = forward.input(g.type(ValueId{i}), g.input_note(i));
    size_t control = 0;
    for (uint32_t i = 0; i < g.node_count(); ++i) {
      const Node& n = g.nodes()[i];
      if (part[i] == in_linear) continue;
      if (part[i] == in_forward) {
        const ValueId first = forward.copy(g, n, mapped(g.operands(n)));
        for (uint32_t r = 0; r < n.result_count; ++r) forward_of[index(n.first_result) + r] = ValueId{index(first) + r};
        continue;
      }
      ControlNode& c = controls[control++].second;
      forward.set_location(g.location(n));
      if (c.split.hoisted) c.hoisted = forward.splice(*c.split.hoisted, mapped(c.split.hoisted_operands));
      std::vector<ValueId> operands = mapped(c.split.forward_operands);
      if (c.split.started)
        for (ValueId v : forward.splice(*c.split.started, {})) operands.push_back(v);
      const ValueId first = forward.add(c.split.forward_op, operands, c.split.forward_attrs);
      uint32_t next = index(first);
      for (uint32_t r = 0; r < n.result_count; ++r)
        if (!c.split.result_is_linear[r]) forward_of[index(n.first_result) + r] = ValueId{next++};
      for (uint32_t e = 0; e < c.split.extra_count; ++e) c.extra.push_back(ValueId{next++});
    }
  }

  void keep(ValueId in_forward_graph) {
    if (residual_number.empty()) residual_number.assign(forward.graph().value_count(), UINT32_MAX);
    uint32_t& number = residual_number[index(in_forward_graph)];
    if (number != UINT32_MAX) return;
    number = static_cast<uint32_t>(residuals.size());
    residuals.push_back(in_forward_graph);
  }

  // Residuals: what the linear part reads and does not compute again.
  void choose_residuals(const Flags& output_is_linear) {
    std::vector<bool> needed(g.value_count());
    const auto need = [&](ValueId v) {
      if (!linear[index(v)]) needed[index(v)] = true;
    };
    for (size_t o = 0; o < output_is_linear.size(); ++o)
      if (output_is_linear[o]) need(g.outputs()[o]);
    size_t control = controls.size();
    for (uint32_t i = g.node_count(); i-- > 0;) {
      const Node& n = g.nodes()[i];
      if (part[i] == in_both) {
        for (const auto& operand : controls[--control].second.split.linear_operands)
          if (operand.source == NodeSplit::Source::value) need(ValueId{operand.index});
      }
      if (part[i] == in_forward) again[i] = n.result_count == 1 && needed[index(n.first_result)] && is_cheap(g, n);
      if (part[i] == in_linear || again[i])
        for (ValueId v : g.operands(n)) need(v);
    }
    for (uint32_t v = 0; v < g.value_count(); ++v) {
      const NodeId producer = g.producer(ValueId{v});
      if (needed[v] && (producer == no_node || !again[index(producer)])) keep(forward_of[v]);
    }
    for (const auto& [node, c] : controls) {
      for (ValueId v : c.extra) keep(v);
      for (ValueId v : c.hoisted) keep(v);
    }
    std::vector<ValueId> inputs;
    for (ValueId v : residuals) inputs.push_back(tangent.input(forward.type(v)));
    for (uint32_t v = 0; v < g.value_count(); ++v)
      if (needed[v] && (g.producer(ValueId{v}) == no_node || !again[index(g.producer(ValueId{v}))]))
        tangent_of[v] = inputs[residual_number[index(forward_of[v])]];
  }

  ValueId residual_input(ValueId in_forward_graph) const { return ValueId{residual_number[index(in_forward_graph)]}; }

  void build_linear() {
    for (uint32_t i = 0; i < g.input_count(); ++i)
      if (linear[i]) tangent_of[i] = tangent.input(g.type(ValueId{i}));
    size_t control = 0;
    std::vector<ValueId> operands;
    for (uint32_t i = 0; i < g.node_count(); ++i) {
      const Node& n = g.nodes()[i];
      operands.clear();
      if (part[i] == in_both) {
        const ControlNode& c = controls[control++].second;
        for (const auto& o : c.split.linear_operands)
          operands.push_back(o.source == NodeSplit::Source::value   ? tangent_of[o.index]
                             : o.source == NodeSplit::Source::extra ? residual_input(c.extra[o.index])
                                                                    : residual_input(c.hoisted[o.index]));
        tangent.set_location(g.location(n));
        uint32_t next = index(tangent.add(c.split.linear_op, operands, c.split.linear_attrs));
        for (uint32_t r = 0; r < n.result_count; ++r)
          if (c.split.result_is_linear[r]) tangent_of[index(n.first_result) + r] = ValueId{next++};
      } else if (part[i] == in_linear || again[i]) {
        for (ValueId v : g.operands(n)) operands.push_back(tangent_of[index(v)]);
        const ValueId first = tangent.copy(g, n, operands);
        for (uint32_t r = 0; r < n.result_count; ++r) tangent_of[index(n.first_result) + r] = ValueId{index(first) + r};
      }
    }
  }
};

}  // namespace

Split split(const Graph& graph, const Flags& linear_inputs, const Flags& force_linear) {
  Cut cut(graph);
  cut.mark(linear_inputs);
  Split result;
  for (size_t o = 0; o < graph.outputs().size(); ++o)
    result.output_is_linear.push_back(cut.linear[index(graph.outputs()[o])] ||
                                      (!force_linear.empty() && force_linear[o]));
  cut.build_forward();
  cut.choose_residuals(result.output_is_linear);
  cut.build_linear();
  std::vector<ValueId> forward, linear;
  for (size_t o = 0; o < graph.outputs().size(); ++o) {
    const uint32_t v = index(graph.outputs()[o]);
    if (result.output_is_linear[o]) {
      linear.push_back(cut.tangent_of[v]);
    } else {
      forward.push_back(cut.forward_of[v]);
    }
  }
  for (ValueId v : cut.residuals) {
    forward.push_back(v);
    result.residual_input.push_back(cut.forward.graph().is_input(v) ? static_cast<int32_t>(index(v)) : -1);
  }
  result.forward = dce(*cut.forward.finish(forward));
  result.linear = cut.tangent.finish(linear);
  return result;
}

Linearized linearize(const Graph& original, const std::vector<bool>& active, const std::vector<bool>& wanted) {
  const GraphPtr flat = without_replays(original);
  const Graph& graph = *flat;
  SubgraphJvp joint = jvp_distinct(graph, active, wanted.empty() ? Flags(graph.outputs().size(), true) : wanted);
  Flags tangents(joint.graph->input_count(), true);
  for (uint32_t i = 0; i < graph.input_count(); ++i) tangents[i] = false;
  Flags force(joint.graph->outputs().size(),
              true);  // every tangent is an output of the linear part, even a constant zero
  for (size_t o = 0; o < graph.outputs().size(); ++o) force[o] = false;
  Split cut = split(*joint.graph, tangents, force);
  return {cut.forward, cut.linear, std::move(joint.output_has_tangent),
          static_cast<uint32_t>(cut.residual_input.size())};
}

}  // namespace tenon::passes
