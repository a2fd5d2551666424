// How a checkpoint is cut at the tangents: the linear part takes the operands, and what is named as saved, and computes again whatever
// else it reads. (Transposed, behind a barrier: ir/rules/derivative_control.cc.)
//   y, dy = checkpoint f' (x, dx)   ->   y, saved = checkpoint f (x);   dy = checkpoint (again(x, saved), dx)
#include "tenon/passes/grad/linearize_control.h"

namespace tenon::passes {

using namespace ir;

namespace {

bool is_saved(const Graph& g, ValueId v) {
  if (g.is_input(v)) return false;
  const Node& n = g.node(g.producer(v));
  return n.op == Op::named && Named(g, n).saved;
}

// Computes the residuals of a forward graph from its inputs and from what is saved of it.
struct Again {
  GraphPtr graph;  // inputs..., saved... -> residuals...
  std::vector<ValueId> saved;  // values of the forward graph
  std::vector<bool> reads;  // per input: whether anything is computed from it
};

Again again_of(const Graph& forward, size_t results) {
  Again again;
  const auto residuals = forward.outputs().subspan(results);
  std::vector<bool> needed(forward.value_count(), false);
  for (ValueId v : residuals) needed[index(v)] = true;
  for (uint32_t i = forward.node_count(); i-- > 0;) {
    const Node& n = forward.nodes()[i];
    bool any = false;
    for (uint32_t r = 0; r < n.result_count; ++r) any = any || needed[index(n.first_result) + r];
    if (!any || is_saved(forward, n.first_result)) continue;
    for (ValueId v : forward.operands(n)) needed[index(v)] = true;
  }
  Wrapper w(forward);
  std::vector<ValueId> map(forward.value_count(), no_value), operands, outputs;
  for (uint32_t i = 0; i < forward.input_count(); ++i) {
    map[i] = w.input(input_type(forward, i));
    again.reads.push_back(needed[i]);
  }
  for (uint32_t v = forward.input_count(); v < forward.value_count(); ++v)
    if (needed[v] && is_saved(forward, ValueId{v})) {
      again.saved.push_back(ValueId{v});
      map[v] = w.input(forward.type(ValueId{v}));
    }
  for (const Node& n : forward.nodes()) {
    bool any = false;
    for (uint32_t r = 0; r < n.result_count; ++r) any = any || needed[index(n.first_result) + r];
    if (!any || is_saved(forward, n.first_result)) continue;
    operands.clear();
    for (ValueId v : forward.operands(n)) operands.push_back(map[index(v)]);
    const ValueId first = w.builder.copy(forward, n, operands);
    for (uint32_t r = 0; r < n.result_count; ++r) map[index(n.first_result) + r] = ValueId{index(first) + r};
  }
  for (ValueId v : residuals) outputs.push_back(map[index(v)]);
  again.graph = without_effects(*w.finish(outputs));  // what it says was said the first time
  return again;
}

}  // namespace

NodeSplit split_checkpoint(const Graph& g, const Node& n, const Flags& linear_operands) {
  using Source = NodeSplit::Source;
  const Graph& graph = *Call(g, n).graph;
  NodeSplit s;
  s.result_is_linear = linear_results(g, n, linear_operands);
  const Split cut = split(graph, linear_operands, s.result_is_linear);
  const Graph& forward = *cut.forward;
  const size_t results = forward.outputs().size() - cut.residual_input.size();
  const Again again = again_of(forward, results);

  std::vector<ValueId> outputs(forward.outputs().begin(),
                               forward.outputs().begin() + static_cast<std::ptrdiff_t>(results));
  outputs.insert(outputs.end(), again.saved.begin(), again.saved.end());
  s.forward_attrs = CallAttrs{.graph = with_outputs(forward, outputs)};
  s.extra_count = static_cast<uint32_t>(again.saved.size());

  // The linear part: what it reads of the operands, what was saved, the tangents.
  Wrapper second(forward);
  std::vector<ValueId> read;
  uint32_t input = 0;
  for (size_t i = 0; i < linear_operands.size(); ++i) {
    if (linear_operands[i]) continue;
    s.forward_operands.push_back(g.operands(n)[i]);
    if (again.reads[input++]) {
      read.push_back(second.input(input_type(graph, i)));
      s.linear_operands.push_back({Source::value, index(g.operands(n)[i])});
    }
  }
  for (uint32_t e = 0; e < again.saved.size(); ++e) {
    read.push_back(second.input(forward.type(again.saved[e])));
    s.linear_operands.push_back({Source::extra, e});
  }
  std::vector<ValueId> tangents;
  for (size_t i = 0; i < linear_operands.size(); ++i) {
    if (!linear_operands[i]) continue;
    tangents.push_back(second.input(input_type(graph, i)));
    s.linear_operands.push_back({Source::value, index(g.operands(n)[i])});
  }
  std::vector<ValueId> arguments;
  size_t next = 0;
  for (uint32_t i = 0; i < forward.input_count(); ++i) {
    const Type& type = input_type(forward, i);
    arguments.push_back(again.reads[i] ? read[next++] : splat_integer(second.builder, type.dtype, 0, type.shape).id);
  }
  arguments.insert(arguments.end(), read.begin() + static_cast<std::ptrdiff_t>(next), read.end());
  std::vector<ValueId> linear = second.builder.splice(*again.graph, arguments);
  linear.insert(linear.end(), tangents.begin(), tangents.end());
  s.linear_attrs = CallAttrs{.graph = dce(*second.finish(second.builder.splice(*cut.linear, linear)))};
  return s;
}

}  // namespace tenon::passes
