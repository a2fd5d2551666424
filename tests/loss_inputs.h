// Operands of losses: waves, shares between 0 and 1, labels.
#pragma once

#include <tenon/tenon.h>

#include <cmath>
#include <vector>

namespace tenon::testing {

// 1.5 sin(a i + s), and such numbers between 0 and 1.
inline Tensor wave(const Shape& shape, double s, double a) {
  int64_t count = 1;
  for (const Dim d : shape) count *= d.number();
  std::vector<double> x;
  for (int64_t i = 0; i < count; ++i) x.push_back(1.5 * std::sin(a * static_cast<double>(i) + s));
  return tensor(x).reshape(shape);
}
inline Tensor share(const Shape& shape, double s, double a) { return 0.5 + wave(shape, s, a) / 3.2; }

inline Tensor w() { return share({4}, 0.2, 1.3); }
inline Tensor labels() { return tensor({2, 0, 3}); }

}  // namespace tenon::testing
