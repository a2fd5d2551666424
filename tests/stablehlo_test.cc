// The conformance suite: the 1,378 programs of ../shared/data/stablehlo, each interpreted and jitted and held against what JAX computed.
// Programs with free extents come without answers: there both routes must agree to the bit. Prints how many passed, were wrong and are
// not supported, and of those the reasons by how many programs each keeps out. Without that folder it is skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "tenon/frontend/tenon.h"
#include "tenon/tests/child.h"
#include "tenon/tests/stablehlo_case.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

constexpr double share_reached = 0.5;

struct Outcome {
  std::string wrong, unsupported;
};

std::string compared(const HloCase& c, const std::vector<ir::Array>& actual) {
  for (size_t i = 0; i < c.expected.size(); ++i)
    if (const std::string apart = distance(c.expected[i], actual[i], c.how[i], c.scale); !apart.empty())
      return "result " + std::to_string(i) + ": " + apart;
  return "";
}

Outcome outcome_of(const std::string& path) {
  HloCase c;
  try {
    c = read_case(path);
  } catch (const Error& e) {
    return {"", e.what()};
  }
  try {
    std::vector<ir::Array> inputs, interpreted, jitted;
    for (const Tensor& t : c.program->inputs(c.inputs)) inputs.push_back(array_of(t));
    interpreted = ir::interpret(*c.program->graph, inputs);
    // With free extents the numbers that shapes depend on are no longer known inside jit.
    const Traced program = c.open ? stablehlo::load(path) : Traced(c.program);
    const auto step = jit([&program](const std::vector<Tensor>& x) { return program(x); });
    for (const Tensor& t : step(c.inputs)) jitted.push_back(array_of(t));
    if (c.open) {
      c.expected = interpreted;
      c.how.assign(interpreted.size(), Closeness::equal);
    } else if (const std::string apart = compared(c, interpreted); !apart.empty()) {
      return {"interpreted, " + apart, ""};
    }
    if (const std::string apart = compared(c, jitted); !apart.empty()) return {"jitted, " + apart, ""};
  } catch (const std::exception& e) {
    return {e.what(), ""};
  }
  return {};
}

// The message without its place, so that equal reasons count together.
std::string reason(const std::string& message) {
  const size_t name = message.find(": ");
  return message.substr(name == std::string::npos ? 0 : name + 2, 100);
}

struct Removed {
  std::string folder;
  ~Removed() { std::filesystem::remove_all(folder); }
};

TEST(StableHlo, ProgramsOfItsTestData) {
  const std::string archive = std::string(TENON_SOURCE_DIR) + "/../shared/data/stablehlo/testdata.tar.xz";
  if (!std::filesystem::exists(archive)) GTEST_SKIP() << "StableHLO's test data is not there: " << archive;
  const Removed data{temporary_folder("stablehlo")};
  bool unpacked = false;
  const std::string said = printed_by("xz -dc '" + archive + "' | tar x -C '" + data.folder + "'", unpacked);
  if (!unpacked) GTEST_SKIP() << "StableHLO's test data cannot be unpacked: " << said;
  const char* only = std::getenv("TENON_STABLEHLO_ONLY");
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data.folder))
    if (entry.path().extension() == ".mlir" &&
        (only == nullptr || entry.path().filename().string().find(only) != std::string::npos))
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());

  std::vector<Outcome> outcomes(paths.size());
  std::atomic<size_t> next = 0;
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    workers.emplace_back([&] {
      for (size_t at = next++; at < paths.size(); at = next++) outcomes[at] = outcome_of(paths[at]);
    });
  for (std::thread& w : workers) w.join();

  size_t wrong = 0, unsupported = 0;
  std::map<std::string, size_t> reasons;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!outcomes[i].unsupported.empty()) {
      ++unsupported;
      ++reasons[reason(outcomes[i].unsupported)];
      if (only != nullptr) std::cout << outcomes[i].unsupported << "\n";
    } else if (!outcomes[i].wrong.empty()) {
      ++wrong;
      ADD_FAILURE() << std::filesystem::path(paths[i]).filename().string() << ": " << outcomes[i].wrong;
    }
  }
  const size_t passed = paths.size() - wrong - unsupported;
  std::cout << "stablehlo: " << passed << " passed, " << wrong << " wrong, " << unsupported << " unsupported\n";
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& [text, count] : reasons) ranked.emplace_back(count, text);
  std::sort(ranked.rbegin(), ranked.rend());
  for (const auto& [count, text] : ranked) std::cout << "  " << count << "  " << text << "\n";
  if (only == nullptr) {
    EXPECT_GE(static_cast<double>(passed), share_reached * static_cast<double>(paths.size()));
  }
}

}  // namespace
}  // namespace tenon::testing
