// How the values of a graph lie over the axes of a mesh: along which axis each dimension is cut, found from what constrain says.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tenon/passes/ranks/vary.h"

namespace tenon::passes {

struct MeshAxis {
  int64_t size = 1, stride = 1;
  std::string name;
};
// For each dimension the number of the axis that it is cut along, -1: whole.
using Cuts = std::vector<int8_t>;

// The axes along which a graph's constrain nodes cut something. Error where two of them are different axes over the same ranks, and
// where a free extent is cut.
std::vector<MeshAxis> mesh_of(const ir::Graph& graph);

// Along which axes each value differs between ranks before anything is cut, by what the program's own collectives say. Error where
// constrain cuts along an axis along which its operand differs.
std::vector<AxisSet> differing(const ir::Graph& graph, std::span<const MeshAxis> mesh);
// The axes that a node cannot be cut along: its own collective's, and those along which what it takes or gives differs.
AxisSet taken_axes(const ir::Graph& graph, const ir::Node& node, std::span<const MeshAxis> mesh,
                   std::span<const AxisSet> differs);

// The nodes that an output or an effect needs. What is inserted for the others would keep other ranks waiting for nothing.
std::vector<bool> kept_nodes(const ir::Graph& graph);

// How each value is wanted. Forward from every cut value, as far as ops run along what is cut; backward to a value where all that read
// it want it cut so, since a whole value is cut for nothing and a cut one is not made whole for nothing. Each dimension is decided
// once, so the work is linear in the graph.
std::vector<Cuts> wanted(const ir::Graph& graph, std::span<const MeshAxis> mesh, std::span<const AxisSet> differs,
                         const std::vector<bool>& kept);

// Which index of an op is cut along which axis, -1: none, so that the fewest bytes move between ranks: operands lie as they do, results
// as they are wanted.
Cuts shared_out(const ir::Graph& graph, const ir::Node& node, const ir::Factors& factors,
                std::span<const MeshAxis> mesh, AxisSet taken, std::span<const Cuts> operands,
                std::span<const Cuts> results);

}  // namespace tenon::passes
