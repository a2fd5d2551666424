// What a compiler says about a source, for tests of headers and of programs that must not compile. Refuses to judge: it gives the
// text and leaves what it should be to the test.
#pragma once

#include <string>
#include <vector>

namespace tenon::testing {

// The compiler of these tests: $CXX, else c++.
std::string own_compiler();
bool runs(const std::string& compiler);
bool is_gcc(const std::string& compiler);

// A source to compile, not further than its syntax and types.
struct Source {
  std::string name;  // of the case; the file is called so
  std::string flags;  // beside -std=c++20 -fsyntax-only
  std::string text;
};
struct Said {
  bool compiled = false;
  std::string text;
  std::vector<std::string> errors;  // its lines that hold "error:"
  int lines = 0;
};
// What the compiler says of each, two at a time. Files lie in a folder that is removed afterwards.
std::vector<Said> said_of(const std::string& compiler, const std::vector<Source>& sources);

}  // namespace tenon::testing
