// Many small matrices, which are lanes of vectors: every one of them has the bits that it has alone, whatever stands beside it (NaN,
// singular, indefinite), with fixed and with free extents.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/tenon.h"

namespace tn = tenon;
namespace la = tenon::linalg;
using tn::f32, tn::f64, tn::Tensor;

namespace {

using Results = std::vector<Tensor>;
struct Function {
  std::string name;
  std::function<Results(const Tensor&)> of;
  bool square;
};

Results solved(const Tensor& a, la::Triangular how) {
  const auto columns = tn::narrow(a, -1, 0, 3);
  return {la::solve_triangular(a, columns, how)};
}
const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      {"cholesky", [](const Tensor& a) { return Results{la::cholesky(a)}; }, true},
      {"lu",
       [](const Tensor& a) {
         const auto [lu, rows] = la::lu_factor(a);
         return Results{lu, rows};
       },
       false},
      {"det", [](const Tensor& a) { return Results{la::det(a)}; }, true},
      {"lower", [](const Tensor& a) { return solved(a, {}); }, true},
      {"upper", [](const Tensor& a) { return solved(a, {.upper = true}); }, true},
      {"unit", [](const Tensor& a) { return solved(a, {.unitriangular = true}); }, true},
      {"qr",
       [](const Tensor& a) {
         const auto [q, r] = la::qr(a);
         return Results{q, r};
       },
       false},
      {"complete",
       [](const Tensor& a) {
         const auto [q, r] = la::qr(a, "complete");
         return Results{q, r};
       },
       false},
  };
  return all;
}

std::vector<char> bytes(const Tensor& x) {
  if (x.dtype() == tn::i64) {
    const auto v = x.to_vector<int64_t>();
    return {reinterpret_cast<const char*>(v.data()), reinterpret_cast<const char*>(v.data() + v.size())};
  }
  auto v = x.astype(f64).to_vector<double>();  // exact; a NaN is a NaN
  for (double& e : v)
    if (e != e) e = std::numeric_limits<double>::quiet_NaN();
  return {reinterpret_cast<const char*>(v.data()), reinterpret_cast<const char*>(v.data() + v.size())};
}
void expect_bits(const Results& x, const Results& y, const std::string& what) {
  ASSERT_EQ(x.size(), y.size()) << what;
  for (size_t k = 0; k < x.size(); ++k) {
    EXPECT_EQ(x[k].shape(), y[k].shape()) << what;
    EXPECT_EQ(bytes(x[k]), bytes(y[k])) << what << ", result " << k;
  }
}

// Every fifth matrix is singular (two equal rows), every seventh has a NaN, every third is definite, the others are drawn.
Tensor mixed(int64_t batch, int64_t m, int64_t n, tn::DType t) {
  const Tensor x = tn::normal(tn::key(static_cast<uint64_t>(batch * 1000 + m * 50 + n)), {batch, m, n}, {.dtype = t});
  const Tensor number = tn::arange(0, batch).reshape({batch, 1, 1}), row = tn::arange(0, m).reshape({m, 1}),
               column = tn::arange(0, n);
  const Tensor definite = tn::where(row == column, 9.0 + x * x, (row + column).astype(t) / 64.0);
  Tensor a = tn::where(number % 3 == 0, definite, x);
  if (m > 1) a = tn::where((number % 5 == 1) & (row < 2), tn::broadcast_to(tn::narrow(a, 1, 0, 1), a.shape()), a);
  return tn::where((number % 7 == 2) & (row == m / 2) & (column == 0), std::numeric_limits<double>::quiet_NaN(), a);
}

Results alone(const Function& f, const Tensor& a, int64_t batch) {
  std::vector<Results> each;
  for (int64_t k = 0; k < batch; ++k) each.push_back(f.of(Tensor(a[{k}])));
  Results all;
  for (size_t r = 0; r < each[0].size(); ++r) {
    std::vector<Tensor> parts;
    for (const Results& one : each) parts.push_back(one[r]);
    all.push_back(tn::stack(parts));
  }
  return all;
}

void check(const Function& f, int64_t batch, int64_t m, int64_t n, tn::DType t) {
  if (f.square && (m != n || n < 3)) return;
  const std::string what = f.name + " of " + std::to_string(batch) + " " + std::to_string(m) + " x " +
                           std::to_string(n) + (t == f64 ? " f64" : " f32");
  const Tensor a = mixed(batch, m, n, t);
  const Results expected = alone(f, a, batch);
  expect_bits(f.of(a), expected, what + ", eager");
  const auto compiled = tn::jit(f.of);
  expect_bits(compiled(a), expected, what + ", jit");
}

TEST(LinalgLanes, EachMatrixHasTheBitsThatItHasAlone) {
  for (const Function& f : functions())
    for (const tn::DType t : {f64, f32}) {
      for (const auto& [m, n] : {std::pair<int64_t, int64_t>{3, 3}, {5, 5}, {8, 8}, {4, 9}, {9, 4}, {2, 1}})
        check(f, 21, m, n, t);
      check(f, 16, 32, 32, t);  // the largest that are lanes
      check(f, 16, 33, 33, t);  // and the smallest that are not
    }
}

TEST(LinalgLanes, SeveralAxesAreOneBatch) {
  const Tensor a = mixed(24, 4, 4, f64);
  for (const Function& f : functions()) {
    const Results flat = f.of(a), folded = f.of(a.reshape({2, 3, 4, 4, 4}));
    for (size_t k = 0; k < flat.size(); ++k) EXPECT_EQ(bytes(flat[k]), bytes(folded[k])) << f.name;
  }
}

TEST(LinalgLanes, FreeExtentsTakeEitherWay) {
  const tn::Dim n_free = tn::dim("linalg_lanes_n", 3, 64);
  for (const Function& f : functions()) {
    const auto compiled = tn::jit(f.of, {.dynamic = {{0, 0}, {0, 1, n_free}, {0, 2, n_free}}});
    for (const auto& [batch, n] : {std::pair<int64_t, int64_t>{19, 4}, {3, 4}, {19, 40}, {40, 32}, {8, 3}})
      expect_bits(compiled(mixed(batch, n, n, f64)), f.of(mixed(batch, n, n, f64)), f.name);
  }
}

TEST(LinalgLanes, OperandsMayBeMadeOnTheWay) {
  const auto f = [](const Tensor& x) {
    const Tensor a = tn::matmul(x, tn::transpose(x, {0, 2, 1})) + 1.0;
    return Results{la::cholesky(a * 2.0 + tn::eye(4, {.dtype = f64})), la::qr(tn::transpose(x, {0, 2, 1})).r};
  };
  const Tensor x = mixed(21, 4, 4, f64);
  expect_bits(tn::jit(f)(x), f(x), "a chain");
}

}  // namespace
