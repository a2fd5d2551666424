// What matrix algorithms (ir/matrix/*.h) run on in the interpreter: numbers, in the order in which the kernel's loops would run.
// Beside it stands ir/matrix/kernel_machine.h.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <type_traits>
#include <vector>

#include "tenon/ir/rules/reduction.h"

namespace tenon::ir::matrix {

template <class T>
class DirectMachine {
 public:
  using Real = T;
  using Index = int64_t;
  using Flag = bool;
  struct Reals {
    T* data = nullptr;
    int64_t columns = 1;
  };
  struct Indices {
    int64_t* data = nullptr;
  };

  static bool side_by_side() { return false; }  // one matrix after the other

  // ---- scalars
  static Index index(int64_t v) { return v; }
  static Real real(double v) { return static_cast<T>(v); }
  static Real fma(Real x, Real y, Real z) { return std::fma(x, y, z); }
  static Real sqrt(Real x) { return std::sqrt(x); }
  static Real abs(Real x) { return std::fabs(x); }
  static Index min(Index x, Index y) { return x < y ? x : y; }
  static Index max(Index x, Index y) { return x < y ? y : x; }
  template <class V>
  static V select(Flag p, V x, V y) {
    return p ? x : y;
  }
  static Flag both(Flag x, Flag y) { return x && y; }
  static Flag either(Flag x, Flag y) { return x || y; }
  static Real as_real(Index x) { return static_cast<T>(x); }
  static Index below(Index x, int64_t by) { return x / by; }
  static Real power_below(Real x) {
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    constexpr Bits mask = sizeof(T) == 8 ? Bits(0x7ff0000000000000u) : Bits(0x7f800000u);
    return std::bit_cast<T>(static_cast<Bits>(std::bit_cast<Bits>(x) & mask));
  }

  // ---- memory
  static Real load(Reals from, Index i, Index j) { return from.data[i * from.columns + j]; }
  static Real load(Reals from, Index i) { return from.data[i]; }
  static Index load(Indices from, Index i) { return from.data[i]; }
  static Index load(Indices from) { return from.data[0]; }
  static void store(Reals to, Index i, Index j, Real v) { to.data[i * to.columns + j] = v; }
  static void store(Reals to, Index i, Real v) { to.data[i] = v; }
  static void store(Indices to, Index i, Index v) { to.data[i] = v; }
  static void store(Indices to, Index v) { to.data[0] = v; }

  // ---- loops
  template <class Body>
  void loop(Index n, Body body) {
    for (Index i = 0; i < n; ++i) body(i);
  }
  template <class Body>
  void each(Index n, Body body) {
    loop(n, body);
  }
  template <class Body>
  void when(Flag p, Body body) {
    if (p) body();
  }
  template <class... C, class Body>
  std::tuple<C...> fold(Index n, std::tuple<C...> carries, Body body) {
    for (Index i = 0; i < n; ++i) carries = body(i, carries);
    return carries;
  }
  template <class... C, class Body>
  std::tuple<C...> repeat(Index n, std::tuple<C...> carries, Body body) {
    for (Index i = 0; i < n && std::get<0>(carries); ++i) carries = body(i, carries);
    return carries;
  }
  // Blocks of 512 elements, dealt to 16 chains that are joined by halving; blocks joined by pairs, an odd last one moving up.
  template <class Body>
  Real sum(Index n, Body body) {
    std::vector<Real> parts;
    for (Index start = 0; start < n; start += row_tree.block) {
      Real lanes[16];
      for (Real& lane : lanes) lane = T(-0.0);
      for (Index i = start; i < min(n, start + row_tree.block); ++i) lanes[(i - start) % 16] += body(i);
      for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      parts.push_back(lanes[0]);
    }
    while (parts.size() > 1) {
      std::vector<Real> joined;
      for (size_t i = 0; i + 1 < parts.size(); i += 2) joined.push_back(parts[i] + parts[i + 1]);
      if (parts.size() % 2 != 0) joined.push_back(parts.back());
      parts = std::move(joined);
    }
    return parts.empty() ? T(0) : parts[0];
  }
  template <class Body>
  Real largest(Index n, Body body) {
    Real best = -std::numeric_limits<T>::infinity();
    for (Index i = 0; i < n; ++i) {
      const Real x = body(i);
      if (x > best || x != x) best = x;
      if (best != best) return best;
    }
    return best;
  }
  template <class Body>
  Index argmax(Index n, Body body) {
    Index at = 0;
    Real best = 0;
    for (Index i = 0; i < n; ++i) {
      const Real x = body(i);
      if (x != x) return i;
      if (i == 0 || x > best) best = x, at = i;
    }
    return at;
  }
};

}  // namespace tenon::ir::matrix
