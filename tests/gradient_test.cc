// Random programs differentiated: backward, grad and jit(grad) agree to the bit; forward mode agrees with differences of values,
// and reverse mode with forward mode, to second order. TENON_FUZZ_SECONDS says for how long (8), TENON_FUZZ_SEED where to begin.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tenon/tests/gradient_program.h"

namespace tenon::testing {
namespace {

double seconds_allowed() {
  const char* text = std::getenv("TENON_FUZZ_SECONDS");
  return text ? std::atof(text) : 8;
}
uint64_t first_seed() {
  const char* text = std::getenv("TENON_FUZZ_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

// Runs check(seed) on one program after another; a message is a failure.
template <class Check>
void for_a_while(double seconds, Check check) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  uint64_t seed = first_seed(), programs = 0, failures = 0;
  for (; (elapsed() < seconds || programs == 0) && failures < 3; ++seed, ++programs) {
    const std::string wrong = check(seed);
    if (wrong.empty()) continue;
    ++failures;
    ADD_FAILURE() << "TENON_FUZZ_SEED=" << seed << "\n" << wrong;
  }
  std::printf("%llu programs\n", static_cast<unsigned long long>(programs));
}

// ---- to the bit

bool same_bits(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

std::string different(const char* route, const std::vector<Tensor>& expected, const std::vector<Tensor>& got) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto e = expected[i].to_vector<double>();
    const auto g = got[i].defined() ? got[i].to_vector<double>() : std::vector<double>(e.size(), 0);
    for (size_t k = 0; k < e.size(); ++k)
      if (!same_bits(e[k], g[k])) {
        char text[200];
        std::snprintf(text, sizeof text, "%s, leaf %zu, element %zu: %a, and grad gives %a\n", route, i, k, g[k], e[k]);
        return text;
      }
  }
  return {};
}

std::vector<Tensor> by_backward(const GradientProgram& program, const Leaves& at) {
  const auto leaf = [](const Tensor& t) { return copy_from(t.raw(), t.shape(), t.dtype(), true); };
  Leaves taped{leaf(at.full), {leaf(at.inner.row), {leaf(at.inner.rest[0]), leaf(at.inner.rest[1])}}};
  program(taped).backward();
  std::vector<Tensor> gradients;
  for (const Tensor& t : flat(taped)) gradients.push_back(t.grad());
  return gradients;
}

std::string routes_disagree(const GradientProgram& program, const Leaves& at, bool with_jit) {
  const std::vector<Tensor> expected = flat(grad(program)(at));
  std::string wrong = different("backward", expected, by_backward(program, at));
  if (wrong.empty() && with_jit) wrong = different("jit(grad)", expected, flat(jit(grad(program))(at)));
  return wrong;
}

// Leaves out what the failure does not need.
GradientProgram shrunk(GradientProgram p, const Leaves& at) {
  const auto fails = [&](const GradientProgram& q) { return !routes_disagree(q, at, true).empty(); };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t u = 0; u < p.used.size() && p.used.size() > 1; ++u) {
      GradientProgram q = p;
      q.used.erase(q.used.begin() + static_cast<std::ptrdiff_t>(u));
      if (fails(q)) p = q, changed = true;
    }
    for (size_t s = p.steps.size(); s-- > 0;) {
      const int value = 4 + static_cast<int>(s);
      GradientProgram q = p;
      q.steps.erase(q.steps.begin() + static_cast<std::ptrdiff_t>(s));
      const auto moved = [&](int v) { return v == value ? p.steps[s].a : v > value ? v - 1 : v; };
      for (auto& step : q.steps) step.a = moved(step.a), step.b = moved(step.b);
      for (int& u : q.used) u = moved(u);
      if (fails(q)) p = q, changed = true;
    }
  }
  return p;
}

TEST(Gradients, BackwardAndGradAgreeToTheBit) {
  for_a_while(seconds_allowed() * 0.6, [](uint64_t seed) -> std::string {
    const GradientProgram program = random_gradient_program(seed, 3 + static_cast<int>(seed % 9), false);
    const Leaves at = random_leaves(seed, seed % 4 == 0 ? f64 : f32);
    if (routes_disagree(program, at, seed % 4 == 1).empty()) return {};
    const GradientProgram small = shrunk(program, at);
    return routes_disagree(small, at, true) + small.text();
  });
}

// ---- ties share

// max, min and their elementwise forms share the cotangent among equal elements, on every route.
TEST(Gradients, TiesShare) {
  struct TieCase {
    const char* name;
    Tensor (*function)(const Tensor&);
    std::vector<float> expected;
  };
  const Tensor x = tensor({{2.f, 5.f, 5.f}, {5.f, 1.f, 1.f}});
  const TieCase cases[] = {
      {"max", [](const Tensor& t) { return max(t); }, {0, 1 / 3.f, 1 / 3.f, 1 / 3.f, 0, 0}},
      {"max of rows", [](const Tensor& t) { return sum(max(t, {{1}})); }, {0, .5f, .5f, 1, 0, 0}},
      {"max of columns", [](const Tensor& t) { return sum(max(t, {{0}})); }, {0, 1, 1, 1, 0, 0}},
      {"min of rows, kept", [](const Tensor& t) { return sum(min(t, {{1}, true}) * 2); }, {2, 0, 0, 0, 1, 1}},
      {"min", [](const Tensor& t) { return min(t); }, {0, 0, 0, 0, .5f, .5f}},
      {"max of equal numbers", [](const Tensor& t) { return max(t * 0 + t[{0, 0}]); }, {1, 0, 0, 0, 0, 0}},
      {"maximum", [](const Tensor& t) { return sum(maximum(t, 5)); }, {0, .5f, .5f, .5f, 0, 0}},
      {"minimum", [](const Tensor& t) { return sum(minimum(t[0], t[1])); }, {1, 0, 0, 0, 1, 1}},
      {"maximum of itself", [](const Tensor& t) { return sum(maximum(t, t)); }, {1, 1, 1, 1, 1, 1}},
      {"clip", [](const Tensor& t) { return sum(clip(t, 1, 5)); }, {1, .5f, .5f, .5f, .5f, .5f}},
  };
  for (const TieCase& c : cases) {
    EXPECT_EQ(grad(c.function)(x).to_vector<float>(), c.expected) << c.name;
    EXPECT_EQ(jit(grad(c.function))(x).to_vector<float>(), c.expected) << c.name;
    const auto leaf = copy_from(x.raw(), x.shape(), f32, true);
    c.function(leaf).backward();
    EXPECT_EQ(leaf.grad().to_vector<float>(), c.expected) << c.name;
    float forward = 0;
    for (float e : c.expected) forward += e;
    EXPECT_NEAR(jvp(c.function, x, ones_like(x)).second.item(), forward, 1e-6) << c.name;
  }
}

// ---- against differences

Leaves moved(const Leaves& x, const Leaves& d, double h) {
  return {
      x.full + h * d.full,
      {x.inner.row + h * d.inner.row, {x.inner.rest[0] + h * d.inner.rest[0], x.inner.rest[1] + h * d.inner.rest[1]}}};
}
double dot(const Leaves& x, const Leaves& y) {
  double total = 0;
  const auto a = flat(x), b = flat(y);
  for (size_t i = 0; i < a.size(); ++i) total += sum(a[i] * b[i]).item<double>();
  return total;
}

// The derivative of f at 0 by central differences, extrapolated to a step of 0, with an estimate of its error: C. J. F.
// Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering Software 4(2), 1982.
struct Slope {
  double value = 0, error = INFINITY;
};
template <class F>
Slope extrapolated(F f, double h) {
  constexpr int steps = 8;
  constexpr double shrink = 1.6;
  double table[steps][steps];
  Slope best;
  for (int i = 0; i < steps; ++i, h /= shrink) {
    table[0][i] = (f(h) - f(-h)) / (2 * h);
    double factor = shrink * shrink;
    for (int j = 1; j <= i; ++j, factor *= shrink * shrink) {
      table[j][i] = (table[j - 1][i] * factor - table[j - 1][i - 1]) / (factor - 1);
      const double error =
          std::max(std::abs(table[j][i] - table[j - 1][i]), std::abs(table[j][i] - table[j - 1][i - 1]));
      if (error < best.error) best = {table[j][i], error};
    }
  }
  return best;
}

int undecided = 0;  // comparisons with differences that do not know their own third digit

// Whether `exact` is not the derivative of f at 0, as far as differences can tell.
template <class F>
std::string not_derivative(const char* what, double exact, F f) {
  Slope best;
  double scale = 1;
  for (double h : {1e-3, 1e-5, 1e-2}) {
    const Slope s = extrapolated(f, h);
    if (!(s.error < best.error)) continue;
    best = s;
    scale = std::max({1.0, std::abs(exact), std::abs(best.value)});
    const double off = std::abs(best.value - exact);
    if (off <= 2e-6 * scale + 10 * best.error && best.error <= 1e-4 * scale) return {};
  }
  if (!(best.error <= 1e-4 * std::max(1.0, std::abs(best.value)))) return ++undecided, std::string();
  char text[200];
  std::snprintf(text, sizeof text, "%s is %.12g, and differences give %.12g, give or take %.2g\n", what, exact,
                best.value, best.error);
  return text;
}

TEST(Gradients, AgreeWithDifferencesToSecondOrder) {
  int programs = 0;
  undecided = 0;
  for_a_while(seconds_allowed() * 0.4, [&](uint64_t seed) -> std::string {
    const GradientProgram program = random_gradient_program(seed, 2 + static_cast<int>(seed % 6), true);
    const Leaves x = random_leaves(seed, f64), d = random_leaves(seed + 1000, f64), e = random_leaves(seed + 2000, f64);
    const auto value = [&](double h) { return program(moved(x, d, h)).item<double>(); };
    const auto [y, dy] = jvp(program, x, d);
    std::string wrong = not_derivative("jvp", dy.item<double>(), value);
    // Reverse mode is the transpose of forward mode; jit inside and outside of grad changes nothing.
    const auto [z, pull] = vjp(program, x);
    const double reverse = dot(pull(tensor(1.0)), d), inside = dot(grad(jit(program))(x), d);
    const auto near = [](double a, double b) {
      return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)});
    };
    if (!near(reverse, dy.item<double>()))
      wrong += "vjp gives " + std::to_string(reverse) + " and jvp " + std::to_string(dy.item<double>()) + "\n";
    if (!near(inside, reverse)) wrong += "grad(jit(f)) gives " + std::to_string(inside) + "\n";
    // Second order: the gradient of a directional derivative, reverse over reverse and forward over reverse.
    const auto slope = [&](const Leaves& p) {
      const auto g = flat(grad(program)(p)), along = flat(d);
      Tensor total = sum(g[0] * along[0]);
      for (size_t i = 1; i < g.size(); ++i) total = total + sum(g[i] * along[i]);
      return total;
    };
    const double mixed = dot(grad(slope)(x), e);
    wrong += not_derivative("grad(grad)", mixed, [&](double h) { return dot(grad(program)(moved(x, e, h)), d); });
    const double forward = dot(jvp(grad(program), x, e).second, d);
    if (!near(forward, mixed) && std::abs(forward - mixed) > 1e-7 * std::abs(mixed))
      wrong += "jvp(grad) gives " + std::to_string(forward) + " and grad(grad) " + std::to_string(mixed) + "\n";
    ++programs;
    return wrong.empty() ? wrong : wrong + program.text();
  });
  std::printf("%d of %d comparisons with differences undecided\n", undecided, 2 * programs);
  EXPECT_LE(undecided * 10, 2 * programs);
}

}  // namespace
}  // namespace tenon::testing
