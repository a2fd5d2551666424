// What can be asked of a finished graph beyond its arrays: notes, structural equality, effects.
#include "tenon/ir/graph/graph.h"

#include <algorithm>

#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/text.h"

namespace tenon::ir {

const std::string& Graph::input_note(uint32_t i) const {
  static constinit Forever<const std::string> none;
  return i < input_notes_.size() ? input_notes_[i] : none.get();
}

// Equal up to names, notes and places. Graphs over two symbol tables are equal if they read the same.
bool same_structure(const Graph& a, const Graph& b) {
  if (&a == &b) return true;
  if (a.input_count() != b.input_count() || a.node_count() != b.node_count() || a.value_count() != b.value_count())
    return false;
  if (!std::ranges::equal(a.outputs(), b.outputs())) return false;
  if (a.symbols != b.symbols && a.symbols->size() + b.symbols->size() > 0) {
    std::string x, y;
    write_graph(x, a, 0, false);
    write_graph(y, b, 0, false);
    return x == y;
  }
  for (uint32_t v = 0; v < a.value_count(); ++v)
    if (!(a.type(ValueId{v}) == b.type(ValueId{v}))) return false;
  for (uint32_t i = 0; i < a.node_count(); ++i) {
    const Node &m = a.nodes()[i], &n = b.nodes()[i];
    if (m.op != n.op || m.result_count != n.result_count || !std::ranges::equal(a.operands(m), b.operands(n)) ||
        a.attrs(m) != b.attrs(n))
      return false;
  }
  return true;
}

bool has_effect(const Graph& graph, const Node& node) {
  const OpDef& row = def(node.op);
  if (node.op == Op::custom_call) return CustomCall(graph, node).effect;
  if (node.op == Op::collective_broadcast && Collective(graph, node).numbers.size() > 1) return false;  // all drop it
  if (row.effect) return true;
  if (row.family != Family::control) return false;
  for (const Attr& a : graph.attrs(node))
    if (a.graph && std::ranges::any_of(a.graph->nodes(), [&](const Node& n) { return has_effect(*a.graph, n); }))
      return true;
  return false;
}

bool keeps_order(const Graph& graph, const Node& node) {
  const OpDef& row = def(node.op);
  return has_effect(graph, node) || (row.family == Family::ranks && row.effect);
}

}  // namespace tenon::ir
