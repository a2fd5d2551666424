// Which carries of a loop a body may update where they lie. A carry that is a buffer of rows, of which an iteration stores one,
// must not be copied for that.
//
//   carry %0;  %3 = dynamic_update_slice %0, %1, %2;  give %3     ->     the update is stored into the carry's own buffer
//
// A chain of such updates, and of loops that carry the buffer on, does as well. Every reader of a value in the chain must run
// before what stores over it. Refuses what goes through branches: they copy.
#include <algorithm>

#include "tenon/ir/graph/loops.h"
#include "tenon/passes/lower/program.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Chain {
  const Graph& g;
  const FusionPlan& plan;
  std::vector<char> alias;  // per node

  Chain(const Graph& graph, const FusionPlan& p) : g(graph), plan(p), alias(graph.node_count(), 0) {
    for (NodeId n : plan.aliases) alias[index(n)] = 1;
  }
  ValueId storage(ValueId v) const {
    while (!g.is_input(v) && alias[index(g.producer(v))]) {
      const Node& n = g.node(g.producer(v));
      v = g.operands(n)[index(v) - index(n.first_result)];
    }
    return v;
  }
  // The group that stores v over another value, the operand over which it does, or none.
  struct Update {
    size_t group = SIZE_MAX;
    uint32_t operand = 0;
  };
  Update update(ValueId v) const {
    const NodeId id = g.producer(v);
    const Node& n = g.node(id);
    Update result;
    if (n.op == Op::while_loop || n.op == Op::scan) {
      const Loop loop = loop_of(g, n);
      const uint32_t number = index(v) - index(n.first_result);
      if (number >= loop.carries) return {};
      result.operand = static_cast<uint32_t>(loop.constants) + number;
    } else if (n.op != Op::dynamic_update_slice) {
      return {};
    }
    for (size_t k = 0; k < plan.groups.size(); ++k)
      if (plan.groups[k].root == id && info(plan.groups[k].kind).alone) result.group = k;
    return result;
  }
  // Whether another operand than the one that is stored over reads `old`, in what the group computes for itself.
  bool reads_otherwise(const Update& u, ValueId old, ValueId result) const {
    const Group& group = plan.groups[u.group];
    const auto operands = g.operands(g.node(g.producer(result)));
    std::vector<ValueId> open;
    std::vector<char> seen(g.value_count(), 0);
    for (uint32_t k = 0; k < operands.size(); ++k)
      if (k != u.operand) open.push_back(operands[k]);
    while (!open.empty()) {
      const ValueId v = open.back();
      open.pop_back();
      if (seen[index(v)]) continue;
      seen[index(v)] = 1;
      if (storage(v) == old) return true;
      const NodeId n = g.producer(v);
      if (n == no_node || !std::ranges::binary_search(group.nodes, n)) continue;
      for (ValueId w : g.operands(g.node(n))) open.push_back(w);
    }
    return false;
  }
  bool read_after(ValueId old, size_t group) const {
    for (size_t k = group + 1; k < plan.groups.size(); ++k)
      for (ValueId v : plan.groups[k].inputs)
        if (storage(v) == old) return true;
    return false;
  }
};

}  // namespace

std::vector<ValueId> stored_in_place(const Graph& body, const FusionPlan& plan, ValueId input, size_t output) {
  const Chain chain(body, plan);
  std::vector<ValueId> links;
  for (ValueId v = chain.storage(body.outputs()[output]); v != input;) {
    if (body.is_input(v)) return {};
    const Chain::Update u = chain.update(v);
    if (u.group == SIZE_MAX) return {};
    const ValueId old = chain.storage(body.operands(body.node(body.producer(v)))[u.operand]);
    if (chain.read_after(old, u.group) || chain.reads_otherwise(u, old, v)) return {};
    for (size_t o = 0; o < body.outputs().size(); ++o)
      if (chain.storage(body.outputs()[o]) == old) return {};
    links.push_back(v);
    v = old;
  }
  return links;
}

}  // namespace tenon::passes
