// A tiny step, for loops of many: the Lorenz system for tensors and for a loop.
#pragma once

namespace tenon::bench {

template <class T>
struct Point {
  T x, y, z;
};

// One step of Euler's method through the Lorenz system.
template <class T>
Point<T> advance(const Point<T>& p) {
  const T dx = (p.y - p.x) * 10.0f;
  const T dy = p.x * (28.0f - p.z) - p.y;
  const T dz = p.x * p.y - p.z * (8.0f / 3.0f);
  return {p.x + dx * 0.001f, p.y + dy * 0.001f, p.z + dz * 0.001f};
}

}  // namespace tenon::bench
