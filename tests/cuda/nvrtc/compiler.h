// Runs the system's C++ compiler for the simulated NVRTC, and keeps what it made.
#pragma once

#include <string>
#include <vector>

namespace simulated {

struct Compiled {
  bool ok = false;
  std::vector<char> image;  // a shared object with a trailer behind it
  std::string log;
};

// architecture: "90a", as in sm_90a. Several threads and processes may compile at once.
Compiled compile(const std::string& text, const std::string& name, const std::string& architecture);

}  // namespace simulated
