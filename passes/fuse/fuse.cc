// Fusion: deals the nodes of a graph into groups, one kernel (or step) each.
//
//   %2 = exp %0 ; %3 = reduce_sum %2 ; %4 = broadcast %3 ; %5 = div %2, %4    ->    one row group {%2, %3, %4, %5}
//
// Two sweeps, both linear: forward, every node joins the groups of its operands where iteration spaces agree
// (fuse/place.cc); backward, groups and nodes move into their only reader (fuse/sink.cc, fuse/sink_nodes.cc). Small maps that
// are left in great number are computed side by side (fuse/beside.cc). Views and trivial values are computed wherever they
// are read. An edge that a sweep refuses holds the reason, which is what is
// reported when it stays (fuse/reason.h): the backward sweep overrules the forward one where it has looked at the edge
// itself; where it stops before, because the value is stored for others anyway, the obstacle that the forward sweep met is
// what a user can do something about. Refuses to change the graph.
#include "tenon/passes/fuse/draft.h"

namespace tenon::passes {

using namespace ir;

Fusion::Fusion(const Graph& g, const Target& t, bool on, std::vector<char> inputs)
    : graph(g), target(t), enabled(on), lent(std::move(inputs)), limits(t.fusion), axes(g), costs(t) {}

FusionPlan Fusion::run() {
  assign_roles();
  draft_of.assign(graph.node_count(), no_draft);
  first_edge.assign(graph.node_count() + 1, 0);
  for (uint32_t n = 0; n < graph.node_count(); ++n) place(NodeId{n});
  first_edge[graph.node_count()] = static_cast<uint32_t>(edges.size());
  index_edges();
  if (enabled) {
    sink_groups();
    sink_nodes();
    place_side_by_side();
  }
  return finish();
}

FusionPlan fuse(const Graph& graph, const Target& target, bool enabled, std::vector<char> lent) {
  return Fusion(graph, target, enabled, std::move(lent)).run();
}

}  // namespace tenon::passes
