// The lookup tables of a GraphBuilder, gone when the graph is finished.
#pragma once

#include <vector>

#include "tenon/ir/base/index_table.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

// A question to a type rule and where its answer stands: operand types, then result types, in `type_lists`.
struct Inference {
  Op op{};
  AttrsId attrs{};
  uint32_t first = 0, operand_count = 0, result_count = 0;
};

struct GraphBuilder::Tables {
  IndexTable types, attrs, locations, nodes, inferred;
  std::vector<Inference> inferences;
  std::vector<TypeId> type_lists;
};

}  // namespace tenon::ir
