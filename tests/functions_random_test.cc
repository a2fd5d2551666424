// tn::random: known answers, distributions against their distribution functions (Kolmogorov and Smirnov, 10^6 draws) and frequencies
// (chi squared), integers without bias at any bounds, every route alike, derivatives, what is refused.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace tn = tenon;
namespace rnd = tenon::random;
using tn::Tensor;

namespace {

constexpr int64_t many = 1000000;

// sqrt(n) sup |F_n - F|, over every sixteenth draw; beyond 1.95 with a probability of 1e-3. Keys are fixed, so the verdict is too.
double kolmogorov(std::vector<double> draws, double (*cdf)(double)) {
  std::sort(draws.begin(), draws.end());
  const double n = static_cast<double>(draws.size());
  double most = 0;
  for (size_t i = 0; i < draws.size(); i += 16) {
    const double f = cdf(draws[i]);
    most = std::max({most, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return most * std::sqrt(n);
}

// (sum (seen - expected)^2 / expected - degrees) / sqrt(2 degrees): about a standard normal number.
double chi_squared(const std::map<int64_t, int64_t>& seen, const std::map<int64_t, double>& expected) {
  double sum = 0;
  for (const auto& [value, count] : expected) {
    const auto it = seen.find(value);
    const double difference = (it == seen.end() ? 0 : static_cast<double>(it->second)) - count;
    sum += difference * difference / count;
  }
  const double degrees = static_cast<double>(expected.size()) - 1;
  return (sum - degrees) / std::sqrt(2 * degrees);
}
std::map<int64_t, int64_t> counts(const Tensor& t) {
  std::map<int64_t, int64_t> seen;
  for (const int64_t v : t.to_vector<int64_t>()) ++seen[v];
  return seen;
}

// P(a, x) by its series or continued fraction, and I_x(a, b) by its own (Abramowitz and Stegun 6.5.29, 6.5.31, 26.5.8).
double lower_gamma(double a, double x) {
  if (x <= 0) return 0;
  const double factor = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int k = 1; k < 1000 && term > 1e-17 * sum; ++k) sum += term *= x / (a + k);
    return factor * sum;
  }
  double f = 0;
  for (int k = 300; k > 0; --k) f = k * (a - k) / (x + 2 * k + 1 - a + f);
  return 1 - factor / (x + 1 - a + f);
}
double lower_beta(double a, double b, double x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - lower_beta(b, a, 1 - x);
  const double factor =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  double f = 0;
  for (int k = 200; k > 0; --k) {
    const double m = k / 2, d = k % 2 ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                                      : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    f = d / (1 + f);
  }
  return factor / (a * (1 + f));
}
double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

TEST(Random, ThreefryGivesThePublishedWords) {  // kat_vectors of Random123, threefry2x32 with 20 rounds
  const struct {
    uint32_t key[2], counter[2], words[2];
  } known[] = {{{0, 0}, {0, 0}, {0x6b200159, 0x99ba4efe}},
               {{~0u, ~0u}, {~0u, ~0u}, {0x1cb996fc, 0xbb002be7}},
               {{0x13198a2e, 0x03707344}, {0x243f6a88, 0x85a308d3}, {0xc4923a9c, 0x483df7a0}}};
  for (const auto& k : known) {
    const Tensor key = tn::copy_from(k.key, {2}, tn::u32), counter = tn::copy_from(k.counter, {2}, tn::u32);
    const auto words = rnd::threefry2x32(key, counter).to_vector<uint32_t>();
    EXPECT_EQ(words, (std::vector<uint32_t>{k.words[0], k.words[1]}));
  }
  const Tensor two = tn::copy_from(known[2].counter, {1, 2}, tn::u32);
  EXPECT_EQ(rnd::threefry2x32(tn::key(0), two).shape(), (tn::Shape{1, 2}));
}

struct Continuous {
  const char* name;
  Tensor (*draw)(const Tensor& key, int64_t n, tn::DType dtype);
  double (*cdf)(double);
};
const Continuous continuous[] = {
    {"uniform", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::uniform(k, {n}, {.dtype = t}); },
     [](double x) { return std::clamp(x, 0.0, 1.0); }},
    {"normal", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::normal(k, {n}, {.dtype = t}); }, phi},
    {"exponential", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::exponential(k, {n}, {.dtype = t}); },
     [](double x) { return -std::expm1(-x); }},
    {"laplace", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::laplace(k, {n}, {.dtype = t}); },
     [](double x) { return x < 0 ? 0.5 * std::exp(x) : 1 - 0.5 * std::exp(-x); }},
    {"gumbel", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::gumbel(k, {n}, {.dtype = t}); },
     [](double x) { return std::exp(-std::exp(-x)); }},
    {"truncated_normal(-1, 2)",
     [](const Tensor& k, int64_t n, tn::DType t) { return rnd::truncated_normal(k, -1, 2, {n}, {.dtype = t}); },
     [](double x) { return (phi(std::clamp(x, -1.0, 2.0)) - phi(-1)) / (phi(2) - phi(-1)); }},
    {"truncated_normal(4, 5)",
     [](const Tensor& k, int64_t n, tn::DType t) { return rnd::truncated_normal(k, 4.0, 5.0, {n}, {.dtype = t}); },
     [](double x) { return (phi(-4) - phi(-std::clamp(x, 4.0, 5.0))) / (phi(-4) - phi(-5)); }},
    {"gamma(0.3)", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::gamma(k, 0.3, {n}, {.dtype = t}); },
     [](double x) { return lower_gamma(0.3, x); }},
    {"gamma(1)", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::gamma(k, 1, {n}, {.dtype = t}); },
     [](double x) { return lower_gamma(1, x); }},
    {"gamma(7.5)", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::gamma(k, 7.5, {n}, {.dtype = t}); },
     [](double x) { return lower_gamma(7.5, x); }},
    {"beta(0.5, 2)", [](const Tensor& k, int64_t n, tn::DType t) { return rnd::beta(k, 0.5, 2, {n}, {.dtype = t}); },
     [](double x) { return lower_beta(0.5, 2, x); }},
    {"dirichlet(1, 2, 3)",  // its first part: beta(1, 5)
     [](const Tensor& k, int64_t n, tn::DType t) {
       return rnd::dirichlet(k, tn::tensor({1.0, 2.0, 3.0}), {n}, {.dtype = t})[{tn::all, 0}];
     },
     [](double x) { return lower_beta(1, 5, x); }},
};

TEST(Random, ContinuousDrawsHaveTheirDistribution) {
  for (const Continuous& c : continuous)
    for (const tn::DType dtype : {tn::f32, tn::f64}) {
      const Tensor draws = c.draw(tn::key(17), dtype == tn::f32 ? many : many / 10, dtype);
      EXPECT_EQ(draws.dtype(), dtype) << c.name;
      const std::vector<double> values = draws.to_vector<double>();
      for (const double v : values) ASSERT_TRUE(std::isfinite(v)) << c.name;
      EXPECT_LT(kolmogorov(values, c.cdf), 1.95) << c.name << " in " << name(dtype);
    }
}

TEST(Random, HalvesAreDrawnToo) {
  for (const tn::DType dtype : {tn::f16, tn::bf16}) {
    EXPECT_EQ(rnd::gamma(tn::key(1), 2, {3}, {.dtype = dtype}).dtype(), dtype);
    EXPECT_EQ(rnd::laplace(tn::key(1), {3}, {.dtype = dtype}).dtype(), dtype);
    EXPECT_EQ(rnd::dropout(tn::key(1), tn::ones({3}, {.dtype = dtype}), 0.5).dtype(), dtype);
  }
  EXPECT_EQ(rnd::gamma(tn::key(1), tn::tensor({1.0, 2.0})).dtype(), tn::f64);
}

TEST(Random, DiscreteDrawsHaveTheirFrequencies) {
  const double n = static_cast<double>(many);
  const auto close = [](double statistic, const char* what) { EXPECT_LT(std::fabs(statistic), 3.5) << what; };
  std::map<int64_t, double> expected;
  for (int64_t i = -3; i < 4; ++i) expected[i] = n / 7;
  close(chi_squared(counts(rnd::randint(tn::key(5), {many}, -3, 4)), expected), "randint");
  for (const double rate : {0.7, 9.5, 10.0, 60.0}) {
    expected.clear();
    double rest = n;
    for (int64_t k = 0; k < 200; ++k) {
      const double p = n * std::exp(static_cast<double>(k) * std::log(rate) - rate - std::lgamma(k + 1.0));
      if (p > 20) expected[k] = p, rest -= p;
    }
    auto seen = counts(rnd::poisson(tn::key(6), rate, {many}));
    int64_t others = 0;
    for (const auto& [value, count] : seen) others += expected.count(value) ? 0 : count;
    seen[-1] = others, expected[-1] = std::max(rest, 1e-3);
    close(chi_squared(seen, expected), ("poisson of rate " + std::to_string(rate)).c_str());
  }
  expected = {{0, n * 0.2}, {1, n * 0.5}, {3, n * 0.3}};
  const Tensor weights = tn::tensor({0.4f, 1.0f, 0.0f, 0.6f});
  close(chi_squared(counts(rnd::categorical(tn::key(7), tn::log(weights), {many})), expected), "categorical");
  close(chi_squared(counts(rnd::multinomial(tn::key(8), weights, many, {.replacement = true})), expected),
        "multinomial");
  close(chi_squared(counts(rnd::choice(tn::key(9), 4, {many}, {.p = weights})), expected), "choice");
  expected = {{0, n * 0.75}, {1, n * 0.25}};
  close(chi_squared(counts(rnd::bernoulli(tn::key(10), 0.25, {many}).astype(tn::i64)), expected), "bernoulli");
  expected = {{-1, n / 2}, {1, n / 2}};
  close(chi_squared(counts(rnd::rademacher(tn::key(11), {many})), expected), "rademacher");
}

TEST(Random, IntegersHaveNoBiasAtAnyBounds) {
  const int64_t least = std::numeric_limits<int64_t>::min(), most = std::numeric_limits<int64_t>::max();
  // 3 * 2^62 numbers: remainders of 64 bits alone would give the lowest 2^62 a share of a half.
  const int64_t high = least + (int64_t{3} << 61) + (int64_t{3} << 61);
  const auto draws = rnd::randint(tn::key(3), {many}, least, high).to_vector<int64_t>();
  int64_t low_third = 0;
  bool ok = true;
  for (const int64_t v : draws) low_third += v < least + (int64_t{1} << 62), ok = ok && v < high;
  EXPECT_TRUE(ok);
  EXPECT_NEAR(static_cast<double>(low_third) / many, 1.0 / 3, 0.002);
  const auto whole = rnd::randint(tn::key(4), {many}, least, most).to_vector<int64_t>();
  EXPECT_NEAR(static_cast<double>(std::count_if(whole.begin(), whole.end(), [](int64_t v) { return v < 0; })) / many,
              0.5, 0.002);
  const auto big = rnd::randint(tn::key(4), {1000}, (uint64_t{1} << 63), (uint64_t{1} << 63) + 2, {.dtype = tn::u64});
  for (const uint64_t v : big.to_vector<uint64_t>()) EXPECT_TRUE(v >> 63 == 1 && (v & (~uint64_t{0} >> 1)) < 2);
  EXPECT_EQ(rnd::randint(tn::key(1), 5, 6, {2}).to_vector<int64_t>(), (std::vector<int64_t>{5, 5}));
  EXPECT_EQ(rnd::randint(tn::key(1), {4}, 0, tn::tensor(std::vector<int64_t>(4, 1))).to_vector<int64_t>(),
            std::vector<int64_t>(4, 0));
}

TEST(Random, PermutationsAndSamplesWithoutReplacement) {
  std::map<int64_t, int64_t> seen;
  std::map<int64_t, double> expected;
  constexpr int rounds = 6000;
  const auto draw = tn::jit(tn::vmap([](const Tensor& k) { return rnd::permutation(k, 4); }));
  const Tensor keys = tn::random_bits(tn::key(2), {rounds, 2});
  const auto all = draw(keys).to_vector<int64_t>();
  for (int i = 0; i < rounds; ++i) {
    int64_t code = 0;
    std::vector<int64_t> row(all.begin() + 4 * i, all.begin() + 4 * i + 4);
    for (const int64_t v : row) code = code * 4 + v;
    ++seen[code];
    std::sort(row.begin(), row.end());
    ASSERT_EQ(row, (std::vector<int64_t>{0, 1, 2, 3}));
  }
  EXPECT_EQ(seen.size(), 24u);
  for (const auto& [code, count] : seen) expected[code] = rounds / 24.0;
  EXPECT_LT(std::fabs(chi_squared(seen, expected)), 3.5);
  const Tensor rows = tn::arange(12).reshape({4, 3});
  const Tensor moved = rnd::permutation(tn::key(9), rows);
  EXPECT_EQ(moved.shape(), rows.shape());
  auto sorted = moved.to_vector<int64_t>(),
       order = rnd::choice(tn::key(3), 50, {50}, {.replace = false}).to_vector<int64_t>();
  for (size_t i = 0; i < 12; i += 3) EXPECT_EQ(sorted[i] + 2, sorted[i + 2]);
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  const Tensor picks = rnd::multinomial(tn::key(1), tn::tensor({{0.0f, 1.0f, 5.0f}, {1.0f, 0.0f, 1.0f}}), 2);
  auto first = picks.to_vector<int64_t>();
  std::sort(first.begin(), first.begin() + 2), std::sort(first.begin() + 2, first.end());
  EXPECT_EQ(first, (std::vector<int64_t>{1, 2, 0, 2}));
}

TEST(Random, EveryRouteDrawsTheSame) {
  const auto all = [](const Tensor& k) {
    const Tensor a = tn::tensor({0.4f, 3.0f, 30.0f});
    return std::vector<Tensor>{rnd::gamma(k, a),
                               rnd::beta(k, a, 2),
                               rnd::poisson(k, a),
                               rnd::exponential(k, {3}),
                               rnd::randint(k, {3}, 0, 1000),
                               rnd::truncated_normal(k, -a, a),
                               rnd::categorical(k, tn::log(a), {5}),
                               rnd::permutation(k, 6),
                               rnd::dirichlet(k, a)};
  };
  const Tensor keys = tn::random_bits(tn::key(1), {3, 2});
  const auto batched = tn::vmap(all)(keys);
  const auto jitted = tn::jit(all);
  for (int64_t i = 0; i < 3; ++i) {
    const Tensor key = keys[i];
    const auto eager = all(key), compiled = jitted(key);
    for (size_t r = 0; r < eager.size(); ++r) {
      EXPECT_EQ(eager[r].to_vector<double>(), compiled[r].to_vector<double>()) << "result " << r;
      EXPECT_EQ(eager[r].to_vector<double>(), batched[r][i].to_vector<double>()) << "result " << r << " of lane " << i;
    }
  }
}

TEST(Random, DropoutKeepsTheMeanAndScalesDerivatives) {
  const Tensor x = tn::full({many}, 2.0f), y = rnd::dropout(tn::key(4), x, 0.25);
  EXPECT_NEAR(tn::mean(y).item<double>(), 2, 0.01);
  const Tensor g = tn::grad([](const Tensor& v) { return tn::sum(rnd::dropout(tn::key(4), v, 0.25) * v); })(x);
  EXPECT_EQ((g - 2 * y).to_vector<float>(), std::vector<float>(many, 0.0f));
  EXPECT_EQ(rnd::dropout(tn::key(4), tn::ones({3}), 1.0).to_vector<float>(), std::vector<float>(3, 0.0f));
  EXPECT_EQ(rnd::dropout(tn::key(4), tn::ones({3}), 0).to_vector<float>(), std::vector<float>(3, 1.0f));
}

TEST(Random, WhatIsRefused) {
  const Tensor k = tn::key(1);
  EXPECT_THROW(rnd::randint(k, {3}, 4, 4), tn::Error);
  EXPECT_THROW(rnd::randint(k, {3}, 0.5, 4), tn::Error);
  EXPECT_THROW(rnd::gamma(tn::ones({2}), 1, {3}), tn::Error);
  EXPECT_THROW(rnd::gamma(k, tn::ones({4}), {3}), tn::Error);
  EXPECT_THROW(rnd::exponential(k, {3}, {.dtype = tn::i32}), tn::Error);
  EXPECT_THROW(rnd::choice(k, 3, {4}, {.replace = false}), tn::Error);
  EXPECT_THROW(rnd::multinomial(k, tn::ones({3}), 4), tn::Error);
  EXPECT_THROW(rnd::dropout(k, tn::ones({3}), 1.5), tn::Error);
  EXPECT_TRUE(std::isnan(rnd::gamma(k, -1, {1}).item<double>()));
}

TEST(Random, EmptyAndScalarShapes) {
  const Tensor k = tn::key(1);
  EXPECT_EQ(rnd::gamma(k, 2, {0}).numel(), 0);
  EXPECT_EQ(rnd::poisson(k, 2, {0, 3}).shape(), (tn::Shape{0, 3}));
  EXPECT_EQ(rnd::randint(k, tn::Shape{}, 0, 9).ndim(), 0);
  EXPECT_EQ(rnd::poisson(k, 3).ndim(), 0);
  EXPECT_EQ(rnd::beta(k, 1, 2).ndim(), 0);
}

}  // namespace
