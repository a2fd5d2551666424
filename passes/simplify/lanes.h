// Checks and prints over lanes, in forms that lowering knows. Part of decompose.
#pragma once

#include "tenon/passes/rebuild.h"

namespace tenon::passes {

// Adds what a check or a print comes to, one lane after the other: a check of one bool, prints without lanes and mask.
void lane_by_lane(Rebuild& to, const ir::Node& node);

}  // namespace tenon::passes
