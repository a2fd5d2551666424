// The backward pass of fusion: a map group whose only reader is one other group is computed there, at whatever index that
// group asks for; and so is a cheap node whose inputs are no dearer to read than its own result.
#include <algorithm>

#include "tenon/passes/fuse_draft.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int number_cost = 24;  // scalar ops on a single number that every thread may repeat
constexpr int cheap_cost = 4;  // scalar ops that may be computed a few times rather than stored once

}  // namespace

// Whether what `from` computes can be computed where `uses` (edges into `into`) read it.
bool Fusion::sinks(uint32_t from, uint32_t into, const std::vector<uint32_t>& uses) {
  const Draft& g = drafts[from];
  const Draft& h = drafts[into];
  if (info(h.kind).alone) return false;
  const bool cheap = g.cost <= cheap_cost;
  // A number that takes long to compute is computed once, not by every thread of a kernel.
  if (spaces.dims(g.space).empty() && !spaces.dims(h.space).empty() && g.cost > number_cost) return false;
  for (uint32_t u : uses) {
    const Edge& edge = edges[u];
    const Node& consumer = graph.node(edge.consumer);
    const Role role = roles[index(edge.consumer)];
    if (role == Role::contraction && !(cheap && !edge.access.expands)) return false;
    if (role == Role::point && !is_elementwise(consumer)) {
      const int64_t asked = spaces.numel(spaces.of(graph.result(consumer)));
      const int64_t held = spaces.numel(spaces.of(edge.access.base));
      const bool fewer = (consumer.op == Op::gather || consumer.op == Op::dynamic_slice) && asked >= 0 && asked <= held;
      if (!cheap && consumer.op != Op::pad && !fewer) return false;
      continue;
    }
    if (edge.access.expands && !cheap) {
      // Standing outside the innermost loop, it is not computed more often than its extents ask for.
      const std::vector<Dim>& space =
          spaces.dims(role == Role::reduction ? h.space : spaces.of(graph.result(consumer)));
      const int inner = static_cast<int>(space.size()) - 1;
      const std::vector<int>& axes = edge.access.axes;
      if (h.kind == GroupKind::column || h.kind == GroupKind::contract || !edge.access.exact) return false;
      if (std::find(axes.begin(), axes.end(), inner) != axes.end()) return false;
    }
    for (uint32_t other : uses) {
      const Access &a = edges[other].access, &b = edge.access;
      if (a.base == b.base && (a.exact != b.exact || a.axes != b.axes) && !cheap) return false;
    }
  }
  return true;
}

void Fusion::sink_groups() {
  // Who reads each value.
  use_begin_.assign(graph.value_count() + 1, 0);
  for (const Edge& e : edges) ++use_begin_[index(e.access.base) + 1];
  for (size_t v = 0; v < graph.value_count(); ++v) use_begin_[v + 1] += use_begin_[v];
  uses_.resize(edges.size());
  std::vector<uint32_t> at(use_begin_.begin(), use_begin_.end() - 1);
  for (uint32_t e = 0; e < edges.size(); ++e) uses_[at[index(edges[e].access.base)]++] = e;

  members_.assign(drafts.size(), {});
  for (uint32_t n = 0; n < graph.node_count(); ++n)
    if (draft_of[n] != no_draft) members_[find(draft_of[n])].push_back(NodeId{n});
  if (!enabled) return;
  std::vector<uint32_t> order;
  for (uint32_t d = 0; d < drafts.size(); ++d)
    if (drafts[d].into == no_draft && drafts[d].kind == GroupKind::map) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return drafts[a].level > drafts[b].level; });
  for (uint32_t d : order) {
    uint32_t reader = no_draft;
    std::vector<uint32_t> outside;
    bool one = true;
    for (NodeId n : members_[d]) {
      const ValueId v = graph.result(graph.node(n));
      one = one && !forced[index(v)];
      for (uint32_t k = use_begin_[index(v)]; one && k < use_begin_[index(v) + 1]; ++k) {
        const uint32_t other = find(draft_of[index(edges[uses_[k]].consumer)]);
        if (other == d) continue;
        one = reader == no_draft || reader == other;
        reader = other;
        outside.push_back(uses_[k]);
      }
      if (!one) break;
    }
    if (!one || reader == no_draft || outside.size() > 32) continue;
    if (drafts[d].cost + drafts[reader].cost > kernel_limit) {
      for (uint32_t u : outside) full[index(edges[u].consumer)] = 1;
      continue;
    }
    if (!sinks(d, reader, outside)) continue;
    const uint32_t level = drafts[reader].level, first = drafts[reader].first_consumer;
    merge(reader, d);
    drafts[reader].level = level;  // the reader keeps its place
    drafts[reader].first_consumer = first;
    members_[reader].insert(members_[reader].end(), members_[d].begin(), members_[d].end());
    members_[d].clear();
  }
}

// Whether a group of this draft can write v to a buffer: its loops run over the space of what they store.
bool Fusion::stores(const Draft& d, ValueId v) {
  const SpaceId space = spaces.of(v);
  switch (d.kind) {
    case GroupKind::map:
    case GroupKind::contract: return space == d.space;
    case GroupKind::row: return space == d.outer || (!d.split && space == d.space);
    case GroupKind::column: return space == d.outer;
    case GroupKind::nest:
    case GroupKind::step: return false;
  }
  return false;
}

// Single nodes that leave a group which goes on living. What they read there and nobody else did must be stored from now
// on, so it must be over a space that the group stores over: a narrow value that the group computes along a wide space (or
// the wide operand of a reduction over leading axes) stays where it is, and its reader with it.
void Fusion::sink_nodes() {
  if (!enabled) return;
  std::vector<char> stored(graph.value_count(), 0);  // read by another draft, or forced
  for (const Edge& e : edges) {
    const uint32_t d = draft_of_value(e.access.base);
    if (d != no_draft && d != find(draft_of[index(e.consumer)])) stored[index(e.access.base)] = 1;
  }
  for (uint32_t i = graph.node_count(); i-- > 0;) {
    const Node& n = graph.node(NodeId{i});
    if (roles[i] != Role::point || !is_elementwise(n)) continue;
    const ValueId v = graph.result(n);
    if (forced[index(v)] || !stored[index(v)] || cost(NodeId{i}) > cheap_cost) continue;
    const uint32_t own = find(draft_of[i]);
    uint32_t reader = no_draft;
    bool one = true;
    std::vector<uint32_t> uses;
    for (uint32_t k = use_begin_[index(v)]; one && k < use_begin_[index(v) + 1]; ++k) {
      const uint32_t other = find(draft_of[index(edges[uses_[k]].consumer)]);
      one = other != own && (reader == no_draft || reader == other) && uses.size() < 32;
      reader = other;
      uses.push_back(uses_[k]);
      one = one && edges[uses_[k]].access.exact && !edges[uses_[k]].access.expands;
    }
    if (!one || reader == no_draft || drafts[reader].cost + cost(NodeId{i}) > kernel_limit) continue;
    // Bytes: the result would be written and read; instead its operands are read, and written if nobody else did.
    const auto size = [&](ValueId x) {
      const int64_t n = spaces.numel(spaces.of(x));
      return n < 0 ? int64_t{-1} : n * bytes(graph.type(x).dtype);
    };
    const int64_t saved = 2 * size(v);
    int64_t extra = 0;
    bool known = saved >= 0;
    for (uint32_t e = first_edge[i]; e < first_edge[i + 1]; ++e) {
      const ValueId o = edges[e].access.base;
      const bool inside = draft_of_value(o) == own && !stored[index(o)] && !forced[index(o)];
      bool read = false;  // by the same reader already
      for (uint32_t k = use_begin_[index(o)];
           !read && k < std::min(use_begin_[index(o) + 1], use_begin_[index(o)] + 32); ++k)
        read = find(draft_of[index(edges[uses_[k]].consumer)]) == reader;
      known =
          known && size(o) >= 0 && !(inside && (drafts[own].kind == GroupKind::contract || !stores(drafts[own], o)));
      if (!read) extra += size(o) * (inside ? 2 : 1);
    }
    if (!known || extra >= saved) continue;
    Draft alone;
    alone.cost = cost(NodeId{i});
    alone.space = alone.outer = spaces.of(v);
    drafts.push_back(alone);
    const bool fits = sinks(static_cast<uint32_t>(drafts.size() - 1), reader, uses);
    drafts.pop_back();
    if (!fits) continue;
    draft_of[i] = reader;
    drafts[reader].cost += cost(NodeId{i});
    drafts[own].cost -= cost(NodeId{i});
    stored[index(v)] = 0;
    for (uint32_t e = first_edge[i]; e < first_edge[i + 1]; ++e) {
      const uint32_t d = draft_of_value(edges[e].access.base);
      if (d != no_draft && d != reader) stored[index(edges[e].access.base)] = 1;
    }
    members_[reader].push_back(NodeId{i});
  }
}

}  // namespace tenon::passes
