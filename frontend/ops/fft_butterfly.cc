// Transforms of up to 16 numbers, written out: by 2 and 4 with additions alone, odd primes by sums and differences of pairs, products of
// these by each other (Cooley and Tukey, 1965).
#include <cmath>

#include "tenon/frontend/ops/fft_formula.h"

namespace tenon::formula {
namespace {

using List = std::vector<Parts>;

Parts plus(const Parts& x, const Parts& y) { return {x.re + y.re, x.im + y.im}; }
Parts minus(const Parts& x, const Parts& y) { return {x.re - y.re, x.im - y.im}; }
Parts minus_i_times(const Parts& x, const Parts& y) { return {x.re + y.im, x.im - y.re}; }  // x - i y
Parts plus_i_times(const Parts& x, const Parts& y) { return {x.re - y.im, x.im + y.re}; }  // x + i y

long double root_angle(int64_t k, int64_t n) {
  constexpr long double two_pi = 6.283185307179586476925286766559005768L;
  return two_pi * static_cast<long double>(k) / static_cast<long double>(n);
}
double cosine_of(int64_t k, int64_t n) { return static_cast<double>(std::cos(root_angle(k, n))); }
double sine_of(int64_t k, int64_t n) { return static_cast<double>(std::sin(root_angle(k, n))); }

// x e^(-2 pi i k / n), with no product by 0 or 1.
Parts turned(const Parts& x, int64_t k, int64_t n) {
  k %= n;
  if (k == 0) return x;
  if (4 * k == n) return {x.im, -x.re};
  if (2 * k == n) return {-x.re, -x.im};
  if (8 * k == n || 8 * k == 3 * n) {  // (1 - i) / sqrt 2, (-1 - i) / sqrt 2
    const double half = 0.70710678118654752440;
    const Value sum = x.re + x.im, difference = x.im - x.re;
    if (8 * k == n) return {sum * half, difference * half};
    return {difference * half, sum * -half};
  }
  const Value c = ir::like(x.re, cosine_of(k, n)), s = ir::like(x.re, sine_of(k, n));
  return {fma(x.re, c, x.im * s), fma(x.im, c, -(x.re * s))};
}

List by_two(const List& x) { return {plus(x[0], x[1]), minus(x[0], x[1])}; }

List by_four(const List& x) {
  const Parts a = plus(x[0], x[2]), b = minus(x[0], x[2]), c = plus(x[1], x[3]), d = minus(x[1], x[3]);
  return {plus(a, c), minus_i_times(b, d), minus(a, c), plus_i_times(b, d)};
}

// With u = x[m] + x[p - m] and v = x[m] - x[p - m]: X[k], X[p - k] = x[0] + sum u cos(2 pi m k / p) -+ i sum v sin(2 pi m k / p).
List by_prime(const List& x) {
  const auto p = static_cast<int64_t>(x.size());
  List u, v, result(x.size());
  Parts all = x[0];
  for (int64_t m = 1; 2 * m < p; ++m) {
    u.push_back(plus(x[m], x[p - m]));
    v.push_back(minus(x[m], x[p - m]));
    all = plus(all, u.back());
  }
  result[0] = all;
  for (int64_t k = 1; 2 * k < p; ++k) {
    Parts even = x[0], odd;
    for (int64_t m = 1; 2 * m < p; ++m) {
      const Parts &um = u[m - 1], &vm = v[m - 1];
      const Value c = ir::like(um.re, cosine_of(m * k % p, p)), s = ir::like(um.re, sine_of(m * k % p, p));
      even = {fma(um.re, c, even.re), fma(um.im, c, even.im)};
      odd = m == 1 ? Parts{vm.re * s, vm.im * s} : Parts{fma(vm.re, s, odd.re), fma(vm.im, s, odd.im)};
    }
    result[k] = minus_i_times(even, odd);
    result[p - k] = plus_i_times(even, odd);
  }
  return result;
}

}  // namespace

// n = a b: transforms of length b over every a-th number, turned, then transforms of length a over those.
std::vector<Parts> butterfly(const std::vector<Parts>& x) {
  const auto n = static_cast<int64_t>(x.size());
  if (n == 1) return x;
  if (n == 2) return by_two(x);
  if (n == 4) return by_four(x);
  const int64_t a = n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : n % 3 == 0 ? 3 : n;
  if (a == n) return by_prime(x);
  const int64_t b = n / a;
  std::vector<List> inner;
  for (int64_t j = 0; j < a; ++j) {
    List part;
    for (int64_t i = 0; i < b; ++i) part.push_back(x[j + a * i]);
    inner.push_back(butterfly(part));
  }
  List result(x.size());
  for (int64_t k = 0; k < b; ++k) {
    List across;
    for (int64_t j = 0; j < a; ++j) across.push_back(turned(inner[j][k], j * k, n));
    const List outer = butterfly(across);
    for (int64_t c = 0; c < a; ++c) result[k + b * c] = outer[c];
  }
  return result;
}

}  // namespace tenon::formula
