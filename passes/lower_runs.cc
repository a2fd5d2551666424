// Union-find over the boundaries between neighbouring axes of every value in a group.
#include "tenon/passes/lower_runs.h"

#include "tenon/ir/attributes.h"

namespace tenon::passes {

using namespace ir;

std::vector<int> axes_without_units(const Shape& shape) {
  std::vector<int> axes;
  for (size_t i = 0; i < shape.size(); ++i)
    if (!(shape[i] == 1)) axes.push_back(static_cast<int>(i));
  return axes;
}

std::vector<Dim> without_units(const Shape& shape) {
  std::vector<Dim> dims;
  for (Dim d : shape)
    if (!(d == 1)) dims.push_back(d);
  return dims;
}

std::vector<Regrouping> regroup(const std::vector<Dim>& from, const std::vector<Dim>& to) {
  const int a = static_cast<int>(from.size()), b = static_cast<int>(to.size());
  if (from != to)  // products of 0 tell nothing; equal axes still correspond
    for (const std::vector<Dim>* dims : {&from, &to})
      for (Dim d : *dims)
        if (d == 0) return {{0, a, 0, b}};
  std::vector<Regrouping> groups;
  int i = 0, j = 0;
  while (i < a && j < b) {
    Regrouping g{i, i + 1, j, j + 1};
    if (!(from[static_cast<size_t>(i)] == to[static_cast<size_t>(j)])) {
      bool numbers = from[static_cast<size_t>(i)].is_number() && to[static_cast<size_t>(j)].is_number();
      int64_t p = numbers ? from[static_cast<size_t>(i)].number() : 0,
              q = numbers ? to[static_cast<size_t>(j)].number() : 0;
      while (numbers && p != q) {
        int& end = p < q ? g.from_end : g.to_end;
        const std::vector<Dim>& dims = p < q ? from : to;
        numbers = end < static_cast<int>(dims.size()) && dims[static_cast<size_t>(end)].is_number();
        if (numbers) (p < q ? p : q) *= dims[static_cast<size_t>(end)].number(), ++end;
      }
      if (!numbers) g.from_end = a, g.to_end = b;  // symbols: the rest is one group
    }
    groups.push_back(g);
    i = g.from_end;
    j = g.to_end;
  }
  if (groups.empty()) return {{0, a, 0, b}};
  groups.back().from_end = a;
  groups.back().to_end = b;
  return groups;
}

// ---- union-find -----------------------------------------------------------------------------------------------------

int Runs::fresh(int rank) {
  const int first = static_cast<int>(parent_.size());
  for (int i = 0; i < rank; ++i) {
    parent_.push_back(first + i);
    cut_.push_back(0);
  }
  return first;
}

int Runs::first(ValueId v) {
  const auto [at, is_new] = known_.try_emplace(index(v));
  if (is_new) {
    const int r = static_cast<int>(without_units(graph_.type(v).shape).size());
    at->second = {fresh(r), r};
  }
  return at->second.first;
}

int Runs::rank(ValueId v) {
  first(v);
  return known_[index(v)].second;
}

int Runs::find(int b) const {
  while (parent_[static_cast<size_t>(b)] != b) {
    parent_[static_cast<size_t>(b)] = parent_[static_cast<size_t>(parent_[static_cast<size_t>(b)])];
    b = parent_[static_cast<size_t>(b)];
  }
  return b;
}

void Runs::tie(int a, int b) {
  a = find(a);
  b = find(b);
  if (a == b) return;
  cut_[static_cast<size_t>(a)] |= cut_[static_cast<size_t>(b)];
  parent_[static_cast<size_t>(b)] = a;
}

void Runs::cut_all(ValueId v) {
  const int f = first(v);
  for (int i = 0; i < rank(v); ++i) cut(f + i);
}

void Runs::tie_all(ValueId a, int b, int rank) {
  const int f = first(a);
  for (int i = 0; i + 1 < rank; ++i) tie(f + i, b + i);
}

void Runs::tie_axes(ValueId inner, const std::vector<int>& map, ValueId outer) {
  const int fi = first(inner), fo = first(outer), ro = rank(outer);
  std::vector<int> reader(static_cast<size_t>(ro), -1);  // axis of outer -> axis of inner
  for (size_t i = 0; i < map.size(); ++i)
    if (map[i] >= 0) reader[static_cast<size_t>(map[i])] = static_cast<int>(i);
  for (int i = 0; i + 1 < static_cast<int>(map.size()); ++i)
    if (map[static_cast<size_t>(i)] < 0 || map[static_cast<size_t>(i) + 1] != map[static_cast<size_t>(i)] + 1)
      cut(fi + i);
  for (int r = 0; r + 1 < ro; ++r) {
    const int x = reader[static_cast<size_t>(r)], y = reader[static_cast<size_t>(r) + 1];
    if (x >= 0 && y == x + 1)
      tie(fo + r, fi + x);
    else if (x >= 0 || y >= 0)
      cut(fo + r);
  }
}

std::vector<Runs::Run> Runs::runs(int first, int rank) const {
  std::vector<Run> result;
  for (int i = 0; i < rank; ++i) {
    if (i > 0 && group_.kind != GroupKind::step && !cut_[static_cast<size_t>(find(first + i - 1))])
      result.back().end = i + 1;
    else
      result.push_back({i, i + 1});
  }
  return result;
}

std::vector<Runs::Run> Runs::of(ValueId v) {
  const int f = first(v);
  return runs(f, rank(v));
}

bool Runs::joined(ValueId v, int boundary) {
  const int f = first(v);
  return group_.kind != GroupKind::step && !cut_[static_cast<size_t>(find(f + boundary))];
}

// ---- what each op tells apart -----------------------------------------------------------------------------------------

Runs::Runs(const Graph& graph, const Group& group) : graph_(graph), group_(group) {
  if (info(group.kind).alone) return;  // every axis counts
  rank_ = group.space.rank();
  outer_rank_ = group.outer.rank();
  space_ = fresh(rank_);
  outer_ = fresh(outer_rank_);
  if (group.kind == GroupKind::row || group.kind == GroupKind::column) {
    const int b = group.reduced_begin, e = group.reduced_end;
    if (b > 0 && b < rank_) cut(space_ + b - 1);
    if (e > 0 && e < rank_) cut(space_ + e - 1);
    for (int i = 0; i + 1 < b; ++i) tie(space_ + i, outer_ + i);
    for (int i = e; i + 1 < rank_; ++i) tie(space_ + i, outer_ + i - (e - b));
    if (b > 0 && e < rank_ && e > b) cut(outer_ + b - 1);
    if (e == b)
      for (int i = 0; i + 1 < rank_; ++i) tie(space_ + i, outer_ + i);
  }
  for (ValueId v : group.outputs) {
    const int r = rank(v);
    if (group.kind == GroupKind::map || group.kind == GroupKind::contract)
      tie_all(v, space_, r);
    else if (without_units(graph.type(v).shape) == group.space.dims())
      tie_all(v, space_, r);
    else
      tie_all(v, outer_, r);
  }
  for (NodeId n : group.nodes) constrain(graph.node(n));
}

void Runs::constrain(const Node& n) {
  const ValueId result = graph_.result(n);
  const std::span<const ValueId> operands = graph_.operands(n);
  switch (def(n.op).family) {
    case Family::elementwise:
      for (ValueId v : operands) tie_all(v, first(result), rank(v));
      return;
    case Family::reduction: return constrain_reduction(n);
    case Family::contraction: return constrain_contraction(n);
    default: break;
  }
  const Shape& to = graph_.type(result).shape;
  const OpDef& row = def(n.op);
  if (row.reads == Reads::number) {
    if (!row.whole) {
      for (ValueId v : operands) cut_all(v);
      return;
    }
    const ValueId x = operands[0];
    const std::vector<Regrouping> groups = regroup(without_units(graph_.type(x).shape), without_units(to));
    for (size_t g = 0; g + 1 < groups.size(); ++g)
      tie(first(x) + groups[g].from_end - 1, first(result) + groups[g].to_end - 1);
    return;
  }
  if (row.axes) return constrain_axes(n, row.axes(graph_, n));
  cut_all(result);  // any element may be read for any other: every axis counts
  for (ValueId v : operands) cut_all(v);
}

// Ops that hand some axes' indices on as they are.
void Runs::constrain_axes(const Node& n, const AxisMap& map) {
  const ValueId result = graph_.result(n);
  const Shape& to = graph_.type(result).shape;
  const std::vector<int> axes = axes_without_units(to);
  const int f = first(result);
  for (size_t i = 0; i + 1 < axes.size(); ++i)
    if (map.moved[static_cast<size_t>(axes[i])] || map.moved[static_cast<size_t>(axes[i + 1])])
      cut(f + static_cast<int>(i));
  std::vector<int> place(to.size(), -1);
  for (size_t i = 0; i < axes.size(); ++i) place[static_cast<size_t>(axes[i])] = static_cast<int>(i);
  for (ValueId v : graph_.operands(n)) {
    std::vector<int> read;
    for (int axis : axes_without_units(graph_.type(v).shape))
      read.push_back(place[static_cast<size_t>(map.result_axis[static_cast<size_t>(axis)])]);
    tie_axes(v, read, result);
  }
}

void Runs::constrain_reduction(const Node& n) {
  // The operand is read over the group's space, the result written over its outer space; the constructor cut the borders
  // of the reduced axes.
  const ValueId x = graph_.operands(n)[0], result = graph_.result(n);
  tie_all(x, space_, rank(x));
  tie_all(result, outer_, rank(result));
}

void Runs::constrain_contraction(const Node& n) {
  const ValueId lhs = graph_.operands(n)[0], rhs = graph_.operands(n)[1], result = graph_.result(n);
  const DotGeneral dot(graph_, n);
  // Roles of each axis: position in the list batch, i, j, k; -1 where an operand lacks the axis.
  struct Axis {
    int role, l = -1, r = -1, o = -1;
  };
  std::vector<Axis> list;
  const auto squeezed = [&](ValueId v) {
    std::vector<int> place(graph_.type(v).shape.size(), -1);
    int next = 0;
    for (int axis : axes_without_units(graph_.type(v).shape)) place[static_cast<size_t>(axis)] = next++;
    return place;
  };
  const std::vector<int> pl = squeezed(lhs), pr = squeezed(rhs), po = squeezed(result);
  std::vector<char> lhs_used(pl.size(), 0), rhs_used(pr.size(), 0);
  size_t out = 0;
  for (size_t b = 0; b < dot.lhs_batch.size(); ++b) {
    const size_t l = static_cast<size_t>(dot.lhs_batch[b]), r = static_cast<size_t>(dot.rhs_batch[b]);
    lhs_used[l] = rhs_used[r] = 1;
    list.push_back({0, pl[l], pr[r], po[out++]});
  }
  for (size_t k = 0; k < dot.lhs_contract.size(); ++k) {
    const size_t l = static_cast<size_t>(dot.lhs_contract[k]), r = static_cast<size_t>(dot.rhs_contract[k]);
    lhs_used[l] = rhs_used[r] = 1;
    list.push_back({3, pl[l], pr[r], -1});
  }
  for (size_t l = 0; l < pl.size(); ++l)
    if (!lhs_used[l]) list.push_back({1, pl[l], -1, po[out++]});
  for (size_t r = 0; r < pr.size(); ++r)
    if (!rhs_used[r]) list.push_back({2, -1, pr[r], po[out++]});
  std::erase_if(list, [](const Axis& a) { return a.l < 0 && a.r < 0 && a.o < 0; });  // unit extents

  std::vector<char> kept_l(static_cast<size_t>(rank(lhs)) + 1, 0), kept_r(static_cast<size_t>(rank(rhs)) + 1, 0),
      kept_o(static_cast<size_t>(rank(result)) + 1, 0);
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    const Axis &a = list[i], &b = list[i + 1];
    if (a.role != b.role) continue;
    const bool adjacent = (a.l < 0 || b.l == a.l + 1) && (a.r < 0 || b.r == a.r + 1) && (a.o < 0 || b.o == a.o + 1);
    if (!adjacent) continue;
    int known = -1;
    const auto join = [&](ValueId v, int axis, std::vector<char>& kept) {
      if (axis < 0) return;
      kept[static_cast<size_t>(axis)] = 1;
      if (known >= 0) tie(known, first(v) + axis);
      known = first(v) + axis;
    };
    join(lhs, a.l, kept_l);
    join(rhs, a.r, kept_r);
    join(result, a.o, kept_o);
  }
  const auto cut_others = [&](ValueId v, const std::vector<char>& kept) {
    for (int i = 0; i + 1 < rank(v); ++i)
      if (!kept[static_cast<size_t>(i)]) cut(first(v) + i);
  };
  cut_others(lhs, kept_l);
  cut_others(rhs, kept_r);
  cut_others(result, kept_o);
  tie_all(result, space_, rank(result));
}

}  // namespace tenon::passes
