// An eager op and a jitted function; then whether LLVM is in the process.
#include <tenon/tenon.h>

#include <fstream>
#include <iostream>
#include <string>

namespace tn = tenon;

int main() {
  const auto line = tn::jit([](const tn::Tensor& x) { return 2 * x + 1; });
  std::cout << line(tn::tensor({1.0f, 2.0f}) + 0) << " ";
  std::ifstream maps("/proc/self/maps");
  bool loaded = false;
  for (std::string text; std::getline(maps, text);) loaded = loaded || text.find("libLLVM") != std::string::npos;
  std::cout << (loaded ? "loaded" : "absent") << "\n";
}
