// Puts nodes into the order of a pipeline's schedule: what in_turn marks is made turn by turn, each with what it needs and no more, and
// the marks go. So a microbatch's backward pass runs before the forward pass of a later one, and its activations end there.
//   f0; f1; in_turn {0} f0; in_turn {2} f1; b0; in_turn {1} b0; ...   ->   f0; b0; f1; ...
// The rest follows in its own order. Effects keep their order among those of one turn. Refuses to change what is computed.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Numbers of nodes in a new order: for each mark in turn, what it needs and has not come yet, then what is left.
std::vector<uint32_t> ordered(const Graph& g, std::vector<std::pair<int64_t, uint32_t>> marks) {
  std::stable_sort(marks.begin(), marks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<char> needed(g.node_count()), done(g.node_count());
  std::vector<uint32_t> order;
  order.reserve(g.node_count());
  for (size_t first = 0; first < marks.size();) {
    size_t end = first;
    while (end < marks.size() && marks[end].first == marks[first].first) needed[marks[end++].second] = 1;
    for (uint32_t n = g.node_count(); n-- > 0;) {
      if (!needed[n] || done[n]) continue;
      for (ValueId v : g.operands(g.node(NodeId{n})))
        if (const NodeId from = g.producer(v); from != no_node) needed[index(from)] = 1;
    }
    for (uint32_t n = 0; n < g.node_count(); ++n)
      if (needed[n] && !done[n]) done[n] = 1, order.push_back(n);
    first = end;
  }
  for (uint32_t n = 0; n < g.node_count(); ++n)
    if (!done[n]) order.push_back(n);
  return order;
}

}  // namespace

GraphPtr turns(const Graph& graph) {
  std::vector<std::pair<int64_t, uint32_t>> marks;
  for (uint32_t n = 0; n < graph.node_count(); ++n) {
    const Node& node = graph.node(NodeId{n});
    if (node.op == Op::in_turn) marks.emplace_back(InTurn(graph, node).turn, n);
    if (node.op != Op::exchange) continue;
    const NodeId sent = graph.producer(graph.operands(node)[0]);  // goes out in the turn that makes it
    if (sent != no_node && graph.node(sent).op == Op::in_turn)
      marks.emplace_back(InTurn(graph, graph.node(sent)).turn, n);
  }
  Rebuild to(graph);
  to.builder.folding = to.builder.merging = false;
  for (uint32_t n : ordered(graph, std::move(marks))) {
    const Node& node = graph.node(NodeId{n});
    to.builder.set_location(graph.location(node));
    if (node.op == Op::in_turn)
      to.set(node, 0, to.operands(node)[0]);
    else
      to.copy(node);
  }
  std::vector<ValueId> outputs;
  for (ValueId v : graph.outputs()) outputs.push_back(to.values[index(v)]);
  return to.builder.finish(outputs);
}

}  // namespace tenon::passes
