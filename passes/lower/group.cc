// One group to its kernel or kernels: the choice of nest by kind, and the kernels of ops that build their own loops.
#include "tenon/passes/lower/group.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

int64_t element_cost(const Graph& graph, const Group& group, OpCosts& costs) {
  int64_t cost = 1;
  for (NodeId n : group.nodes)
    if (def(graph.node(n).op).family == Family::elementwise || def(graph.node(n).op).family == Family::random)
      cost += costs.of(graph, graph.node(n));
  // Four bytes moved cost about as much as two operations.
  for (ValueId v : group.inputs)
    if (!graph.type(v).shape.empty()) cost += (bytes(graph.type(v).dtype) + 1) / 2;
  for (ValueId v : group.outputs) cost += (bytes(graph.type(v).dtype) + 1) / 2;
  return cost;
}

namespace {

// Whether all results are empty whatever is free: what loops do not reach would be read where it need not be there.
bool is_empty(const Group& group) {
  const std::vector<Dim>& dims = group.kind == GroupKind::map ? group.space.dims() : group.outer.dims();
  const bool loops = group.kind == GroupKind::map || group.kind == GroupKind::row || group.kind == GroupKind::column;
  return loops && std::any_of(dims.begin(), dims.end(), [](Dim d) { return d == 0; });
}

// The kernel of an op whose row builds the loops itself.
void lower_nest(Elements& e) {
  const Node& n = e.graph.node(e.group.root);
  if (!def(n.op).nest)
    throw InternalError(std::string(def(n.op).name) + " has no lowering:\n" + window(e.graph, e.group.root));
  e.builder.origin = index(e.group.root);
  def(n.op).nest(e.context, n);
}

}  // namespace

LoweredGroup lower_group(const Graph& graph, const Axes& axes, const Group& group, OpCosts& costs,
                         const std::string& name) {
  const int64_t cost = element_cost(graph, group, costs);
  if (group.split) return lower_split(graph, axes, group, costs, cost, name);
  KernelBuilder builder(name, graph.symbols);
  Runs runs(graph, axes, group);
  Elements e(graph, group, builder, runs, costs);
  const auto lower = [&] {
    switch (group.kind) {
      case GroupKind::map: lower_map(e, cost); break;
      case GroupKind::row: lower_row(e, cost); break;
      case GroupKind::column: lower_column(e, cost); break;
      case GroupKind::contract: lower_contract(e, cost); break;
      case GroupKind::nest: lower_nest(e); break;
      case GroupKind::copy:
      case GroupKind::step: throw InternalError("a step has no kernel");
    }
  };
  if (is_empty(group))
    for (ValueId v : group.outputs) e.buffer(v, Space::output);
  else
    lower();
  LoweredGroup result;
  std::vector<Binding> bindings = e.bindings();
  result.temporaries = std::move(e.temporaries);
  result.kernels.push_back({builder.finish(), std::move(bindings)});
  return result;
}

}  // namespace tenon::passes
