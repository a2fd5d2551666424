// The backward sweep of fusion, over single nodes that leave a group which goes on living: a cheap node whose inputs are no
// dearer to read than its own result is computed in its only reader. What it reads there and nobody else did must be stored
// from now on, so it must be over a space that the group stores over: a narrow value that the group computes along a wide
// space (or the wide operand of a reduction over leading axes) stays where it is, and its reader with it. An edge whose node
// stays keeps the reason that it had.
#include <algorithm>

#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

// The one draft that reads the node's result, at the index of the result; none when the node's own draft does.
uint32_t Fusion::only_reader_of(NodeId n) {
  const ValueId v = graph.result(graph.node(n));
  const uint32_t own = find(draft_of[index(n)]);
  uint32_t reader = no_draft;
  const uint32_t begin = use_begin_[index(v)], end = use_begin_[index(v) + 1];
  if (end - begin > limits.reads) return no_draft;
  for (uint32_t k = begin; k < end; ++k) {
    const uint32_t other = draft_of_reader(uses_[k]);
    const Access& a = edges[uses_[k]].access;
    const bool one = other != own && (reader == no_draft || reader == other);
    if (!one || !a.exact || a.expands) return no_draft;
    reader = other;
  }
  return reader;
}

bool Fusion::is_read_by(ValueId v, uint32_t draft) {
  const uint32_t begin = use_begin_[index(v)], end = std::min(use_begin_[index(v) + 1], begin + limits.reads);
  for (uint32_t k = begin; k < end; ++k)
    if (draft_of_reader(uses_[k]) == draft) return true;
  return false;
}

// The result would be written and read; instead its operands are read, and written if nobody else did.
bool Fusion::moves_fewer_bytes(NodeId n, uint32_t reader, const std::vector<char>& stored) {
  const auto size = [&](ValueId x) {
    const int64_t count = axes.numel(axes.space(x));
    return count < 0 ? int64_t{-1} : count * bytes(graph.type(x).dtype);
  };
  const uint32_t own = find(draft_of[index(n)]);
  const int64_t saved = 2 * size(graph.result(graph.node(n)));
  if (saved < 0) return false;
  int64_t extra = 0;
  for (uint32_t e = first_edge[index(n)]; e < first_edge[index(n) + 1]; ++e) {
    const ValueId o = edges[e].access.base;
    const bool inside = draft_of_value(o) == own && !stored[index(o)] && !forced[index(o)];
    if (size(o) < 0) return false;
    if (inside && (drafts[own].kind == GroupKind::contract || !can_store(drafts[own], o))) return false;
    if (!is_read_by(o, reader)) extra += size(o) * (inside ? 2 : 1);
  }
  return extra < saved;
}

// Whether a group of this draft can write v to a buffer.
bool Fusion::can_store(const Draft& d, ValueId v) const {
  return stores(d.kind, d.split, axes.space(v) == d.space, axes.space(v) == d.outer);
}

void Fusion::sink_node(NodeId n, std::vector<char>& stored) {
  const ValueId v = graph.result(graph.node(n));
  const uint32_t own = find(draft_of[index(n)]), reader = only_reader_of(n);
  if (reader == no_draft || info(drafts[reader].kind).alone) return;
  const std::span<const uint32_t> uses(uses_.data() + use_begin_[index(v)], uses_.data() + use_begin_[index(v) + 1]);
  const int64_t times = places(uses), added = times * cost(n);
  if (drafts[reader].cost + added > limits.kernel_ops || !moves_fewer_bytes(n, reader, stored)) return;
  // It is cheap and read at its own index: what refuses a group (passes/fuse/sink.cc) takes it in.
  for (uint32_t e = first_edge[index(n)]; e < first_edge[index(n) + 1]; ++e)
    if (draft_of_value(edges[e].access.base) == own) edges[e].refusal = {Why::stored};  // if this reader is another
  draft_of[index(n)] = reader;
  drafts[reader].cost += static_cast<int>(added);
  drafts[own].cost -= cost(n);
  times_[index(n)] = times;
  stored[index(v)] = 0;
  for (uint32_t e = first_edge[index(n)]; e < first_edge[index(n) + 1]; ++e) {
    const uint32_t d = draft_of_value(edges[e].access.base);
    if (d != no_draft && d != reader) stored[index(edges[e].access.base)] = 1;
  }
  members_[reader].push_back(n);
}

void Fusion::sink_nodes() {
  std::vector<char> stored(graph.value_count(), 0);  // read by another draft, or forced
  for (uint32_t e = 0; e < edges.size(); ++e) {
    const uint32_t d = draft_of_value(edges[e].access.base);
    if (d != no_draft && d != draft_of_reader(e)) stored[index(edges[e].access.base)] = 1;
  }
  for (uint32_t i = graph.node_count(); i-- > 0;) {
    const Node& n = graph.node(NodeId{i});
    if (roles[i] != Role::point || !is_elementwise(n)) continue;
    const ValueId v = graph.result(n);
    if (forced[index(v)] || !stored[index(v)] || cost(NodeId{i}) > limits.cheap) continue;
    sink_node(NodeId{i}, stored);
  }
}

}  // namespace tenon::passes
