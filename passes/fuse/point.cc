// Where a point goes in the forward sweep: into the draft of highest rank among those that it reads from and that take it
// in at its own index, together with the others that the draft can absorb; else it starts a map.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

// A draft that is read somewhere else than at the index of its reader.
Why Fusion::elsewhere(const Draft& d) const {
  return d.kind == GroupKind::map && is_number(d.space) ? Why::single_number : Why::elsewhere;
}

// Whether a point of `space` that reads as `a` says can be computed in d at d's own index.
Why Fusion::joins(const Draft& d, const Access& a, SpaceId space) const {
  if (const Why why = barred(a); why != Why::none) return why;
  const SpaceId from = axes.space(a.base);
  const auto over = [&](SpaceId loops) {  // in loops that hold value and point at one place
    if (space == loops && from == loops && a.identity()) return Why::none;
    if (d.kind == GroupKind::map && is_number(loops) && space != loops) return Why::single_number;
    if (!a.exact) return Why::elsewhere;
    if (space != loops || from != loops) return d.kind == GroupKind::map ? Why::space : Why::producer_space;
    return Why::index;
  };
  switch (d.kind) {
    case GroupKind::map:
    case GroupKind::contract: return over(d.space);
    case GroupKind::row: {
      if (over(d.outer) == Why::none) return Why::none;
      if (d.split || space != d.space) return over(d.outer);
      if (from == d.space) return over(d.space);
      // A result of the row, at every place of the row that it belongs to.
      if (from != d.outer || !a.exact || static_cast<int>(a.axes.size()) != d.reduced_begin) return over(d.outer);
      for (int i = 0; i < d.reduced_begin; ++i)
        if (a.axes[i] != i) return Why::index;
      return Why::none;
    }
    case GroupKind::column: return over(d.outer);
    case GroupKind::nest:
    case GroupKind::copy:
    case GroupKind::step: return Why::producer_alone;
  }
  return Why::producer_alone;
}

// Whether `other` can be computed inside `host` when a point of `space` reads both.
Why Fusion::absorbs(const Draft& host, const Draft& other, SpaceId space) const {
  if (other.kind == GroupKind::map) {
    if (other.space != space || (host.space != space && host.outer != space)) return Why::space;
    return host.outer == space || stores(host.kind, host.split, true, false) ? Why::none : Why::space;
  }
  if (host.kind == GroupKind::contract && other.kind == GroupKind::contract) return Why::contractions;
  if (static_cast<const DraftLoops&>(host) == other) return Why::none;
  if (other.kind == GroupKind::contract && info(host.kind).reduces) return Why::not_elementwise;
  return Why::producer_space;
}

// The drafts that n reads from, those that rather are hosts first.
std::vector<Fusion::Candidate> Fusion::candidates(NodeId n, SpaceId space) {
  std::vector<Candidate> list;
  for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e) {
    const uint32_t d = draft_of_value(edges[e].access.base);
    if (d == no_draft) continue;
    const Why why = joins(drafts[d], edges[e].access, space);
    auto at = std::find_if(list.begin(), list.end(), [&](const Candidate& c) { return c.draft == d; });
    if (at == list.end()) at = list.insert(at, {d, true});
    at->joins = at->joins && why == Why::none;
    if (at->refusal.why == Why::none) at->refusal = {why, graph.producer(edges[e].access.base)};
  }
  std::sort(list.begin(), list.end(), [&](const Candidate& x, const Candidate& y) {
    const Draft &a = drafts[x.draft], &b = drafts[y.draft];
    return std::tuple(info(a.kind).rank, a.level, x.draft) > std::tuple(info(b.kind).rank, b.level, y.draft);
  });
  return list;
}

// Raises the host and its members to the level that the merged draft needs. Members that cannot be raised so far stay
// outside; false when the host itself cannot.
bool Fusion::raises(Candidate& host, std::vector<Candidate>& candidates) {
  for (;;) {
    bool again = false;
    uint32_t level = above_ + 1;
    for (const Candidate& c : candidates) level = std::max(level, drafts[c.draft].level + (c.member ? 0 : 1));
    for (Candidate& c : candidates) {
      if (!c.member || drafts[c.draft].level == level || drafts[c.draft].first_consumer > level) continue;
      if (c.refusal.why == Why::none) c.refusal.why = Why::cycle;
      if (c.draft == host.draft) return false;
      c.member = false;
      again = true;
    }
    if (again) continue;
    for (Candidate& c : candidates)
      if (c.member && c.draft != host.draft) merge(host.draft, c.draft);
    drafts[host.draft].level = level;
    return true;
  }
}

// Tries a candidate as the draft that takes the point in.
bool Fusion::hosts(Candidate& host, std::vector<Candidate>& candidates, NodeId n, SpaceId space) {
  int total = cost(n) + drafts[host.draft].cost;
  if (total > limits.kernel_ops) {
    host.refusal.why = Why::full;
    return false;
  }
  for (Candidate& c : candidates) {
    c.member = c.draft == host.draft;
    if (c.member || !c.joins) continue;
    Why why = absorbs(drafts[host.draft], drafts[c.draft], space);
    if (why == Why::none && total + drafts[c.draft].cost > limits.kernel_ops) why = Why::full;
    c.member = why == Why::none;
    if (c.member)
      total += drafts[c.draft].cost;
    else if (c.refusal.why == Why::none)
      c.refusal.why = why;
  }
  if (!raises(host, candidates)) return false;
  drafts[host.draft].cost += cost(n);
  draft_of[index(n)] = host.draft;
  return true;
}

// Single numbers are computed together, whoever asks for them: one launch instead of many.
bool Fusion::joins_numbers(NodeId n, uint32_t fresh) {
  const uint32_t known = find(scalars_), level = drafts[fresh].level;
  bool reads = false;  // what it computes, at another index or through an alias
  for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e) reads |= draft_of_value(edges[e].access.base) == known;
  if (known == no_draft || reads || drafts[known].kind != GroupKind::map ||
      drafts[known].cost + cost(n) > limits.kernel_ops ||
      (drafts[known].level < level && drafts[known].first_consumer <= level))
    return false;
  drafts.pop_back();  // the fresh one
  drafts[known].level = std::max(drafts[known].level, level);
  drafts[known].cost += cost(n);
  draft_of[index(n)] = known;
  return true;
}

void Fusion::place_point(NodeId n) {
  const SpaceId space = axes.space(graph.result(graph.node(n)));
  const uint32_t first = first_edge[index(n)];
  if (is_elementwise(graph.node(n))) {
    std::vector<Candidate> list = candidates(n, space);
    const bool placed =
        std::any_of(list.begin(), list.end(), [&](Candidate& c) { return c.joins && hosts(c, list, n, space); });
    for (uint32_t e = first; e < edges.size(); ++e) {
      const uint32_t d = draft_of_value(edges[e].access.base);
      for (const Candidate& c : list)
        if (c.draft == d && !(placed && c.member)) edges[e].refusal = c.refusal;
    }
    if (placed) return;
  } else {  // it finds elements where it likes: nothing that it reads is computed at its index
    for (uint32_t e = first; e < edges.size(); ++e) {
      if (draft_of_value(edges[e].access.base) == no_draft) continue;
      const Why why = barred(edges[e].access);
      edges[e].refusal.why = why == Why::none ? elsewhere(drafts[draft_of_value(edges[e].access.base)]) : why;
    }
  }
  const uint32_t fresh = new_draft(n, {GroupKind::map, space, space});
  if (enabled && is_number(space)) {
    if (joins_numbers(n, fresh)) return;
    scalars_ = fresh;
  }
  draft_of[index(n)] = fresh;
}

}  // namespace tenon::passes
