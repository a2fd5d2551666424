// Plans and their tables. Roots are made in long double as products of two that are computed, so that a table of n takes about 2 sqrt(n)
// sines and each root is right to its last place.
#include "tenon/frontend/ops/fft_plan.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <string>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/memory_cache.h"

namespace tenon::fft {
namespace {

using Complex = std::complex<long double>;

// The radices of a length whose prime factors are at most 13; empty for others. The last radices are the largest powers of two: the
// stages before then run along at least as many neighbours.
std::vector<int64_t> radices_of(int64_t n) {
  std::vector<int64_t> odd, even;
  for (const int64_t r : {13, 11, 7, 5, 9, 3})
    while (n % r == 0) odd.push_back(r), n /= r;
  std::sort(odd.begin(), odd.end());
  int e = 0;
  while (n % 2 == 0) ++e, n /= 2;
  if (n != 1) return {};
  if (e > 4 && e % 4 == 1) even = {4, 8}, e -= 5;
  if (e > 4 && e % 4 == 2) even = {8, 8}, e -= 6;
  if (e % 4 != 0) even.push_back(int64_t{1} << e % 4), e -= e % 4;
  even.insert(even.end(), static_cast<size_t>(e / 4), 16);
  odd.insert(odd.end(), even.begin(), even.end());
  return odd;
}

// e^(-2 pi i k / n) for any k.
class Roots {
 public:
  explicit Roots(int64_t n) : n_(n) {
    while (step_ * step_ < n) ++step_;
    for (int64_t i = 0; i < step_; ++i) fine_.push_back(exactly(i));
    for (int64_t i = 0; i * step_ < n; ++i) coarse_.push_back(exactly(i * step_));
  }
  Complex operator()(int64_t k) const {
    k %= n_;
    if (4 * k % n_ == 0) {  // quarters of a turn are exact
      constexpr long double real[] = {1, 0, -1, 0}, imaginary[] = {0, -1, 0, 1};
      return {real[4 * k / n_], imaginary[4 * k / n_]};
    }
    return coarse_[static_cast<size_t>(k / step_)] * fine_[static_cast<size_t>(k % step_)];
  }

 private:
  Complex exactly(int64_t k) const {
    constexpr long double two_pi = 6.283185307179586476925286766559005768L;
    const long double angle = two_pi * static_cast<long double>(k) / static_cast<long double>(n_);
    return {std::cos(angle), -std::sin(angle)};
  }
  int64_t n_, step_ = 1;
  std::vector<Complex> fine_, coarse_;
};

int64_t times_modulo(int64_t a, int64_t b, int64_t n) {
  __extension__ typedef __int128 Wide;
  return static_cast<int64_t>(static_cast<Wide>(a) * b % n);
}

// The transform on the host, of a length that is a product of small radices, once for each table with a chirp.
void transform(std::vector<Complex>& x, const std::vector<int64_t>& radices) {
  const auto n = static_cast<int64_t>(x.size());
  const Roots root(n);
  std::vector<Complex> y(x.size());
  int64_t done = 1;
  for (const int64_t r : radices) {
    const int64_t rest = n / done / r, step = n / (done * r);
    for (int64_t k = 0; k < done; ++k)
      for (int64_t q = 0; q < rest; ++q)
        for (int64_t c = 0; c < r; ++c) {
          Complex sum = 0;
          for (int64_t j = 0; j < r; ++j)
            sum += root(j * (k + done * c) % (done * r) * step) * x[static_cast<size_t>((k * r + j) * rest + q)];
          y[static_cast<size_t>((c * done + k) * rest + q)] = sum;
        }
    x.swap(y);
    done *= r;
  }
}

class Table {
 public:
  explicit Table(DType part) : part_(part) {}
  template <class F>
  void add(int64_t count, F root) {  // the real parts of count numbers, then the imaginary ones
    for (int64_t k = 0; k < count; ++k) values.push_back(root(k).real());
    for (int64_t k = 0; k < count; ++k) values.push_back(root(k).imag());
  }
  Tensor tensor() const {
    const auto n = static_cast<int64_t>(values.size());
    if (part_ == f64) return copied(std::vector<double>(values.begin(), values.end()), n);
    return copied(std::vector<float>(values.begin(), values.end()), n);
  }
  std::vector<long double> values;

 private:
  template <class T>
  Tensor copied(const std::vector<T>& of, int64_t n) const {
    return copy_from(of.data(), {n}, part_);
  }
  DType part_;
};

void add_stages(Table& table, const Plan& plan) {
  const int64_t n = plan.staged();
  const Roots root(n);
  int64_t done = 1;
  for (const int64_t r : plan.radices) {
    const int64_t step = n / (done * r);
    for (int64_t j = 1; done != 1 && j < r; ++j) table.add(done, [&](int64_t k) { return root(j * k * step); });
    done *= r;
  }
}

// c[t] = e^(-pi i t^2 / n), and the spectrum of its conjugate, wrapped around and divided by the length.
void add_chirp(Table& table, const Plan& plan) {
  const int64_t n = plan.length, m = plan.convolution;
  const Roots root(2 * n);
  std::vector<Complex> chirp(static_cast<size_t>(n)), wrapped(static_cast<size_t>(m));
  for (int64_t t = 0; t < n; ++t) chirp[static_cast<size_t>(t)] = root(times_modulo(t, t, 2 * n));
  for (int64_t t = 0; t < n; ++t) {
    wrapped[static_cast<size_t>(t)] = std::conj(chirp[static_cast<size_t>(t)]);
    if (t != 0) wrapped[static_cast<size_t>(m - t)] = wrapped[static_cast<size_t>(t)];
  }
  transform(wrapped, plan.radices);
  const auto length = static_cast<long double>(m);
  table.add(n, [&](int64_t t) { return chirp[static_cast<size_t>(t)]; });
  table.add(m, [&](int64_t t) { return wrapped[static_cast<size_t>(t)] / length; });
}

Tensor made(const Plan& plan, bool halves, DType part) {
  const FloatEnvironment standard;
  Table table(part);
  table.values.reserve(static_cast<size_t>(table_size(plan, halves)));
  if (plan.convolution != 0) add_chirp(table, plan);
  add_stages(table, plan);
  if (halves) {
    const Roots root(2 * plan.length);
    table.add(plan.length + 1, [&](int64_t k) { return root(k); });
  }
  const Tensor t = table.tensor();
  t.cell()->number = true;  // it goes where the program runs
  return t;
}

runtime::CacheOf<Cell>& tables() {
  static constinit Forever<runtime::CacheOf<Cell>> cache;
  return cache.get([] { return new runtime::CacheOf<Cell>(runtime::CacheKind::tables); });
}

}  // namespace

Plan plan_of(int64_t n) {
  Plan plan{.length = n, .radices = radices_of(n)};
  if (n == 1 || !plan.radices.empty()) return plan;
  // The least convolution that is long enough among some products of small primes.
  int64_t best = 0;
  for (const int64_t odd : {1, 3, 5, 9, 15}) {
    int64_t m = odd;
    while (m < 2 * n - 1) m *= 2;
    if (best == 0 || m < best) best = m;
  }
  plan.convolution = best;
  plan.radices = radices_of(best);
  return plan;
}

int64_t stages_size(const Plan& plan) {
  int64_t size = 0, done = 1;
  for (const int64_t r : plan.radices) {
    if (done != 1) size += 2 * (r - 1) * done;
    done *= r;
  }
  return size;
}

int64_t table_size(const Plan& plan, bool halves) {
  const int64_t chirp = plan.convolution != 0 ? 2 * (plan.length + plan.convolution) : 0;
  return chirp + stages_size(plan) + (halves ? 2 * (plan.length + 1) : 0);
}

Plan plan_for(int64_t n, bool real) { return plan_of(in_halves(n, real) ? n / 2 : n); }
bool has_table(int64_t n, bool real) { return table_size(plan_for(n, real), in_halves(n, real)) != 0; }

Tensor table_of(const Plan& plan, bool halves, DType part) {
  const std::string key = std::string(name(part)) + (halves ? " halves " : " ") + std::to_string(plan.length);
  if (const auto found = tables().find(key)) return Tensor(found);
  const Tensor t = made(plan, halves, part);
  return Tensor(tables().keep(key, t.cell(), static_cast<uint64_t>(table_size(plan, halves) * bytes(part))));
}

}  // namespace tenon::fft
