// Sparse derivatives against dense ones: patterns exact to the element over random straight programs, containing the true one for
// loops and branches; values; colourings; what is refused.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "tenon/passes/sparse/sparse.h"

namespace tenon {
namespace {

using Matrix = std::vector<std::vector<double>>;
using Places = std::set<std::pair<int64_t, int64_t>>;

Tensor vector_of(const std::vector<double>& values) {
  return copy_from(values.data(), {static_cast<int64_t>(values.size())}, f64);
}
Tensor numbers_of(const std::vector<int64_t>& values) {
  return copy_from(values.data(), {static_cast<int64_t>(values.size())}, i64);
}
Tensor random_vector(int64_t n, std::mt19937_64& random) {
  std::vector<double> values(static_cast<size_t>(n));
  for (double& v : values) v = std::uniform_real_distribution<double>(0.3, 1.7)(random);
  return vector_of(values);
}

// Column by column, by forward mode.
template <class F>
Matrix dense(F f, const Tensor& x) {
  const auto n = static_cast<int64_t>(x.numel());
  Matrix m;
  for (int64_t c = 0; c < n; ++c) {
    std::vector<double> unit(static_cast<size_t>(n), 0);
    unit[static_cast<size_t>(c)] = 1;
    const Tensor direction = copy_from(unit.data(), x.shape(), f64);
    const std::vector<double> column = jvp(f, x, direction).second.template to_vector<double>();
    m.resize(column.size(), std::vector<double>(static_cast<size_t>(n)));
    for (size_t r = 0; r < column.size(); ++r) m[r][static_cast<size_t>(c)] = column[r];
  }
  return m;
}

Places places_of(const Csr& j) {
  const auto offsets = j.row_offsets.to_vector<int64_t>(), columns = j.columns.to_vector<int64_t>();
  EXPECT_EQ(offsets.size(), static_cast<size_t>(j.rows) + 1);
  Places places;
  for (int64_t r = 0; r < j.rows; ++r)
    for (int64_t k = offsets[static_cast<size_t>(r)]; k < offsets[static_cast<size_t>(r) + 1]; ++k)
      places.insert({r, columns[static_cast<size_t>(k)]});
  EXPECT_EQ(places.size(), columns.size());
  return places;
}

// Whether j has the dense matrix's values, and no nonzero is missing.
void expect_values(const Csr& j, const Matrix& m, double tolerance = 1e-11) {
  ASSERT_EQ(static_cast<size_t>(j.rows), m.size());
  const auto offsets = j.row_offsets.to_vector<int64_t>(), columns = j.columns.to_vector<int64_t>();
  const auto values = j.values.to_vector<double>();
  ASSERT_EQ(values.size(), columns.size());
  Matrix got(m.size(), std::vector<double>(static_cast<size_t>(j.cols)));
  for (size_t r = 0; r < m.size(); ++r)
    for (auto k = static_cast<size_t>(offsets[r]); k < static_cast<size_t>(offsets[r + 1]); ++k)
      got[r][static_cast<size_t>(columns[k])] = values[k];
  for (size_t r = 0; r < m.size(); ++r)
    for (size_t c = 0; c < got[r].size(); ++c)
      ASSERT_NEAR(got[r][c], m[r][c], tolerance * (1 + std::abs(m[r][c]))) << "row " << r << ", column " << c;
}

Places nonzeros(const Matrix& m) {
  Places places;
  for (size_t r = 0; r < m.size(); ++r)
    for (size_t c = 0; c < m[r].size(); ++c)
      if (m[r][c] != 0) places.insert({static_cast<int64_t>(r), static_cast<int64_t>(c)});
  return places;
}

// ---- random straight programs

class Straight {
 public:
  explicit Straight(uint64_t seed) : seed_(seed) {}
  Tensor operator()(const Tensor& x) const {
    std::mt19937_64 random(seed_);
    std::vector<Tensor> values{x.reshape({-1})};
    const int steps = 3 + static_cast<int>(random() % 6);
    for (int k = 0; k < steps; ++k) values.push_back(step(values, random));
    return concat({values.back(), values[random() % values.size()]}, 0);
  }

 private:
  static int64_t below(int64_t n, std::mt19937_64& random) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  }
  static Tensor step(const std::vector<Tensor>& values, std::mt19937_64& random) {
    const Tensor a = values[random() % values.size()], b = values[random() % values.size()];
    const int64_t n = a.shape()[0].number();
    const Tensor matrix = a.reshape({n % 2 == 0 ? 2 : 1, -1});
    const int64_t columns = matrix.shape()[1].number();
    std::vector<int64_t> indices(static_cast<size_t>(n));
    for (int64_t& i : indices) i = below(n + 2, random) - 1;  // some lie outside
    const int64_t cut = below(n, random);
    switch (random() % 22) {
      case 0: return sin(a) * 1.5;
      case 1: return exp(a * 0.1) + floor(a) + stop_gradient(a);
      case 2: return a * take(b, arange(n));
      case 3: return atan2(a, 2 + take(b, numbers_of(indices)));
      case 4: return take(a, numbers_of(indices));
      case 5:
        return scatter_add(sin(b), numbers_of(std::vector<int64_t>(indices.begin(), indices.begin() + n / 2)),
                           a[slice(0, n / 2)]);
      case 6: return cumsum(a, 0, random() % 2 == 0);
      case 7: return sum(matrix, {.axes = {0}});
      case 8: return sum(matrix * matrix, {.axes = {1}});
      case 9: return matrix.transpose().reshape({-1});
      case 10: return flip(matrix, {1}).reshape({-1});
      case 11:
        return matmul(random_vector(3 * matrix.shape()[0].number(), random).reshape({3, -1}), matrix).reshape({-1});
      case 12: return pad(a, {{1, 2}}, 0.7)[slice(0, n + 1)];
      case 13: return a[slice(cut, n)];
      case 14: return concat({a[slice(cut, n)], b}, 0);
      case 15: return broadcast_to(matrix[0].reshape({1, columns}), {2, columns}).reshape({-1});
      case 16: return prod(matrix, {.axes = {0}}) * 2;
      case 17: return logsumexp(matrix, {.axes = {1}});
      case 18: return dynamic_slice(a, std::vector<Tensor>{tensor(cut / 2)}, {n - cut / 2 > 1 ? n - cut / 2 - 1 : 1});
      case 19: return scatter(sin(a), 0, numbers_of(indices), take(b, arange(n)));
      case 20: return scatter_reduce(a, 0, numbers_of(indices), take(b, arange(n)), "prod");
      default: return concat({a[slice(0, n, 2)], atan2(a, a + 1)}, 0);
    }
  }
  uint64_t seed_;
};

TEST(Sparse, PatternsOfRandomStraightProgramsAreExact) {
  int64_t elements = 0, entries = 0;
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Straight f(seed);
    const Tensor x = random_vector(3 + static_cast<int64_t>(seed % 6), random);
    const Csr j = sparse_jacobian(f)(x);
    const Matrix m = dense(f, x);
    expect_values(j, m);
    EXPECT_EQ(places_of(j), nonzeros(m));
    elements += j.rows * j.cols, entries += static_cast<int64_t>(j.values.numel());
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("%lld of %lld elements\n", static_cast<long long>(entries), static_cast<long long>(elements));
  EXPECT_LT(entries * 2, elements);  // there was something to tell apart
}

// ---- named structures

Tensor laplacian(const Tensor& x) {  // rows of three
  const auto n = static_cast<int64_t>(x.numel());
  const Tensor padded = pad(x, {{1, 1}});
  return padded[slice(0, n)] - 2.0 * sin(padded[slice(1, n + 1)]) + padded[slice(2, n + 2)];
}

TEST(Sparse, ABandTakesThreeProductsWhateverItsLength) {
  std::mt19937_64 random(3);
  const Tensor x = random_vector(200, random);
  const Csr j = sparse_jacobian(laplacian)(x);
  EXPECT_EQ(static_cast<int64_t>(j.values.numel()), 3 * 200 - 2);
  const Tensor small = random_vector(9, random);
  expect_values(sparse_jacobian(laplacian)(small), dense(laplacian, small));
  const std::string short_text = trace(sparse_jacobian(laplacian), small).ir(),
                    long_text = trace(sparse_jacobian(laplacian), x).ir();
  EXPECT_EQ(std::count(short_text.begin(), short_text.end(), '\n'),
            std::count(long_text.begin(), long_text.end(), '\n'));
}

TEST(Sparse, JittedGivesTheSameBits) {
  std::mt19937_64 random(5);
  const Tensor x = random_vector(30, random).reshape({5, 6});
  const auto f = [](const Tensor& t) { return (exp(t) * t.transpose().reshape({5, 6})).reshape({-1}); };
  const auto derivative = sparse_jacobian(f);
  const auto jitted = jit(derivative);
  const Csr eager = derivative(x), compiled = jitted(x);
  EXPECT_EQ(eager.values.to_vector<double>(), compiled.values.to_vector<double>());
  EXPECT_EQ(eager.columns.to_vector<int64_t>(), compiled.columns.to_vector<int64_t>());
  EXPECT_EQ(compiled.rows, 30);
  EXPECT_EQ(compiled.cols, 30);
  expect_values(compiled, dense(f, x));
  const Tensor y = random_vector(30, random).reshape({5, 6});
  expect_values(jitted(y), dense(f, y));
}

TEST(Sparse, RowsAreColouredWhereThatIsCheaper) {
  std::mt19937_64 random(7);
  const Tensor x = random_vector(40, random);
  // One full row: columns would take forty products, rows take two.
  const auto f = [](const Tensor& t) { return concat({sum(t * t).reshape({1}), t[slice(0, 30)] * 3}, 0); };
  expect_values(sparse_jacobian(f)(x), dense(f, x));
  const std::string text = trace(sparse_jacobian(f), x).ir();
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 40) << text;
}

TEST(Sparse, IndicesThatAreArgumentsOrCapturedCount) {
  std::mt19937_64 random(9);
  const Tensor x = random_vector(8, random), at = numbers_of({7, 0, 3, 3, 11});
  const auto f = [](const Tensor& t, const Tensor& i) { return take(t, i) * 2; };
  const auto with = sparse_jacobian(f);
  const auto captured = sparse_jacobian([&](const Tensor& t) { return take(t, at * 1 + 0) * 2; });
  const Places expected{{0, 7}, {1, 0}, {2, 3}, {3, 3}, {4, 7}};
  EXPECT_EQ(places_of(with(x, at)), expected);
  EXPECT_EQ(places_of(captured(x)), expected);
  EXPECT_EQ(places_of(with(x, numbers_of({1, 2, 3, 4, 5}))), (Places{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}}));
  // Of indices that are being traced nothing is known, but what they may be.
  const Csr any = jit(with)(x, at);
  EXPECT_EQ(places_of(any).size(), 40u);
  expect_values(any, dense([&](const Tensor& t) { return f(t, at); }, x));
}

TEST(Sparse, LoopsAndBranchesContainTheTruePattern) {
  std::mt19937_64 random(11);
  const Tensor x = random_vector(6, random);
  const auto shifted = [](const Tensor& t) { return concat({t[slice(1, 6)], t[slice(0, 1)] * 0.5}, 0); };
  const auto expect_contains = [&](const auto& f) {
    const Csr j = sparse_jacobian(f)(x);
    const Matrix m = dense(f, x);
    const Places stored = places_of(j), needed = nonzeros(m);
    EXPECT_TRUE(std::includes(stored.begin(), stored.end(), needed.begin(), needed.end()));
    expect_values(j, m);
    return stored;
  };
  expect_contains([&](const Tensor& t) {
    return fori_loop(0, 3, [&](const Tensor&, const Tensor& s) { return s * shifted(s); }, t);
  });
  expect_contains([&](const Tensor& t) {
    return cond(sum(t) > 0, [](const Tensor& s) { return s * s; }, [&](const Tensor& s) { return shifted(s); }, t);
  });
  expect_contains([&](const Tensor& t) {
    const auto going = [](const Tensor& s) { return sum(s) < 100; };
    return while_loop(going, [&](const Tensor& s) { return s + shifted(s); }, t);
  });
  // A scan over rows knows which row it is at.
  const auto rows = [](const Tensor& t) {
    const auto step = [](const Tensor& c, const Tensor& row) { return std::pair(c, sin(row) * 2); };
    return scan(step, zeros({2}, {.dtype = f64}), t.reshape({3, 2})).second.reshape({-1});
  };
  EXPECT_EQ(expect_contains(rows).size(), 6u);
}

TEST(Sparse, ChoicesGiveTheUnion) {
  const Tensor x = vector_of({3, 1, 2, 5});
  const auto f = [](const Tensor& t) {
    return concat(
        {where(t > 2, t, flip(t, {0})), tenon::max(t).reshape({1}), sort(t)[slice(0, 1)], maximum(t, 4.0)[slice(3, 4)]},
        0);
  };
  const Csr j = sparse_jacobian(f)(x);
  EXPECT_EQ(places_of(j), (Places{{0, 0},
                                  {0, 3},
                                  {1, 1},
                                  {1, 2},
                                  {2, 1},
                                  {2, 2},
                                  {3, 0},
                                  {3, 3},
                                  {4, 0},
                                  {4, 1},
                                  {4, 2},
                                  {4, 3},
                                  {5, 0},
                                  {5, 1},
                                  {5, 2},
                                  {5, 3},
                                  {6, 3}}));
  expect_values(j, dense(f, x));
}

TEST(Sparse, AFunctionOfNothingHasAnEmptyMatrix) {
  const Tensor x = ones({3}, {.dtype = f64});
  const Csr j = sparse_jacobian([](const Tensor& t) { return floor(t) + 1; })(x);
  EXPECT_EQ(static_cast<int64_t>(j.values.numel()), 0);
  EXPECT_EQ(j.row_offsets.to_vector<int64_t>(), (std::vector<int64_t>{0, 0, 0, 0}));
}

// ---- Hessians

TEST(Sparse, HessiansAreThoseOfTheGradient) {
  std::mt19937_64 random(13);
  const Tensor x = random_vector(12, random);
  const auto chain = [](const Tensor& t) {  // Rosenbrock's
    const Tensor a = t[slice(0, 11)], b = t[slice(1, 12)];
    return sum(100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a));
  };
  const auto arrow = [](const Tensor& t) { return sum(t[0] * sin(t) + t * t * t); };
  const auto full = [](const Tensor& t) { return logsumexp(t * t); };
  const auto check = [&](const auto& f, int64_t elements) {
    const Csr h = sparse_hessian(f)(x);
    expect_values(h, dense([&](const Tensor& t) { return grad(f)(t); }, x), 1e-10);
    EXPECT_EQ(static_cast<int64_t>(h.values.numel()), elements);
    const Csr again = jit(sparse_hessian(f))(x);
    EXPECT_EQ(again.values.to_vector<double>(), h.values.to_vector<double>());
  };
  check(chain, 12 + 2 * 11);
  check(arrow, 12 + 2 * 11);
  check(full, 144);
  EXPECT_EQ(static_cast<int64_t>(sparse_hessian([](const Tensor& t) { return sum(3 * t); })(x).values.numel()), 0);
}

// ---- colourings

passes::Pattern pattern_of(const std::vector<std::vector<int64_t>>& rows, int64_t cols) {
  passes::Pattern p;
  p.rows = static_cast<int64_t>(rows.size()), p.cols = cols;
  for (const auto& row : rows) {
    p.columns.insert(p.columns.end(), row.begin(), row.end());
    p.row_offsets.push_back(static_cast<int64_t>(p.columns.size()));
  }
  return p;
}

passes::Pattern random_pattern(int64_t rows, int64_t cols, int per_row, std::mt19937_64& random) {
  std::vector<std::vector<int64_t>> list;
  for (int64_t r = 0; r < rows; ++r) {
    std::set<int64_t> row;
    for (int k = 0; k < per_row; ++k) row.insert(static_cast<int64_t>(random() % static_cast<uint64_t>(cols)));
    list.emplace_back(row.begin(), row.end());
  }
  return pattern_of(list, cols);
}

TEST(Colouring, NoTwoColumnsOfAColourMeet) {
  std::mt19937_64 random(17);
  for (int k = 0; k < 50; ++k) {
    const passes::Pattern p = random_pattern(20 + k, 15, 1 + k % 5, random);
    const passes::Colouring c = passes::colour_columns(p);
    for (int64_t r = 0; r < p.rows; ++r) {
      std::set<int64_t> seen;
      for (int64_t column : p.row(r)) EXPECT_TRUE(seen.insert(c.colour[static_cast<size_t>(column)]).second);
    }
    for (int64_t colour : c.colour) EXPECT_TRUE(colour == 0 || colour < c.count);
  }
}

TEST(Colouring, EveryElementOfASymmetricMatrixIsAloneOnOneSide) {
  std::mt19937_64 random(19);
  for (int k = 0; k < 50; ++k) {
    const passes::Pattern p = passes::symmetric(random_pattern(18, 18, 1 + k % 4, random));
    const passes::Colouring c = passes::colour_symmetric(p);
    const auto alone = [&](int64_t r, int64_t column) {
      int64_t same = 0;
      for (int64_t other : p.row(r))
        same += c.colour[static_cast<size_t>(other)] == c.colour[static_cast<size_t>(column)];
      return same == 1;
    };
    for (int64_t r = 0; r < p.rows; ++r)
      for (int64_t column : p.row(r)) EXPECT_TRUE(alone(r, column) || alone(column, r)) << r << " " << column;
  }
}

TEST(Colouring, AnArrowTakesTwoColours) {
  std::vector<std::vector<int64_t>> rows{{}};
  for (int64_t k = 0; k < 30; ++k) {
    rows[0].push_back(k);
    if (k > 0) rows.push_back({0, k});
  }
  EXPECT_EQ(passes::colour_symmetric(pattern_of(rows, 30)).count, 2);
  EXPECT_EQ(passes::colour_columns(pattern_of(rows, 30)).count, 30);
}

// ---- refusals

TEST(Sparse, RefusesWhatGivesNoVector) {
  const Tensor x = ones({4}, {.dtype = f64});
  const auto message = [](auto run) {
    try {
      run();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing was refused");
  };
  const std::string scalar = message([&] { sparse_jacobian([](const Tensor& t) { return sum(t); })(x); });
  EXPECT_NE(scalar.find("vector"), std::string::npos) << scalar;
  EXPECT_NE(scalar.find("sparse_test.cc"), std::string::npos) << scalar;
  const std::string vector = message([&] { sparse_hessian([](const Tensor& t) { return t * t; })(x); });
  EXPECT_NE(vector.find("scalar"), std::string::npos) << vector;
  const std::string integers = message([&] { sparse_jacobian([](const Tensor& t) { return t * 2.0; })(arange(3)); });
  EXPECT_NE(integers.find("i64"), std::string::npos) << integers;
}

}  // namespace
}  // namespace tenon
