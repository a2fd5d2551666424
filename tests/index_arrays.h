// Arrays for tests of indexing: numbers in row-major order and their extents, with loops over every index. What functions give is
// compared with what these loops write down one element at a time, eagerly and compiled.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <functional>
#include <random>

namespace tenon::testing {

using Place = std::vector<int64_t>;

struct Grid {
  Place shape;
  std::vector<double> values;
  explicit Grid(Place s, double fill = 0) : shape(std::move(s)), values(static_cast<size_t>(count(shape)), fill) {}
  static int64_t count(const Place& s) {
    int64_t n = 1;
    for (int64_t d : s) n *= d;
    return n;
  }
  double& operator[](const Place& at) {
    int64_t n = 0;
    for (size_t d = 0; d < shape.size(); ++d) n = n * shape[d] + at[d];
    return values[static_cast<size_t>(n)];
  }
  double operator[](const Place& at) const { return const_cast<Grid&>(*this)[at]; }
  Tensor tensor(DType t = f64) const { return copy_from(values.data(), shape, f64).astype(t); }
};

// Every index of a shape, in row-major order.
inline void each(const Place& shape, const std::function<void(const Place&)>& visit) {
  Place at(shape.size(), 0);
  for (int64_t left = Grid::count(shape); left > 0; --left) {
    visit(at);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++at[d] < shape[d]) break;
      at[d] = 0;
    }
  }
}

struct Draws {
  std::mt19937_64 random{5};
  Grid reals(Place shape) {
    Grid g(std::move(shape));
    for (double& v : g.values) v = std::uniform_real_distribution<double>(-2, 2)(random);
    return g;
  }
  // Small integers, ties and zeros among them.
  Grid integers(Place shape, int64_t low, int64_t high) {
    Grid g(std::move(shape));
    for (double& v : g.values) v = static_cast<double>(std::uniform_int_distribution<int64_t>(low, high - 1)(random));
    return g;
  }
};

inline void expect_grid(const Tensor& found, const Grid& wanted, double tolerance = 0) {
  Place shape;
  for (Dim d : found.shape()) shape.push_back(d.number());
  ASSERT_EQ(shape, wanted.shape);
  const std::vector<double> values = found.to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], wanted.values[i], tolerance) << "element " << i;
}

// Eagerly and compiled.
template <class F, class... Xs>
void expect_both(F f, const Grid& wanted, double tolerance, const Xs&... xs) {
  expect_grid(f(xs...), wanted, tolerance);
  expect_grid(jit(f)(xs...), wanted, tolerance);
}

}  // namespace tenon::testing
