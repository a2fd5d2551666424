// The indices that an op runs over, and which dimension of which operand and result each of them runs along: what decides whether
// ranks can share the op's work. An index that all ranks share out gives parts of results; one that no result has is reduced over,
// and the parts' results are joined. Dimensions without an index are taken and given whole.
#pragma once

#include <optional>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

struct Factor {
  int64_t extent = 0;  // parts must divide it; 0: it cannot be cut
  std::optional<ir::Op> joins =
      {};  // the collective over what ranks have of the results; none: results run along the index
};

struct Factors {
  std::vector<Factor> all;
  std::vector<std::vector<int>> operands, results;  // for each dimension the index, -1: none
  bool apart = false;  // each operand becomes a result of its own; else an axis cuts one index of the op at most
};
Factors factors_of(const ir::Graph& graph, const ir::Node& node);

}  // namespace tenon::passes
