// From drafts to the plan: groups in order with what they read and store, and the edges that stay with their reasons.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

// One group for each draft that stands; gives the drafts, in the order of the groups.
std::vector<uint32_t> Fusion::deal(FusionPlan& plan) {
  std::vector<uint32_t> tops;
  std::vector<std::vector<NodeId>> members(drafts.size());
  for (uint32_t n = 0; n < graph.node_count(); ++n) {
    if (draft_of[n] == no_draft) continue;
    const uint32_t d = find(draft_of[n]);
    if (members[d].empty()) tops.push_back(d);
    members[d].push_back(NodeId{n});
  }
  for (uint32_t d : tops) {
    Group group;
    group.kind = drafts[d].kind;
    group.root = drafts[d].root;
    group.split = drafts[d].split;
    group.space = Shape(axes.extents(drafts[d].space));
    group.outer = Shape(axes.extents(drafts[d].outer));
    group.reduced_begin = drafts[d].reduced_begin;
    group.reduced_end = drafts[d].reduced_end;
    group.nodes = std::move(members[d]);
    plan.groups.push_back(std::move(group));
  }
  return tops;
}

// Adds the nodes that a group computes again for itself, and lists what it reads from buffers. seen: per value, the last
// group that has looked at it.
void Fusion::complete(Group& group, uint32_t number, std::vector<uint32_t>& seen) const {
  for (NodeId n : group.nodes)
    for (uint32_t k = 0; k < graph.node(n).result_count; ++k) seen[index(graph.result(graph.node(n), k))] = number;
  std::vector<NodeId> open = group.nodes;
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
}

// From the last group to the first: what the caller or a later group reads is stored, through aliases; a group that nobody
// reads and that has no effect (it computed a result of a barrier that is not used) is left out.
void Fusion::store_what_is_read(FusionPlan& plan, const std::vector<uint32_t>& tops) {
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
    for (NodeId n : group.nodes) {
      if (find(draft_of[index(n)]) != tops[g]) continue;  // computed again
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
}

void Fusion::report(FusionPlan& plan) {
  for (uint32_t e = 0; e < edges.size(); ++e) {
    const uint32_t from = draft_of_value(edges[e].access.base), to = draft_of_reader(e);
    if (from == no_draft || from == to || to == no_draft) continue;
    const NodeId producer = graph.producer(edges[e].access.base);
    const Refusal& refusal = edges[e].refusal;
    if (refusal.why == Why::none)
      throw InternalError("two groups stay apart that nothing refused:\n" + window(graph, producer));
    const NodeId about = refusal.about == no_node ? producer : refusal.about;
    plan.not_fused.push_back({index(producer), index(edges[e].consumer),
                              in_words(refusal, {.op = name(graph.node(about).op),
                                                 .producer = info(drafts[from].kind).nature,
                                                 .consumer = info(drafts[to].kind).nature,
                                                 .kernel_ops = limits.kernel_ops})});
  }
}

FusionPlan Fusion::finish() {
  FusionPlan plan;
  plan.enabled = enabled;
  std::vector<uint32_t> tops = deal(plan);
  std::vector<uint32_t> seen(graph.value_count(), UINT32_MAX);
  for (uint32_t g = 0; g < plan.groups.size(); ++g) complete(plan.groups[g], g, seen);
  sequence(plan, tops);
  store_what_is_read(plan, tops);
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    if (roles[i] == Role::alias) plan.aliases.push_back(NodeId{i});
    if (roles[i] == Role::data) plan.data.push_back(NodeId{i});
  }
  report(plan);
  plan.axes = std::move(axes);
  return plan;
}

}  // namespace tenon::passes
