// Runs random programs in child processes, so that one that crashes or hangs is a finding like any other and the run goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenon::testing {

struct FuzzPlan {
  double seconds = 10;
  uint64_t first_seed = 1, most_seeds = UINT64_MAX;
  int jobs = 1;  // processes at once
  size_t most_findings = 40;
  double shrink_seconds = 40;  // for each of the first few findings
  double hang_seconds = 120;  // for one route
};
struct FuzzReport {
  uint64_t programs = 0, route_runs = 0;
  std::vector<std::string> findings;  // seed, route, message, the smallest program found that fails alike
};
FuzzReport fuzz(const FuzzPlan& plan);

// One text through every route several times over; the findings.
std::vector<std::string> fuzz_text(const std::string& text, uint64_t seeds);

}  // namespace tenon::testing
