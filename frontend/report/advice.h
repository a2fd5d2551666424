// What a program could say better, found in its graph. Internal to the frontend.
#pragma once

#include <string>
#include <vector>

#include "tenon/ir/graph/levels.h"

namespace tenon {

// A line for each product of a softmax of a product: nn::attention computes it without the matrix in between. Forward code alone:
// what a derivative makes of it is not looked for.
std::vector<std::string> advice(const ir::Graph& graph);

}  // namespace tenon
