// How a value is read through movement ops: which axis of a reader's space each axis of the read value follows.
// Refuses to decide what is fused; it only describes.
#pragma once

#include <vector>

#include "tenon/passes/axes.h"

namespace tenon::passes {

// A value as seen through a chain of movement ops.
struct Access {
  ir::ValueId base = ir::no_value;
  std::vector<int> axes;  // per axis of base: the axis of the reader's space that it follows
  bool exact = true;  // `axes` tells the whole story; false after a slice, a reverse, a reshape that regroups
  bool expands = false;  // the reader's space has an axis that the value does not follow
  int depth = 0;  // movement ops passed
  bool identity() const;
};

Access direct(ir::ValueId v, const Axes& axes);
// The access through one movement node whose operand is accessed as `inner`.
Access through(const ir::Graph& graph, ir::NodeId n, const Access& inner, const Axes& axes);

}  // namespace tenon::passes
