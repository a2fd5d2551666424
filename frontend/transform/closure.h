// Closed graphs that become attributes of one op: what any of them captured is passed once, and every graph takes all of it.
// Internal to the frontend.
#pragma once

#include <memory>
#include <vector>

#include "tenon/frontend/transform/program.h"

namespace tenon::detail {

// Appends what a program captured and the list does not have.
void collect(const Program& p, std::vector<Tensor>& constants);
// The program's graph, taking `constants` before or after its arguments; what it does not use is an unused input.
std::shared_ptr<const ir::Graph> with_constants(const Program& p, const std::vector<Tensor>& constants,
                                                bool constants_first);

}  // namespace tenon::detail
