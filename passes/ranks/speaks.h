// Which nodes other ranks take part in: they keep their order, for it is that of every rank.
#pragma once

#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

// A collective, or control flow that contains one.
bool speaks(const ir::Graph& graph, const ir::Node& node);

}  // namespace tenon::passes
