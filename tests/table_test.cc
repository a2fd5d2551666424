// What is asked of an op stands in its row: the places that tell ops or kinds of groups apart by a switch are counted and
// listed here, and attributes are read by name. A new switch is a column that is missing; where it really belongs (a renderer
// that spells instructions, arithmetic on them), add it to the list.
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <sstream>

#include "tenon/tests/source_tree.h"

namespace tenon::testing {
namespace {

bool is_source(const std::string& path) {
  const bool code = path.ends_with(".cc") || path.ends_with(".h");
  return code && path.rfind("tests/", 0) != 0;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Switches by file whose first case is a member of `type`.
std::map<std::string, int> switches_over(const std::string& type) {
  const std::regex first_case("case +([a-z]+::)*" + type + "::");
  std::map<std::string, int> found;
  for (const auto& file : source_tree()) {
    if (!is_source(file.path)) continue;
    const std::vector<std::string> lines = lines_of(file.text);
    for (size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].find("switch (") == std::string::npos) continue;
      for (size_t k = i + 1; k < std::min(lines.size(), i + 4); ++k)
        if (lines[k].find("case ") != std::string::npos) {
          found[file.path] += std::regex_search(lines[k], first_case);
          break;
        }
    }
  }
  std::erase_if(found, [](const auto& entry) { return entry.second == 0; });
  return found;
}

TEST(Table, SwitchesOverOpsAreThese) {
  const std::map<std::string, int> expected = {
      {"codegen/cuda/index.cc", 1},  // what stays narrow: integer arithmetic
      {"codegen/llvm/index_division.cc", 1},  // how large an index may be: integer arithmetic
      {"codegen/llvm/scalar.cc", 4},  // spells the exact instructions
      {"frontend/ops/elementwise.cc", 1},  // what bools enter as
      {"frontend/stablehlo/import_dynamic.cc", 1},  // arithmetic on extents
      {"frontend/stablehlo/print_control.cc", 1},  // control flow, each form of its own
      {"frontend/stablehlo/print_elementwise.cc", 3},  // what another language calls them
      {"frontend/stablehlo/print_movement.cc", 1},
      {"frontend/stablehlo/print_reduction.cc", 2},
      {"ir/kernel/access.cc", 2},  // how an index moves: integer arithmetic
      {"ir/kernel/bounds_scalars.cc", 3},  // what integer arithmetic and comparisons bound
      {"ir/kernel/collectives.cc", 1},  // what the host calls them
      {"ir/kernel/elementwise.cc", 2},  // folds integer arithmetic on indices
      {"ir/reference/lanes.cc", 1},  // the interpreter's exact instructions, by kind
      {"ir/reference/lanes_arithmetic.cc", 4},  // ... and their arithmetic
      {"ir/reference/lanes_logic.cc", 2},  // ... bits and comparisons
      {"ir/rules/factors.cc", 1},  // which collective joins a reduction
      {"passes/grad/linearize_control.cc", 1},  // control flow, each form of its own
      {"passes/grad/live.cc", 1},  // what the results of control flow need
      {"passes/lower/control.cc", 1},  // control flow as steps
      {"passes/ranks/partition.cc", 1},  // attributes that say a result's extents
      {"passes/ranks/vary.cc", 1},  // along which axes results differ
      {"passes/sparse/propagate_straight.cc", 1},  // which operand elements a sum is over, each form of its own
  };
  EXPECT_EQ(switches_over("Op"), expected);
}

TEST(Table, SwitchesOverGroupKindsAreTheseAndHaveNoDefault) {
  const std::map<std::string, int> expected = {
      {"passes/fuse/point.cc", 1},  // what a draft takes in
      {"passes/lower/group.cc", 1},  // how it becomes a kernel
      {"passes/pass.h", 1},  // the rows
  };
  EXPECT_EQ(switches_over("GroupKind"), expected);
}

TEST(Table, AttributesAreReadByName) {
  const std::regex numbered(R"(attrs(\(.*\))?\[[0-9])");
  for (const auto& file : source_tree()) {
    if (!file.path.ends_with(".cc") && !file.path.ends_with(".h")) continue;
    const std::vector<std::string> lines = lines_of(file.text);
    for (size_t i = 0; i < lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(lines[i], numbered))
          << file.path << ":" << i + 1 << ": a number where a name of ir/graph/attributes.def belongs: " << lines[i];
  }
}

}  // namespace
}  // namespace tenon::testing
