// Saves a compiled program for C programs to use. Its argument is the folder to save into.
#include <tenon/tenon.h>

namespace tn = tenon;

int main(int, char** argv) {
  auto line = tn::jit([](const tn::Tensor& x) { return 2 * x + 1; });
  tn::aot::save(line, {.name = "line", .out = argv[1]}, tn::spec({2}, tn::f32));
}
