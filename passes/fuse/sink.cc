// The backward sweep of fusion, over groups: a map whose only reader is one other group is computed there, at whatever index
// that group asks for. Refuses to compute dear values more often than they are stored and read.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

// Who reads each value, and which nodes each draft holds.
void Fusion::index_edges() {
  times_.assign(graph.node_count(), 1);
  use_begin_.assign(graph.value_count() + 1, 0);
  for (const Edge& e : edges) ++use_begin_[index(e.access.base) + 1];
  for (size_t v = 0; v < graph.value_count(); ++v) use_begin_[v + 1] += use_begin_[v];
  uses_.resize(edges.size());
  std::vector<uint32_t> at(use_begin_.begin(), use_begin_.end() - 1);
  for (uint32_t e = 0; e < edges.size(); ++e) uses_[at[index(edges[e].access.base)]++] = e;

  members_.assign(drafts.size(), {});
  for (uint32_t n = 0; n < graph.node_count(); ++n)
    if (draft_of[n] != no_draft) members_[find(draft_of[n])].push_back(NodeId{n});
}

// At how many places the reader computes what these edges read: at each index that it asks for, as often as it computes who
// asks. In a chain of shifts and turns these multiply, and so would the code.
int64_t Fusion::places(std::span<const uint32_t> uses) const {
  constexpr int64_t plenty = 1 << 20;
  std::vector<std::pair<const Access*, int64_t>> asked;
  for (uint32_t u : uses) {
    const Access& a = edges[u].access;
    const int64_t times = times_[index(edges[u].consumer)];
    const auto same = std::find_if(asked.begin(), asked.end(), [&](const auto& known) {
      return a.exact && known.first->exact && a.axes == known.first->axes;
    });
    if (same == asked.end())
      asked.emplace_back(&a, times);
    else
      same->second = std::max(same->second, times);
  }
  int64_t all = 0;
  for (const auto& [access, times] : asked) all = std::min(plenty, all + times);
  return all;
}

Refusal Fusion::recompute(const Edge& edge) const {
  const NodeId producer = graph.producer(edge.access.base);
  const int64_t wide = axes.numel(axes.space(graph.result(graph.node(edge.consumer))));
  const int64_t narrow = axes.numel(axes.space(edge.access.base));
  return {Why::recompute, producer, wide > 0 && narrow > 0 ? wide / narrow : 0};
}

// Whether what `from` computes can be computed where this edge reads it. from is dear: more than a few times is too often.
Refusal Fusion::sinks_through(const Draft& from, const Draft& into, const Edge& edge) const {
  const Node& consumer = graph.node(edge.consumer);
  const NodeId producer = graph.producer(edge.access.base);
  const Role role = roles[index(edge.consumer)];
  const bool cheap = from.cost <= limits.cheap;
  if (role == Role::contraction && !(cheap && !edge.access.expands)) return {Why::packing, producer};
  if (cheap) return {};
  if (role == Role::point && !is_elementwise(consumer)) {
    const int64_t asked = axes.numel(axes.space(graph.result(consumer)));
    const int64_t held = axes.numel(axes.space(edge.access.base));
    const Asks asks = def(consumer.op).asks;
    const bool once = asks == Asks::own || (asks == Asks::result && asked >= 0 && asked <= held);
    return {once ? Why::none : elsewhere(from)};
  }
  if (!edge.access.expands) return {};
  // Standing outside the innermost loop, it is not computed more often than its extents ask for.
  if (!edge.access.exact) return {elsewhere(from)};
  const SpaceId space = role == Role::reduction ? into.space : axes.space(graph.result(consumer));
  const int inner = static_cast<int>(axes.extents(space).size()) - 1;
  const std::vector<int>& follows = edge.access.axes;
  const bool outside = std::find(follows.begin(), follows.end(), inner) == follows.end();
  return info(into.kind).hoists && outside ? Refusal{} : recompute(edge);
}

// Whether what `from` computes can be computed where `uses` (edges into `into`) read it.
Refusal Fusion::sinks(uint32_t from, uint32_t into, const std::vector<uint32_t>& uses) {
  const Draft& g = drafts[from];
  const Draft& h = drafts[into];
  if (info(h.kind).alone) return {Why::consumer_alone};
  // A number that takes long to compute is computed once, not by every thread of a kernel.
  if (is_number(g.space) && !is_number(h.space) && g.cost > limits.number) return {Why::single_number};
  for (uint32_t u : uses)
    if (const Refusal refusal = sinks_through(g, h, edges[u]); refusal.why != Why::none) return refusal;
  if (g.cost <= limits.cheap) return {};
  const auto found = [&](const Edge& e) {  // by the row of its reader, one element after the other
    const Node& consumer = graph.node(e.consumer);
    return roles[index(e.consumer)] == Role::point && !is_elementwise(consumer);
  };
  for (uint32_t u : uses) {
    if (found(edges[u])) continue;
    for (uint32_t other : uses) {  // at two indices it would be computed twice
      const Access &a = edges[other].access, &b = edges[u].access;
      if (a.base == b.base && (a.exact != b.exact || a.axes != b.axes)) return {Why::elsewhere};
    }
  }
  return {};
}

// The one other draft that reads what d computes, and its edges; none when there are several, when a value must be stored
// anyway, or when there are too many reads to look at.
uint32_t Fusion::only_reader(uint32_t d, std::vector<uint32_t>& uses) {
  uint32_t reader = no_draft;
  for (NodeId n : members_[d]) {
    const ValueId v = graph.result(graph.node(n));
    if (forced[index(v)]) return no_draft;
    for (uint32_t k = use_begin_[index(v)]; k < use_begin_[index(v) + 1]; ++k) {
      const uint32_t other = draft_of_reader(uses_[k]);
      if (other == d) continue;
      if (reader != no_draft && reader != other) return no_draft;
      reader = other;
      uses.push_back(uses_[k]);
    }
  }
  return uses.size() > limits.reads ? no_draft : reader;
}

void Fusion::sink_group(uint32_t d) {
  std::vector<uint32_t> uses;
  const uint32_t reader = only_reader(d, uses);
  if (reader == no_draft) return;
  const int64_t times = places(uses), cost = times * drafts[d].cost;
  const bool full = drafts[reader].cost + cost > limits.kernel_ops;
  const Refusal refusal = full ? Refusal{Why::full} : sinks(d, reader, uses);
  if (refusal.why != Why::none) {
    for (uint32_t u : uses) edges[u].refusal = refusal;
    return;
  }
  for (uint32_t u : uses) edges[u].refusal = {};
  for (NodeId n : members_[d]) times_[index(n)] = times;
  drafts[d].cost = static_cast<int>(cost);
  const uint32_t level = drafts[reader].level, first = drafts[reader].first_consumer;
  merge(reader, d);
  drafts[reader].level = level;  // the reader keeps its place
  drafts[reader].first_consumer = first;
  members_[reader].insert(members_[reader].end(), members_[d].begin(), members_[d].end());
  members_[d].clear();
}

void Fusion::sink_groups() {
  std::vector<uint32_t> order;
  for (uint32_t d = 0; d < drafts.size(); ++d)
    if (drafts[d].into == no_draft && drafts[d].kind == GroupKind::map) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return drafts[a].level > drafts[b].level; });
  for (uint32_t d : order) sink_group(d);
}

}  // namespace tenon::passes
