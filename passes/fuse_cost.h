// What an op costs in scalar operations per element: counted on the instructions that its row expands to, so a new row
// needs no entry anywhere; and the sizes at which fusion decides one way or the other. Refuses to know machines.
#pragma once

#include <vector>

#include "tenon/ir/graph.h"
#include "tenon/ir/target.h"

namespace tenon::passes {

// Costs are in scalar operations per element. Changing a limit changes which kernels there are, never what they compute.
struct FusionLimits {
  int kernel_ops =
      300;  // what one kernel may hold: compile time grows faster than length, and registers run out before
  int free = 6;  // up to here a value is computed again wherever it is read: a load would cost as much
  int cheap = 4;  // up to here it may be computed a few times rather than stored once: a store and a load cost as much
  int dear = 8;  // from here on it is kept on chip rather than computed once per pass over a row
  int number = 24;  // up to here every thread may repeat what a single number takes: a launch costs more
  int view_depth = 8;  // movement ops that one read may pass: bounds recursion while lowering
  uint32_t reads = 32;  // reads of one value that are looked at: keeps both sweeps linear in the graph

  // A reduction is split into partial results when its results alone would leave threads without work, and every thread
  // gets more than its launch costs.
  int64_t few_rows = 8, long_rows = 65536;  // results at most, elements in all at least, over trailing axes
  int64_t few_columns = 256, long_column = 4096;  // results at most, elements of each at least, over leading axes
};
inline constexpr FusionLimits fusion_limits{};

class OpCosts {
 public:
  explicit OpCosts(const Target& target) : tiles(target.tiles) {}
  int of(const ir::Graph& graph, const ir::Node& node);
  const Tiles tiles;

 private:
  std::vector<int> known_;
};

}  // namespace tenon::passes
