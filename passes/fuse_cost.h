// What an op costs in scalar operations per element: counted on the instructions that its row expands to, so a new row
// needs no entry anywhere; and how the target cuts work, which goes the same ways through lowering.
#pragma once

#include <vector>

#include "tenon/ir/graph.h"
#include "tenon/ir/target.h"

namespace tenon::passes {

inline constexpr int kernel_limit = 300;   // scalar ops a kernel may hold (SEMANTICS section 4)
inline constexpr int expensive_cost = 8;   // from here on an op is worth keeping rather than computing twice

class OpCosts {
 public:
  explicit OpCosts(const Target& target) : tiles(target.tiles) {}
  int of(const ir::Graph& graph, const ir::Node& node);
  const Tiles tiles;

 private:
  std::vector<int> known_;
};

}  // namespace tenon::passes
