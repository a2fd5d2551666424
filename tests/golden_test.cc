// Golden IR: each tests/ir/*.tn is a program, the passes to run on it (first line: "; passes: simplify dce"), and, after a
// line "; ---", the text that must come out. TENON_BLESS=1 rewrites what comes out.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "tenon/passes/pass.h"

namespace tenon::testing {
namespace {

const std::string separator = "; ---\n";

std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/ir"))
    if (entry.path().extension() == ".tn") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> pass_names(const std::string& text) {
  const std::string mark = "; passes:";
  if (text.compare(0, mark.size(), mark) != 0) throw Error("a golden file begins with '; passes: NAME...'");
  std::istringstream words(text.substr(mark.size(), text.find('\n') - mark.size()));
  std::vector<std::string> names;
  for (std::string word; words >> word;) names.push_back(word);
  return names;
}

class Golden : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Golden, ComesOutAsWritten) {
  std::ifstream in(GetParam());
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const size_t cut = text.find(separator);
  const std::string program = text.substr(0, cut);
  const std::string expected = cut == std::string::npos ? "" : text.substr(cut + separator.size());
  const std::string actual = passes::run_passes(*ir::parse(program), pass_names(text))->text();
  if (std::getenv("TENON_BLESS") && actual != expected)
    std::ofstream(GetParam()) << program << separator << actual;
  else
    EXPECT_EQ(actual, expected) << GetParam() << ": TENON_BLESS=1 accepts what came out";
}

TEST(GoldenFiles, ShowEveryPass) {
  std::set<std::string> shown;
  for (const auto& path : golden_files()) {
    std::ifstream in(path);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    for (const std::string& name : pass_names(text)) shown.insert(name);
  }
  for (const std::string& name : passes::graph_passes())
    EXPECT_TRUE(shown.contains(name)) << "no file of tests/ir runs the pass " << name << ": show what it does";
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::ValuesIn(golden_files()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace tenon::testing
