// Numbers the nodes of nested graphs, breadth first, so that nesting costs no stack.
#include "tenon/ir/graph/levels.h"

#include <algorithm>

namespace tenon::ir {

Levels::Levels(const Graph& outermost) {
  levels_.push_back({&outermost, 0});
  uint32_t next = outermost.node_count();
  for (size_t l = 0; l < levels_.size(); ++l) {
    const Level level = levels_[l];
    for (uint32_t n = 0; n < level.graph->node_count(); ++n)
      for (const Attr& attr : level.graph->attrs(level.graph->nodes()[n])) {
        if (!attr.graph) continue;
        inside_.emplace(level.first + n, levels_.size());
        levels_.push_back({attr.graph.get(), next});
        next += attr.graph->node_count();
      }
  }
}

uint32_t Levels::first_of(uint32_t node, const Graph& inner) const {
  const auto [begin, end] = inside_.equal_range(node);
  for (auto it = begin; it != end; ++it)
    if (levels_[it->second].graph == &inner) return levels_[it->second].first;
  throw InternalError("node " + std::to_string(node) + " has no such graph inside");
}

Levels::Place Levels::find(uint32_t number) const {
  const auto above = std::upper_bound(levels_.begin(), levels_.end(), number,
                                      [](uint32_t n, const Level& level) { return n < level.first; });
  const Level& level = *std::prev(above);
  if (number - level.first >= level.graph->node_count()) return {};
  return {level.graph, NodeId{number - level.first}};
}

}  // namespace tenon::ir
