// Complex tensors in tests: drawn, read, held against std::complex, and run on every route.
#pragma once

#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <complex>
#include <random>
#include <vector>

#include "tenon/frontend/transform/program.h"
#include "tenon/ir/reference/array.h"
#include "tenon/tests/routes.h"

namespace tenon::testing {

using Complex = std::complex<double>;

inline std::vector<Complex> drawn_numbers(int64_t count, unsigned seed, double size = 2) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> part(-size, size);
  std::vector<Complex> values;
  for (int64_t i = 0; i < count; ++i) {
    const double re = part(random);
    values.emplace_back(re, part(random));
  }
  return values;
}
inline Tensor drawn(const std::vector<int64_t>& shape, unsigned seed, DType dtype = c128) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return tensor(drawn_numbers(count, seed)).reshape(Extents(Shape::from(shape))).astype(dtype);
}
inline std::vector<Complex> numbers(const Tensor& t) { return t.to_vector<Complex>(); }

// The largest distance, in units of the largest element there is.
inline double distance(const std::vector<Complex>& found, const std::vector<Complex>& expected) {
  if (found.size() != expected.size()) return 1e300;
  double most = 0, size = 1e-300;
  for (size_t i = 0; i < found.size(); ++i) {
    const double d = std::abs(found[i] - expected[i]);
    most = d == d ? std::max(most, d) : 1e300;
    size = std::max(size, std::abs(expected[i]));
  }
  return most / size;
}

inline ir::Array array_of(const Tensor& t) {
  ir::Array a(ir::Type{t.dtype(), t.shape()});
  const auto* bytes = static_cast<const unsigned char*>(t.raw());
  std::copy(bytes, bytes + a.data.size(), a.data.begin());
  return a;
}

// f traced for these tensors gives the interpreter's bits on every route, and calling it gives them too.
template <class F>
void expect_same_on_all_routes(const char* what, F f, const std::vector<Tensor>& inputs) {
  const auto program = trace(f, inputs).program();
  std::vector<ir::Array> arrays;
  for (const Tensor& t : program->inputs(inputs)) arrays.push_back(array_of(t));
  const auto again = ir::parse(program->graph->text());
  EXPECT_TRUE(ir::same_structure(*program->graph, *again)) << what;
  const auto wrong = first_disagreement(program->graph, arrays, NaNs::one_value);
  EXPECT_FALSE(wrong) << what << ": " << *wrong << "\n" << program->graph->text();
  const std::vector<ir::Array> expected = ir::interpret(*program->graph, arrays);
  const std::vector<Tensor> eager = f(inputs), jitted = jit(f)(inputs);
  ASSERT_EQ(eager.size(), expected.size()) << what;
  for (size_t i = 0; i < eager.size(); ++i) {
    const auto e = difference(expected[i], array_of(eager[i]), NaNs::one_value);
    EXPECT_FALSE(e) << what << ", eagerly: " << *e;
    const auto j = difference(expected[i], array_of(jitted[i]), NaNs::one_value);
    EXPECT_FALSE(j) << what << ", jitted: " << *j;
  }
}

// The derivatives of a real function of real tensors in f64, to second order, against central differences along a direction.
template <class F>
void expect_derivatives(const char* what, F loss, const Tensor& at, double tolerance = 1e-6) {
  const auto size = static_cast<int64_t>(at.numel());
  std::vector<double> step;
  std::mt19937 random(11);
  std::uniform_real_distribution<double> part(-1, 1);
  for (int64_t i = 0; i < size; ++i) step.push_back(part(random));
  const Tensor direction = tensor(step).reshape(at.shape());
  const double h = 1e-5;
  const auto gradient = grad(loss);
  const auto along = [&](const Tensor& x) { return sum(gradient(x) * direction); };
  const double slope = along(at).template item<double>();
  const double rise = (loss(at + direction * h) - loss(at - direction * h)).template item<double>() / (2 * h);
  EXPECT_NEAR(slope, rise, tolerance * std::max(1.0, std::abs(rise))) << what << ": first derivative";
  const auto [value, tangent] = jvp(loss, at, direction);
  EXPECT_NEAR(tangent.template item<double>(), slope, 1e-9 * std::max(1.0, std::abs(slope))) << what << ": forward";
  const double second = sum(grad(along)(at) * direction).template item<double>();
  const double bend = (along(at + direction * h) - along(at - direction * h)).template item<double>() / (2 * h);
  EXPECT_NEAR(second, bend, tolerance * std::max(1.0, std::abs(bend))) << what << ": second derivative";
}

}  // namespace tenon::testing
