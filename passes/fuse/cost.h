// What an op costs in scalar operations per element: counted on the instructions that its row expands to, so a new row
// needs no entry anywhere.
#pragma once

#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

class OpCosts {
 public:
  explicit OpCosts(const Target& target)
      : tiles(target.tiles),
        limits(target.fusion),
        cores(target.cores),
        lanes(target.kind() == TargetKind::cpu ? target.lanes : 1),
        register_bytes(target.kind() == TargetKind::cpu ? target.cpu().vector_registers * target.cpu().vector_bytes
                                                        : 0) {}
  int of(const ir::Graph& graph, const ir::Node& node);
  const Tiles tiles;
  const FusionLimits limits;
  const int cores;  // that work is dealt to; 1 where it is not known
  const int lanes;  // of a vector loop; 1 where threads are lanes
  const int register_bytes;  // of all vector registers; 0 where threads are lanes

 private:
  std::vector<int> known_;
};

}  // namespace tenon::passes
