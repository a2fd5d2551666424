// Checks the form of every hand-written file: its length, its opening comment, its name, and words that do
// not belong. Says nothing about layout, which clang-format decides.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "tenon/tests/source_tree.h"

namespace tenon::testing {
namespace {

constexpr int line_limit = 500;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_code(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name == "dev" || name == "CMakeLists.txt" || path == ".ci/run") return true;
  for (const char* end : {".cc", ".h", ".c", ".cmake", ".sh", ".def", ".map", ".py"}) {
    if (ends_with(name, end)) return true;
  }
  return false;
}

std::string opening_line(const std::string& text) {  // the first line, or the one after #!
  size_t begin = 0;
  if (text.rfind("#!", 0) == 0) begin = std::min(text.size(), text.find('\n') + 1);
  return text.substr(begin, text.find('\n', begin) - begin);
}

bool opens_with_comment(const std::string& text) {
  const std::string line = opening_line(text);
  const bool marked = line.rfind("//", 0) == 0 || line.rfind("/*", 0) == 0 || line.rfind("# ", 0) == 0;
  return marked && std::count_if(line.begin(), line.end(), [](unsigned char c) { return std::isalpha(c); }) >= 12;
}

// Whether `word` occurs in `text` with no letter, digit or underscore beside it.
bool has_word(const std::string& text, const std::string& word) {
  const auto joined = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !joined(text[at - 1])) && (end == text.size() || !joined(text[end]))) return true;
  }
  return false;
}

std::string vague_part(const std::string& path) {  // a part of the name that says nothing about the content
  std::string lower = path;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* part : {"util", "helper", "manager"}) {
    if (lower.find(part) != std::string::npos) return part;
  }
  return "";
}

TEST(Size, RulesRefuseWhatTheyShould) {
  EXPECT_TRUE(opens_with_comment("// What this file is for.\nint x;\n"));
  EXPECT_TRUE(opens_with_comment("#!/bin/sh\n# What this script is for.\n"));
  EXPECT_FALSE(opens_with_comment("#include <vector>\n"));
  EXPECT_FALSE(opens_with_comment("// x\n"));
  EXPECT_FALSE(opens_with_comment(""));
  EXPECT_TRUE(has_word("a FIX, b", "FIX"));
  EXPECT_FALSE(has_word("PREFIX FIXED", "FIX"));
  EXPECT_EQ(vague_part("ir/string_utils.h"), "util");
  EXPECT_EQ(vague_part("ir/graph.h"), "");
  EXPECT_TRUE(is_code("tests/package/run.sh"));
  EXPECT_FALSE(is_code("tests/golden/fuse.ir"));
}

TEST(Size, LengthAndOpeningComment) {
  int code_files = 0;
  for (const auto& file : source_tree()) {
    if (!is_code(file.path)) continue;
    ++code_files;
    const auto lines = std::count(file.text.begin(), file.text.end(), '\n');
    EXPECT_LE(lines, line_limit) << file.path << " holds more than one idea: split it";
    EXPECT_TRUE(opens_with_comment(file.text)) << file.path << " does not say first what it is for";
  }
  EXPECT_GT(code_files, 5) << "the scan of the tree is broken";
}

TEST(Size, NamesSayWhatFilesHold) {
  for (const auto& file : source_tree()) {
    EXPECT_EQ(vague_part(file.path), "") << file.path;
  }
}

TEST(Size, NoUnfinishedMarksAndNoMachinePaths) {
  // Written in pieces so that this file passes its own test.
  const std::vector<std::string> marks = {
      "TO"
      "DO",
      "FIX"
      "ME",
      "XX"
      "X",
      "HA"
      "CK"};
  const std::vector<std::string> paths = {
      "/wo"
      "rk/",
      "/var"
      "/tmp/",
      "/ro"
      "ot/",
      "/ho"
      "me/"};
  for (const auto& file : source_tree()) {
    for (const auto& mark : marks) EXPECT_FALSE(has_word(file.text, mark)) << file.path << " says " << mark;
    for (const auto& path : paths) {
      EXPECT_EQ(file.text.find(path), std::string::npos) << file.path << " names a folder of one machine: " << path;
    }
  }
}

}  // namespace
}  // namespace tenon::testing
