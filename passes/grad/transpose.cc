// Transposes a linear graph: cotangents flow from outputs to linear inputs, node by node in reverse program order; the
// cotangents of one value add up in that order, so that a tape and a whole-graph gradient give the same bits.
//   %2 = mul %1, %0 (linear in %1)   ->   ct(%1) = mul ct(%2), %0
// What does not depend on the linear inputs is computed as it stands. Refuses nodes without a transpose.
#include "tenon/ir/graph/build.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Driver {
  const Graph& g;
  GraphBuilder b;
  std::vector<bool> linear;         // by value
  std::vector<ValueId> forwarded;   // of values that are not linear
  std::vector<ValueId> cotangent;   // of linear values, no_value where none arrived

  explicit Driver(const Graph& graph)
      : g(graph),
        b(graph.name, graph.symbols),
        linear(graph.value_count()),
        forwarded(graph.value_count(), no_value),
        cotangent(graph.value_count(), no_value) {}

  void accumulate(ValueId v, Value ct) {
    ValueId& sum = cotangent[index(v)];
    sum = sum == no_value ? ct.id : (Value{&b, sum} + ct).id;
  }

  // Copies the nodes that linear nodes read.
  void forward() {
    std::vector<bool> needed(g.value_count());
    for (uint32_t i = g.node_count(); i-- > 0;) {
      const Node& n = g.nodes()[i];
      bool wanted = n.result_count > 0 && linear[index(n.first_result)];
      for (uint32_t r = 0; r < n.result_count; ++r) wanted = wanted || needed[index(n.first_result) + r];
      if (!wanted) continue;
      for (ValueId v : g.operands(n)) needed[index(v)] = true;
    }
    std::vector<ValueId> operands;
    for (const Node& n : g.nodes()) {
      bool wanted = false;
      for (uint32_t r = 0; r < n.result_count; ++r) {
        const ValueId v = g.result(n, r);
        wanted = wanted || (needed[index(v)] && !linear[index(v)]);
      }
      if (!wanted) continue;
      operands.clear();
      for (ValueId v : g.operands(n)) operands.push_back(forwarded[index(v)]);
      const ValueId first = b.copy(g, n, operands);
      for (uint32_t r = 0; r < n.result_count; ++r) forwarded[index(n.first_result) + r] = ValueId{index(first) + r};
    }
  }

  void node(const Node& n) {
    cotangents.clear();
    bool any = false;
    for (uint32_t r = 0; r < n.result_count; ++r) {
      const ValueId ct = cotangent[index(n.first_result) + r];
      cotangents.push_back(ct == no_value ? Value{} : Value{&b, ct});
      any |= ct != no_value;
    }
    if (!any) return;
    if (n.op == Op::reshape &&
        g.type(g.operands(n)[0]) == g.type(n.first_result)) {  // a value of its own, nothing else
      accumulate(g.operands(n)[0], cotangents[0]);
      return;
    }
    const OpDef& row = def(n.op);
    if (row.transpose == nullptr)
      throw Error(std::string(row.name) + ": this op is not linear, so it has no transpose; linearize the graph first",
                  g.location(n));
    const auto ids = g.operands(n);
    operands.clear();
    types.clear();
    if (capacity < ids.size()) is_linear = std::make_unique<bool[]>(capacity = 2 * ids.size());
    for (size_t i = 0; i < ids.size(); ++i) is_linear[i] = linear[index(ids[i])];
    for (ValueId v : ids) {
      operands.push_back(linear[index(v)] ? Value{} : Value{&b, forwarded[index(v)]});
      types.push_back(g.type(v));
    }
    b.set_location(g.location(n));
    const std::span<const bool> flags(is_linear.get(), ids.size());
    const auto given = row.transpose({b, n.op, g.attrs(n), operands, types, flags, cotangents, transpose_subgraph});
    ensure(given.size() == ids.size(), "a transpose rule gave another number of cotangents than there are operands");
    for (size_t i = 0; i < ids.size(); ++i)
      if (linear[index(ids[i])] && given[i]) accumulate(ids[i], given[i]);
  }

  std::vector<Value> operands, cotangents;
  std::vector<Type> types;
  std::unique_ptr<bool[]> is_linear;
  size_t capacity = 0;
};

}  // namespace

namespace {

// Transposes as far as cotangents reach: cotangent[i] of the driver is that of input i. Inputs of the driver's graph: the inputs
// that are not linear, the cotangents that arrive, the sums so far.
void transpose_into(Driver& d, const Flags& linear_inputs, const Flags& has_cotangent, const Flags& summed) {
  const Graph& graph = d.g;
  ensure(linear_inputs.size() == graph.input_count() && has_cotangent.size() == graph.outputs().size(),
         "one flag per input and output of a graph to transpose");
  for (uint32_t i = 0; i < graph.input_count(); ++i) {
    d.linear[i] = linear_inputs[i];
    if (!linear_inputs[i]) d.forwarded[i] = d.b.input(graph.type(ValueId{i}), graph.input_note(i));
  }
  std::vector<Value> seeds(has_cotangent.size());
  for (size_t o = 0; o < seeds.size(); ++o)
    if (has_cotangent[o]) seeds[o] = {&d.b, d.b.input(graph.type(graph.outputs()[o]))};
  for (uint32_t i = 0; i < summed.size(); ++i)
    if (summed[i]) d.cotangent[i] = d.b.input(graph.type(ValueId{i}));

  for (const Node& n : graph.nodes()) {
    bool linear = false;
    for (ValueId v : graph.operands(n)) linear = linear || d.linear[index(v)];
    for (uint32_t r = 0; r < n.result_count; ++r) d.linear[index(n.first_result) + r] = linear;
  }
  d.forward();
  for (size_t o = seeds.size(); o-- > 0;)
    if (seeds[o] && d.linear[index(graph.outputs()[o])]) d.accumulate(graph.outputs()[o], seeds[o]);
  for (uint32_t i = graph.node_count(); i-- > 0;) {
    const Node& n = graph.nodes()[i];
    if (n.result_count > 0 && d.linear[index(n.first_result)]) d.node(n);
  }
}

}  // namespace

GraphPtr transpose_subgraph(const Graph& graph, const Flags& linear_inputs, const Flags& has_cotangent) {
  Driver d(graph);
  transpose_into(d, linear_inputs, has_cotangent, {});
  std::vector<ValueId> outputs;
  for (uint32_t i = 0; i < graph.input_count(); ++i) {
    if (!linear_inputs[i]) continue;
    const Type& type = graph.type(ValueId{i});
    outputs.push_back(d.cotangent[i] != no_value ? d.cotangent[i] : splat_integer(d.b, type.dtype, 0, type.shape).id);
  }
  return dce(*d.b.finish(outputs));
}

GraphPtr transpose(const Graph& linear, uint32_t constant_count) {
  Flags inputs(linear.input_count(), true);
  for (uint32_t i = 0; i < constant_count; ++i) inputs.at(i) = false;
  return transpose_subgraph(linear, inputs, Flags(linear.outputs().size(), true));
}

Accumulation transpose_onto(const Graph& linear, uint32_t constant_count, const Flags& arrives, const Flags& summed) {
  Flags inputs(linear.input_count(), true), sums(constant_count, false);
  for (uint32_t i = 0; i < constant_count; ++i) inputs.at(i) = false;
  sums.insert(sums.end(), summed.begin(), summed.end());
  Driver d(linear);
  transpose_into(d, inputs, arrives, sums);
  Accumulation result;
  std::vector<ValueId> outputs;
  for (uint32_t i = constant_count; i < linear.input_count(); ++i) {
    result.reached.push_back(d.cotangent[i] != no_value);
    if (d.cotangent[i] != no_value) outputs.push_back(d.cotangent[i]);
  }
  result.graph = dce(*d.b.finish(outputs));
  return result;
}

}  // namespace tenon::passes
