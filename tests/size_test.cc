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

constexpr int line_limit = 400;
constexpr int median_limit = 130;
constexpr int function_limit = 80;

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

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.size(), text.find('\n', at));
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Whether a line of formatted C++ opens a function's body or a lambda's: it ends with a brace behind a list of parameters, and is
// neither control flow nor a table.
bool opens_function(const std::string& line) {
  if (!ends_with(line, "{") || ends_with(line, "= {") || line.find(')') == std::string::npos) return false;
  const size_t start = line.find_first_not_of(" }");
  for (const char* word :
       {"if", "for", "while", "switch", "else", "catch", "do", "return {", "case", "default", "//"}) {
    const std::string w = word;
    if (line.compare(start, w.size(), w) == 0 && !std::isalnum(static_cast<unsigned char>(line[start + w.size()])) &&
        line[start + w.size()] != '_')
      return false;
  }
  return true;
}

struct LongFunction {
  std::string opening;
  size_t lines = 0;
};
// The longest function of a formatted file: from the line that opens it to the brace at the same depth.
LongFunction longest_function(const std::string& text) {
  LongFunction longest;
  const std::vector<std::string> lines = lines_of(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!opens_function(lines[i])) continue;
    // Parameters may stand on lines of their own, deeper than the brace that closes.
    size_t depth = lines[i].find_first_not_of(' '), end = i + 1;
    for (; end < lines.size(); ++end) {
      const size_t indent = lines[end].find_first_not_of(' ');
      if (indent != std::string::npos && indent <= depth && lines[end][indent] == '}') break;
    }
    if (end - i + 1 > longest.lines) longest = {lines[i], end - i + 1};
  }
  return longest;
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
  EXPECT_EQ(vague_part("ir/graph/graph.h"), "");
  EXPECT_TRUE(opens_function("void f(int x) {"));
  EXPECT_TRUE(opens_function("  const auto each = [&](auto& item) {"));
  EXPECT_FALSE(opens_function("  } else if (x) {"));
  EXPECT_FALSE(opens_function("const Row rows[] = {"));
  EXPECT_EQ(longest_function("int f() {\n  if (x) {\n  }\n}\n\nint g() {\n}\n").lines, 4u);
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

TEST(Size, FilesAndFunctionsAreShort) {
  std::vector<size_t> lengths;
  for (const auto& file : source_tree()) {
    if (!ends_with(file.path, ".cc") && !ends_with(file.path, ".h") && !ends_with(file.path, ".c")) continue;
    lengths.push_back(lines_of(file.text).size());
    const LongFunction longest = longest_function(file.text);
    EXPECT_LE(longest.lines, size_t{function_limit}) << file.path << ": " << longest.opening << " is long: split it";
  }
  ASSERT_FALSE(lengths.empty());
  std::nth_element(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2), lengths.end());
  EXPECT_LE(lengths[lengths.size() / 2], size_t{median_limit}) << "half of the files are longer";
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
