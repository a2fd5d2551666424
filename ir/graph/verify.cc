// Checks that a graph is what passes may rely on, and collects every violation:
//   1. operands and outputs are values of the graph; an operand is defined before its node (topological order)
//   2. results are numbered in order, each value has one producer, inputs have none
//   3. attributes fit the row's schema; operand counts fit its arity; the first operand's dtype is one that the row takes
//   4. the result types are those that the row's type rule gives
//   5. extents refer to symbols of the graph's table, which sub-graphs share
//   6. sub-graphs satisfy all of this, at most deepest_nesting deep
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/text.h"

namespace tenon::ir {
namespace {

struct Findings {
  std::vector<std::string> list;
  std::string prefix;
  void add(const std::string& message) {
    if (list.size() < 100) list.push_back(prefix + message);
  }
};

void verify_types(const Graph& g, Findings& found) {
  for (uint32_t v = 0; v < g.value_count(); ++v)
    for (Dim d : g.type(ValueId{v}).shape)
      if (d.is_symbol() && d.index() >= g.symbols->size())
        found.add("%" + std::to_string(v) + " has an extent that is no symbol of the graph's table");
}

bool verify_attributes(const Graph& g, const Node& n, const std::string& place, Findings& found) {
  const std::string fault = attrs_fault(def(n.op), g.attrs(n));
  if (!fault.empty()) found.add(place + fault);
  return fault.empty();
}

void verify_inference(const Graph& g, const Node& n, const std::string& place, Findings& found) {
  const OpDef& row = def(n.op);
  std::vector<Type> operands, results;
  for (ValueId v : g.operands(n)) operands.push_back(g.type(v));
  if (row.arity >= 0 && operands.size() != static_cast<size_t>(row.arity))
    return found.add(place + "has " + std::to_string(operands.size()) + " operands, its row takes " +
                     std::to_string(row.arity));
  if (!operands.empty() && !contains(row.dtypes, operands[0].dtype))
    return found.add(place + "does not take " + std::string(name(operands[0].dtype)));
  const size_t symbols_before = g.symbols->size();
  try {
    results = row.infer({operands, g.attrs(n), *g.symbols});
  } catch (const Error& e) {
    return found.add(place + e.message());
  }
  if (g.symbols->size() != symbols_before)
    return found.add(place + "has a result extent that its type rule does not give");
  if (results.size() != n.result_count)
    return found.add(place + "has " + std::to_string(n.result_count) + " results, its type rule gives " +
                     std::to_string(results.size()));
  for (uint32_t r = 0; r < n.result_count; ++r) {
    const Type& have = g.type(g.result(n, r));
    if (!(have == results[r]))
      found.add(place + "has a result " + to_string(have, g.symbols.get()) + ", its type rule gives " +
                to_string(results[r], g.symbols.get()));
  }
}

void verify_graph(const Graph& g, Findings& found, int depth) {
  if (depth > static_cast<int>(deepest_nesting))
    return found.add("sub-graphs are nested more than " + std::to_string(deepest_nesting) + " deep");
  verify_types(g, found);
  uint32_t next = g.input_count();
  for (uint32_t i = 0; i < g.input_count(); ++i)
    if (g.producer(ValueId{i}) != no_node) found.add("input %" + std::to_string(i) + " has a producer");
  for (uint32_t i = 0; i < g.node_count(); ++i) {
    const Node& n = g.nodes()[i];
    const std::string place = "node " + std::to_string(i) + " (" + std::string(name(n.op)) + ") ";
    bool sound = true;
    if (index(n.first_result) != next || next + n.result_count > g.value_count()) {
      found.add(place + "does not give the next values");
      return;  // nothing after this can be trusted
    }
    for (ValueId v : g.operands(n)) {
      if (index(v) < next) continue;
      found.add(place + "uses %" + std::to_string(index(v)) + " before it is defined");
      sound = false;
    }
    for (uint32_t r = 0; r < n.result_count; ++r)
      if (g.producer(g.result(n, r)) != NodeId{i}) found.add(place + "is not the producer of its result");
    next += n.result_count;
    if (!sound || !verify_attributes(g, n, place, found)) continue;
    verify_inference(g, n, place, found);
    for (const Attr& a : g.attrs(n)) {
      if (a.kind != AttrKind::graph) continue;
      if (a.graph->symbols != g.symbols && a.graph->symbols->size() > 0)
        found.add(place + "has a sub-graph with a symbol table of its own");
      const std::string before = found.prefix;
      found.prefix += place + "> ";
      verify_graph(*a.graph, found, depth + 1);
      found.prefix = before;
    }
  }
  if (next != g.value_count()) found.add("there are values that no node gives");
  for (ValueId v : g.outputs())
    if (index(v) >= g.value_count()) found.add("output %" + std::to_string(index(v)) + " is no value of the graph");
}

}  // namespace

std::vector<std::string> verify(const Graph& graph) {
  Findings found;
  verify_graph(graph, found, 0);
  return found.list;
}

}  // namespace tenon::ir
