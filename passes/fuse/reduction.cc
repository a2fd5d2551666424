// Where a reduction goes in the forward sweep: over trailing axes into the draft that computes what it reduces, or beside a
// reduction of the same value; over leading axes beside one over the same space; else it starts a draft. The backward sweep
// brings what a reduction reads.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

// What its loops run over, and whether few independent results of long reductions are made from partial ones.
DraftLoops Fusion::loops_of(NodeId n) const {
  const Node& node = graph.node(n);
  DraftLoops d;
  d.space = axes.space(graph.operands(node)[0]);
  d.outer = axes.space(graph.result(node));
  d.reduced_begin = axes.reduced(n).begin;
  d.reduced_end = axes.reduced(n).end;
  const bool trailing = d.reduced_end == axes.rank(graph.operands(node)[0]);
  d.kind = trailing ? GroupKind::row : GroupKind::column;
  if (def(node.op).positional) return d;
  const int64_t all = axes.numel(d.space), results = axes.numel(d.outer);
  if (trailing)
    d.split = all < 0 ? is_number(d.outer) : results <= limits.few_rows && all >= limits.long_rows;
  else
    d.split = all > 0 && results <= limits.few_columns && results > 0 && all / results >= limits.long_column;
  return d;
}

// Whether a reduction that reads as `a` says is computed in the draft of what it reads. Why::stored: not here, but the draft
// may move into the reduction's in the backward sweep; until then it is stored.
Why Fusion::follows(const Draft& before, const Access& a, const DraftLoops& wanted) const {
  if (const Why why = barred(a); why != Why::none) return why;
  if (before.kind == GroupKind::contract) return Why::not_elementwise;
  const bool map = before.kind == GroupKind::map;
  if (!a.exact) return Why::elsewhere;
  if (map && is_number(before.space) && !a.identity()) return Why::single_number;
  if (axes.space(a.base) != wanted.space) return map ? Why::space : Why::producer_space;
  if (!a.identity()) return map ? Why::index : Why::producer_space;
  if (wanted.kind != GroupKind::row || wanted.split) return map ? Why::stored : Why::producer_space;
  if (!(before == wanted) && !(map && before.space == wanted.space)) return map ? Why::space : Why::producer_space;
  return before.cost >= limits.kernel_ops ? Why::full : Why::none;
}

// The last draft that a reduction like this one may stand beside: rows of the same value, columns of the same space.
uint32_t& Fusion::last_like(const Access& a, const DraftLoops& d) {
  const ValueId of = d.kind == GroupKind::column ? no_value : a.base;
  const auto key = std::tuple(index(of), d.space, d.reduced_begin, d.reduced_end, d.split);
  return reductions_.try_emplace(key, no_draft).first->second;
}

void Fusion::place_reduction(NodeId n) {
  const DraftLoops wanted = loops_of(n);
  // A value that is computed where it is read (a constant, an iota) is no edge.
  const uint32_t edge = first_edge[index(n)];
  const bool has_edge = edge < edges.size();
  const Access a = has_edge ? edges[edge].access : access(graph.operands(graph.node(n))[0]);
  const uint32_t before = has_edge ? draft_of_value(a.base) : no_draft;
  if (before != no_draft) {
    Draft& d = drafts[before];
    Why why = follows(d, a, wanted);
    if (why == Why::none && d.level <= above_ && d.first_consumer <= above_ + 1) why = Why::cycle;
    if (why == Why::none) {
      d.level = std::max(d.level, above_ + 1);
      if (d.kind == GroupKind::map) {  // it becomes the loops of the reduction
        static_cast<DraftLoops&>(d) = wanted;
        d.root = n;
        last_like(a, wanted) = before;
      }
      ++d.cost;
      draft_of[index(n)] = before;
      return;
    }
    edges[edge].refusal.why = why;
  }
  const uint32_t level = std::max(above_, before == no_draft ? 0 : drafts[before].level) + 1;
  // A sibling, unless it would have to rise above its own consumer.
  const uint32_t sibling = enabled ? find(last_like(a, wanted)) : no_draft;
  if (sibling != no_draft && sibling != before && drafts[sibling] == wanted &&
      drafts[sibling].cost < limits.kernel_ops &&
      (drafts[sibling].level >= level || drafts[sibling].first_consumer > level)) {
    Draft& d = drafts[sibling];
    d.level = std::max(d.level, level);
    ++d.cost;
    draft_of[index(n)] = sibling;
    return;
  }
  draft_of[index(n)] = new_draft(n, wanted);
  last_like(a, wanted) = draft_of[index(n)];
}

}  // namespace tenon::passes
