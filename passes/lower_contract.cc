// Contractions: dot_general as one `contract` over batch, i, j, k. Neighbouring axes of one role are one number where
// operands and result agree on it; otherwise the number is taken apart. Operands may be computed while they are packed;
// what follows element by element is the epilogue. Refuses to choose tiles: that is each renderer's business.
#include "tenon/ir/attributes.h"
#include "tenon/passes/lower_group.h"

namespace tenon::passes {

using namespace ir;

namespace {

// The axes of each role in one operand or the result, in role order.
struct Roles {
  std::vector<int> batch, i, j, k;
};

Dim product_of(Elements& e, ValueId v, const std::vector<int>& axes) {
  std::vector<Dim> dims;
  for (int axis : axes) dims.push_back(e.graph.type(v).shape[static_cast<size_t>(axis)]);
  return e.product(dims, 0, static_cast<int>(dims.size()));
}

// Sets the indices of `axes` of v from the number `flat`.
void assign(Elements& e, ValueId v, const std::vector<int>& axes, ScalarId flat, Index& index_) {
  const Shape& shape = e.graph.type(v).shape;
  std::vector<int> place(shape.size(), -1);
  int next = 0;
  for (int axis : axes_without_units(shape)) place[static_cast<size_t>(axis)] = next++;
  std::vector<int> list;
  std::vector<Dim> dims;
  for (int axis : axes)
    if (place[static_cast<size_t>(axis)] >= 0) list.push_back(axis), dims.push_back(shape[static_cast<size_t>(axis)]);
  std::vector<Runs::Run> runs;
  for (size_t t = 0; t < list.size(); ++t) {
    const int p = place[static_cast<size_t>(list[t])];
    const bool goes_on = t > 0 && place[static_cast<size_t>(list[t - 1])] == p - 1 && e.runs.joined(v, p - 1);
    if (goes_on)
      runs.back().end = static_cast<int>(t) + 1;
    else
      runs.push_back({static_cast<int>(t), static_cast<int>(t) + 1});
  }
  const std::vector<ScalarId> at = e.unflatten(flat, runs, dims);
  for (size_t r = 0; r < runs.size(); ++r)
    index_[static_cast<size_t>(list[static_cast<size_t>(runs[r].end - 1)])] = at[r];
}

}  // namespace

void lower_contract(Elements& e, int64_t) {
  const Graph& graph = e.graph;
  KernelBuilder& b = e.builder;
  const Node& n = graph.node(e.group.root);
  const ValueId lhs = graph.operands(n)[0], rhs = graph.operands(n)[1], result = graph.result(n);
  const DotGeneral dot(graph, n);
  Roles l, r, o;
  std::vector<char> in_l(graph.type(lhs).shape.size(), 0), in_r(graph.type(rhs).shape.size(), 0);
  const auto take = [](const std::vector<int64_t>& axes, std::vector<int>& list, std::vector<char>& taken) {
    for (int64_t axis : axes) list.push_back(static_cast<int>(axis)), taken[static_cast<size_t>(axis)] = 1;
  };
  take(dot.lhs_batch, l.batch, in_l);
  take(dot.rhs_batch, r.batch, in_r);
  take(dot.lhs_contract, l.k, in_l);
  take(dot.rhs_contract, r.k, in_r);
  int out = 0;
  for (size_t i = 0; i < l.batch.size(); ++i) o.batch.push_back(out++);
  for (size_t i = 0; i < in_l.size(); ++i)
    if (!in_l[i]) l.i.push_back(static_cast<int>(i)), o.i.push_back(out++);
  for (size_t i = 0; i < in_r.size(); ++i)
    if (!in_r[i]) r.j.push_back(static_cast<int>(i)), o.j.push_back(out++);

  const DType type = graph.type(lhs).dtype, accumulate = is_half(type) ? DType::f32 : type;
  const auto index_of = [&](ValueId v) { return Index(graph.type(v).shape.size(), b.index_literal(0)); };
  const auto widened = [&](ScalarId v) { return b.scalar(Op::cast, std::span(&v, 1), accumulate); };
  b.origin = index(e.group.root);

  std::vector<ScalarId> at =
      b.open_contract(accumulate, b.extent(product_of(e, result, o.batch)), b.extent(product_of(e, result, o.i)),
                      b.extent(product_of(e, result, o.j)), b.extent(product_of(e, lhs, l.k)));
  e.open_scope();
  Index x = index_of(lhs);
  assign(e, lhs, l.batch, at[0], x);
  assign(e, lhs, l.i, at[1], x);
  assign(e, lhs, l.k, at[2], x);
  const ScalarId left = widened(e.at(lhs, x));
  e.close_scope();
  at = b.close_lhs(left);
  e.open_scope();
  Index y = index_of(rhs);
  assign(e, rhs, r.batch, at[0], y);
  assign(e, rhs, r.k, at[1], y);
  assign(e, rhs, r.j, at[2], y);
  const ScalarId right = widened(e.at(rhs, y));
  e.close_scope();
  at = b.close_rhs(right);
  e.open_scope();
  Index z = index_of(result);
  assign(e, result, o.batch, at[0], z);
  assign(e, result, o.i, at[1], z);
  assign(e, result, o.j, at[2], z);
  e.set(result, z, b.scalar(Op::cast, std::span(&at[3], 1), graph.type(result).dtype));
  // Outputs have the result's axes, but for unit extents.
  std::vector<ScalarId> per_axis;
  for (int axis : axes_without_units(graph.type(result).shape)) per_axis.push_back(z[static_cast<size_t>(axis)]);
  std::vector<ScalarId> values;
  std::vector<Index> places;
  for (ValueId v : e.group.outputs) {
    Index place = index_of(v);
    const std::vector<int> axes = axes_without_units(graph.type(v).shape);
    for (size_t t = 0; t < axes.size(); ++t) place[static_cast<size_t>(axes[t])] = per_axis[t];
    values.push_back(e.at(v, place));
    places.push_back(std::move(place));
  }
  for (size_t t = 0; t < values.size(); ++t) e.store(e.group.outputs[t], places[t], values[t]);
  e.close_scope();
  b.close_contract();
}

}  // namespace tenon::passes
