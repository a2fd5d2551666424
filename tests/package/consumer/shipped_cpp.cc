// The same saved program from C++17, through its own header; needs no library of Tenon's but the small runtime.
#include <cstdio>
#include <vector>

#include "line.hpp"

int main() {
  const std::vector<float> x = {1, 2};
  std::vector<float> y(2);
  tenon::programs::line::run(x, y);
  std::printf("%g %g\n", static_cast<double>(y[0]), static_cast<double>(y[1]));
}
