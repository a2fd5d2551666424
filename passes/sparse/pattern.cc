// The sparsity of a Jacobian by propagation of index sets through a graph:
//   %2 = slice %0, [0:3];  %3 = slice %0, [1:4];  %4 = mul %2, %3   ->   {0, 1}, {1, 2}, {2, 3}
// An index that a gather reads is a value: what indices are made of is computed by the interpreter where it is known.
#include <algorithm>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/sparse/propagate.h"
#include "tenon/passes/sparse/sparse.h"

namespace tenon::passes {

using namespace ir;

Array no_sets(const Shape& shape) { return Array(Type{DType::u32, shape}); }

std::vector<bool> asked_for(const Graph& graph) {
  std::vector<bool> asked(graph.value_count());
  for (ValueId v : graph.outputs()) asked[index(v)] = !is_continuous(graph.type(v).dtype);
  for (uint32_t i = graph.node_count(); i-- > 0;) {
    const Node& n = graph.nodes()[i];
    const auto operands = graph.operands(n);
    bool wanted = false;
    for (uint32_t r = 0; r < n.result_count; ++r) wanted = wanted || asked[index(graph.result(n, r))];
    const bool places =
        def(n.op).reads == Reads::operands || n.op == Op::scatter || def(n.op).family == Family::control;
    for (size_t k = 0; k < operands.size(); ++k) {
      const bool keys = n.op == Op::sort && k == 0;
      if (wanted || keys || (places && !is_continuous(graph.type(operands[k]).dtype))) asked[index(operands[k])] = true;
    }
  }
  return asked;
}

std::vector<Dependence> Propagation::results_of(const At& at) {
  const OpDef& row = def(at.node.op);
  if (row.family == Family::control) return control(at);
  std::vector<Dependence> results(at.node.result_count);
  bool any = false;
  for (const Dependence* operand : at.operands) any = any || operand->sets;
  if (!any || row.flat) return results;
  std::vector<Array> sets = sets_of(at);
  for (uint32_t r = 0; r < at.node.result_count; ++r) {
    if (!is_continuous(at.result(r).dtype)) continue;
    const uint32_t* first = sets[r].as<uint32_t>();
    if (std::any_of(first, first + sets[r].numel(), [](SetId s) { return s != IndexSets::empty; }))
      results[r].sets = std::move(sets[r]);
  }
  return results;
}

std::vector<Dependence> Propagation::run(const Graph& graph, std::vector<Dependence> inputs) {
  std::vector<uint32_t> uses(graph.value_count());
  for (const Node& n : graph.nodes())
    for (ValueId v : graph.operands(n)) ++uses[index(v)];
  for (ValueId v : graph.outputs()) ++uses[index(v)];
  const std::vector<bool> asked = asked_for(graph);
  std::vector<Dependence> values = std::move(inputs);
  values.resize(graph.value_count());
  std::vector<const Dependence*> operands;
  std::vector<const Array*> known;
  std::vector<Type> types;
  for (const Node& n : graph.nodes()) {
    operands.clear(), known.clear(), types.clear();
    bool all_known = !has_effect(graph, n) && n.op != Op::custom_call, wanted = false;
    for (ValueId v : graph.operands(n)) {
      operands.push_back(&values[index(v)]);
      all_known = all_known && operands.back()->known;
      if (all_known) known.push_back(&*operands.back()->known);
    }
    std::vector<Dependence> results = results_of({graph, n, operands});
    for (uint32_t r = 0; r < n.result_count; ++r) {
      wanted = wanted || asked[index(graph.result(n, r))];
      types.push_back(graph.type(graph.result(n, r)));
    }
    if (wanted && all_known) {
      std::vector<Array> computed = interpret(n.op, known, graph.attrs(n), types);
      for (uint32_t r = 0; r < n.result_count; ++r) results[r].known = std::move(computed[r]);
    }
    for (uint32_t r = 0; r < n.result_count; ++r)
      if (uses[index(graph.result(n, r))]) values[index(graph.result(n, r))] = std::move(results[r]);
    for (ValueId v : graph.operands(n))
      if (--uses[index(v)] == 0) values[index(v)] = {};
  }
  std::vector<Dependence> outputs;
  for (ValueId v : graph.outputs()) outputs.push_back(values[index(v)]);
  return outputs;
}

Pattern sparsity(const Graph& graph, uint32_t by, std::span<const Array* const> known) {
  for (uint32_t v = 0; v < graph.value_count(); ++v)
    if (!graph.type(ValueId{v}).shape.is_static())
      throw Error("a sparse derivative needs extents that are numbers; call it with tensors instead of free extents");
  const int64_t cols = graph.type(ValueId{by}).shape.numel();
  Propagation propagation(cols);
  std::vector<Dependence> inputs(graph.input_count());
  const std::vector<bool> asked = asked_for(graph);
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (known[i] && asked[i]) inputs[i].known = *known[i];
  inputs[by].sets = no_sets(graph.type(ValueId{by}).shape);
  for (int64_t k = 0; k < cols; ++k) inputs[by].sets->as<uint32_t>()[k] = static_cast<SetId>(k + 1);

  const std::vector<Dependence> outputs = propagation.run(graph, std::move(inputs));
  Pattern p;
  p.rows = graph.type(graph.outputs()[0]).shape.numel();
  p.cols = cols;
  for (int64_t r = 0; r < p.rows; ++r) {
    if (outputs[0].sets)
      for (uint32_t c : propagation.sets[outputs[0].sets->as<uint32_t>()[r]]) p.columns.push_back(c);
    p.row_offsets.push_back(static_cast<int64_t>(p.columns.size()));
  }
  return p;
}

Pattern transposed(const Pattern& p) {
  Pattern t;
  t.rows = p.cols, t.cols = p.rows;
  t.row_offsets.assign(static_cast<size_t>(t.rows) + 1, 0);
  t.columns.resize(p.columns.size());
  for (int64_t c : p.columns) ++t.row_offsets[static_cast<size_t>(c) + 1];
  for (size_t r = 0; r < static_cast<size_t>(t.rows); ++r) t.row_offsets[r + 1] += t.row_offsets[r];
  std::vector<int64_t> next(t.row_offsets.begin(), t.row_offsets.end() - 1);
  for (int64_t r = 0; r < p.rows; ++r)
    for (int64_t c : p.row(r)) t.columns[static_cast<size_t>(next[static_cast<size_t>(c)]++)] = r;
  return t;
}

Pattern symmetric(const Pattern& p) {
  const Pattern t = transposed(p);
  Pattern s;
  s.rows = p.rows, s.cols = p.cols;
  for (int64_t r = 0; r < p.rows; ++r) {
    std::set_union(p.row(r).begin(), p.row(r).end(), t.row(r).begin(), t.row(r).end(), std::back_inserter(s.columns));
    s.row_offsets.push_back(static_cast<int64_t>(s.columns.size()));
  }
  return s;
}

}  // namespace tenon::passes
