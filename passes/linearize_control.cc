// How control flow is cut at the tangents: a scan into a scan that computes and one that is linear, a cond likewise. Residuals
// of a loop that do not change with its iterations, or that are scanned inputs already, are passed; only the others stack.
//   (c, dc) = scan body (c, dc), xs   ->   c, stacked = scan forward (c), xs;   dc = scan linear (dc), xs, stacked
#include "tenon/ir/build.h"
#include "tenon/ir/loops.h"
#include "tenon/passes/differentiate.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Operand = NodeSplit::Operand;
using Source = NodeSplit::Source;

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

// A graph that calls another on chosen inputs.
struct Wrapper {
  GraphBuilder builder;
  explicit Wrapper(const Graph& like) : builder(like.name, like.symbols) { builder.folding = builder.merging = false; }
  ValueId input(const Type& type) { return builder.input(type); }
  GraphPtr finish(std::span<const ValueId> outputs) { return builder.finish(outputs); }
};

const Type& input_type(const Graph& g, size_t i) { return g.type(ValueId{static_cast<uint32_t>(i)}); }

// A scan like another, over another body.
Attrs scan_attrs(const Loop& like, GraphPtr body, size_t constants, size_t carries) {
  return ScanAttrs{.body = std::move(body),
                   .length = like.length,
                   .counts = counts_of({.constants = constants, .carries = carries}),
                   .reverse = like.reverse};
}

// By value: whether it changes between iterations, or must be computed in each of them.
std::vector<bool> varying_values(const Graph& g, size_t fixed_inputs) {
  std::vector<bool> varying(g.value_count());
  for (uint32_t i = 0; i < g.input_count(); ++i) varying[i] = i >= fixed_inputs;
  for (const Node& n : g.nodes()) {
    bool any = has_effect(g, n) || n.op == Op::barrier;
    for (ValueId v : g.operands(n)) any = any || varying[index(v)];
    for (uint32_t r = 0; r < n.result_count; ++r) varying[index(n.first_result) + r] = any;
  }
  return varying;
}

// The part of a graph that computes `outputs` from its first inputs alone.
GraphPtr over_first_inputs(const Graph& g, size_t count, std::span<const ValueId> outputs,
                           const std::vector<bool>& varying) {
  Wrapper w(g);
  std::vector<ValueId> map(g.value_count(), no_value), operands;
  for (size_t i = 0; i < count; ++i) map[i] = w.input(input_type(g, i));
  for (const Node& n : g.nodes()) {
    if (n.result_count == 0 || varying[index(n.first_result)]) continue;
    operands.clear();
    for (ValueId v : g.operands(n)) operands.push_back(map[index(v)]);
    const ValueId first = w.builder.copy(g, n, operands);
    for (uint32_t r = 0; r < n.result_count; ++r) map[index(n.first_result) + r] = ValueId{index(first) + r};
  }
  std::vector<ValueId> mapped;
  for (ValueId v : outputs) mapped.push_back(map[index(v)]);
  return dce(*w.builder.finish(mapped));
}

// The same graph with other outputs.
GraphPtr with_outputs(const Graph& g, std::span<const ValueId> outputs) {
  Rebuild to(g);
  for (const Node& n : g.nodes()) to.copy(n);
  std::vector<ValueId> mapped;
  for (ValueId v : outputs) mapped.push_back(to.values[index(v)]);
  return dce(*to.builder.finish(mapped));
}

NodeSplit split_scan(const Graph& g, const Node& n, const Flags& linear_operands) {
  const Loop loop = loop_of(g, n);
  const size_t first_x = loop.constants + loop.carries, all = n.operand_count;
  const Graph& body = *loop.body;
  const Flags linear = linear_body_inputs(loop, linear_operands);
  Flags force(body.outputs().size(), false);
  for (size_t i = 0; i < loop.carries; ++i) force[i] = linear[loop.constants + i];
  const Split cut = split(body, linear, force);

  NodeSplit s;
  s.result_is_linear = cut.output_is_linear;
  std::vector<size_t> fixed;  // operands that forward keeps, by its input number
  size_t fixed_constants = 0, fixed_carries = 0;
  for (size_t i = 0; i < all; ++i) {
    if (linear[i]) continue;
    fixed.push_back(i);
    fixed_constants += i < loop.constants;
    fixed_carries += i >= loop.constants && i < first_x;
    s.forward_operands.push_back(g.operands(n)[i]);
  }
  // Where each residual comes from: constants and hoisted values become constants of the linear scan, the rest its xs.
  const Graph& forward = *cut.forward;
  const size_t primal_outputs = forward.outputs().size() - cut.residual_input.size();
  const auto varying = varying_values(forward, fixed_constants);
  std::vector<ValueId> outputs(forward.outputs().begin(),
                               forward.outputs().begin() + static_cast<std::ptrdiff_t>(primal_outputs));
  std::vector<ValueId> hoisted;
  std::vector<Operand> from;
  std::vector<bool> is_constant;
  for (size_t r = 0; r < cut.residual_input.size(); ++r) {
    const ValueId v = forward.outputs()[primal_outputs + r];
    const int32_t input = cut.residual_input[r];
    const auto number = static_cast<size_t>(input);
    const bool passed = input >= 0 && (number < fixed_constants || number >= fixed_constants + fixed_carries);
    is_constant.push_back(!varying[index(v)]);
    if (passed) {
      from.push_back({Source::value, index(g.operands(n)[fixed[number]])});
    } else if (!varying[index(v)]) {
      from.push_back({Source::hoisted, static_cast<uint32_t>(hoisted.size())});
      hoisted.push_back(v);
    } else {
      from.push_back({Source::extra, s.extra_count++});
      outputs.push_back(v);
    }
  }
  if (!hoisted.empty()) {
    s.hoisted = over_first_inputs(forward, fixed_constants, hoisted, varying);
    s.hoisted_operands.assign(s.forward_operands.begin(),
                              s.forward_operands.begin() + static_cast<std::ptrdiff_t>(fixed_constants));
  }
  s.forward_attrs = scan_attrs(loop, with_outputs(forward, outputs), fixed_constants, fixed_carries);

  // The linear scan: residual constants, linear constants; linear carries; residual xs, linear xs.
  Wrapper w(body);
  std::vector<ValueId> inputs(cut.residual_input.size(), no_value);
  size_t linear_constants = 0, linear_carries = 0;
  const auto take_residuals = [&](bool constant) {
    for (size_t r = 0; r < from.size(); ++r) {
      if (is_constant[r] != constant) continue;
      s.linear_operands.push_back(from[r]);
      inputs[r] = w.input(input_type(*cut.linear, r));
    }
  };
  const auto take_linear = [&](size_t begin, size_t end) {
    size_t taken = 0;
    for (size_t i = begin; i < end; ++i) {
      if (!linear[i]) continue;
      s.linear_operands.push_back({Source::value, index(g.operands(n)[i])});
      inputs.push_back(w.input(input_type(body, i)));
      ++taken;
    }
    return taken;
  };
  take_residuals(true);
  const size_t residual_constants = s.linear_operands.size();
  linear_constants = take_linear(0, loop.constants);
  linear_carries = take_linear(loop.constants, first_x);
  take_residuals(false);
  take_linear(first_x, all);
  const auto spliced = w.builder.splice(*cut.linear, inputs);
  s.linear_attrs = scan_attrs(loop, w.finish(spliced), residual_constants + linear_constants, linear_carries);
  return s;
}

// Residuals of one graph that runs once: inputs are passed, the rest are extra results of the forward node.
struct Residuals {
  std::vector<Operand> passed;  // distinct operands of the node
  std::vector<Type> passed_types, extra_types;
  void pass(uint32_t value, const Type& type, uint32_t& place) {
    const Operand o{Source::value, value};
    for (place = 0; place < passed.size(); ++place)
      if (passed[place] == o) return;
    passed.push_back(o);
    passed_types.push_back(type);
  }
};

// The sub-graphs of a call or a cond, and the attributes made of others.
std::vector<GraphPtr> branches_of(const Graph& g, const Node& n) {
  if (n.op == Op::call) return {Call(g, n).graph};
  const Cond c(g, n);
  return {c.then, c.otherwise};
}
Attrs branch_attrs(Op op, const std::vector<GraphPtr>& graphs) {
  if (op == Op::call) return CallAttrs{.graph = graphs[0]};
  return CondAttrs{.then = graphs[0], .otherwise = graphs[1]};
}

// Cuts the sub-graphs of a call (one) or a cond (two, which share the results of the forward node).
NodeSplit split_branches(const Graph& g, const Node& n, const Flags& linear_operands) {
  const size_t first = n.op == Op::cond ? 1 : 0;
  const std::vector<GraphPtr> branches = branches_of(g, n);
  const Flags linear(linear_operands.begin() + static_cast<std::ptrdiff_t>(first), linear_operands.end());
  NodeSplit s;
  s.result_is_linear = linear_results(g, n, linear_operands);
  std::vector<uint32_t> fixed;  // values that forward keeps, by its input number
  if (first) s.forward_operands.push_back(g.operands(n)[0]);
  for (size_t i = 0; i < linear.size(); ++i) {
    if (linear[i]) continue;
    fixed.push_back(index(g.operands(n)[first + i]));
    s.forward_operands.push_back(g.operands(n)[first + i]);
  }
  std::vector<Split> cuts;
  Residuals shared;
  // Per residual of a branch: passed or extra, and which.
  std::vector<std::vector<std::pair<bool, uint32_t>>> places(branches.size());
  for (size_t b = 0; b < branches.size(); ++b) {
    cuts.push_back(split(*branches[b], linear, s.result_is_linear));
    std::vector<bool> used(shared.extra_types.size());
    for (size_t r = 0; r < cuts[b].residual_input.size(); ++r) {
      const Type& type = input_type(*cuts[b].linear, r);
      uint32_t place = 0;
      const bool passed = cuts[b].residual_input[r] >= 0;
      if (passed) {
        shared.pass(fixed[static_cast<size_t>(cuts[b].residual_input[r])], type, place);
      } else {
        while (place < used.size() && (used[place] || !(shared.extra_types[place] == type))) ++place;
        if (place == used.size()) {
          shared.extra_types.push_back(type);
          used.push_back(false);
        }
        used[place] = true;
      }
      places[b].emplace_back(passed, place);
    }
  }
  s.extra_count = static_cast<uint32_t>(shared.extra_types.size());
  std::vector<GraphPtr> forwards, linears;
  for (size_t b = 0; b < branches.size(); ++b) {
    const Graph& forward = *cuts[b].forward;
    const size_t primal_outputs = forward.outputs().size() - places[b].size();
    Wrapper f(forward), l(forward);
    std::vector<ValueId> inputs;
    for (uint32_t i = 0; i < forward.input_count(); ++i) inputs.push_back(f.input(input_type(forward, i)));
    const auto all = f.builder.splice(forward, inputs);
    std::vector<ValueId> outputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(primal_outputs));
    std::vector<ValueId> extra(s.extra_count, no_value);
    for (size_t r = 0; r < places[b].size(); ++r)
      if (!places[b][r].first) extra[places[b][r].second] = all[primal_outputs + r];
    for (size_t e = 0; e < extra.size(); ++e) {
      const Type& type = shared.extra_types[e];
      outputs.push_back(extra[e] != no_value ? extra[e] : splat_integer(f.builder, type.dtype, 0, type.shape).id);
    }
    forwards.push_back(dce(*f.finish(outputs)));

    std::vector<ValueId> passed, extras, operands;
    for (const Type& type : shared.passed_types) passed.push_back(l.input(type));
    for (const Type& type : shared.extra_types) extras.push_back(l.input(type));
    for (const auto& [is_passed, place] : places[b]) operands.push_back((is_passed ? passed : extras)[place]);
    for (size_t i = 0; i < linear.size(); ++i)
      if (linear[i]) operands.push_back(l.input(input_type(*branches[b], i)));
    linears.push_back(l.finish(l.builder.splice(*cuts[b].linear, operands)));
  }
  s.forward_attrs = branch_attrs(n.op, forwards);
  s.linear_attrs = branch_attrs(n.op, linears);
  if (first) s.linear_operands.push_back({Source::value, index(g.operands(n)[0])});
  s.linear_operands.insert(s.linear_operands.end(), shared.passed.begin(), shared.passed.end());
  for (uint32_t e = 0; e < s.extra_count; ++e) s.linear_operands.push_back({Source::extra, e});
  for (size_t i = 0; i < linear.size(); ++i)
    if (linear[i]) s.linear_operands.push_back({Source::value, index(g.operands(n)[first + i])});
  return s;
}

}  // namespace

Flags linear_results(const Graph& graph, const Node& node, const Flags& linear) {
  switch (node.op) {
    case Op::call: return depends_on(*Call(graph, node).graph, linear);
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
  if (node.op == Op::scan) return split_scan(graph, node, linear);
  if (node.op == Op::cond || node.op == Op::call) return split_branches(graph, node, linear);
  throw Error(
      "while_loop: a reverse-mode derivative needs the number of iterations beforehand; use tn::scan, or tn::fori_loop "
      "with "
      "fixed bounds",
      graph.location(node));
}

}  // namespace tenon::passes
