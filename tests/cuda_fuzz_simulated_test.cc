// Random programs on the simulated GPU: whole programs, not ops, give the interpreter's bits through Tenon's own road to a GPU, in
// three orders of threads. TENON_FUZZ_COUNT and TENON_FUZZ_SEED say how many and from which on.
#include <cstdlib>

#include "tenon/tests/program_routes.h"
#include "tenon/tests/simulated_gpu.h"

namespace tenon::testing {
namespace {

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(CudaFuzzSimulated, ProgramsGiveTheInterpretersBits) {
  use_simulated_gpu();
  if (const std::string reason = no_simulated_gpu(); !reason.empty()) GTEST_SKIP() << reason;
  const char* const orders[] = {"order=forward", "order=reverse late=0", "order=random seed=11"};
  const uint64_t first = number("TENON_FUZZ_SEED", 1), count = number("TENON_FUZZ_COUNT", 90);
  uint64_t ran = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    setenv("SIMULATED_CUDA", orders[seed % 3], 1);
    const RandomProgram program = random_program(seed);
    for (const std::vector<int64_t>& values : program.runs) {
      const Case c = program.at(values);
      const auto finding = first_finding(c, seed, "GPU");
      ASSERT_FALSE(finding) << "seed " << seed << ": " << finding->message << "\n" << c.graph->text();
      ++ran;
    }
  }
  EXPECT_GT(ran, count);
  EXPECT_GT(simulated_count("kernels_run"), static_cast<long>(count));
}

}  // namespace
}  // namespace tenon::testing
