// Reads the source tree for the tests of its form.
// A plain scanner is enough: raw strings with a delimiter and line continuations inside comments are not
// understood.
#include "tenon/tests/source_tree.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tenon::testing {

namespace fs = std::filesystem;

std::vector<SourceFile> source_tree() {
  const fs::path root = TENON_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    const std::string name = it->path().filename().string();
    const bool hidden = name.front() == '.' && name != ".ci";
    if (it->is_directory() && (hidden || (it.depth() == 0 && name.rfind("build", 0) == 0))) {
      it.disable_recursion_pending();
      continue;
    }
    if (hidden || !it->is_regular_file() || it->is_symlink()) continue;
    std::ostringstream text;
    text << std::ifstream(it->path(), std::ios::binary).rdbuf();
    files.push_back({fs::relative(it->path(), root).generic_string(), text.str()});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

std::vector<Include> includes_of(const SourceFile& file) {
  std::vector<Include> result;
  std::istringstream lines(without_comments(file.text));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    size_t at = line.find_first_not_of(" \t");
    if (at == std::string::npos || line[at] != '#') continue;
    at = line.find_first_not_of(" \t", at + 1);
    if (at == std::string::npos || line.compare(at, 7, "include") != 0) continue;
    const size_t open = line.find_first_of("\"<", at + 7);
    if (open == std::string::npos) continue;
    const bool angled = line[open] == '<';
    const size_t close = line.find(angled ? '>' : '"', open + 1);
    if (close == std::string::npos) continue;
    result.push_back({line.substr(open + 1, close - open - 1), angled, number});
  }
  return result;
}

std::string without_comments(const std::string& text) {
  std::string result = text;
  enum { code, line_comment, block_comment, string, character, raw } state = code;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
    switch (state) {
      case code:
        if (c == '/' && (next == '/' || next == '*')) {
          state = next == '/' ? line_comment : block_comment;
          result[i] = result[i + 1] = ' ';
          ++i;
        } else if (c == '"') {
          state = i > 0 && text[i - 1] == 'R' && next == '(' ? raw : string;
        } else if (c == '\'' && !(i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])))) {
          state = character;  // a mark after a digit separates digits
        }
        break;
      case line_comment:
        if (c == '\n')
          state = code;
        else
          result[i] = ' ';
        break;
      case block_comment:
        if (c == '*' && next == '/') {
          result[i] = result[i + 1] = ' ';
          ++i;
          state = code;
        } else if (c != '\n') {
          result[i] = ' ';
        }
        break;
      case string:
      case character:
        if (c == '\\')
          ++i;
        else if (c == (state == string ? '"' : '\'') || c == '\n')
          state = code;
        break;
      case raw:
        if (c == ')' && next == '"') {
          ++i;
          state = code;
        }
        break;
    }
  }
  return result;
}

}  // namespace tenon::testing
