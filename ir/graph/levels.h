// All nodes of a graph and of the graphs inside it under one numbering, so that a kernel or a step of a loop's body can name what
// it computes: the outermost nodes first, then body after body, level by level. Two graphs of one text are numbered alike.
#pragma once

#include <unordered_map>
#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

class Levels {
 public:
  explicit Levels(const Graph& outermost);  // which must outlive this
  // The number of the first node of `inner`, a graph among the attributes of the node that bears this number.
  uint32_t first_of(uint32_t node, const Graph& inner) const;
  struct Place {
    const Graph* graph = nullptr;  // null where there is no such node
    NodeId node{};
  };
  Place find(uint32_t number) const;

 private:
  struct Level {
    const Graph* graph;
    uint32_t first;  // number of its first node
  };
  std::vector<Level> levels_;  // ascending
  std::unordered_multimap<uint32_t, size_t> inside_;  // levels by the node that owns them
};

}  // namespace tenon::ir
