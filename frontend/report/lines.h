// Source lines of numbered nodes, for explain() and for the manifest beside a saved program. Internal to the frontend.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenon/ir/graph/levels.h"

namespace tenon {

// The location of a node of the optimised graph, as an artifact numbers them; unknown where there is none.
Location location_of(const ir::Levels& levels, uint32_t node);
std::string file_line(const Location& where);  // model.cc:12
std::string describe_node(const ir::Levels& levels, uint32_t node);  // exp (model.cc:12)
// The lines of several nodes, each once, in order.
std::vector<std::string> lines_of(const ir::Levels& levels, std::span<const uint32_t> nodes);

}  // namespace tenon
