// The forward pass of fusion: every node joins the drafts of its operands where spaces and levels permit, or starts one.
#include <algorithm>

#include "tenon/ir/attributes.h"
#include "tenon/passes/fuse_draft.h"

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

uint32_t Fusion::new_draft(NodeId n, GroupKind kind, SpaceId space) {
  Draft d;
  d.kind = kind;
  d.space = d.outer = space;
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

// Whether a point of `space` that reads as `a` says can be computed in d at d's own index.
bool Fusion::joins(const Draft& d, const Access& a, SpaceId space) {
  const NodeId producer = graph.producer(a.base);
  if (!enabled || roles[index(producer)] == Role::alias) return false;
  const SpaceId from = spaces.of(a.base);
  switch (d.kind) {
    case GroupKind::map:
    case GroupKind::contract: return space == d.space && from == space && a.identity();
    case GroupKind::row:
      if (space == d.outer && from == d.outer && a.identity()) return true;
      if (d.split || space != d.space) return false;
      if (from == d.space) return a.identity();
      if (from != d.outer || !a.exact || static_cast<int>(a.axes.size()) != d.reduced_begin) return false;
      for (int i = 0; i < d.reduced_begin; ++i)
        if (a.axes[static_cast<size_t>(i)] != i) return false;
      return true;
    case GroupKind::column: return space == d.outer && from == d.outer && a.identity();
    case GroupKind::nest:
    case GroupKind::step: return false;
  }
  return false;
}

// Whether `other` can be computed inside `host` when a point of `space` reads both.
bool Fusion::absorbs(const Draft& host, const Draft& other, SpaceId space) const {
  if (other.kind == GroupKind::map)
    return other.space == space && (host.space == space || host.outer == space) &&
           !(host.space == space && host.outer != space && (host.split || host.kind == GroupKind::column));
  return host.kind == other.kind && host.kind != GroupKind::contract && host.space == other.space &&
         host.outer == other.outer && host.reduced_begin == other.reduced_begin &&
         host.reduced_end == other.reduced_end && host.split == other.split;
}

void Fusion::place_point(NodeId n) {
  const SpaceId space = spaces.of(graph.result(graph.node(n)));
  const int own_cost = cost(n);
  struct Candidate {
    uint32_t draft;
    bool joins;
    bool member = false;
  };
  std::vector<Candidate> candidates;
  const bool elementwise = is_elementwise(graph.node(n));
  for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e) {
    const uint32_t d = draft_of_value(edges[e].access.base);
    if (d == no_draft) continue;
    const bool joinable = elementwise && joins(drafts[d], edges[e].access, space);
    auto at = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) { return c.draft == d; });
    if (at == candidates.end())
      candidates.push_back({d, joinable});
    else
      at->joins = at->joins && joinable;
  }
  if (candidates.size() > 8) candidates.clear();  // a wide concat: nothing to join
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& x, const Candidate& y) {
    const Draft &a = drafts[x.draft], &b = drafts[y.draft];
    return std::tuple(info(a.kind).rank, a.level, x.draft) > std::tuple(info(b.kind).rank, b.level, y.draft);
  });
  for (const Candidate& host : candidates) {
    if (!host.joins) continue;
    int total = own_cost + drafts[host.draft].cost;
    if (total > kernel_limit) {
      full[index(n)] = 1;
      continue;
    }
    for (Candidate& c : candidates) {
      c.member = c.draft == host.draft;
      if (c.member || !c.joins || !absorbs(drafts[host.draft], drafts[c.draft], space)) continue;
      c.member = total + drafts[c.draft].cost <= kernel_limit;
      if (c.member)
        total += drafts[c.draft].cost;
      else
        full[index(n)] = 1;
    }
    // The level that the merged draft needs; members that cannot be raised so far stay outside.
    uint32_t level = 0;
    bool host_stays = true;
    for (bool again = true; again && host_stays;) {
      again = false;
      level = 0;
      for (const Candidate& c : candidates) level = std::max(level, drafts[c.draft].level + (c.member ? 0 : 1));
      for (Candidate& c : candidates) {
        if (!c.member || drafts[c.draft].level == level || drafts[c.draft].first_consumer > level) continue;
        if (c.draft == host.draft)
          host_stays = false;
        else
          c.member = false, again = true;
      }
    }
    if (!host_stays) continue;
    for (const Candidate& c : candidates)
      if (c.member && c.draft != host.draft) merge(host.draft, c.draft);
    drafts[host.draft].level = level;
    drafts[host.draft].cost += own_cost;
    draft_of[index(n)] = host.draft;
    return;
  }
  const uint32_t fresh = new_draft(n, GroupKind::map, space);
  // Single numbers are computed together, whoever asks for them: one launch instead of many.
  if (enabled && spaces.dims(space).empty()) {
    const uint32_t known = find(scalars_);
    const uint32_t level = drafts[fresh].level;
    bool reads = false;  // what it computes, at another index or through an alias
    for (uint32_t e = first_edge[index(n)]; e < edges.size(); ++e)
      reads |= draft_of_value(edges[e].access.base) == known;
    if (known != no_draft && !reads && drafts[known].kind == GroupKind::map &&
        drafts[known].cost + own_cost <= kernel_limit &&
        (drafts[known].level >= level || drafts[known].first_consumer > level)) {
      drafts.pop_back();
      drafts[known].level = std::max(drafts[known].level, level);
      drafts[known].cost += own_cost;
      draft_of[index(n)] = known;
      return;
    }
    scalars_ = fresh;
  }
  draft_of[index(n)] = fresh;
}

void Fusion::place_reduction(NodeId n) {
  const Node& node = graph.node(n);
  const ValueId operand = graph.operands(node)[0];
  const Shape& shape = graph.type(operand).shape;
  const SpaceId space = spaces.of(operand), outer = spaces.of(graph.result(node));
  std::vector<char> reduced(shape.size(), 0);
  for (int64_t axis : Reduce(graph, node).axes) reduced[static_cast<size_t>(axis)] = 1;
  const std::vector<int> axes = Spaces::axes(shape);
  int begin = static_cast<int>(axes.size()), end = begin, count = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!reduced[static_cast<size_t>(axes[i])]) continue;
    if (count++ == 0) begin = static_cast<int>(i);
    end = static_cast<int>(i) + 1;
  }
  if (count != 0 && end - begin != count)
    throw InternalError("a reduction over several groups of axes reached fusion:\n" + window(graph, n));
  const GroupKind kind = end == static_cast<int>(axes.size()) ? GroupKind::row : GroupKind::column;
  const bool arg = def(node.op).positional;
  // Few independent results of long reductions: partial results first, so that all threads have work.
  const int64_t all = spaces.numel(space), results = spaces.numel(outer);
  bool split = false;
  if (kind == GroupKind::row && !arg) {
    const bool scalar = spaces.dims(outer).empty();
    split = all < 0 ? scalar : results <= 8 && all >= 65536;
  } else if (!arg) {
    split = all > 0 && results <= 256 && results > 0 && all / results >= 4096;
  }

  // A value that is computed where it is read (a constant, an iota) is no edge.
  const bool has_edge = first_edge[index(n)] < edges.size();
  const Access a = has_edge ? edges[first_edge[index(n)]].access : access(operand);
  const uint32_t before = has_edge ? draft_of_value(a.base) : no_draft;
  uint32_t level = 1;
  if (before != no_draft) level = drafts[before].level + 1;
  const auto fits = [&](const Draft& d) {
    return d.kind == kind && d.space == space && d.outer == outer && d.reduced_begin == begin && d.reduced_end == end &&
           d.split == split && d.cost < kernel_limit;
  };
  const auto key = std::tuple(index(a.base), space, begin, end, split);
  if (enabled && before != no_draft && kind == GroupKind::row && !split && a.identity() &&
      roles[index(graph.producer(a.base))] != Role::alias) {
    Draft& d = drafts[before];
    if (fits(d) && spaces.of(a.base) == space) {
      draft_of[index(n)] = before;
      ++d.cost;
      return;
    }
    if (d.kind == GroupKind::map && d.space == space && d.cost < kernel_limit) {
      d.kind = GroupKind::row;
      d.outer = outer;
      d.reduced_begin = begin;
      d.reduced_end = end;
      d.root = n;
      ++d.cost;
      draft_of[index(n)] = before;
      rows_[key] = before;
      return;
    }
    full[index(n)] = d.cost >= kernel_limit;
  }
  // A sibling over the same space, unless it would have to rise above its own consumer.
  uint32_t sibling = no_draft;
  if (enabled && kind == GroupKind::column) {
    if (const auto at = columns_.find({space, begin, end, split}); at != columns_.end()) sibling = find(at->second);
  } else if (enabled) {
    if (const auto at = rows_.find(key); at != rows_.end()) sibling = find(at->second);
  }
  if (sibling != no_draft && sibling != before && fits(drafts[sibling]) &&
      (drafts[sibling].level >= level || drafts[sibling].first_consumer > level)) {
    Draft& d = drafts[sibling];
    d.level = std::max(d.level, level);
    ++d.cost;
    draft_of[index(n)] = sibling;
    return;
  }
  const uint32_t fresh = new_draft(n, kind, space);
  Draft& d = drafts[fresh];
  d.outer = outer;
  d.reduced_begin = begin;
  d.reduced_end = end;
  d.split = split;
  draft_of[index(n)] = fresh;
  if (kind == GroupKind::column)
    columns_[{space, begin, end, split}] = fresh;
  else
    rows_[key] = fresh;
}

void Fusion::place(NodeId n) {
  const Node& node = graph.node(n);
  const Role role = roles[index(n)];
  first_edge[index(n)] = static_cast<uint32_t>(edges.size());
  if (role == Role::free || role == Role::moved) return;
  for (ValueId v : graph.operands(node)) {
    if (free_cost_[index(v)] >= 0 && !graph.is_input(v)) continue;
    Access a = access(v);
    if (role == Role::point && !is_elementwise(node)) a.exact = false, a.axes.clear();
    edges.push_back({std::move(a), n});
  }
  switch (role) {
    case Role::point: place_point(n); break;
    case Role::reduction: place_reduction(n); break;
    case Role::contraction:
      draft_of[index(n)] = new_draft(n, GroupKind::contract, spaces.of(graph.result(node)));
      break;
    case Role::alias:
      for (uint32_t k = 0; k < node.result_count; ++k)
        storage_[index(graph.result(node, k))] = storage_[index(graph.operands(node)[k])];
      return;
    default: {
      const OpDef& row = def(node.op);
      const bool step = row.family == Family::control || node.op == Op::custom_call;
      const uint32_t d = new_draft(n, step ? GroupKind::step : GroupKind::nest, spaces.of(graph.result(node)));
      if (row.effect) {  // in program order among themselves
        drafts[d].level = std::max(drafts[d].level, effect_level_ + 1);
        effect_level_ = drafts[d].level;
      }
      draft_of[index(n)] = d;
    }
  }
  connect(n);
}

}  // namespace tenon::passes
