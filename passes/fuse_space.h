// Iteration spaces and how a value is read through movement ops. A space is a shape without its unit extents, interned, so
// that equal spaces are equal numbers. An Access says which axis of a reader's space each axis of the read value follows.
// Refuses to decide what is fused; it only describes.
#pragma once

#include <map>
#include <vector>

#include "tenon/ir/graph.h"

namespace tenon::passes {

using SpaceId = uint32_t;

class Spaces {
 public:
  explicit Spaces(const ir::Graph& graph) : graph_(graph) {}
  SpaceId of(const Shape& shape);
  SpaceId of(ir::ValueId v);
  const std::vector<Dim>& dims(SpaceId s) const { return spaces_[s]; }
  // Axes of `shape` that are no unit extents, in order.
  static std::vector<int> axes(const Shape& shape);
  // Elements, or -1 when an extent is a symbol.
  int64_t numel(SpaceId s) const;

 private:
  const ir::Graph& graph_;
  std::map<std::vector<int64_t>, SpaceId> known_;
  std::vector<std::vector<Dim>> spaces_;
  std::vector<SpaceId> by_type_;  // by type number, + 1
};

// A value as seen through a chain of movement ops.
struct Access {
  ir::ValueId base = ir::no_value;
  std::vector<int> axes;  // per axis of base's space: the axis of the reader's space that it follows
  bool exact = true;  // `axes` tells the whole story; false after a slice, a reverse, a reshape that regroups
  bool expands = false;  // the reader's space has an axis that the value does not follow
  int depth = 0;  // movement ops passed
  bool identity() const;
};

Access direct(ir::ValueId v, Spaces& spaces);
// The access through one movement node whose operand is accessed as `inner`.
Access through(const ir::Graph& graph, const ir::Node& node, const Access& inner, Spaces& spaces);

}  // namespace tenon::passes
