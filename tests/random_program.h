// Random programs over the op table, and making a failing one small.
#pragma once

#include <functional>

#include "tenon/tests/op_cases.h"

namespace tenon::testing {

struct ProgramSize {
  int nodes = 14;
  bool symbolic = false;  // some extents are a named symbol
  bool large = false;     // enough elements for threads, blocks and partial results
};
Case random_program(uint64_t seed, const ProgramSize& size);

// The smallest program found that still fails: outputs dropped, values turned into inputs of the same content. `fails` is
// asked at most `tries` times.
Case shrunk(Case program, const std::function<bool(const Case&)>& fails, int tries);

}  // namespace tenon::testing
