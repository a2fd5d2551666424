// d log x / d a of gamma variates, implicit in P(a, x) = u (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", NeurIPS
// 2018, section 3). With x e^v for the variable of the integral of (log t - digamma(a)) over the density, it is
//   the integral of (d + v) e^(a v - x (e^v - 1)) over v from 0 to s infinity, d = log x - digamma(a), s the sign of d,
// whose integrand never changes its sign: nothing cancels. Up to x = 3 by the power series of P instead, from a = 10^4 on by an
// expansion in 1 / a. All three are smooth in a and in log x, so that their derivatives are derivatives of these formulas.
#include "tenon/frontend/ops/incomplete_gamma.h"

#include <cmath>

namespace tenon::formula {
namespace {

// Gauss and Legendre's points on [-1/2, 1/2], those above 0, with their weights; the exponents that integrals go down to.
struct Point {
  double at, weight;
};
constexpr Point seven[] = {{0x1.f8fa30fddab0bp-2, 0x1.1fb2d8b27f553p-6}, {0x1.db5bd12b99e9fp-2, 0x1.4853d8adc703dp-5},
                           {0x1.a786ee46dd9c4p-2, 0x1.f1bd74ef611c1p-5}, {0x1.5fe4db09e0c89p-2, 0x1.41f3bbee2d2f2p-4},
                           {0x1.07ceab54ef096p-2, 0x1.7bfb8e2a8f57ep-4}, {0x1.46c564912d702p-3, 0x1.a43f1796fab09p-4},
                           {0x1.ba97d36de76b0p-5, 0x1.b8dc415514e34p-4}};
constexpr Point thirteen[] = {
    {0x1.fde4bb09f2ebbp-2, 0x1.59bf5428e209cp-8}, {0x1.f4eeefea87e4fp-2, 0x1.900fe3f869b55p-7},
    {0x1.e4f2087ed8096p-2, 0x1.36fce35747b83p-6}, {0x1.ce268cc2b53a5p-2, 0x1.a1980dd13624cp-6},
    {0x1.b0de4a659ffe3p-2, 0x1.032ba57abce0cp-5}, {0x1.8d827586847a5p-2, 0x1.31e801cc5e839p-5},
    {0x1.64921d2717daep-2, 0x1.5c59156bc492bp-5}, {0x1.36a05f4a7de91p-2, 0x1.81e65475c4b54p-5},
    {0x1.0452576440921p-2, 0x1.a208c9728627cp-5}, {0x1.9cb9996b67315p-3, 0x1.bc4cf7f9b6f16p-5},
    {0x1.2b03510f76b24p-3, 0x1.d0547aeae7cfcp-5}, {0x1.6a34f50b892e1p-4, 0x1.ddd75758196a8p-5},
    {0x1.e5368246f93d4p-6, 0x1.e4a4ff10a7635p-5}};
struct Work {
  std::span<const Point> points;
  double exponent;
  int terms;
};
Work work_of(bool precise) { return precise ? Work{thirteen, 36, 26} : Work{seven, 18, 18}; }

// The sum over k of x^k / (a + 1) ... (a + k) times what log x lacks of digamma(a + 1) + 1 / (a + 1) + ... + 1 / (a + k), over a.
Value by_series(Value a, Value log_x, Value psi, int terms) {
  const Value x = exp(log_x);
  Value sum = like(x, 1), harmonic = like(x, 0);
  for (int k = terms; k > 0; --k) {
    const Value r = 1 / (a + k), ratio = x * r;
    harmonic = ratio * (r * sum + harmonic);
    sum = ratio * sum + 1;
  }
  return ((psi - log_x) * sum + harmonic) / a;
}

// Where the exponent has gone down: upwards from e^v - 1 - v >= v^2 / 2, then twice nearer by the exponent itself; downwards
// from e^-v - 1 + v >= v^2 / (2 + v). Not far beyond the end, so that the points lie where the integrand is.
Value end_of(Value a, Value x, Value up, double exponent) {
  const Value over = x - a, upper = 2 * exponent / (over + sqrt(over * over + 2 * exponent * x));
  Value end = upper;
  for (int i = 0; i < 2; ++i) end = min(end, log1p((exponent + a * end) / x));
  const Value b = -2.0 * over - exponent, lower = -4 * exponent / (b + sqrt(b * b + 8 * exponent * a));
  return select(up, end, lower);
}
Value by_integral(Value a, Value log_x, Value psi, const Work& work) {
  const Value x = exp(log_x), d = log_x - psi;
  const Value up = gt(d, like(d, 0)), end = stop_gradient(end_of(a, x, up, work.exponent));
  Value sum;
  for (const Point& p : work.points)
    for (const double at : {0.5 - p.at, 0.5 + p.at}) {
      const Value v = end * at, term = (d + v) * exp(a * v - x * expm1(v)) * p.weight;
      sum = sum ? sum + term : term;
    }
  return sum * end;
}

// The expansion in 1 / a at x = a (1 + r), which the differential equation in x gives: x times the slope is (1 + r) log(1 + r) / r in
// the limit, and each further coefficient a power series in r. From 10^4 on all draws are within |r| < 0.1.
Value polynomial(Value r, std::span<const double> c) {
  Value sum = like(r, c.back());
  for (size_t k = c.size() - 1; k-- > 0;) sum = sum * r + c[k];
  return sum;
}
Value far_out(Value a, Value log_x) {
  static constexpr double first[] = {1,        1 / 2.,  -1 / 6.,  1 / 12., -1 / 20., 1 / 30.,
                                     -1 / 42., 1 / 56., -1 / 72., 1 / 90., -1 / 110.};
  static constexpr double second[] = {1 / 6., 1 / 12., -1 / 30., 1 / 60., -1 / 105., 1 / 168., -1 / 252., 1 / 360.};
  static constexpr double third[] = {1 / 60., 1 / 60., -1 / 210., 1 / 840.};
  static constexpr double fourth[] = {-1 / 105., -1 / 840.};
  const Value x = exp(log_x), r = (x - a) / a, e = 1 / a;
  Value sum = polynomial(r, fourth);
  for (const std::span<const double> c :
       {std::span<const double>(third), std::span<const double>(second), std::span<const double>(first)})
    sum = sum * e + polynomial(r, c);
  return sum / x;
}

}  // namespace

Value log_gamma_slope(Value a, Value log_x, bool precise) {
  const Work work = work_of(precise);
  const Value near = lt(log_x, like(log_x, std::log(3.0))), far = bit_not(le(a, like(a, 1e4)));  // a NaN: far
  const Value inside = bit_not(bit_or(near, far)), two = like(a, 2);
  const Value below = select(near, a, two), below_log = select(near, log_x, like(a, 0));
  const Value a_inside = select(inside, a, two), log_inside = select(inside, log_x, like(a, 1.25));
  const Value psi = digamma(select(near, below + 1, a_inside));
  const Value integral = by_integral(a_inside, log_inside, psi, work);
  return select(near, by_series(below, below_log, psi, work.terms), select(far, far_out(a, log_x), integral));
}

}  // namespace tenon::formula
