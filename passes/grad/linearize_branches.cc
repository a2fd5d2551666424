// How a call or a cond is cut at the tangents: its graphs once for the values and once for the linear part. The branches of a
// cond share the extra results of the forward node: residuals of one type, at most one of which is there at a time.
#include "tenon/passes/grad/linearize_control.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Operand = NodeSplit::Operand;
using Source = NodeSplit::Source;

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

// One branch and its cut. Per residual: passed or extra, and which.
struct Branch {
  Split cut;
  std::vector<std::pair<bool, uint32_t>> places;
};

// Finds a place for each residual of a branch; extra ones share places of their type with those of the branches before.
Branch cut_branch(const Graph& branch, const Flags& linear, const Flags& force, const std::vector<uint32_t>& fixed,
                  Residuals& shared) {
  Branch b{split(branch, linear, force), {}};
  std::vector<bool> used(shared.extra_types.size());
  for (size_t r = 0; r < b.cut.residual_input.size(); ++r) {
    const Type& type = input_type(*b.cut.linear, r);
    uint32_t place = 0;
    const bool passed = b.cut.residual_input[r] >= 0;
    if (passed) {
      shared.pass(fixed[b.cut.residual_input[r]], type, place);
    } else {
      while (place < used.size() && (used[place] || !(shared.extra_types[place] == type))) ++place;
      if (place == used.size()) {
        shared.extra_types.push_back(type);
        used.push_back(false);
      }
      used[place] = true;
    }
    b.places.emplace_back(passed, place);
  }
  return b;
}

// The branch with the extra results behind its own; those that it does not have are 0.
GraphPtr forward_of(const Branch& b, const Residuals& shared) {
  const Graph& forward = *b.cut.forward;
  const size_t primal_outputs = forward.outputs().size() - b.places.size();
  Wrapper f(forward);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < forward.input_count(); ++i) inputs.push_back(f.input(input_type(forward, i)));
  const auto all = f.builder.splice(forward, inputs);
  std::vector<ValueId> outputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(primal_outputs));
  std::vector<ValueId> extra(shared.extra_types.size(), no_value);
  for (size_t r = 0; r < b.places.size(); ++r)
    if (!b.places[r].first) extra[b.places[r].second] = all[primal_outputs + r];
  for (size_t e = 0; e < extra.size(); ++e) {
    const Type& type = shared.extra_types[e];
    outputs.push_back(extra[e] != no_value ? extra[e] : splat_integer(f.builder, type.dtype, 0, type.shape).id);
  }
  return dce(*f.finish(outputs));
}

GraphPtr linear_of(const Branch& b, const Graph& branch, const Flags& linear, const Residuals& shared) {
  Wrapper l(*b.cut.forward);
  std::vector<ValueId> passed, extras, operands;
  for (const Type& type : shared.passed_types) passed.push_back(l.input(type));
  for (const Type& type : shared.extra_types) extras.push_back(l.input(type));
  for (const auto& [is_passed, place] : b.places) operands.push_back((is_passed ? passed : extras)[place]);
  for (size_t i = 0; i < linear.size(); ++i)
    if (linear[i]) operands.push_back(l.input(input_type(branch, i)));
  return l.finish(l.builder.splice(*b.cut.linear, operands));
}

}  // namespace

NodeSplit split_branches(const Graph& g, const Node& n, const Flags& linear_operands) {
  const size_t first = n.op == Op::cond ? 1 : 0;
  const std::vector<GraphPtr> graphs = branches_of(g, n);
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
  Residuals shared;
  std::vector<Branch> branches;
  for (const GraphPtr& graph : graphs)
    branches.push_back(cut_branch(*graph, linear, s.result_is_linear, fixed, shared));
  s.extra_count = static_cast<uint32_t>(shared.extra_types.size());
  std::vector<GraphPtr> forwards, linears;
  for (size_t b = 0; b < branches.size(); ++b) {
    forwards.push_back(forward_of(branches[b], shared));
    linears.push_back(linear_of(branches[b], *graphs[b], linear, shared));
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

}  // namespace tenon::passes
