// Random graphs of many ops over small shapes, for holding fused programs against the interpreter. Every choice comes from
// the seed. Refuses control flow.
#pragma once

#include "tenon/tests/op_cases.h"

namespace tenon::testing {

Case random_graph(uint64_t seed, int ops);

}  // namespace tenon::testing
