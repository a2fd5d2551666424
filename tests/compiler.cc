// Runs a compiler through the shell and reads what it prints.
#include "tenon/tests/compiler.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tenon/tests/child.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {

std::string own_compiler() {
  const char* chosen = std::getenv("CXX");
  return chosen ? chosen : "c++";
}
bool runs(const std::string& compiler) {
  bool succeeded = false;
  printed_by(compiler + " --version", succeeded);
  return succeeded;
}
bool is_gcc(const std::string& compiler) {
  bool succeeded = false;
  return printed_by(compiler + " --version", succeeded).find("Free Software Foundation") != std::string::npos;
}

std::vector<Said> said_of(const std::string& compiler, const std::vector<Source>& sources) {
  const std::string folder = temporary_folder("compiler");
  std::vector<Said> said(sources.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i; (i = next++) < sources.size();) {
      const std::string file = folder + "/" + sources[i].name + ".cc";
      std::ofstream(file) << sources[i].text;
      Said& one = said[i];
      one.text =
          printed_by(compiler + " -std=c++20 -fsyntax-only " + sources[i].flags + " '" + file + "'", one.compiled);
      std::istringstream lines(one.text);
      for (std::string line; std::getline(lines, line); ++one.lines)
        if (line.find("error:") != std::string::npos) one.errors.push_back(line);
    }
  };
  std::thread other(work);
  work();
  other.join();
  std::filesystem::remove_all(folder);
  return said;
}

}  // namespace tenon::testing
