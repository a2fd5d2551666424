// Programs over the ranks of a mesh: along which of its axes values differ.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenon/passes/pass.h"

namespace tenon::passes {

struct RankAxis {
  int64_t size = 1, stride = 1;
};
using AxisSet = uint64_t;  // axes by number: a bit each

// What the operands of a node must differ along, when some of them differ along these axes, and what its results do.
struct Met {
  AxisSet operands = 0, results = 0;
};
Met meets(const ir::Graph& graph, const ir::Node& node, std::span<const RankAxis> axes, AxisSet operands);

// Error where constrain, in a loop or a branch too, cuts along an axis along which what goes in differs.
void check_constrained(const ir::Graph& graph, const ir::Node& node, std::span<const RankAxis> axes, AxisSet operands);
// The same of the program of a pipeline's stage, along whose axis other ranks run other stages.
void check_stage(const ir::Graph& graph, const RankAxis& axis);

// Of the axes of constrain: ranks between neighbours, and the name in a list with commas, the number where there is none.
int64_t stride_of(const std::vector<int64_t>& sizes, size_t axis);
std::string axis_name(const std::string& names, size_t axis);

struct Varied {
  GraphPtr graph;
  std::vector<AxisSet> outputs;  // along which axes each differs
};
// inputs: along which axes each differs; those behind them along none. axes: 64 at most.
Varied varied(const ir::Graph& graph, std::span<const RankAxis> axes, std::span<const AxisSet> inputs);

}  // namespace tenon::passes
