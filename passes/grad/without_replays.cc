// Replays as loops, before they are differentiated; scans that are to keep little are cut into chunks. A state of those loops holds
// all rows that the replay keeps, so they are few; and since no marks are used, the loops that left them lose the buffers that they
// carried.
//   %2, %kept = while ...; %3 = replay ..., %kept   ->   %2 = while ...; %3 = while ... (with a forward run of its own)
#include "tenon/ir/rules/replay.h"
#include "tenon/passes/grad/linearize_control.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t few_slots = 16;

bool has_any(const Graph& graph) {
  for (const Node& n : graph.nodes()) {
    if (n.op == Op::replay || (n.op == Op::scan && Scan(graph, n).memory > 0)) return true;
    for (const Attr& a : graph.attrs(n))
      if (a.graph && has_any(*a.graph)) return true;
  }
  return false;
}

// Recursion follows nesting.
GraphPtr expanded(const Graph& graph) {
  Rebuild to(graph);
  to.builder.folding = to.builder.merging = false;
  return to.sweep([&](const Node& node) {
    Attrs attrs = graph.attrs(node);
    for (Attr& a : attrs)
      if (a.graph) a.graph = expanded(*a.graph);
    const bool scan = node.op == Op::scan && Scan(graph, node).memory > 0;
    if (node.op != Op::replay && !scan)
      return to.set_all(node, to.builder.add(node.op, to.operands(node), std::move(attrs)));
    std::vector<Value> operands;
    for (ValueId v : to.operands(node)) operands.push_back({&to.builder, v});
    const auto results = scan ? chunked(to.builder, attrs, operands)
                              : rules::replay_loops(to.builder, attrs, operands, rules::slots_of(few_slots));
    for (uint32_t r = 0; r < node.result_count; ++r) to.set(node, r, results[r].id);
  });
}

}  // namespace

GraphPtr without_replays(const Graph& graph) {
  if (!has_any(graph)) return GraphPtr(GraphPtr{}, &graph);
  return live_part(*expanded(graph), Effects::stay);
}

}  // namespace tenon::passes
