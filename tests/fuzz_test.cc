// Random programs over the op table: every route gives the interpreter's bits. TENON_FUZZ_SECONDS says for how long (20),
// TENON_FUZZ_SEED where to begin; a failure prints its seed and the smallest program found that fails alike. TENON_FUZZ_TRACE=1 names
// each seed before it runs, for the case that the process dies.
#include <chrono>
#include <cstdlib>

#include <gtest/gtest.h>

#include "tenon/tests/random_program.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {
namespace {

using namespace ir;

double seconds_allowed() {
  const char* text = std::getenv("TENON_FUZZ_SECONDS");
  return text ? std::atof(text) : 20;
}
uint64_t first_seed() {
  const char* text = std::getenv("TENON_FUZZ_SEED");
  return text ? std::strtoull(text, nullptr, 10)
              : static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1000000007;
}

std::optional<std::string> wrong_route(const Case& program) {
  const std::vector<std::string> findings = verify(*program.graph);
  if (!findings.empty()) return "not sound: " + findings[0];
  return first_disagreement(program.graph, program.inputs, program.nans);
}

std::string route_of(const std::string& message) { return message.substr(0, message.find(':')); }

void fuzz(bool symbolic, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  uint64_t seed = first_seed(), programs = 0, failures = 0;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (; elapsed() < seconds && failures < 5; ++seed, ++programs) {
    ProgramSize size;
    size.symbolic = symbolic;
    size.nodes = 4 + static_cast<int>(seed % 20);
    size.large = seed % 8 == 0;
    if (std::getenv("TENON_FUZZ_TRACE")) std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    const Case program = random_program(seed, size);
    const std::optional<std::string> wrong = wrong_route(program);
    if (!wrong) continue;
    ++failures;
    const Case small = shrunk(
        program,
        [&](const Case& smaller) {
          const auto still = wrong_route(smaller);
          return still && route_of(*still) == route_of(*wrong);
        },
        300);
    std::string inputs;
    for (const Array& array : small.inputs) {
      inputs += to_string(array.type) + ":";
      for (int64_t i = 0; i < std::min<int64_t>(array.numel(), 8); ++i) inputs += " " + element_text(array, i);
      inputs += "\n";
    }
    ADD_FAILURE() << "TENON_FUZZ_SEED=" << seed << "\n" << *wrong_route(small) << "\n" << small.graph->text() << inputs;
  }
  std::printf("%llu programs\n", static_cast<unsigned long long>(programs));
}

TEST(Fuzz, FixedExtents) { fuzz(false, seconds_allowed() * 0.6); }
TEST(Fuzz, SymbolicExtents) { fuzz(true, seconds_allowed() * 0.4); }

}  // namespace
}  // namespace tenon::testing
