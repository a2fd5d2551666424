// Reductions that share one loop: what they yield for each element, and where their results go. Refuses to choose the loops
// around it (lower/row.cc, lower/column.cc, lower/split.cc).
#pragma once

#include <functional>
#include <vector>

#include "tenon/passes/lower/group.h"

namespace tenon::passes {

// The order of the contract in which a reduction combines; the last axis of the type decides, be its extent 1.
ir::Tree tree_of(const ir::Graph& graph, const ir::Node& reduction);

struct Reductions {
  std::vector<const ir::Node*> nodes;
  std::vector<ir::Op> combines;
  std::vector<DType> types;  // of the accumulators

  using IndexOf = std::function<Index(ir::ValueId)>;
  // The elements that they take in, in their accumulators' dtypes.
  std::vector<ir::ScalarId> yields(Elements& e, const IndexOf& index_of) const;
  // Makes the results known from now on.
  void set_results(Elements& e, const std::vector<ir::ScalarId>& results, const IndexOf& index_of) const;
};
// Those of a group whose results are asked for, by order of combining when one is given.
Reductions reductions_of(const ir::Graph& graph, const Group& group, const ir::Tree* tree,
                         const std::function<bool(ir::ValueId)>& wanted);

}  // namespace tenon::passes
