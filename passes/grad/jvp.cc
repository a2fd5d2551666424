// Forward-mode differentiation: every node is followed by the nodes of its tangents.
//   %1 = sin %0   ->   %2 = sin %0;  %3 = cos %0;  %4 = mul %1, %3      (%1 is the tangent of %0)
// Absent tangents are structural: nothing is built for them. Refuses inputs that are not floating point.
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

bool is_one(Value v) {
  const Graph& g = v.builder->graph();
  for (int step = 0; step < 2; ++step) {
    if (g.is_input(v.id)) return false;
    const Node& n = g.node(g.producer(v.id));
    if (n.op == Op::broadcast) {
      v.id = g.operands(n)[0];
      continue;
    }
    if (n.op != Op::constant || g.type(v.id).shape.rank() != 0) return false;
    static constexpr std::string_view ones[] = {
        {"\x00\x3c", 2}, {"\x80\x3f", 2}, {"\x00\x00\x80\x3f", 4}, {"\0\0\0\0\0\0\xf0\x3f", 8}};
    const Constant c(g, n);
    const DType t = c.dtype;
    return c.value == ones[t == f16 ? 0 : t == bf16 ? 1 : t == f32 ? 2 : 3];
  }
  return false;
}

struct Driver {
  GraphBuilder b;
  const bool distinct;
  std::vector<bool> wanted;  // by value of the graph
  std::vector<ValueId> primal, tangent;            // by value of the graph; no_value where there is no tangent
  std::vector<Value> operands, tangents, results;  // of the node at hand

  Driver(const Graph& g, const Flags& wanted_outputs, bool distinct)
      : b(g.name, g.symbols),
        distinct(distinct),
        wanted(wanted_tangents(g, wanted_outputs)),
        primal(g.value_count(), no_value),
        tangent(g.value_count(), no_value) {
    // Values written twice stay two: which cotangents are summed where is the program's order, as on the eager tape.
    b.merging = false;
  }

  Value value(ValueId v) { return v == no_value ? Value{} : Value{&b, v}; }

  // The tangent of an elementwise node with partial derivatives: their products with the tangents, summed in order. Nothing
  // stays nothing, whatever the partial is: see `scale`. Rows that expand compute their derivative of halves in f32 and
  // round it once.
  Value by_partials(const OpDef& row) {
    const DType narrow = results[0].dtype();
    const bool widens = is_half(narrow) && (row.expand.lanes || row.widens);
    const auto wide = [&](Value v) { return widens ? cast(v, f32) : v; };
    std::vector<Value> at;
    for (const Value& v : operands) at.push_back(wide(v));
    Value result = widens ? apply(b, row.op, at)[0] : results[0];
    Value sum;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!tangents[i]) continue;
      const Value partial = row.partials[i]({at, result});
      const Value tangent = wide(tangents[i]), term = is_one(partial) ? tangent : scale(tangent, partial);
      sum = sum ? sum + term : term;
    }
    return widens ? cast(sum, narrow) : sum;
  }

  // A linear op applied to tangents; zeros where only some of its linear operands have one.
  std::vector<Value> by_linearity(const OpDef& row, const Attrs& attrs) {
    std::vector<Value> moved;
    for (size_t i = 0; i < operands.size(); ++i) {
      const bool linear = row.linear == 0xff || (i < 8 && (row.linear >> i & 1));
      moved.push_back(!linear ? operands[i] : tangents[i] ? tangents[i] : zeros_like(operands[i]));
    }
    return apply(b, row.op, moved, attrs);
  }

  std::vector<Value> differentiate(const OpDef& row, const Attrs& attrs, const Flags& wanted_results) {
    if (row.jvp) return row.jvp({b, row.op, attrs, operands, results, tangents, jvp_subgraph, wanted_results});
    if (row.flat) return std::vector<Value>(results.size());
    if (row.partials[0]) return {by_partials(row)};
    return by_linearity(row, attrs);
  }

  void node(const Graph& g, const Node& n) {
    b.set_location(g.location(n));
    std::vector<ValueId>& ids = scratch;
    ids.clear();
    const OpDef& row = def(n.op);
    Flags wanted_results, serves;
    bool any = false, any_wanted = false;
    for (uint32_t r = 0; r < n.result_count; ++r) {
      wanted_results.push_back(wanted[index(n.first_result) + r]);
      any_wanted = any_wanted || wanted_results[r];
    }
    if (any_wanted && row.family == Family::control) serves = wanted_operands(g, n, wanted_results);
    operands.clear();
    tangents.clear();
    results.clear();
    for (ValueId v : g.operands(n)) {
      ids.push_back(primal[index(v)]);
      const bool takes_part = any_wanted && (serves.empty() || serves[tangents.size()]);
      operands.push_back(value(primal[index(v)]));
      tangents.push_back(takes_part ? value(tangent[index(v)]) : Value{});
      any = any || tangents.back();
    }
    const bool joint = any && row.family == Family::control;
    if (!joint) {
      const ValueId first = b.copy(g, n, ids);
      for (uint32_t r = 0; r < n.result_count; ++r) primal[index(n.first_result) + r] = ValueId{index(first) + r};
    }
    if (!any) return;
    for (uint32_t r = 0; !joint && r < n.result_count; ++r) results.push_back(value(primal[index(n.first_result) + r]));
    const uint32_t before = b.graph().value_count();
    const auto given = differentiate(row, g.attrs(n), wanted_results);
    ensure(given.size() == n.result_count * (joint ? 2u : 1u),
           "a jvp rule gave another number of tangents than there are results");
    for (uint32_t r = 0; r < n.result_count; ++r) {
      ValueId t = given[r].id;
      if (distinct && t != no_value && index(t) < before)  // the tangent of another value: x + 1 passes that of x on
        t = b.add(Op::reshape, {t}, ReshapeAttrs{.shape = b.type(t).shape.dims()});
      tangent[index(n.first_result) + r] = t;
      if (joint) primal[index(n.first_result) + r] = given[n.result_count + r].id;
    }
  }

  std::vector<ValueId> scratch;
};

}  // namespace

namespace {

SubgraphJvp differentiate(const Graph& graph, const Flags& active, const Flags& wanted, bool distinct) {
  ensure(active.size() == graph.input_count(), "one flag per input says whether it has a tangent");
  ensure(wanted.size() == graph.outputs().size(), "one flag per output says whether its tangent is wanted");
  Driver d(graph, wanted, distinct);
  for (uint32_t i = 0; i < graph.input_count(); ++i) {
    const Type& type = graph.type(ValueId{i});
    if (active[i] && !is_continuous(type.dtype))
      throw Error(
          "input " + std::to_string(i) + " is " + to_string(type, graph.symbols.get()) +
          ": only floating-point and complex values have derivatives; cast it, or differentiate by other arguments");
    d.primal[i] = d.b.input(type, graph.input_note(i));
  }
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (active[i]) d.tangent[i] = d.b.input(graph.type(ValueId{i}));
  for (const Node& n : graph.nodes()) d.node(graph, n);

  SubgraphJvp result;
  std::vector<ValueId> outputs;
  for (ValueId v : graph.outputs()) outputs.push_back(d.primal[index(v)]);
  for (size_t o = 0; o < wanted.size(); ++o) {
    const ValueId t = wanted[o] ? d.tangent[index(graph.outputs()[o])] : no_value;
    result.output_has_tangent.push_back(t != no_value);
    if (t != no_value) outputs.push_back(t);
  }
  result.graph = dce(*d.b.finish(outputs));
  return result;
}

}  // namespace

SubgraphJvp jvp_subgraph(const Graph& graph, const Flags& active, const Flags& wanted) {
  return differentiate(graph, active, wanted, false);
}
SubgraphJvp jvp_distinct(const Graph& graph, const Flags& active, const Flags& wanted) {
  return differentiate(graph, active, wanted, true);
}

Jvp jvp(const Graph& graph, const std::vector<bool>& active) {
  auto made = jvp_subgraph(graph, active, Flags(graph.outputs().size(), true));
  return {expand_tangents(made.graph), std::move(made.output_has_tangent)};
}

}  // namespace tenon::passes
