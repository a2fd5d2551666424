#include "tenon/passes/ranks/speaks.h"

#include <algorithm>

namespace tenon::passes {

using namespace ir;

// Sub-graphs nest at most deepest_nesting deep.
bool speaks(const Graph& graph, const Node& node) {
  if (def(node.op).family == Family::ranks)
    return node.op != Op::rank_index && node.op != Op::rank_vary && node.op != Op::rank_slice && node.op != Op::in_turn;
  if (def(node.op).family != Family::control) return false;
  for (const Attr& a : graph.attrs(node))
    if (a.graph && std::ranges::any_of(a.graph->nodes(), [&](const Node& n) { return speaks(*a.graph, n); })) return true;
  return false;
}

}  // namespace tenon::passes
