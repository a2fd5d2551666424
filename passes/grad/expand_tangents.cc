// Replaces every custom_tangent by what it means: the transpose of the caller's rule, a graph of ops that can be run and differentiated.
//   %2 = custom_tangent {backward = r, ct -> ct * r} %0, %1   ->   %2 = mul %1, %0
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/grad/differentiate.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Sub-graphs nest at most deepest_nesting deep.
bool has_tangent_rule(const Graph& g) {
  for (const Node& n : g.nodes()) {
    if (n.op == Op::custom_tangent) return true;
    for (const Attr& a : g.attrs(n))
      if (a.graph && has_tangent_rule(*a.graph)) return true;
  }
  return false;
}

// A rule's barriers hold apart what is computed twice, which is of no use where it is transposed; and one of linear and constant values
// has no transpose.
GraphPtr without_barriers(const Graph& g) {
  Rebuild to(g);
  to.builder.merging = to.builder.folding = false;
  return to.sweep([&](const Node& n) {
    if (n.op == Op::barrier) {
      for (uint32_t i = 0; i < n.result_count; ++i) to.set(n, i, to.values[index(g.operands(n)[i])]);
      return;
    }
    Attrs attrs = g.attrs(n);
    bool nested = false;
    for (Attr& a : attrs) {
      if (!a.graph) continue;
      a.graph = without_barriers(*a.graph);
      nested = true;
    }
    if (!nested) return to.copy(n);
    to.set_all(n, to.builder.add(n.op, to.operands(n), std::move(attrs)));
  });
}

}  // namespace

GraphPtr meaning_of_tangent(const Graph& graph, const Node& n) {
  const CustomTangent c(graph, n);
  Flags linear(c.backward->input_count(), true);
  for (int64_t i = 0; i < c.counts[0]; ++i) linear[static_cast<size_t>(i)] = false;
  try {
    return transpose_linear(*without_barriers(*c.backward), linear);
  } catch (const Error& e) {
    throw Error(
        "custom_vjp: forward mode (jvp, jacfwd, hessian, linearize) transposes bwd, which then must be linear in the "
        "cotangent, and this one is not: " +
            e.message() + "; use reverse mode, or tn::custom_jvp",
        graph.location(n));
  }
}

GraphPtr expand_tangents(const GraphPtr& graph) {
  if (!has_tangent_rule(*graph)) return graph;
  Rebuild to(*graph);
  to.builder.merging = false;
  return to.sweep([&](const Node& n) {
    if (n.op == Op::custom_tangent) {
      const GraphPtr meaning = expand_tangents(meaning_of_tangent(*graph, n));
      const std::vector<ValueId> results = to.builder.splice(*meaning, to.operands(n));
      for (uint32_t i = 0; i < n.result_count; ++i) to.set(n, i, results[i]);
      return;
    }
    Attrs attrs = graph->attrs(n);
    bool changed = false;
    for (Attr& a : attrs) {
      if (!a.graph || !has_tangent_rule(*a.graph)) continue;
      a.graph = expand_tangents(a.graph);
      changed = true;
    }
    if (!changed) return to.copy(n);
    to.set_all(n, to.builder.add(n.op, to.operands(n), std::move(attrs)));
  });
}

}  // namespace tenon::passes
