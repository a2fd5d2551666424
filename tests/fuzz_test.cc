// Random programs over all routes: every one gives the interpreter's bits. Without variables a few seconds of the same
// programs each time; `./dev fuzz SECONDS` goes on from the clock. TENON_FUZZ_SEED and TENON_FUZZ_COUNT say which programs,
// TENON_FUZZ_TEXT names a file with one program's text instead.
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tenon/tests/fuzz_run.h"

namespace tenon::testing {
namespace {

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Fuzz, EveryRouteGivesTheInterpretersBits) {
  setenv("TENON_VERIFY", "1", 0);
  if (const char* file = std::getenv("TENON_FUZZ_TEXT")) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    for (const std::string& finding : fuzz_text(text.str(), number("TENON_FUZZ_COUNT", 20))) ADD_FAILURE() << finding;
    return;
  }
  FuzzPlan plan;
  plan.seconds = static_cast<double>(number("TENON_FUZZ_SECONDS", 12));
  const bool asked = std::getenv("TENON_FUZZ_SECONDS") != nullptr;
  plan.first_seed = number("TENON_FUZZ_SEED", asked ? static_cast<uint64_t>(std::time(nullptr)) * 1000 : 1);
  plan.most_seeds = number("TENON_FUZZ_COUNT", UINT64_MAX);
  plan.jobs = static_cast<int>(number("TENON_FUZZ_JOBS", 1));
  std::printf("from seed %llu on\n", static_cast<unsigned long long>(plan.first_seed));
  const FuzzReport report = fuzz(plan);
  std::printf("%llu programs, %llu route runs, %zu mismatches\n", static_cast<unsigned long long>(report.programs),
              static_cast<unsigned long long>(report.route_runs), report.findings.size());
  EXPECT_TRUE(report.findings.empty()) << report.findings.size() << " mismatches, the first: " << report.findings[0];
  EXPECT_GT(report.programs, 0u);
}

}  // namespace
}  // namespace tenon::testing
