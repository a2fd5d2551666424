// Partial derivatives of the special functions, in graph algebra: polygamma for lgamma and digamma, the Bessel functions', and those
// of what is near the normal distribution. Everything here is made of exact ops and rows, so that derivatives of every order are
// derivatives of these. Refuses orders of polygamma whose factorials leave f64.
#include <limits>
#include <numbers>

#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

// Bernoulli numbers B(2 j) over (2 j)!, from j = 1.
constexpr double bernoulli_ratios[] = {1.0 / 12,
                                       -1.0 / 720,
                                       1.0 / 30240,
                                       -1.0 / 1209600,
                                       1.0 / 47900160,
                                       -691.0 / 1307674368000.0,
                                       1.0 / 74724249600.0,
                                       -3617.0 / 10670622842880000.0,
                                       43867.0 / 5109094217170944000.0,
                                       -174611.0 / 802857662698291200000.0};

Value power(Value x, int64_t n) {  // n > 0, by squaring
  Value product;
  for (Value square = x;; square = square * square) {
    if (n & 1) product = product ? product * square : square;
    if ((n >>= 1) == 0) return product;
  }
}

Value polynomial(Value x, std::span<const double> c) {  // c[0] + c[1] x + ...
  Value sum = like(x, c.back());
  for (size_t i = c.size() - 1; i-- > 0;) sum = sum * x + like(x, c[i]);
  return sum;
}

// The sum of (x + k)^-(n + 1) over k from 0, x > 0: ten terms, then Euler and Maclaurin's formula for the rest.
Value hurwitz(int64_t n, Value x) {
  const Value one = like(x, 1);
  constexpr int terms = 10;
  Value sum;
  for (int k = 0; k < terms; ++k) {
    const Value term = power(one / (k ? x + like(x, k) : x), n + 1);
    sum = sum ? sum + term : term;
  }
  const Value t = one / (x + like(x, terms));
  double c[std::size(bernoulli_ratios)], rising = 1;
  for (int64_t j = 0; j < static_cast<int64_t>(std::size(c)); ++j) {
    rising *= j == 0 ? static_cast<double>(n + 1) : static_cast<double>((n + 2 * j) * (n + 2 * j + 1));
    c[j] = bernoulli_ratios[j] * rising;
  }
  const Value square = t * t;
  const Value series = square * polynomial(square, c) + t * like(t, 0.5) + like(t, 1 / static_cast<double>(n));
  return sum + power(t, n) * series;
}

// -pi times the n-th derivative of cot(pi r) by r, as a polynomial in c = cot(pi r): d c / d r = -pi (1 + c^2).
Value cotangent_derivative(int64_t n, Value c) {
  std::vector<double> p = {0, -std::numbers::pi};
  for (int64_t i = 0; i < n; ++i) {
    std::vector<double> next(p.size() + 1, 0.0);
    for (size_t k = 1; k < p.size(); ++k) {
      const double slope = -std::numbers::pi * static_cast<double>(k) * p[k];
      next[k - 1] += slope, next[k + 1] += slope;
    }
    p = std::move(next);
  }
  return polynomial(c, p);
}

}  // namespace

// (-1)^(n+1) n! sum (x + k)^-(n+1); below 0 by reflection (Abramowitz and Stegun 6.4.7, 6.4.10). At its poles it has the sign of
// its approach from the right.
Value polygamma(int64_t n, Value x) {
  ensure(n > 0 && n <= 100, "polygamma of an order that is a row, or none");
  const Value positive = gt(x, like(x, 0)), one = like(x, 1);
  double factorial = 1;
  for (int64_t k = 2; k <= n; ++k) factorial *= static_cast<double>(k);
  const Value sum = hurwitz(n, select(positive, x, one - x));
  const Value r = select(positive, like(x, 0.25), x - round(x));
  const Value angle = r * like(x, std::numbers::pi);
  const Value reflected = cotangent_derivative(n, cos(angle) / sin(angle)) - sum * like(x, factorial);
  const double sign = n % 2 ? 1 : -1;
  const Value pole = like(x, sign * std::numeric_limits<double>::infinity());
  return select(positive, sum * like(x, sign * factorial), select(eq(r, like(x, 0)), pole, reflected));
}

// I0(x) - I1(x) / x
Value i1_slope(Value x, Value r) {
  const Value zero = eq(x, like(x, 0));
  return select(zero, like(x, 0.5), i0(x) - unscale(r, select(zero, like(x, 1), x)));
}
// I0e(x) - I1e(x) (sign(x) + 1 / x)
Value i1e_slope(Value x, Value r) {
  const Value zero = eq(x, like(x, 0));
  return select(zero, like(x, 0.5), i0e(x) - (sign(x) * r + unscale(r, select(zero, like(x, 1), x))));
}

Value copysign_slope(Value x, Value y) { return sign(x) * copysign(like(x, 1), y); }

// 2 x erfcx(x) - 2 / sqrt(pi), and where that cancels the asymptotic series of the difference.
Value erfcx_slope(Value x, Value r) {
  const Value far = gt(x, like(x, 12)), inverse = like(x, 1) / select(far, x, like(x, 12)), z = inverse * inverse;
  double c[9], term = std::numbers::inv_sqrtpi;
  for (int j = 0; j < 9; ++j) {
    c[j] = -term;
    term *= -(2 * j + 3) / 2.0;
  }
  return select(far, z * polynomial(z, c), like(x, 2) * scale(r, x) - like(x, 2 * std::numbers::inv_sqrtpi));
}

// The density over the distribution.
Value log_ndtr_slope(Value x) {
  return unscale(like(x, 0.79788456080286535588), erfcx(x * like(x, -0.70710678118654752440)));
}

}  // namespace tenon::ir::rules
