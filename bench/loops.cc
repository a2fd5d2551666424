// Loops and their gradients: an integrator of four numbers for 1,000,000 steps in one scan, beside the loop by hand; and three
// loops whose count is known only when they run, some 1,000 iterations each, beside their own forward run, in 16 MiB.
#include <benchmark/benchmark.h>
#include <tenon/tenon.h>

#include "tenon/bench/case.h"

namespace tenon::bench {
namespace {

constexpr int64_t steps = 1000000;
constexpr double rate = 1.0 / 1024;

// The system of Henon and Heiles, one step of Euler's method that takes velocities first.
template <class T>
struct Star {
  T x, y, u, v;
};
template <class T>
Star<T> advance(const Star<T>& s, const T& pull) {
  const T u = s.u - (s.x + pull * s.x * s.y) * rate;
  const T v = s.v - (s.y + s.x * s.x - s.y * s.y) * rate;
  return {s.x + u * rate, s.y + v * rate, u, v};
}

Tensor orbit(const Star<Tensor>& start, const Tensor& pull) {
  const auto body = [&](const Star<Tensor>& s, int none) { return std::pair(advance<Tensor>(s, pull), none); };
  const Star<Tensor> last = scan(body, start, 0, {.length = steps}).first;
  return last.x + last.y;
}

Star<Tensor> first_star() { return {tensor(0.1), tensor(0.2), tensor(0.3), tensor(0.1)}; }

// Where the compiler packs the four numbers into vectors in the middle of the chain it loses a quarter: it is told not to.
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((optimize("no-tree-slp-vectorize")))
#endif
void orbit_by_hand() {
  volatile double given = 2;  // read when it runs; DoNotOptimize may leave a number that is never written
  const double pull = given;
  Star<double> s{0.05 * pull, 0.1 * pull, 0.15 * pull, 0.05 * pull};
  for (int64_t i = 0; i < steps; ++i) s = advance<double>(s, pull);
  benchmark::DoNotOptimize(s);
}

void add_orbits() {
  Case forward;
  forward.name = "4 numbers, step of a scan, f64";
  forward.unit = Unit::nanoseconds;
  forward.work = static_cast<double>(steps);
  forward.bars = {{"per C++", true, 1 / 1.1}};
  forward.prepare = [] {
    const auto compiled = jit(orbit);
    const Star<Tensor> start = first_star();
    const Tensor pull = tensor(2.0);
    return std::vector<Subject>{{fused, [=] { compiled(start, pull); }}, {loop, orbit_by_hand}};
  };
  add(forward);
  Case gradient = forward;
  gradient.name = "its gradient, by 5 numbers";
  gradient.bars = {{"per C++", true, 1 / 3.0}};
  gradient.prepare = [] {
    const auto compiled = jit(grad<0, 1>(orbit));
    const Star<Tensor> start = first_star();
    const Tensor pull = tensor(2.0);
    return std::vector<Subject>{{fused, [=] { compiled(start, pull); }}, {loop, orbit_by_hand}};
  };
  add(gradient);
}

constexpr WhileOptions bound{.memory = 16 << 20};

// Newton's method with a short step: some 1,000 iterations.
Tensor newton(const Tensor& a) {
  const auto residual = [&](const Tensor& x) { return x * x * x + x - a; };
  return while_loop([&](const Tensor& x) { return abs(residual(x)) > 1e-12; },
                    [&](const Tensor& x) { return x - 0.03 * residual(x) / (3.0 * x * x + 1.0); }, a, bound);
}

struct Solve {
  Tensor i, x, r, p, rr;
};
// Conjugate gradients on a matrix that is given; 1,000 iterations, long after they have converged.
Tensor solve(const Tensor& b, const Tensor& matrix) {
  const Solve start{zeros({}, {.dtype = i64}), zeros_like(b), b, b, sum(b * b)};
  const auto step = [&](const Solve& s) {
    const Tensor q = matmul(matrix, s.p);
    const Tensor alpha = s.rr / (sum(s.p * q) + 1e-300);
    const Tensor r = s.r - alpha * q, rr = sum(r * r);
    return Solve{s.i + 1, s.x + alpha * s.p, r, r + rr / (s.rr + 1e-300) * s.p, rr};
  };
  return sum(while_loop([](const Solve& s) { return s.i < 1000; }, step, start, bound).x);
}

struct Flow {
  Tensor t, h, y;
};
// y' = -k y; Heun's method chooses its steps by its distance from Euler's.
Tensor integrate(const Tensor& k) {
  const auto slope = [&](const Tensor& y) { return -k * y; };
  const double tolerance = 1.2e-7;
  const auto step = [&](const Flow& s) {
    const Tensor h = minimum(s.h, 1.0 - s.t), a = slope(s.y);
    const Tensor next = s.y + 0.5 * h * (a + slope(s.y + h * a)), error = abs(next - s.y - h * a);
    const Tensor grow = stop_gradient(minimum(sqrt(tolerance / (error + 1e-30)), 2.0));
    const Tensor taken = error < tolerance;
    return Flow{where(taken, s.t + h, s.t), 0.9 * h * grow, where(taken, next, s.y)};
  };
  return while_loop([](const Flow& s) { return s.t < 1.0; }, step, Flow{tensor(0.0), tensor(0.1), tensor(2.0)}, bound)
      .y;
}

template <class F, class... A>
void add_gradient(const char* name, F f, A... args) {
  Case c;
  c.name = name;
  c.unit = Unit::microseconds;
  c.bars = {{"per forward", true, 1 / 3.0}};
  c.prepare = [=] {
    const auto forward = jit(f);
    const auto gradient = jit(grad(f));
    return std::vector<Subject>{{fused, [=] { gradient(args...); }}, {"forward", [=] { forward(args...); }}};
  };
  add(c);
}

}  // namespace

void add_loops() {
  add_orbits();
  add_gradient("gradient of Newton's method", newton, tensor(9.0));
  const int64_t n = 128;
  const Tensor noise = sin(arange(0, n * n).astype(f64) * 1.7).reshape({n, n});
  const Tensor matrix =
      matmul(noise, noise.transpose()) + 1000.0 * where(arange(0, n).reshape({n, 1}) == arange(0, n), 1.0, 0.0);
  add_gradient("gradient of conjugate gradients, 128", solve, cos(arange(0, n).astype(f64)), matrix);
  add_gradient("gradient of an adaptive integrator", integrate, tensor(1.3));
}

}  // namespace tenon::bench
