// ADBench's four problems: the programs of examples/adbench against plain loops, their derivatives forward against reverse and both
// against differences of the loops; on files made here, and on the project's own where they are at hand.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "tenon/examples/adbench/read.h"
#include "tenon/tests/adbench_oracle.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using oracle::Numbers;

Numbers numbers(const Tensor& t) { return t.to_vector<double>(); }
Tensor like(const Tensor& t, const double* values) { return copy_from(values, t.shape(), f64); }

std::mt19937_64& random_source() {
  static std::mt19937_64 random{23};
  return random;
}
double draw(double low = -1, double high = 1) { return std::uniform_real_distribution<double>(low, high)(random_source()); }
Numbers drawn(size_t count, double low = -1, double high = 1) {
  Numbers list(count);
  for (double& x : list) x = draw(low, high);
  return list;
}

double inner(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Numbers moved(const Numbers& x, const Numbers& direction, double step) {
  Numbers y = x;
  for (size_t i = 0; i < y.size(); ++i) y[i] += step * direction[i];
  return y;
}
// Along a direction, by differences of fourth order.
template <class F>
double slope(F f, const Numbers& x, const Numbers& direction) {
  const double h = 1e-3;
  const auto at = [&](double step) { return f(moved(x, direction, step)); };
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

void expect_close(double a, double b, double tolerance, const char* what) {
  EXPECT_LE(std::abs(a - b), tolerance * std::max({std::abs(a), std::abs(b), 1e-3})) << what << ": " << a << " and " << b;
}

// A scalar of a tree of parameters: its value, its gradient against forward mode and against differences of `plain`.
template <class P, class F, class G>
void check_scalar(const P& params, F objective, G plain) {
  Numbers x;
  for (const Tensor& t : tree::leaves(params)) {
    const Numbers part = numbers(t);
    x.insert(x.end(), part.begin(), part.end());
  }
  const auto [value, gradient] = jit(value_and_grad(objective))(params);
  expect_close(value.template item<double>(), plain(x), 1e-12, "value");
  Numbers reverse;
  for (const Tensor& t : tree::leaves(gradient)) {
    const Numbers part = numbers(t);
    reverse.insert(reverse.end(), part.begin(), part.end());
  }
  const auto forward = jit([&](const P& at, const P& along) { return jvp(objective, at, along).second; });
  for (int k = 0; k < 4; ++k) {
    const Numbers direction = drawn(x.size());
    size_t next = 0;
    const P along = tree::map(
        [&](const Tensor& t) {
          const Tensor part = like(t, direction.data() + next);
          next += static_cast<size_t>(static_cast<int64_t>(t.numel()));
          return part;
        },
        params);
    const double tangent = forward(params, along).template item<double>();
    expect_close(tangent, inner(reverse, direction), 1e-9, "forward and reverse");
    expect_close(tangent, slope(plain, x, direction), 1e-7, "forward and differences");
  }
}

void check_gmm(GmmFile file) {}

}  // namespace
}  // namespace tenon::testing
