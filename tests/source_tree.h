// The source tree as the tests of its form see it: its files and their text.
// Refuses to know what the rules are; layering_test and size_test do.
#pragma once

#include <string>
#include <vector>

namespace tenon::testing {

struct SourceFile {
  std::string path;  // from the source root, with forward slashes: "ir/graph/graph.h"
  std::string text;
  std::string layer() const { return path.substr(0, path.find('/')); }
};

struct Include {
  std::string target;  // as spelled between the marks
  bool angled = false;
  int line = 0;
};

// Every file that is written by hand, in the order of their paths; build folders and hidden ones are left
// out.
std::vector<SourceFile> source_tree();

std::vector<Include> includes_of(const SourceFile& file);

// The text with comments blanked out and line breaks kept; string literals stay.
std::string without_comments(const std::string& text);

}  // namespace tenon::testing
