// Fusion: deals the nodes of a graph into groups, one kernel (or step) each.
//
//   %2 = exp %0 ; %3 = reduce_sum %2 ; %4 = broadcast %3 ; %5 = div %2, %4    ->    one row group {%2, %3, %4, %5}
//
// Two sweeps, both linear: forward, every node joins the groups of its operands where iteration spaces agree
// (fuse_place.cc); backward, groups and nodes move into their only reader (fuse_sink.cc). Views and trivial values are
// computed wherever they are read. Every edge that stays is reported with its reason. Refuses to change the graph.
#include <algorithm>

#include "tenon/passes/fuse_draft.h"

namespace tenon::passes {

using namespace ir;

Fusion::Fusion(const Graph& g, const Target& t, bool on) : graph(g), target(t), enabled(on), spaces(g), costs(t) {}

std::string Fusion::reason(const Edge& edge) {
  const Draft& from = drafts[draft_of_value(edge.access.base)];
  const Draft& to = drafts[find(draft_of[index(edge.consumer)])];
  const NodeId producer = graph.producer(edge.access.base);
  if (!enabled) return "fusion is off";
  if (full[index(edge.consumer)]) return "kernel is full: " + std::to_string(kernel_limit) + " scalar ops";
  if (info(to.kind).alone) return std::string("consumer is ") + info(to.kind).nature;
  if (info(from.kind).alone) return std::string("producer is ") + info(from.kind).nature;
  if (roles[index(producer)] == Role::alias)
    return std::string("producer is a ") + std::string(name(graph.node(producer).op)) +
           " that shares its operand's buffer";
  if (from.kind == GroupKind::contract && to.kind == GroupKind::contract)
    return "producer and consumer are contractions";
  if (from.kind == GroupKind::contract && (to.kind == GroupKind::row || to.kind == GroupKind::column))
    return "producer is a contraction: only what follows element by element joins it";
  if (roles[index(edge.consumer)] == Role::contraction)
    return cost(producer) > 4 ? "packing the contraction would compute " + std::string(name(graph.node(producer).op)) +
                                    " more than once"
                              : "the value is stored for several readers";
  if (edge.access.expands && is_elementwise(graph.node(producer)) && cost(producer) >= expensive_cost) {
    const int64_t wide = spaces.numel(spaces.of(graph.result(graph.node(edge.consumer))));
    const int64_t narrow = spaces.numel(spaces.of(edge.access.base));
    const std::string times = wide > 0 && narrow > 0 ? std::to_string(wide / narrow) : "many";
    return "would recompute " + std::string(name(graph.node(producer).op)) + " " + times + " times";
  }
  if (spaces.dims(from.space).empty() && from.kind == GroupKind::map)
    return "a single number, computed once for all its readers";
  if (!edge.access.exact) return "read at another index, and stored for several readers or too dear to compute twice";
  if (from.kind != GroupKind::map)
    return std::string("producer is ") + info(from.kind).nature + " with another iteration space";
  if (from.space != to.space && from.space != to.outer) return "different iteration space";
  if (!edge.access.identity()) return "read at another index than it is written";
  return "another group stands between them: fusing would make a cycle";
}

FusionPlan Fusion::run() {
  assign_roles();
  draft_of.assign(graph.node_count(), no_draft);
  full.assign(graph.node_count(), 0);
  first_edge.assign(graph.node_count() + 1, 0);
  for (uint32_t n = 0; n < graph.node_count(); ++n) place(NodeId{n});
  first_edge[graph.node_count()] = static_cast<uint32_t>(edges.size());
  sink_groups();
  sink_nodes();
  return finish();
}

FusionPlan Fusion::finish() {
  std::vector<uint32_t> order;
  for (uint32_t n = 0; n < graph.node_count(); ++n)
    if (draft_of[n] != no_draft) order.push_back(n);
  std::vector<uint32_t> tops;
  std::vector<std::vector<NodeId>> members(drafts.size());
  for (uint32_t n : order) {
    const uint32_t d = find(draft_of[n]);
    if (members[d].empty()) tops.push_back(d);
    members[d].push_back(NodeId{n});
  }
  std::stable_sort(tops.begin(), tops.end(), [&](uint32_t a, uint32_t b) { return drafts[a].level < drafts[b].level; });

  FusionPlan plan;
  plan.enabled = enabled;
  std::vector<uint32_t> seen(graph.value_count(), UINT32_MAX);  // by group
  for (uint32_t d : tops) {
    const uint32_t number = static_cast<uint32_t>(plan.groups.size());
    Group group;
    group.kind = drafts[d].kind;
    group.root = drafts[d].root;
    group.split = drafts[d].split;
    group.space = Shape(spaces.dims(drafts[d].space));
    group.outer = Shape(spaces.dims(drafts[d].outer));
    group.reduced_begin = drafts[d].reduced_begin;
    group.reduced_end = drafts[d].reduced_end;
    group.nodes = members[d];
    for (NodeId n : members[d])
      for (uint32_t k = 0; k < graph.node(n).result_count; ++k) seen[index(graph.result(graph.node(n), k))] = number;
    std::vector<NodeId> open = members[d];
    while (!open.empty()) {
      const Node& n = graph.node(open.back());
      open.pop_back();
      for (ValueId v : graph.operands(n)) {
        if (seen[index(v)] == number) continue;
        seen[index(v)] = number;
        const NodeId producer = graph.producer(v);
        const bool here =
            producer != no_node && (roles[index(producer)] == Role::free || roles[index(producer)] == Role::moved);
        if (here) {
          group.nodes.push_back(producer);
          open.push_back(producer);
        } else {
          group.inputs.push_back(v);
        }
      }
    }
    std::sort(group.nodes.begin(), group.nodes.end());
    std::sort(group.inputs.begin(), group.inputs.end());
    plan.groups.push_back(std::move(group));
  }
  // From the last group to the first: what the caller or a later group reads is stored, through aliases; a group that
  // nobody reads and that has no effect (it computed a result of a barrier that is not used) is left out.
  std::vector<char> stored(graph.value_count(), 0);
  const auto store = [&](ValueId v) {
    for (;;) {
      stored[index(v)] = 1;
      const NodeId n = graph.producer(v);
      if (n == no_node || roles[index(n)] != Role::alias) return;
      v = graph.operands(graph.node(n))[index(v) - index(graph.node(n).first_result)];
    }
  };
  for (ValueId v : graph.outputs()) store(v);
  std::vector<char> live(plan.groups.size(), 0);
  for (size_t g = plan.groups.size(); g-- > 0;) {
    Group& group = plan.groups[g];
    for (NodeId n : members[tops[g]]) {
      live[g] |= has_effect(graph, graph.node(n));
      for (uint32_t k = 0; k < graph.node(n).result_count; ++k)
        if (const ValueId v = graph.result(graph.node(n), k); stored[index(v)]) group.outputs.push_back(v);
    }
    live[g] |= !group.outputs.empty();
    if (live[g])
      for (ValueId v : group.inputs) store(v);
  }
  size_t kept = 0;
  for (size_t g = 0; g < plan.groups.size(); ++g) {
    if (!live[g]) continue;
    if (kept != g) plan.groups[kept] = std::move(plan.groups[g]);
    ++kept;
  }
  plan.groups.resize(kept);
  for (uint32_t i = 0; i < graph.node_count(); ++i)
    if (roles[i] == Role::alias) plan.aliases.push_back(NodeId{i});

  for (const Edge& e : edges) {
    const uint32_t from = draft_of_value(e.access.base), to = find(draft_of[index(e.consumer)]);
    if (from == no_draft || from == to || to == no_draft) continue;
    plan.not_fused.push_back({index(graph.producer(e.access.base)), index(e.consumer), reason(e)});
  }
  return plan;
}

FusionPlan fuse(const Graph& graph, const Target& target, bool enabled) { return Fusion(graph, target, enabled).run(); }

}  // namespace tenon::passes
