// Transpositions beside a row with loops of its own: it reads through one in front of it, and stores behind one that is its only
// reader, where the row's loops go by that order as well (its column .orders).
//
//   %2 = transpose %0 ; %3 = convolution %2, %1 ; %4 = transpose %3    ->    one nest group {%2, %3, %4}
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

namespace {

// By value: its readers, 2 standing for more, an output of the graph for one that is no node; and one of them.
struct Readers {
  std::vector<char> count;
  std::vector<NodeId> node;
};

Readers readers_of(const Graph& graph) {
  Readers r{std::vector<char>(graph.value_count(), 0), std::vector<NodeId>(graph.value_count(), no_node)};
  const auto read = [&](ValueId v, NodeId n) {
    r.count[index(v)] = r.count[index(v)] == 0 ? 1 : 2;
    r.node[index(v)] = n;
  };
  for (uint32_t i = 0; i < graph.node_count(); ++i)
    for (ValueId v : graph.operands(graph.node(NodeId{i}))) read(v, NodeId{i});
  for (ValueId v : graph.outputs()) read(v, no_node);
  return r;
}

bool is_transposition(const Graph& graph, NodeId n) { return n != no_node && graph.node(n).op == Op::transpose; }

}  // namespace

std::vector<int64_t> order_through(const Graph& graph, NodeId transposition) {
  const auto& permutation = Transpose(graph, graph.node(transposition)).permutation;
  std::vector<int64_t> order(permutation.size());
  for (size_t i = 0; i < order.size(); ++i) order[static_cast<size_t>(permutation[i])] = static_cast<int64_t>(i);
  return order;
}

bool is_behind(const Graph& graph, const Group& group, ValueId v) {
  const NodeId n = graph.producer(v);
  return group.kind == GroupKind::nest && n != group.root && is_transposition(graph, n) &&
         graph.producer(graph.operands(graph.node(n))[0]) == group.root;
}

void Fusion::find_orders() {
  const uint32_t count = graph.node_count();
  through_.assign(count, 0);
  behind_.assign(count, no_node);
  const bool any =
      std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& n) { return def(n.op).orders; });
  if (!any || !enabled || target.kind() != TargetKind::cpu) return;
  const Readers readers = readers_of(graph);
  for (uint32_t i = 0; i < count; ++i) {
    const Node& n = graph.node(NodeId{i});
    if (!def(n.op).orders) continue;
    const std::span<const ValueId> operands = graph.operands(n);
    const ValueId result = graph.result(n);
    std::vector<std::vector<int64_t>> orders(operands.size() + 1);
    for (size_t k = 0; k < operands.size(); ++k)
      if (const NodeId t = graph.producer(operands[k]); is_transposition(graph, t)) orders[k] = order_through(graph, t);
    const NodeId after = readers.count[index(result)] == 1 ? readers.node[index(result)] : no_node;
    if (is_transposition(graph, after)) orders.back() = Transpose(graph, graph.node(after)).permutation;
    def(n.op).orders(graph, n, orders);
    for (size_t k = 0; k < operands.size(); ++k)
      if (!orders[k].empty()) through_[i] |= static_cast<uint8_t>(1 << k);
    if (!orders.back().empty()) behind_[index(after)] = NodeId{i};
  }
}

}  // namespace tenon::passes
