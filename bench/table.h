// The closing table: what was measured in this run, beside the bars. Kept results live as long as the process.
#pragma once

#include "tenon/bench/case.h"

namespace tenon::bench {

void keep(const Case& c, Result r);

}  // namespace tenon::bench
