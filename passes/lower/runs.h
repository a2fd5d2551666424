// Which neighbouring axes a group never tells apart, so that its loops and its buffers see them as one. A run is a
// maximal list of axes that every access treats as contiguous; its index stands at the last axis, the others hold 0, and
// since buffers are row-major that is the same element. Axes are those that count (passes/axes.h). Refuses to choose loops.
#pragma once

#include <unordered_map>
#include <vector>

#include "tenon/passes/lower/boundaries.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {

class Runs {
 public:
  Runs(const ir::Graph& graph, const Axes& axes, const Group& group);
  struct Run {
    int begin, end;
  };
  std::vector<Run> of(ir::ValueId v) { return runs(first(v), axes.rank(v)); }
  std::vector<Run> of_space() const { return runs(space_, group_.space.rank()); }
  std::vector<Run> of_outer() const { return runs(outer_, group_.outer.rank()); }
  bool joined(ir::ValueId v, int boundary) { return joined(first(v) + boundary); }  // axes boundary and boundary + 1

  const Axes& axes;

 private:
  void constrain_loops();
  void constrain(ir::NodeId n);
  void constrain_renumbering(const ir::Node& n);
  void constrain_contraction(ir::NodeId n);
  void constrain_reads(ir::NodeId n);
  int first(ir::ValueId v);  // number of the value's boundary 0
  bool joined(int boundary) const { return !separate_ && !boundaries_.is_cut(boundary); }
  void cut_all(ir::ValueId v);
  void tie_all(ir::ValueId a, int b);
  // Ties a value's neighbours to another's through a map of axes; cuts what is no neighbour there.
  void tie_axes(ir::ValueId inner, const std::vector<int>& map, ir::ValueId outer);
  std::vector<Run> runs(int first, int rank) const;

  const ir::Graph& graph_;
  const Group& group_;
  const bool separate_;  // every axis for itself
  Boundaries boundaries_;
  std::unordered_map<uint32_t, int> first_;  // by value
  int space_ = 0, outer_ = 0;
};

}  // namespace tenon::passes
