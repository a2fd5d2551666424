// Builds the table of the axes that count: once over the values, once over the nodes whose rows say how axes move.
#include "tenon/passes/axes.h"

#include <algorithm>

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

using namespace ir;

Axes::Axes(const Graph& graph) {
  form_of_.reserve(graph.value_count());
  std::vector<uint32_t> by_type;  // + 1
  for (uint32_t v = 0; v < graph.value_count(); ++v) {
    const auto type = static_cast<uint32_t>(graph.type_id(ValueId{v}));
    if (by_type.size() <= type) by_type.resize(type + 1, 0);
    if (by_type[type] == 0) {
      forms_.push_back(form_of(graph.type(ValueId{v}).shape));
      by_type[type] = static_cast<uint32_t>(forms_.size());
    }
    form_of_.push_back(by_type[type] - 1);
  }
  no_axes_ = form_of(Shape()).space;
  const auto append = [](auto& list, auto entry) {
    list.push_back(std::move(entry));
    return static_cast<uint32_t>(list.size() - 1);
  };
  number_.assign(graph.node_count(), 0);
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    const Node& n = graph.node(NodeId{i});
    const OpDef& row = def(n.op);
    if (row.axes) number_[i] = append(reads_, reads_of(graph, n));
    if (row.family == Family::reduction && !row.nest) number_[i] = append(reduced_, reduced_by(graph, NodeId{i}));
    if (is_contracted(row)) number_[i] = append(contracted_, contracted_by(graph, n));
  }
}

Axes::Form Axes::form_of(const Shape& shape) {
  Form form;
  form.full_rank = shape.rank();
  std::vector<int64_t> key;
  std::vector<Dim> extents;
  for (int place = 0; place < shape.rank(); ++place) {
    const Dim d = shape.dims()[place];
    if (d == 1) continue;
    key.push_back(d.code());
    extents.push_back(d);
    form.places.push_back(place);
  }
  const auto [at, fresh] = known_.try_emplace(std::move(key), static_cast<SpaceId>(spaces_.size()));
  if (fresh) spaces_.push_back(std::move(extents));
  form.space = at->second;
  return form;
}

int64_t Axes::numel(SpaceId s) const {
  int64_t n = 1;
  for (Dim d : spaces_[s]) {
    if (d.is_symbol()) return -1;
    if (__builtin_mul_overflow(n, d.number(), &n)) return INT64_MAX;
  }
  return n;
}

std::vector<int> Axes::numbered(ValueId v) const {
  std::vector<int> numbers(full_rank(v), -1);
  int next = 0;
  for (int place : places(v)) numbers[place] = next++;
  return numbers;
}

AxisReads Axes::reads_of(const Graph& graph, const Node& n) const {
  const AxisMap map = def(n.op).axes(graph, n);
  const ValueId result = graph.result(n);
  const std::vector<int> to = numbered(result);
  AxisReads reads;
  for (ValueId v : graph.operands(n)) {
    std::vector<int>& axes = reads.result_axis.emplace_back();
    for (int place : places(v)) axes.push_back(to[map.result_axis[place]]);
  }
  for (int place : places(result)) reads.moved.push_back(map.moved[place]);
  reads.moves = std::find(map.moved.begin(), map.moved.end(), 1) != map.moved.end();
  return reads;
}

ReducedAxes Axes::reduced_by(const Graph& graph, NodeId id) const {
  const Node& n = graph.node(id);
  const std::vector<int> numbers = numbered(graph.operands(n)[0]);
  std::vector<int> axes;
  for (int64_t axis : Reduce(graph, n).axes)
    if (const int number = numbers[axis]; number >= 0) axes.push_back(number);
  const int rank = this->rank(graph.operands(n)[0]);
  if (axes.empty()) return {rank, rank};
  const auto [first, last] = std::minmax_element(axes.begin(), axes.end());
  if (*last - *first + 1 != static_cast<int>(axes.size()))
    throw InternalError("a reduction over several groups of axes reached fusion:\n" + window(graph, id));
  return {*first, *last + 1};
}

std::vector<ContractedAxis> Axes::contracted_by(const Graph& graph, const Node& n) const {
  const DotGeneral dot(graph, n);
  std::vector<int> lhs = numbered(graph.operands(n)[0]), rhs = numbered(graph.operands(n)[1]);
  const std::vector<int> result = numbered(graph.result(n));
  std::vector<char> in_lhs(lhs.size(), 0), in_rhs(rhs.size(), 0);
  std::vector<ContractedAxis> list;
  size_t out = 0;
  const auto both = [&](ContractedAxis::Part part, const std::vector<int64_t>& left,
                        const std::vector<int64_t>& right) {
    for (size_t i = 0; i < left.size(); ++i) {
      const auto l = left[i], r = right[i];
      in_lhs[l] = in_rhs[r] = 1;
      list.push_back({part, lhs[l], rhs[r], part == ContractedAxis::batch ? result[out++] : -1});
    }
  };
  both(ContractedAxis::batch, dot.lhs_batch, dot.rhs_batch);
  both(ContractedAxis::summed, dot.lhs_contract, dot.rhs_contract);
  for (size_t l = 0; l < lhs.size(); ++l)
    if (!in_lhs[l]) list.push_back({ContractedAxis::row, lhs[l], -1, result[out++]});
  for (size_t r = 0; r < rhs.size(); ++r)
    if (!in_rhs[r]) list.push_back({ContractedAxis::column, -1, rhs[r], result[out++]});
  std::erase_if(list, [](const ContractedAxis& a) { return a.lhs < 0 && a.rhs < 0 && a.result < 0; });
  return list;
}

}  // namespace tenon::passes
