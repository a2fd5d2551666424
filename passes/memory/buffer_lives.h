// When each buffer of a program holds something that is still wanted, in the order of steps. A buffer used inside a loop
// and outside it lives as long as the loop does. Refuses to place anything.
#pragma once

#include <vector>

#include "tenon/ir/kernel/program.h"

namespace tenon::passes {

struct Life {
  int first = INT32_MAX, last = -1;  // step numbers, counted through nested steps; a loop's carries count as one step
  bool used() const { return last >= 0; }
};
std::vector<Life> buffer_lives(const ir::Program& program);

}  // namespace tenon::passes
