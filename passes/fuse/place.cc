// The forward sweep of fusion: every node joins the drafts of its operands where spaces and levels permit, or starts one.
// Points and reductions choose in files of their own; here is what all nodes share.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

uint32_t Fusion::find(uint32_t draft) {
  if (draft == no_draft) return draft;
  uint32_t top = draft;
  while (drafts[top].into != no_draft) top = drafts[top].into;
  while (drafts[draft].into != no_draft) {
    const uint32_t next = drafts[draft].into;
    drafts[draft].into = top;
    draft = next;
  }
  return top;
}

uint32_t Fusion::draft_of_value(ValueId v) {
  const NodeId n = graph.producer(storage_[index(v)]);
  return n == no_node ? no_draft : find(draft_of[index(n)]);
}

uint32_t Fusion::new_draft(NodeId n, const DraftLoops& loops) {
  Draft d;
  static_cast<DraftLoops&>(d) = loops;
  d.level = above_ + 1;
  d.root = n;
  d.cost = cost(n);
  for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e)
    if (const uint32_t other = draft_of_value(edges[e].access.base); other != no_draft)
      d.level = std::max(d.level, drafts[other].level + 1);
  drafts.push_back(d);
  return static_cast<uint32_t>(drafts.size() - 1);
}

void Fusion::merge(uint32_t host, uint32_t other) {
  Draft& h = drafts[host];
  Draft& o = drafts[other];
  h.cost += o.cost;
  h.level = std::max(h.level, o.level);
  h.first_consumer = std::min(h.first_consumer, o.first_consumer);
  o.into = host;
}

// Tells the drafts that n reads from who their consumer is.
void Fusion::connect(NodeId n) {
  const uint32_t own = find(draft_of[index(n)]);
  for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e) {
    const uint32_t other = draft_of_value(edges[e].access.base);
    if (other == no_draft || other == own) continue;
    drafts[other].first_consumer = std::min(drafts[other].first_consumer, drafts[own].level);
  }
}

// What keeps any reader out of the draft that a value is computed in.
Why Fusion::barred(const Access& a) const {
  if (!enabled) return Why::off;
  const Role role = roles[index(graph.producer(a.base))];
  if (role == Role::alias) return Why::shares_buffer;
  return role == Role::alone ? Why::producer_alone : Why::none;
}

// A contraction starts a draft of its own. Maps may move into it, in the backward sweep; until then they are stored.
Why Fusion::at_contraction(const Edge& edge) {
  if (const Why why = barred(edge.access); why != Why::none) return why;
  const GroupKind kind = drafts[draft_of_value(edge.access.base)].kind;
  if (kind == GroupKind::contract) return Why::contractions;
  return kind == GroupKind::map ? Why::stored : Why::producer_space;
}

void Fusion::read_operands(NodeId n) {
  const Node& node = graph.node(n);
  for (ValueId v : graph.operands(node)) {
    if (free_cost_[index(v)] >= 0 && !graph.is_input(v)) continue;
    Access a = access(v);
    if (roles[index(n)] == Role::point && !is_elementwise(node)) a.exact = false, a.axes.clear();
    edges.push_back({std::move(a), n, {}});
  }
}

void Fusion::place_alone(NodeId n) {
  const Node& node = graph.node(n);
  if (const NodeId before = behind_[index(n)]; before != no_node) {
    draft_of[index(n)] = draft_of[index(before)];
    return;
  }
  const OpDef& row = def(node.op);
  const SpaceId space = node.result_count > 0 ? axes.space(graph.result(node)) : axes.no_axes();
  const GroupKind kind = is_nest(n) ? GroupKind::nest : copied_[index(n)] ? GroupKind::copy : GroupKind::step;
  const uint32_t d = new_draft(n, {kind, space, space});
  if (row.effect || keeps_order(graph, node)) {  // in program order among themselves
    drafts[d].level = std::max(drafts[d].level, effect_level_ + 1);
    effect_level_ = drafts[d].level;
  }
  draft_of[index(n)] = d;
}

// What it waits for rises no more, and what waits for it begins above.
void Fusion::place_fence(const Node& node) {
  for (ValueId v : graph.operands(node))
    if (const uint32_t d = draft_of_value(v); d != no_draft) above_ = std::max(above_, drafts[d].level);
  for (ValueId v : graph.operands(node))
    if (const uint32_t d = draft_of_value(v); d != no_draft)
      drafts[d].first_consumer = std::min(drafts[d].first_consumer, above_ + 1);
}

void Fusion::place(NodeId n) {
  const Node& node = graph.node(n);
  const Role role = roles[index(n)];
  above_ = 0;
  for (ValueId v : graph.operands(node)) above_ = std::max(above_, floor_[index(v)]);
  if (role == Role::alias && def(node.op).fence) place_fence(node);
  if (role == Role::free || role == Role::moved || role == Role::data || role == Role::alias)
    for (uint32_t k = 0; k < node.result_count; ++k) floor_[index(graph.result(node, k))] = above_;
  const uint32_t first = first_edge[index(n)] = static_cast<uint32_t>(edges.size());
  if (role == Role::free || role == Role::moved || role == Role::data) return;
  read_operands(n);
  const auto refuse = [&](const auto& reason) {
    for (uint32_t e = first; e < edges.size(); ++e)
      if (draft_of_value(edges[e].access.base) != no_draft) edges[e].refusal.why = reason(edges[e]);
  };
  switch (role) {
    case Role::free:
    case Role::moved:
    case Role::data: return;
    case Role::point: place_point(n); break;
    case Role::reduction: place_reduction(n); break;
    case Role::contraction: {
      const SpaceId space = axes.space(graph.result(node));
      draft_of[index(n)] = new_draft(n, {GroupKind::contract, space, space});
      refuse([&](const Edge& e) { return at_contraction(e); });
      break;
    }
    case Role::alone:
      place_alone(n);
      refuse([&](const Edge&) { return enabled ? Why::consumer_alone : Why::off; });
      break;
    case Role::alias:
      for (uint32_t k = 0; k < node.result_count; ++k)
        storage_[index(graph.result(node, k))] = storage_[index(graph.operands(node)[k])];
      return;
  }
  connect(n);
}

}  // namespace tenon::passes
