// Functions of order beside the standard library's algorithms: sorting, ranks, medians and quantiles, searching, counting.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::apart;
using tenon::testing::booleans;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::integers;
using tn::Tensor;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
using Numbers = std::vector<double>;
using Places = std::vector<int64_t>;

Tensor vector(const Numbers& v) { return tn::copy_from(v.data(), {static_cast<int64_t>(v.size())}, tn::f64); }
bool same(double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); }
void expect_same(const Tensor& found, const Numbers& expected) {
  const Numbers values = found.to_vector<double>();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(same(values[i], expected[i])) << i << ": " << values[i];
}
void expect_places(const Tensor& found, const Places& expected) {
  EXPECT_EQ(found.dtype(), tn::i64);
  EXPECT_EQ(found.to_vector<int64_t>(), expected);
}
// Whole numbers, so that there are ties, and a few NaNs.
Numbers tied(int64_t n, uint64_t seed, bool nans = true) {
  Numbers v = tn::round(3 * tn::normal(tn::key(seed), {n}, {tn::f64})).to_vector<double>();
  for (size_t i = 0; nans && i < v.size(); i += 17) v[i] = nan;
  return v;
}
Places order_of(const Numbers& v, bool descending) {
  Places order(v.size());
  std::iota(order.begin(), order.end(), 0);
  const auto less = [](double x, double y) { return x < y || (!std::isnan(x) && std::isnan(y)); };
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    return descending ? less(v[static_cast<size_t>(j)], v[static_cast<size_t>(i)])
                      : less(v[static_cast<size_t>(i)], v[static_cast<size_t>(j)]);
  });
  return order;
}
Numbers taken(const Numbers& v, const Places& at) {
  Numbers out;
  for (int64_t i : at) out.push_back(v[static_cast<size_t>(i)]);
  return out;
}

TEST(Order, SortsBothWays) {
  for (const int64_t n : {1, 2, 3, 31, 32, 33, 257, 1000}) {
    const Numbers v = tied(n, static_cast<uint64_t>(n));
    const Tensor x = vector(v);
    const Places up = order_of(v, false), down = order_of(v, true);
    expect_same(tn::sort(x), taken(v, up));
    expect_same(tn::sort(x, 0, true), taken(v, down));
    expect_same(tn::sort(x, {.descending = true}), taken(v, down));
    expect_same(tn::sort(x, 0, {.descending = true}), taken(v, down));
    expect_places(tn::argsort(x), up);
    expect_places(tn::argsort(x, {.axis = 0, .descending = true, .stable = true}), down);
    expect_places(tn::argsort(x, 0, {.descending = true}), down);
  }
  const Tensor m = tn::tensor({{3, 1}, {2, 5}, {2, 0}});
  EXPECT_EQ(tn::msort(m).to_vector<int64_t>(), (Places{2, 0, 2, 1, 3, 5}));
  EXPECT_EQ(tn::sort(m, 0, true).to_vector<int64_t>(), (Places{3, 5, 2, 1, 2, 0}));
  EXPECT_EQ(tn::sort(tn::tensor(4.)).item<double>(), 4);
  EXPECT_EQ(tn::argsort(tn::tensor(4.), -1, true).item<int64_t>(), 0);
  EXPECT_EQ(tn::sort(tn::zeros({3, 0})).numel(), 0);
  EXPECT_EQ(tn::sort(tn::tensor({true, false, true}), 0, true).to_vector<bool>(),
            (std::vector<bool>{true, true, false}));
}

TEST(Order, TopAndKth) {
  const Numbers v = tied(100, 3);
  for (const int64_t n :
       {401, 2048})  // groups first, with and without places behind the end; of columns, which are copies
    for (const int64_t k : {2, 9, 16})
      for (const bool largest : {true, false}) {
        const Numbers many = tied(n, 4);
        const Places all = order_of(many, largest), order(all.begin(), all.begin() + k);
        const Tensor columns = tn::stack({vector(many), vector(many)}, 1);
        const auto [values, places] = tn::topk(columns, k, 0, {.largest = largest});
        expect_same(tn::select(values, 1, 1), taken(many, order));
        expect_places(tn::select(places, 1, 1), order);
      }
  for (const int64_t k : {0, 1, 2, 5, 40, 100}) {
    for (const bool largest : {true, false}) {
      Places order = order_of(v, largest);
      order.resize(static_cast<size_t>(k));
      const auto [values, places] = tn::topk(vector(v), k, -1, {.largest = largest});
      expect_same(values, taken(v, order));
      expect_places(places, order);
    }
    if (k == 0) continue;
    const auto [value, place] = tn::kthvalue(vector(v), k);
    const int64_t expected = order_of(v, false)[static_cast<size_t>(k - 1)];
    EXPECT_EQ(place.item<int64_t>(), expected);
    EXPECT_TRUE(same(value.item<double>(), v[static_cast<size_t>(expected)]));
  }
  const auto [values, places] = tn::topk(tn::tensor({{1, 5}, {4, 2}, {3, 9}}), 2, 0);
  EXPECT_EQ(values.to_vector<int64_t>(), (Places{4, 9, 3, 5}));
  expect_places(places, {1, 2, 2, 0});
  EXPECT_EQ(tn::kthvalue(tn::zeros({2, 3}), 2, 1, true).first.shape(), (tn::Shape{2, 1}));
  EXPECT_EQ(tn::topk(tn::tensor(3.), 1).first.ndim(), 0);
  EXPECT_THROW(tn::topk(vector(v), 101), tn::Error);
  EXPECT_THROW(tn::kthvalue(vector(v), 0), tn::Error);
  // The derivative goes to where the elements were.
  const auto loss = [](const Tensor& t) { return tn::sum(tn::topk(t, 2).first * tn::tensor({1., 10.})); };
  expect_same(tn::grad(loss)(tn::tensor({3., 7., 5.})), {0, 1, 10});
}

TEST(Order, Places) {
  const Tensor x = tn::tensor({{1., 7., 2.}, {7., 0., 3.}});
  EXPECT_EQ(tn::argmax(x).item<int64_t>(), 1);  // over all elements
  EXPECT_EQ(tn::argmin(x).item<int64_t>(), 4);
  expect_places(tn::argmax(x, 1), {1, 0});
  expect_places(tn::argmax(x, 0), {1, 0, 1});
  EXPECT_EQ(tn::argmax(x, 1, true).shape(), (tn::Shape{2, 1}));
  EXPECT_EQ(tn::argmax(tn::tensor(2.)).item<int64_t>(), 0);
  EXPECT_EQ(tn::argmax(tn::tensor(2.), -1).item<int64_t>(), 0);
  EXPECT_THROW(tn::argmax(tn::zeros({0})), tn::Error);
}

double lower_median(Numbers v, bool skip) {
  const size_t all = v.size();
  v.erase(std::remove_if(v.begin(), v.end(), [](double x) { return std::isnan(x); }), v.end());
  if (v.empty() || (!skip && v.size() < all)) return nan;
  std::sort(v.begin(), v.end());
  return v[(v.size() - 1) / 2];
}

TEST(Order, Medians) {
  for (const int64_t n : {1, 2, 5, 6, 40, 41}) {
    for (const bool nans : {false, true}) {
      const Numbers v = tied(n, 7 + static_cast<uint64_t>(n), nans);
      EXPECT_TRUE(same(tn::median(vector(v)).item<double>(), lower_median(v, false)));
      EXPECT_TRUE(same(tn::nanmedian(vector(v)).item<double>(), lower_median(v, true)));
    }
  }
  const Tensor x = tn::tensor({{1., 9., 3., 4.}, {nan, 0., 5., 2.}, {8., 6., 7., 0.}});
  expect_same(tn::median(x, 1), {3, nan, 6});
  expect_same(tn::median(x, {.axes = {0}, .keepdims = true}), {nan, 6, 5, 2});
  expect_same(tn::nanmedian(x, {.axes = {1}}), {3, 2, 6});
  EXPECT_EQ(tn::median(x, {.axes = {0, 1}, .keepdims = true}).shape(), (tn::Shape{1, 1}));
  EXPECT_EQ(tn::median(tn::tensor({3, 1, 2, 2})).item<int64_t>(), 2);
  EXPECT_EQ(tn::median(tn::tensor(3.f)).item<float>(), 3);
  EXPECT_THROW(tn::median(tn::zeros({0})), tn::Error);
  // Over all elements those that are the median share its derivative; along an axis one has it.
  expect_same(tn::grad([](const Tensor& t) { return tn::median(t); })(tn::tensor({2., 5., 2., 1.})), {0.5, 0, 0.5, 0});
  expect_same(tn::grad([](const Tensor& t) { return tn::median(t, 0); })(tn::tensor({2., 5., 2., 1.})), {1, 0, 0, 0});
}

TEST(Order, Quantiles) {
  const Numbers v = {3, 1, 4, 1, 5, 9, 2, 6};
  Numbers s = v;
  std::sort(s.begin(), s.end());
  for (const double q : {0., 0.1, 0.25, 0.5, 0.77, 1.}) {
    const double rank = q * 7, low = s[static_cast<size_t>(std::floor(rank))],
                 high = s[static_cast<size_t>(std::ceil(rank))];
    const auto found = [&](const char* how) {
      return tn::quantile(vector(v), q, {.interpolation = how}).item<double>();
    };
    EXPECT_NEAR(found("linear"), low + (rank - std::floor(rank)) * (high - low), 1e-12);
    EXPECT_EQ(found("lower"), low);
    EXPECT_EQ(found("higher"), high);
    EXPECT_EQ(found("midpoint"), (low + high) / 2);
    EXPECT_EQ(found("nearest"), s[static_cast<size_t>(std::nearbyint(rank))]);
  }
  const Tensor x = tn::tensor({{1., 2., nan}, {6., 4., 5.}});
  expect_same(tn::quantile(x, 0.5, 1), {nan, 5});
  expect_same(tn::nanquantile(x, 0.5, 1), {1.5, 5});
  const Tensor both = tn::quantile(x[1], tn::tensor({0., 0.5, 1.}));
  expect_same(both, {4, 5, 6});
  EXPECT_EQ(tn::quantile(tn::zeros({4, 5}), tn::tensor({0.5f, 1.f}), 0).shape(), (tn::Shape{2, 5}));
  EXPECT_EQ(tn::quantile(tn::zeros({4, 5}), tn::tensor({0.5f, 1.f}), 0, true).shape(), (tn::Shape{2, 1, 5}));
  EXPECT_EQ(tn::quantile(tn::zeros({4, 5}), 0.5).ndim(), 0);
  expect_same(tn::quantile(tn::tensor({inf, inf, inf}), 0.3), {inf});
  EXPECT_THROW(tn::quantile(x, 1.5), tn::Error);
  EXPECT_THROW(tn::quantile(x, 0.5, {.interpolation = "cubic"}), tn::Error);
  expect_same(tn::grad([](const Tensor& t) { return tn::quantile(t, 0.25); })(tn::tensor({3., 1., 2., 9.})),
              {0, 0.25, 0.75, 0});
}

TEST(Order, Modes) {
  const auto [value, place] = tn::mode(tn::tensor({{2, 1, 2, 1, 3}, {5, 4, 3, 2, 1}}));
  EXPECT_EQ(value.to_vector<int64_t>(), (Places{1, 1}));
  expect_places(place, {3, 4});
  const Numbers v = tied(300, 9, false);
  std::map<double, int> counts;
  for (double x : v) ++counts[x];
  double best = v[0];
  for (const auto& [x, n] : counts)
    if (n > counts[best] || (n == counts[best] && x < best)) best = x;
  EXPECT_EQ(tn::mode(vector(v)).first.item<double>(), best);
  EXPECT_EQ(tn::mode(tn::zeros({2, 3}), 0, true).first.shape(), (tn::Shape{1, 3}));
  EXPECT_EQ(tn::mode(tn::tensor(3.)).second.item<int64_t>(), 0);
}

TEST(Search, FindsPlaces) {
  for (const int64_t n : {0, 1, 2, 3, 7, 8, 100}) {
    Numbers keys = tied(n, 11, false);
    std::sort(keys.begin(), keys.end());
    const Numbers values = {-100, -2, -1.5, 0, 1, 2.5, 3, 100, nan};
    const Tensor s = tn::copy_from(keys.data(), {n}, tn::f64);
    Places left, right;
    for (double v : values) {
      left.push_back(std::isnan(v) ? n : std::lower_bound(keys.begin(), keys.end(), v) - keys.begin());
      right.push_back(std::isnan(v) ? n : std::upper_bound(keys.begin(), keys.end(), v) - keys.begin());
    }
    expect_places(tn::searchsorted(s, vector(values)), left);
    expect_places(tn::searchsorted(s, vector(values), {.right = true}), right);
    expect_places(tn::searchsorted(s, vector(values), {.side = "right"}), right);
    expect_places(tn::bucketize(vector(values), s), left);
    expect_places(tn::bucketize(vector(values), s, {.right = true}), right);
  }
  const Tensor rows = tn::tensor({{1, 3, 5}, {2, 4, 6}});
  expect_places(tn::searchsorted(rows, tn::tensor({{3, 9}, {3, 1}})), {1, 3, 1, 0});
  EXPECT_EQ(tn::searchsorted(tn::tensor({1., 2.}), 1.5).item<int64_t>(), 1);
  expect_places(tn::searchsorted(tn::tensor({1., nan, nan}), tn::tensor({2., nan})), {1, 1});
  EXPECT_THROW(tn::searchsorted(rows, tn::tensor({1, 2})), tn::Error);
  EXPECT_THROW(tn::searchsorted(rows, rows, {.right = true, .side = "left"}), tn::Error);
}

TEST(Search, IsIn) {
  const Tensor x = tn::tensor({{1, 2}, {3, 4}});
  EXPECT_EQ(tn::isin(x, tn::tensor({4, 1, 9})).to_vector<bool>(), (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(tn::isin(x, tn::tensor({4, 1}), {.invert = true}).to_vector<bool>(),
            (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(tn::isin(x, tn::zeros({0}, {tn::i64})).to_vector<bool>(), (std::vector<bool>(4, false)));
  EXPECT_EQ(tn::isin(tn::tensor({nan, 1.}), tn::tensor({nan, 1.})).to_vector<bool>(), (std::vector<bool>{false, true}));
}

TEST(Counts, Histograms) {
  const Numbers v = tn::normal(tn::key(2), {5000}, {tn::f64}).to_vector<double>();
  const auto [counts, edges] = tn::histogram(vector(v), 10, -1.5, 2);
  const Numbers e = edges.to_vector<double>();
  ASSERT_EQ(e.size(), 11u);
  EXPECT_EQ(e[0], -1.5);
  EXPECT_EQ(e[10], 2);
  Numbers expected(10, 0.0);
  for (double x : v)
    for (size_t i = 0; i < 10; ++i) expected[i] += x >= e[i] && (x < e[i + 1] || (i == 9 && x == e[10]));
  expect_same(counts, expected);
  expect_same(tn::histc(tn::tensor({1., 2., 1., 4., nan, 5.}), 4, 0, 4), {0, 2, 1, 1});
  expect_same(tn::histc(tn::tensor({1., 2., 3., 3.}), 2), {1, 3});
  expect_same(tn::histc(tn::tensor({7., 7.}), 2), {0, 2});  // 6 to 8
  expect_same(tn::histogram(tn::tensor({0., 1., 1., 2.}), 2).first, {1, 3});
  const Tensor density = tn::histogram(vector(v), 7, {.range = {-1, 1}, .density = true}).first;
  EXPECT_NEAR((tn::sum(density) * (2. / 7)).item<double>(), 1, 1e-12);
  EXPECT_THROW(tn::histogram(vector(v), 0, 0, 1), tn::Error);
  EXPECT_THROW(tn::histogram(vector(v), 4, 1, 0), tn::Error);
}

TEST(Counts, Bins) {
  const Tensor x = tn::tensor({1, 3, 1, 0, 7});
  expect_places(tn::bincount(x), {1, 2, 0, 1, 0, 0, 0, 1});
  expect_places(tn::bincount(x, 4), {1, 2, 0, 1});
  expect_places(tn::bincount(x, {.minlength = 10}), {1, 2, 0, 1, 0, 0, 0, 1, 0, 0});
  const Tensor w = tn::tensor({0.5, 1., 2., 4., 8.});
  expect_same(tn::bincount(x, 4, w), {4, 2.5, 0, 1});
  expect_same(tn::bincount(x, {.weights = w, .minlength = 2}), {4, 2.5, 0, 1, 0, 0, 0, 8});
  EXPECT_EQ(tn::bincount(tn::zeros({0}, {tn::i64})).numel(), 0);
  expect_places(tn::jit([](const Tensor& t) { return tn::bincount(t, 3); })(x), {1, 2, 0});
  EXPECT_THROW(tn::jit([](const Tensor& t) { return tn::bincount(t); })(x), tn::Error);
  EXPECT_THROW(tn::bincount(tn::tensor({1.5})), tn::Error);
}

TEST(Counts, Distinct) {
  const Tensor x = tn::tensor({{3., 1., 3.}, {2., 1., 3.}});
  expect_same(tn::unique(x), {1, 2, 3});
  expect_same(tn::unique(x, 5), {1, 2, 3, 1, 1});
  expect_same(tn::unique(x, 2), {1, 2});
  expect_same(tn::unique(x, {.size = 4, .fill = -1}), {1, 2, 3, -1});
  const auto [values, counts] = tn::unique_counts(x, 4);
  expect_same(values, {1, 2, 3, 1});
  expect_places(counts, {2, 1, 3, 0});
  expect_places(tn::unique_inverse(x).second, {2, 0, 2, 1, 0, 2});
  EXPECT_EQ(tn::unique_inverse(x, 3).second.shape(), x.shape());
  expect_same(tn::unique(tn::tensor({nan, 1., nan})), {1, nan, nan});
  EXPECT_EQ(tn::unique(tn::zeros({0})).numel(), 0);
  EXPECT_THROW(tn::jit([](const Tensor& t) { return tn::unique(t); })(x), tn::Error);
}

// A lane is the function of that lane, and a program gives what the functions give one by one.
TEST(Order, EveryRouteGivesTheSameBits) {
  const Tensor x = tn::round(4 * tn::normal(tn::key(5), {3, 40, 2}));
  const Tensor s = tn::sort(tn::normal(tn::key(6), {9}));
  const auto f = [&](const Tensor& t) {
    return std::make_tuple(tn::sort(t, 0, true), tn::argsort(t, 0), tn::topk(t, 5, 0).first, tn::topk(t, 5, 0).second,
                           tn::kthvalue(t, 7, 0).second, tn::median(t), tn::median(t, 0), tn::nanmedian(t, 0),
                           tn::quantile(t, tn::tensor({0.1f, 0.6f}), 0), tn::mode(t, 0).second, tn::searchsorted(s, t),
                           tn::isin(t, s), tn::histogram(t, 6, -5, 5).first, tn::histc(t, 5), tn::unique(t, 12),
                           tn::unique_inverse(t, 12).second, tn::argmax(t));
  };
  const auto lanes = tn::tree::leaves(tn::vmap(f)(x)), jitted = tn::tree::leaves(tn::jit(tn::vmap(f))(x));
  for (int64_t i = 0; i < 3; ++i) {
    const auto one = tn::tree::leaves(f(x[i])), program = tn::tree::leaves(tn::jit(f)(x[i]));
    for (size_t k = 0; k < one.size(); ++k) {
      EXPECT_EQ(one[k].to_vector<float>(), program[k].to_vector<float>()) << k;
      EXPECT_EQ(one[k].to_vector<float>(), lanes[k][i].to_vector<float>()) << k;
      EXPECT_EQ(one[k].to_vector<float>(), jitted[k][i].to_vector<float>()) << k;
    }
  }
}

TEST(Order, Battery) {
  const std::vector<Drawn> matrix = {apart({3, 5})};
  const std::vector<std::vector<Drawn>> others = {{{{}}}, {{{700}}}, {integers({4, 6}, -3, 3)}, {booleans({2, 5})}};
  std::vector<std::vector<Drawn>> empty = others;
  empty.push_back({{{0}}}), empty.push_back({{{2, 0}}});
  check_functions({
      {"sort", TENON_CALL(tn::sort(x[0])), matrix, empty},
      {"sort", TENON_CALL(tn::sort(x[0], 0, true)), matrix, empty},
      {"sort", TENON_CALL(tn::sort(x[0], {.descending = true})), matrix},
      {"argsort", TENON_CALL(tn::argsort(x[0], -1)), matrix, empty, 0},
      {"argsort", TENON_CALL(tn::argsort(x[0], 0, {.descending = true})), matrix, empty, 0},
      {"msort", TENON_CALL(tn::msort(x[0])), matrix, empty},
      {"topk", TENON_CALL(tn::topk(x[0], 2, 0)), matrix, {{integers({4, 6}, -3, 3)}, {booleans({2, 5})}}},
      {"topk", TENON_CALL(tn::topk(x[0], 3, 1, {.largest = false})), matrix},
      {"kthvalue", TENON_CALL(tn::kthvalue(x[0], 2, 0)), matrix, {{integers({4, 6}, -3, 3)}}},
      {"kthvalue", TENON_CALL(tn::kthvalue(x[0], 1, -1, true)), matrix, others},
      {"median", TENON_CALL(tn::median(x[0])), matrix, others},
      {"median", TENON_CALL(tn::median(x[0], {.axes = {0}, .keepdims = true})), matrix, others},
      {"nanmedian", TENON_CALL(tn::nanmedian(x[0], {.axes = {-1}})), matrix, others},
      {"nanmedian", TENON_CALL(tn::nanmedian(x[0])), matrix},
      {"quantile", TENON_CALL(tn::quantile(x[0], 0.3)), matrix, {{{{}}}, {{{700}}}, {integers({4, 6}, -3, 3)}}},
      {"quantile", TENON_CALL(tn::quantile(x[0], x[1], 1)), {apart({3, 5}), {{4}, 0.05, 0.95}}, {}, 1},
      {"quantile", TENON_CALL(tn::quantile(x[0], 0.3, {.axes = {0}, .interpolation = "midpoint"})), matrix},
      {"nanquantile", TENON_CALL(tn::nanquantile(x[0], 0.7, 0)), matrix, {{{{}}}}},
      {"mode", TENON_CALL(tn::mode(x[0], 0)), {apart({4, 3})}, others},
      {"mode", TENON_CALL(tn::mode(x[0], -1, true)), {integers({3, 9}, 0, 4)}, {}, 0},
      {"argmax", TENON_CALL(tn::argmax(x[0])), matrix, others, 0},
      {"argmax", TENON_CALL(tn::argmax(x[0], 0, true)), matrix, others, 0},
      {"argmin", TENON_CALL(tn::argmin(x[0], -1)), matrix, others, 0},
      {"argmin", TENON_CALL(tn::argmin(x[0])), matrix, others, 0},
  });
}

TEST(Search, Battery) {
  const Drawn sorted = integers({9}, -3, 3);
  check_functions({
      {"searchsorted",
       TENON_CALL(tn::searchsorted(tn::is_complex(x[0]) ? x[0] : tn::sort(x[0]), x[1])),
       {apart({9}), {{3, 4}}},
       {},
       0,
       true,
       true,
       true,
       -1},
      {"searchsorted",
       TENON_CALL(tn::searchsorted(x[0], x[1], {.right = true})),
       {sorted, integers({5}, -4, 4)},
       {{integers({0}, 0, 1), integers({5}, -4, 4)}},
       0},
      {"searchsorted",
       TENON_CALL(tn::searchsorted(x[0], x[1])),
       {integers({2, 9}, -3, 3), integers({2, 4}, -4, 4)},
       {},
       0},
      {"bucketize", TENON_CALL(tn::bucketize(x[0], x[1])), {integers({3, 4}, -4, 4), sorted}, {}, 0},
      {"isin",
       TENON_CALL(tn::isin(x[0], x[1])),
       {integers({3, 4}, -4, 4), integers({2, 3}, -2, 4)},
       {{integers({3}, 0, 2), integers({0}, 0, 1)}},
       0},
      {"isin",
       TENON_CALL(tn::isin(x[0], x[1], {.invert = true})),
       {integers({3, 4}, -4, 4), integers({3}, -2, 4)},
       {},
       0},
  });
}

TEST(Counts, Battery) {
  check_functions({
      {"histogram", TENON_CALL(tn::histogram(x[0], 4, -1.5, 2)), {{{3, 20}}}, {{integers({30}, -3, 4)}, {{{0}}}}, 0},
      {"histogram", TENON_CALL(tn::histogram(x[0], 5, {.density = true})), {{{40}}}, {}, 0, true, false},
      {"histc", TENON_CALL(tn::histc(x[0], 4, -1, 2)), {{{3, 20}}}, {{integers({30}, -3, 4)}}, 0},
      {"histc", TENON_CALL(tn::histc(x[0], 6)), {{{30}}}, {{integers({30}, -3, 4)}, {{{}}}}, 0, true, false},
      {"bincount", TENON_CALL(tn::bincount(x[0], 6)), {integers({40}, 0, 7)}, {{integers({0}, 0, 1)}}, 0},
      {"bincount", TENON_CALL(tn::bincount(x[0], 6, x[1])), {integers({40}, 0, 7), {{40}}}, {}, 2, false},
      {"unique", TENON_CALL(tn::unique(x[0], 8)), {integers({4, 5}, 0, 6)}, {{booleans({7})}, {{{}}}}, 0},
      {"unique", TENON_CALL(tn::unique(x[0], {.size = 15, .fill = -1})), {{{12}}}, {}, 0},
      {"unique_counts", TENON_CALL(tn::unique_counts(x[0], 5)), {integers({20}, 0, 8)}, {{{{9}}}}, 0},
      {"unique_inverse", TENON_CALL(tn::unique_inverse(x[0], 8)), {integers({3, 6}, 0, 8)}, {{{{9}}}}, 0},
  });
}

}  // namespace
