// A function of one lane as a function over many: every node whose operands have lanes becomes the op over all of them, by its row's
// rule; what no lane changes is computed once.
//   %1 = mul %0, %0 : f32[3]   ->   %1 = mul %0, %0 : f32[n, 3]
// Lanes stand in front. Refuses to place them elsewhere: the caller transposes.
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Whether a graph asks about the named axis, its sub-graphs included (they nest at most deepest_nesting deep).
bool asks_about(const Graph& g, std::string_view axis) {
  for (const Node& n : g.nodes()) {
    for (const Attr& a : g.attrs(n)) {
      if (def(n.op).family == Family::transform && a.kind == AttrKind::text && a.text == axis) return true;
      if (a.graph && asks_about(*a.graph, axis)) return true;
    }
  }
  return false;
}

bool asks_about(const Graph& g, const Node& n, std::string_view axis) {
  const Family family = def(n.op).family;
  if (axis.empty() || (family != Family::transform && family != Family::control)) return false;
  for (const Attr& a : g.attrs(n))
    if (a.graph ? asks_about(*a.graph, axis) : a.kind == AttrKind::text && a.text == axis) return true;
  return false;
}

struct Driver {
  const Graph& g;
  const Batching& batching;
  GraphBuilder b;
  Value mask;
  std::vector<ValueId> value;  // by value of the graph
  std::vector<bool> has_lanes;
  std::vector<Value> operands;
  std::vector<bool> batched;

  Driver(const Graph& graph, const Batching& of)
      : g(graph),
        batching(of),
        b(graph.name, graph.symbols),
        value(graph.value_count()),
        has_lanes(graph.value_count()) {
    b.merging = false;  // as in a trace: values written twice stay two
  }

  void node(const Node& n) {
    b.set_location(g.location(n));
    operands.clear();
    batched.clear();
    bool any = false;
    for (ValueId v : g.operands(n)) {
      operands.push_back({&b, value[index(v)]});
      batched.push_back(has_lanes[index(v)]);
      any = any || batched.back();
    }
    // What has an effect is done for every lane.
    if (!any && !asks_about(g, n, batching.axis) && !has_effect(g, n)) {
      std::vector<ValueId> ids;
      for (const Value& v : operands) ids.push_back(v.id);
      const ValueId first = b.copy(g, n, ids);
      for (uint32_t r = 0; r < n.result_count; ++r) value[index(n.first_result) + r] = ValueId{index(first) + r};
      return;
    }
    const BatchResults made = def(n.op).batch({b, n.op, g.attrs(n), operands, batched, batching, mask, batch_subgraph});
    ensure(made.values.size() == n.result_count && (made.batched.empty() || made.batched.size() == n.result_count),
           "a batching rule gave another number of results than there are");
    for (uint32_t r = 0; r < n.result_count; ++r) {
      value[index(n.first_result) + r] = made.values[r].id;
      has_lanes[index(n.first_result) + r] = made.batched.empty() || made.batched[r];
    }
  }

  Value with_lanes(Value x) {
    Shape shape = x.shape();
    shape.insert(0, batching.size);
    std::vector<int64_t> axes;
    for (int64_t i = 1; i < shape.rank(); ++i) axes.push_back(i);
    return broadcast(x, shape, std::move(axes));
  }

  static SubgraphBatch batch_subgraph(const Graph& graph, const Batching& batching, const std::vector<bool>& inputs,
                                      const std::vector<bool>& forced, bool masked) {
    ensure(inputs.size() == graph.input_count(), "one flag per input says whether it has lanes");
    Driver d(graph, batching);
    if (masked) d.mask = {&d.b, d.b.input({DType::boolean, Shape({batching.size})})};
    for (uint32_t i = 0; i < graph.input_count(); ++i) {
      Type type = graph.type(ValueId{i});
      if (inputs[i]) type.shape.insert(0, batching.size);
      d.value[i] = d.b.input(type, graph.input_note(i));
      d.has_lanes[i] = inputs[i];
    }
    for (const Node& n : graph.nodes()) d.node(n);
    SubgraphBatch result;
    std::vector<ValueId> outputs;
    for (size_t o = 0; o < graph.outputs().size(); ++o) {
      const uint32_t v = index(graph.outputs()[o]);
      const bool lift = !d.has_lanes[v] && !forced.empty() && forced[o];
      outputs.push_back(lift ? d.with_lanes({&d.b, d.value[v]}).id : d.value[v]);
      result.output_is_batched.push_back(d.has_lanes[v] || lift);
    }
    result.graph = dce(*d.b.finish(outputs));
    return result;
  }
};

}  // namespace

SubgraphBatch batch(const Graph& graph, const Batching& batching, const std::vector<bool>& inputs,
                    const std::vector<bool>& forced) {
  return Driver::batch_subgraph(graph, batching, inputs, forced, false);
}

}  // namespace tenon::passes
