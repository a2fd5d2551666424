// What the loops of a group and each op in it tell apart, said with boundaries that are tied or cut.
#include "tenon/passes/lower/runs.h"

namespace tenon::passes {

using namespace ir;

Runs::Runs(const Graph& graph, const Axes& a, const Group& group)
    : axes(a), graph_(graph), group_(group), separate_(info(group.kind).alone) {
  if (separate_) return;
  constrain_loops();
  for (NodeId n : group.nodes) constrain(n);
}

int Runs::first(ValueId v) {
  const auto [at, is_new] = first_.try_emplace(index(v));
  if (is_new) at->second = boundaries_.fresh(axes.rank(v));
  return at->second;
}

std::vector<Runs::Run> Runs::runs(int first, int rank) const {
  std::vector<Run> result;
  for (int i = 0; i < rank; ++i) {
    if (i > 0 && joined(first + i - 1))
      result.back().end = i + 1;
    else
      result.push_back({i, i + 1});
  }
  return result;
}

void Runs::cut_all(ValueId v) {
  for (int i = 0; i < axes.rank(v); ++i) boundaries_.cut(first(v) + i);
}

void Runs::tie_all(ValueId a, int b) {
  for (int i = 0; i + 1 < axes.rank(a); ++i) boundaries_.tie(first(a) + i, b + i);
}

void Runs::tie_axes(ValueId inner, const std::vector<int>& map, ValueId outer) {
  const int fi = first(inner), fo = first(outer), ro = axes.rank(outer);
  std::vector<int> reader(ro, -1);  // axis of outer -> axis of inner
  for (size_t i = 0; i < map.size(); ++i)
    if (map[i] >= 0) reader[map[i]] = static_cast<int>(i);
  for (size_t i = 0; i + 1 < map.size(); ++i)
    if (map[i] < 0 || map[i + 1] != map[i] + 1) boundaries_.cut(fi + static_cast<int>(i));
  for (size_t r = 0; r + 1 < reader.size(); ++r) {
    const int x = reader[r], y = reader[r + 1];
    if (x >= 0 && y == x + 1)
      boundaries_.tie(fo + static_cast<int>(r), fi + x);
    else if (x >= 0 || y >= 0)
      boundaries_.cut(fo + static_cast<int>(r));
  }
}

// Loops tell apart what is reduced and what is not; what a group stores has the axes of its loops.
void Runs::constrain_loops() {
  const int rank = group_.space.rank(), b = group_.reduced_begin, e = group_.reduced_end;
  space_ = boundaries_.fresh(rank);
  outer_ = boundaries_.fresh(group_.outer.rank());
  if (info(group_.kind).reduces) {
    if (b > 0 && b < rank) boundaries_.cut(space_ + b - 1);
    if (e > 0 && e < rank) boundaries_.cut(space_ + e - 1);
    for (int i = 0; i + 1 < b; ++i) boundaries_.tie(space_ + i, outer_ + i);
    for (int i = e; i + 1 < rank; ++i) boundaries_.tie(space_ + i, outer_ + i - (e - b));
    if (b > 0 && e < rank && e > b) boundaries_.cut(outer_ + b - 1);
    if (e == b)
      for (int i = 0; i + 1 < rank; ++i) boundaries_.tie(space_ + i, outer_ + i);
  }
  for (ValueId v : group_.outputs) tie_all(v, axes.extents(v) == group_.space.dims() ? space_ : outer_);
}

void Runs::constrain(NodeId id) {
  const Node& n = graph_.node(id);
  const ValueId result = graph_.result(n);
  const std::span<const ValueId> operands = graph_.operands(n);
  const OpDef& row = def(n.op);
  switch (row.family) {
    case Family::elementwise:
      for (ValueId v : operands) tie_all(v, first(result));
      return;
    case Family::reduction:  // the operand is read over the group's space, the result written over its outer space
      tie_all(operands[0], space_);
      tie_all(result, outer_);
      return;
    case Family::contraction: return constrain_contraction(id);
    default: break;
  }
  if (row.reads == Reads::number) return constrain_renumbering(n);
  if (row.axes) return constrain_reads(id);
  cut_all(result);  // any element may be read for any other: every axis counts
  for (ValueId v : operands) cut_all(v);
}

// Ops that find elements by their number: a reshape keeps the borders between axes that correspond, others read any place.
void Runs::constrain_renumbering(const Node& n) {
  const std::span<const ValueId> operands = graph_.operands(n);
  if (!def(n.op).whole) {
    for (ValueId v : operands) cut_all(v);
    for (ValueId v : operands)  // lanes, each with a number of its own
      if (axes.full_rank(v) > 1) cut_all(graph_.result(n));
    return;
  }
  const ValueId x = operands[0], result = graph_.result(n);
  const std::vector<Regrouping> groups = regroup(axes.extents(x), axes.extents(result));
  for (size_t g = 0; g + 1 < groups.size(); ++g)
    boundaries_.tie(first(x) + groups[g].from_end - 1, first(result) + groups[g].to_end - 1);
}

// Ops that hand some axes' indices on as they are.
void Runs::constrain_reads(NodeId id) {
  const Node& n = graph_.node(id);
  const ValueId result = graph_.result(n);
  const AxisReads& reads = axes.reads(id);
  for (size_t i = 0; i + 1 < reads.moved.size(); ++i)
    if (reads.moved[i] || reads.moved[i + 1]) boundaries_.cut(first(result) + static_cast<int>(i));
  for (uint32_t k = 0; k < n.operand_count; ++k) tie_axes(graph_.operands(n)[k], reads.result_axis[k], result);
}

// Neighbours of one part stay together where operands and result agree that they are neighbours.
void Runs::constrain_contraction(NodeId id) {
  const Node& n = graph_.node(id);
  struct Side {
    ValueId value;
    int ContractedAxis::* axis;
    std::vector<char> kept;  // boundaries that some pair of neighbours keeps
  };
  const ValueId result = graph_.result(n);
  Side sides[] = {{graph_.operands(n)[0], &ContractedAxis::lhs, {}},
                  {graph_.operands(n)[1], &ContractedAxis::rhs, {}},
                  {result, &ContractedAxis::result, {}}};
  for (Side& s : sides) s.kept.assign(axes.rank(s.value) + 1, 0);
  const std::vector<ContractedAxis>& list = axes.contracted(id);
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    const ContractedAxis &a = list[i], &b = list[i + 1];
    bool neighbours = a.part == b.part;
    for (const Side& s : sides) neighbours = neighbours && (a.*s.axis < 0 || b.*s.axis == a.*s.axis + 1);
    if (!neighbours) continue;
    int known = -1;
    for (Side& s : sides) {
      if (a.*s.axis < 0) continue;
      const int boundary = first(s.value) + a.*s.axis;
      s.kept[a.*s.axis] = 1;
      if (known >= 0) boundaries_.tie(known, boundary);
      known = boundary;
    }
  }
  for (const Side& s : sides)
    for (int i = 0; i + 1 < axes.rank(s.value); ++i)
      if (!s.kept[i]) boundaries_.cut(first(s.value) + i);
  tie_all(result, space_);
}

}  // namespace tenon::passes
