// Which neighbouring axes a group never tells apart, so that its loops and its buffers see them as one. A run is a
// maximal list of axes that every access treats as contiguous; its index stands at the last axis, the others hold 0, and
// since buffers are row-major that is the same element. Refuses to choose loops.
#pragma once

#include <unordered_map>
#include <vector>

#include "tenon/passes/pass.h"

namespace tenon::passes {

// Axes of a reshape that correspond: equal products, in order. Both ranges count axes without unit extents.
struct Regrouping {
  int from_begin, from_end, to_begin, to_end;
};
std::vector<Regrouping> regroup(const std::vector<Dim>& from, const std::vector<Dim>& to);
std::vector<Dim> without_units(const Shape& shape);
std::vector<int> axes_without_units(const Shape& shape);

class Runs {
 public:
  Runs(const ir::Graph& graph, const Group& group);
  struct Run {
    int begin, end;  // axes without unit extents
  };
  std::vector<Run> of(ir::ValueId v);
  std::vector<Run> of_space() const { return runs(space_, rank_); }
  std::vector<Run> of_outer() const { return runs(outer_, outer_rank_); }
  bool joined(ir::ValueId v, int boundary);  // between axes boundary and boundary + 1

 private:
  void constrain(const ir::Node& n);
  void constrain_reduction(const ir::Node& n);
  void constrain_contraction(const ir::Node& n);
  void constrain_axes(const ir::Node& n, const ir::AxisMap& map);
  int first(ir::ValueId v);  // number of the value's boundary 0
  int rank(ir::ValueId v);
  int find(int boundary) const;
  void tie(int a, int b);
  void cut(int boundary) { cut_[static_cast<size_t>(find(boundary))] = 1; }
  void cut_all(ir::ValueId v);
  void tie_all(ir::ValueId a, int b, int rank);
  // Ties a value's neighbours to another's through a map of axes; cuts what is no neighbour there.
  void tie_axes(ir::ValueId inner, const std::vector<int>& map, ir::ValueId outer);
  int fresh(int rank);
  std::vector<Run> runs(int first, int rank) const;

  const ir::Graph& graph_;
  const Group& group_;
  std::unordered_map<uint32_t, std::pair<int, int>> known_;  // value -> first boundary, rank
  mutable std::vector<int> parent_;
  std::vector<char> cut_;
  int space_ = 0, rank_ = 0, outer_ = 0, outer_rank_ = 0;
};

}  // namespace tenon::passes
