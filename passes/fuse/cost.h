// What an op costs in scalar operations per element: counted on the instructions that its row expands to, so a new row
// needs no entry anywhere.
#pragma once

#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

class OpCosts {
 public:
  explicit OpCosts(const Target& target) : tiles(target.tiles), limits(target.fusion) {}
  int of(const ir::Graph& graph, const ir::Node& node);
  const Tiles tiles;
  const FusionLimits limits;

 private:
  std::vector<int> known_;
};

}  // namespace tenon::passes
