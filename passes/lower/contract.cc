// Contractions: dot_general as one `contract` over batch, i, j, k. Neighbouring axes of one role are one number where
// operands and result agree on it; otherwise the number is taken apart. Operands may be computed while they are packed;
// what follows element by element is the epilogue. Refuses to choose tiles: that is each renderer's business.
#include "tenon/passes/lower/group.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Part = ContractedAxis::Part;

// The contraction while it is built: indices of one operand or the result from the numbers of batch, i, j and k.
struct Contraction {
  Elements& e;
  const std::vector<ContractedAxis>& list;

  // The axes of a part that v has, in the op's order.
  std::vector<int> axes_of(int ContractedAxis::* side, Part part) const {
    std::vector<int> axes;
    for (const ContractedAxis& a : list)
      if (a.part == part && a.*side >= 0) axes.push_back(a.*side);
    return axes;
  }
  std::vector<Dim> extents(ValueId v, const std::vector<int>& axes) const {
    std::vector<Dim> dims;
    for (int axis : axes) dims.push_back(e.axes.extents(v)[axis]);
    return dims;
  }
  ScalarId extent(ValueId v, int ContractedAxis::* side, Part part) const {
    const std::vector<Dim> dims = extents(v, axes_of(side, part));
    return e.builder.extent(e.product(dims, 0, static_cast<int>(dims.size())));
  }
  void assign(ValueId v, const std::vector<int>& axes, ScalarId flat, Index& index_) const;
  Index index_of(ValueId v, int ContractedAxis::* side,
                 std::initializer_list<std::pair<Part, ScalarId>> numbers) const {
    Index result(e.axes.rank(v), e.builder.index_literal(0));
    for (const auto& [part, flat] : numbers) assign(v, axes_of(side, part), flat, result);
    return result;
  }
};

// Sets the indices of `axes` of v from the number `flat`.
void Contraction::assign(ValueId v, const std::vector<int>& axes, ScalarId flat, Index& index_) const {
  std::vector<Runs::Run> runs;
  for (int t = 0; t < static_cast<int>(axes.size()); ++t) {
    const bool goes_on = t > 0 && axes[t - 1] == axes[t] - 1 && e.runs.joined(v, axes[t] - 1);
    if (goes_on)
      runs.back().end = t + 1;
    else
      runs.push_back({t, t + 1});
  }
  const std::vector<ScalarId> at = e.unflatten(flat, runs, extents(v, axes));
  for (size_t r = 0; r < runs.size(); ++r) index_[axes[runs[r].end - 1]] = at[r];
}

}  // namespace

void lower_contract(Elements& e, int64_t) {
  const Graph& graph = e.graph;
  KernelBuilder& b = e.builder;
  const Node& n = graph.node(e.group.root);
  const ValueId lhs = graph.operands(n)[0], rhs = graph.operands(n)[1], result = graph.result(n);
  const Contraction c{e, e.axes.contracted(e.group.root)};
  constexpr auto of_lhs = &ContractedAxis::lhs, of_rhs = &ContractedAxis::rhs, of_result = &ContractedAxis::result;
  const DType type = graph.type(lhs).dtype, accumulate = is_half(type) ? DType::f32 : type;
  const auto widened = [&](ScalarId v) { return b.scalar(Op::cast, std::span(&v, 1), accumulate); };
  b.origin = index(e.group.root);

  std::vector<ScalarId> at =
      b.open_contract(accumulate, c.extent(result, of_result, Part::batch), c.extent(result, of_result, Part::row),
                      c.extent(result, of_result, Part::column), c.extent(lhs, of_lhs, Part::summed));
  e.open_scope();
  const Index x = c.index_of(lhs, of_lhs, {{Part::batch, at[0]}, {Part::row, at[1]}, {Part::summed, at[2]}});
  const ScalarId left = widened(e.at(lhs, x));
  e.close_scope();
  at = b.close_lhs(left);
  e.open_scope();
  const Index y = c.index_of(rhs, of_rhs, {{Part::batch, at[0]}, {Part::summed, at[1]}, {Part::column, at[2]}});
  const ScalarId right = widened(e.at(rhs, y));
  e.close_scope();
  at = b.close_rhs(right);
  e.open_scope();
  // Outputs have the result's axes.
  const Index z = c.index_of(result, of_result, {{Part::batch, at[0]}, {Part::row, at[1]}, {Part::column, at[2]}});
  e.set(result, z, b.scalar(Op::cast, std::span(&at[3], 1), graph.type(result).dtype));
  std::vector<ScalarId> values;
  for (ValueId v : e.group.outputs) values.push_back(e.at(v, z));
  for (size_t t = 0; t < values.size(); ++t) e.store(e.group.outputs[t], z, values[t]);
  e.close_scope();
  b.close_contract();
}

}  // namespace tenon::passes
