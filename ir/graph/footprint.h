// The memory of a graph, for caches that bound what they hold.
#pragma once

#include <cstdint>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

uint64_t heap_bytes(const Type& type);
// All of a graph: nodes, types, attributes and the graphs in them, places. What several graphs share is counted in each.
uint64_t memory_bytes(const Graph& graph);

}  // namespace tenon::ir
