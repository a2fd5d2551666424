// What a user writes first: a function over tensors, compiled when it is called.
#include <tenon/tenon.h>
#include <iostream>

namespace tn = tenon;

tn::Tensor line(const tn::Tensor& x) { return 2 * x + 1; }

int main() {
  auto compiled = tn::jit(line);
  auto x = tn::tensor({1.f, 2.f});
  auto y = compiled(x);
  if (y.to_vector<float>() != line(x).to_vector<float>()) {
    std::cout << "eager and compiled differ\n";
    return 1;
  }
  try {
    tn::matmul(tn::ones({2, 3}), tn::ones({2, 3}));
    std::cout << "a matmul of shapes that do not fit went through\n";
    return 1;
  } catch (const tn::Error&) {  // crosses the library's border as the type that it is
  }
  std::cout << y << "\n";
}
