// Saved programs in somebody else's C or C++ program: compiles a source against what aot::save wrote, links it with the small
// runtime, runs it, and gives what it printed. No shell is involved.
#pragma once

#include <string>
#include <vector>

namespace tenon::testing {

struct Ran {
  int status = -1;  // of the process; -1 where a signal ended it
  std::string output;  // of both streams
};
Ran run_command(const std::vector<std::string>& words);

struct ShippedSource {
  std::string text;
  std::vector<std::string> objects;  // in the folder, or by their whole path
  std::vector<std::string> compiler = {"cc", "-std=c11"};
  bool link = true;  // else only compiled
  std::vector<std::string> arguments = {};  // of the program
};
// Compiles with every warning an error. A compilation that fails gives what the compiler said.
Ran run_shipped(const std::string& folder, const ShippedSource& source);

}  // namespace tenon::testing
