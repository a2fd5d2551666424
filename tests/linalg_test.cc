// Values of tn::linalg: residuals and orthogonality over sizes around the blocks of rows that are eliminated together, references that are
// computed another way, what is singular, indefinite, badly conditioned or not finite, empty matrices and batches, dtypes, errors.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/tenon.h"

namespace tn = tenon;
namespace la = tenon::linalg;
using tn::f32, tn::f64, tn::Tensor;

namespace {

Tensor drawn(tn::Extents shape, uint64_t seed, tn::DType t = f64) {
  return tn::normal(tn::key(seed), shape, {.dtype = t});
}
int64_t extent(const Tensor& x, int from_end) { return x.shape()[static_cast<size_t>(x.ndim() - from_end)].number(); }
Tensor transposed(const Tensor& x) {
  std::vector<int64_t> order;
  for (int axis = 0; axis < x.ndim(); ++axis) order.push_back(axis);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return tn::transpose(x, order);
}
Tensor identity(int64_t n, tn::DType t = f64) {
  const Tensor i = tn::arange(0, n);
  return (i.reshape({n, 1}) == i).astype(t);
}
Tensor row_less(int64_t m, int64_t n, int64_t above) {  // column - row > above
  const Tensor i = tn::arange(0, m), j = tn::arange(0, n);
  return j - i.reshape({m, 1}) > above;
}
double largest(const Tensor& x) { return x.numel() == 0 ? 0 : tn::max(tn::abs(x.astype(f64))).item<double>(); }
double tolerance(tn::DType t) { return 40 * (t == f64 ? 1e-11 : 4e-6); }
void expect_near(const Tensor& x, const Tensor& y, double bound, const std::string& what) {
  ASSERT_EQ(x.shape(), y.shape()) << what;
  if (x.numel() == 0) return;
  EXPECT_LE(largest(x.astype(f64) - y.astype(f64)), bound * std::max(largest(y), 1e-300)) << what;
}
void expect_orthonormal(const Tensor& columns, double bound, const std::string& what) {
  const Tensor product = tn::matmul(transposed(columns), columns);
  expect_near(product, tn::broadcast_to(identity(extent(columns, 1), columns.dtype()), product.shape()), bound, what);
}
void expect_zero(const Tensor& x, const std::string& what) { EXPECT_EQ(largest(x), 0) << what; }
bool all_nan(const Tensor& x) { return tn::all_of(x != x).item<bool>(); }

struct Size {
  int64_t batch, n;
};
constexpr Size sizes[] = {{1, 1},  {3, 2},  {5, 3},  {2, 5},   {3, 8},  {2, 17},
                          {1, 32}, {2, 33}, {1, 64}, {1, 100}, {1, 256}};
std::string text(const Size& s, tn::DType t) {
  return std::to_string(s.batch) + " of " + std::to_string(s.n) + (t == f64 ? " f64" : " f32");
}
template <class F>
void over_sizes(F f) {
  for (tn::DType t : {f64, f32})
    for (const Size& s : sizes) f(s, t, tolerance(t), text(s, t));
}
Tensor definite(const Size& s, tn::DType t) {
  const Tensor x = drawn({s.batch, s.n, s.n}, 1, t);
  return tn::matmul(x, transposed(x)) + identity(s.n, t);
}

TEST(Linalg, Cholesky) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    const Tensor a = definite(s, t), l = la::cholesky(a);
    expect_near(tn::matmul(l, transposed(l)), a, bound, what);
    expect_zero(tn::where(row_less(s.n, s.n, 0), l, 0.0), what);
    const Tensor b = drawn({s.batch, s.n, 3}, 2, t);
    expect_near(tn::matmul(a, la::cholesky_solve(b, l)), b, bound, what);
    expect_near(la::cholesky_solve(b, transposed(l), {.upper = true}), la::cholesky_solve(b, l), bound, what);
    // The upper triangle is not read.
    const Tensor half = tn::where(row_less(s.n, s.n, 0), std::numeric_limits<double>::quiet_NaN(), a);
    EXPECT_TRUE(tn::all_of(la::cholesky(half) == l).item<bool>()) << what;
  });
}

TEST(Linalg, TriangularSystems) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    const Tensor full = drawn({s.batch, s.n, s.n}, 3, t) / static_cast<double>(s.n) + 2 * identity(s.n, t);
    for (const bool upper : {false, true})
      for (const bool unit : {false, true})
        for (const bool transpose : {false, true}) {
          Tensor a = tn::where(upper ? row_less(s.n, s.n, -1) : tn::logical_not(row_less(s.n, s.n, 0)), full, 0.0);
          if (unit) a = tn::where(identity(s.n, t) == 1, 1.0, a);
          if (transpose) a = transposed(a);
          const Tensor b = drawn({s.batch, s.n, 3}, 4, t);
          const la::Triangular how{.upper = upper, .unitriangular = unit, .transpose = transpose};
          expect_near(tn::matmul(a, la::solve_triangular(full, b, how)), b, bound, what);
          la::Triangular right = how;
          right.left = false;
          expect_near(tn::matmul(la::triangular_solve(full, transposed(b), right), a), transposed(b), bound, what);
        }
  });
}

TEST(Linalg, LuAndSystems) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    const Tensor a = drawn({s.batch, s.n, s.n}, 5, t);
    const auto [p, l, u] = la::lu(a);
    expect_near(tn::matmul(p, tn::matmul(l, u)), a, bound, what);
    EXPECT_LE(largest(l), 1) << what;  // pivots are the largest
    expect_zero(tn::where(row_less(s.n, s.n, -1), 0.0, u), what);
    const Tensor b = drawn({s.batch, s.n, 2}, 6, t);
    const double loose = bound * std::max(1.0, static_cast<double>(s.n));  // of these matrices
    expect_near(tn::matmul(a, la::solve(a, b)), b, loose, what);
    expect_near(tn::matmul(la::inv(a), a), tn::broadcast_to(identity(s.n, t), a.shape()), loose, what);
    const auto [sign, logabs] = la::slogdet(a);
    if (s.n <= 17) expect_near(sign * tn::exp(logabs), la::det(a), loose, what);
  });
  for (const auto& [m, n] : {std::pair{7, 3}, {3, 7}, {20, 9}, {9, 20}}) {
    const Tensor a = drawn({2, m, n}, 7);
    const auto [p, l, u] = la::lu(a);
    expect_near(tn::matmul(p, tn::matmul(l, u)), a, 1e-13, "oblong");
    const auto [packed, rows] = la::lu_factor(a);
    EXPECT_EQ(packed.shape(), a.shape());
    EXPECT_EQ(rows.shape(), tn::Shape({2, m}));
  }
}

TEST(Linalg, PivotsAreTheFirstOfTheLargest) {
  const auto [lu, rows] = la::lu_factor(tn::tensor({{1.0, 2.0}, {-3.0, 0.0}, {3.0, 1.0}}));
  EXPECT_EQ(rows.to_vector<int64_t>(), (std::vector<int64_t>{1, 0, 2}));
  EXPECT_EQ(lu.to_vector<double>(), (std::vector<double>{-3, 0, -1.0 / 3, 2, -1, 0.5}));
}

TEST(Linalg, Qr) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    for (const auto& [m, n] : {std::pair{s.n, s.n}, {s.n + 3, s.n}, {s.n, s.n + 2}}) {
      if (m > 150) continue;
      const Tensor a = drawn({s.batch, m, n}, 8, t);
      for (const char* mode : {"reduced", "complete"}) {
        const auto [q, r] = la::qr(a, mode);
        EXPECT_EQ(extent(q, 1), std::string(mode) == "complete" ? m : std::min(m, n)) << what;
        expect_near(tn::matmul(q, r), a, bound, what);
        expect_orthonormal(q, bound, what);
        expect_zero(tn::where(row_less(extent(r, 2), n, -1), 0.0, r), what);
      }
    }
  });
}

TEST(Linalg, Eigh) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    const Tensor x = drawn({s.batch, s.n, s.n}, 9, t), a = x + transposed(x);
    const auto [w, v] = la::eigh(a);
    expect_near(tn::matmul(v * w.reshape({s.batch, 1, s.n}), transposed(v)), a, bound, what);
    expect_orthonormal(v, bound, what);
    EXPECT_TRUE(tn::all_of(tn::sort(w) == w).item<bool>()) << what;
    expect_near(la::eigvalsh(a), w, bound, what);
    const Tensor half = tn::where(row_less(s.n, s.n, 0), 7.0, a);  // the upper triangle is not read
    EXPECT_TRUE(tn::all_of(la::eigvalsh(half) == la::eigvalsh(a)).item<bool>()) << what;
  });
  // 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)).
  constexpr int64_t n = 40;
  const Tensor i = tn::arange(0, n), apart = tn::abs(i.reshape({n, 1}) - i);
  const Tensor w = la::eigvalsh(tn::where(apart == 0, 2.0, tn::where(apart == 1, -1.0, 0.0)).astype(f64));
  for (int64_t k = 0; k < n; ++k)
    EXPECT_NEAR(w.to_vector<double>()[static_cast<size_t>(k)], 2 - 2 * std::cos((k + 1) * M_PI / (n + 1)), 1e-13);
  // Equal values, scales at both ends, values of which most are zero.
  for (const double scale : {1.0, 1e-300, 1e300}) {
    const Tensor u = drawn({12, 2}, 10), low = tn::matmul(u, transposed(u)) * scale;
    const auto [values, vectors] = la::eigh(low);
    expect_orthonormal(vectors, 1e-13, "rank 2");
    expect_near(tn::matmul(vectors * values, transposed(vectors)), low, 1e-13, "rank 2");
  }
  expect_orthonormal(la::eigh(identity(9) * 3.0).v, 1e-15, "identity");
  EXPECT_EQ(la::eigvalsh(identity(3) * 3.0).to_vector<double>(), (std::vector<double>{3, 3, 3}));
}

TEST(Linalg, Svd) {
  over_sizes([](const Size& s, tn::DType t, double bound, const std::string& what) {
    for (const auto& [m, n] : {std::pair{s.n, s.n}, {s.n + 3, s.n}, {s.n, s.n + 2}}) {
      if (m > 150 && m != n) continue;
      const Tensor a = drawn({s.batch, m, n}, 11, t);
      const int64_t k = std::min(m, n);
      const auto [u, values, vh] = la::svd(a);
      expect_near(tn::matmul(u * values.reshape({s.batch, 1, k}), vh), a, bound, what);
      expect_orthonormal(u, bound, what);
      expect_orthonormal(transposed(vh), bound, what);
      EXPECT_TRUE(tn::all_of(tn::flip(tn::sort(values), {1}) == values).item<bool>()) << what;
      expect_near(la::svdvals(a), values, bound, what);
    }
  });
  for (const double scale : {1.0, 1e-300, 1e300})
    for (const Tensor& low : {tn::zeros({6, 4}, {.dtype = f64}), tn::ones({5, 5}, {.dtype = f64}) * scale,
                              tn::matmul(drawn({9, 2}, 12), drawn({2, 7}, 13)) * scale}) {
      const auto [u, values, vh] = la::svd(low);
      expect_orthonormal(u, 1e-13, "low rank");
      expect_orthonormal(transposed(vh), 1e-13, "low rank");
      EXPECT_LE(largest(tn::matmul(u * values, vh) - low), 1e-13 * largest(low));
    }
}

TEST(Linalg, IllConditioned) {  // a small residual, whatever the condition
  constexpr int64_t n = 12;
  const Tensor i = tn::arange(0, n).astype(f64), hilbert = 1.0 / (i.reshape({n, 1}) + i + 1.0);
  const Tensor b = tn::matmul(hilbert, tn::ones({n}, {.dtype = f64})), x = la::solve(hilbert, b);
  EXPECT_LE(largest(tn::matmul(hilbert, x) - b), 1e-14 * largest(x));
  const auto [w, v] = la::eigh(hilbert);
  EXPECT_LE(largest(tn::matmul(hilbert, v) - v * w), 1e-14);
  const Tensor s = la::svdvals(hilbert);
  expect_near(s, tn::flip(w, {0}), 1e-14, "values of a definite matrix");
  EXPECT_EQ(la::matrix_rank(hilbert).item<int64_t>(), 11);
}

TEST(Linalg, SingularAndIndefinite) {
  const Tensor indefinite = tn::tensor({{1.0, 2.0}, {2.0, 1.0}}), l = la::cholesky(indefinite);
  EXPECT_TRUE(std::isnan(l[{0, 0}].item<double>()) && std::isnan(l[{1, 1}].item<double>()));
  EXPECT_EQ((l[{0, 1}].item<double>()), 0);
  const Tensor both = la::cholesky(tn::stack({indefinite, identity(2)}));
  EXPECT_TRUE(tn::all_of(Tensor(both[{1}]) == identity(2)).item<bool>());
  const Tensor singular = tn::tensor({{1.0, 2.0}, {2.0, 4.0}});
  EXPECT_EQ(la::det(singular).item<double>(), 0);
  EXPECT_EQ(la::slogdet(singular).sign.item<double>(), 0);
  EXPECT_EQ(la::slogdet(singular).logabsdet.item<double>(), -INFINITY);
  EXPECT_FALSE(tn::all_of(tn::is_finite(la::inv(singular))).item<bool>());
  EXPECT_EQ(la::det(tn::zeros({3, 3}, {.dtype = f64})).item<double>(), 0);
  // The adjugate of a matrix of rank n - 1 is its derivative.
  const Tensor g = tn::grad([](const Tensor& a) { return la::det(a); })(singular);
  expect_near(g, tn::tensor({{4.0, -2.0}, {-2.0, 1.0}}), 1e-12, "adjugate");
}

TEST(Linalg, NotFinite) {
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)}) {
    const Tensor a = tn::where(row_less(20, 20, 18), bad, drawn({20, 20}, 14)), low = transposed(a);
    EXPECT_TRUE(all_nan(la::eigvalsh(low)));
    EXPECT_TRUE(all_nan(la::eigh(low).v));
    EXPECT_FALSE(tn::all_of(tn::is_finite(la::svdvals(a))).item<bool>());
    EXPECT_FALSE(tn::all_of(tn::is_finite(la::qr(a).r)).item<bool>());
    EXPECT_FALSE(tn::all_of(tn::is_finite(la::solve(a, a))).item<bool>());
    EXPECT_FALSE(tn::all_of(tn::is_finite(la::matrix_exp(a))).item<bool>());
  }
}

TEST(Linalg, Empty) {
  const auto e = [](tn::Extents shape) { return tn::zeros(shape, {.dtype = f64}); };
  EXPECT_EQ(la::det(e({0, 0})).item<double>(), 1);
  EXPECT_EQ(la::slogdet(e({0, 0})).sign.item<double>(), 1);
  EXPECT_EQ(la::slogdet(e({0, 0})).logabsdet.item<double>(), 0);
  EXPECT_EQ(la::det(e({0, 3, 3})).shape(), tn::Shape({0}));
  EXPECT_EQ(la::inv(e({2, 0, 0})).shape(), tn::Shape({2, 0, 0}));
  EXPECT_EQ(la::solve(e({0, 0}), e({0, 2})).shape(), tn::Shape({0, 2}));
  EXPECT_EQ(la::cholesky(e({0, 4, 4})).shape(), tn::Shape({0, 4, 4}));
  EXPECT_EQ(la::qr(e({3, 0})).q.shape(), tn::Shape({3, 0}));
  EXPECT_EQ(la::qr(e({3, 0}), "complete").q.shape(), tn::Shape({3, 3}));
  EXPECT_EQ(la::svd(e({0, 3})).vh.shape(), tn::Shape({0, 3}));
  EXPECT_EQ(la::eigh(e({0, 0})).w.shape(), tn::Shape({0}));
  EXPECT_EQ(la::lu(e({0, 2})).u.shape(), tn::Shape({0, 2}));
  EXPECT_EQ(la::matrix_exp(e({0, 0})).shape(), tn::Shape({0, 0}));
  EXPECT_EQ(la::matrix_rank(e({0, 3})).item<int64_t>(), 0);
  EXPECT_EQ(la::pinv(e({0, 3})).shape(), tn::Shape({3, 0}));
  EXPECT_EQ(la::vector_norm(e({0})).item<double>(), 0);
  EXPECT_EQ(la::matrix_norm(e({0, 0}), "nuc").item<double>(), 0);
}

void expect_error(const std::function<void()>& f, std::vector<std::string> parts) {
  try {
    f();
    ADD_FAILURE() << parts[0] << ": no error";
  } catch (const tn::Error& e) {
    parts.emplace_back("linalg_test.cc");
    for (const std::string& part : parts) EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Linalg, Errors) {
  const Tensor oblong = drawn({2, 3}, 1), square = drawn({3, 3}, 1);
  expect_error([&] { la::cholesky(oblong); }, {"cholesky", "not square", "[2, 3]"});
  expect_error([&] { la::inv(oblong); }, {"inv", "not square"});
  expect_error([&] { la::det(drawn({4}, 1)); }, {"det", "matrices", "[4]"});
  expect_error([&] { la::eigh(oblong); }, {"eigh", "not square"});
  expect_error([&] { la::solve(square, drawn({2, 2}, 1)); }, {"solve", "[3, 3]", "[2, 2]"});
  expect_error([&] { la::solve_triangular(square, drawn({2, 2}, 1), {.left = false}); },
               {"solve_triangular", "columns"});
  expect_error([&] { la::solve(drawn({2, 3, 3}, 1), drawn({5, 3, 1}, 1)); }, {"solve", "broadcast"});
  expect_error([&] { la::qr(square, "r"); }, {"qr", "reduced"});
  expect_error([&] { la::matrix_norm(square, 3); }, {"matrix_norm", "nuc"});
  expect_error([&] { la::cross(drawn({2}, 1), drawn({2}, 1)); }, {"cross", "three"});
  expect_error([&] { la::tensordot(square, square, 3); }, {"tensordot", "axes"});
  expect_error([&] { tn::jit([](const Tensor& a) { return la::inv(a); })(oblong); }, {"inv", "not square"});
}

TEST(Linalg, Dtypes) {
  const Tensor whole = tn::tensor({{4, 1}, {1, 3}}), half = whole.astype(tn::f16), single = whole.astype(f32);
  EXPECT_EQ(la::det(whole).dtype(), f32);
  EXPECT_EQ(la::det(whole).item<float>(), 11);
  EXPECT_EQ(la::cholesky(half).dtype(), tn::f16);
  EXPECT_TRUE(tn::all_of(la::cholesky(half) == la::cholesky(single).astype(tn::f16)).item<bool>());
  EXPECT_TRUE(tn::all_of(la::inv(whole.astype(tn::bf16)) == la::inv(single).astype(tn::bf16)).item<bool>());
  EXPECT_EQ(la::solve(single, whole.astype(f64)).dtype(), f64);
  EXPECT_EQ(la::eigh(half).v.dtype(), tn::f16);
  for (const int n : {0, 1, 5}) EXPECT_EQ(la::matrix_power(whole, n).dtype(), tn::i32) << n;  // exact, as products are
  EXPECT_EQ(la::matrix_power(whole, 5).to_vector<int>(), (std::vector<int>{1541, 905, 905, 636}));
  EXPECT_EQ(la::matrix_power(whole, -1).dtype(), f32);
}

TEST(Linalg, FreeExtents) {
  const auto f =
      tn::jit([](const Tensor& a) { return la::solve(a, la::inv(a)) + la::cholesky(la::matrix_exp(a + a)); });
  const Tensor x = drawn({6, 6}, 15), a = 0.1 * (x + transposed(x)) + identity(6);
  const auto traced =
      tn::trace([](const Tensor& t) { return la::qr(t).r; }, tn::spec({tn::dim("m", 2, 64), tn::dim("n", 2, 64)}, f64));
  EXPECT_NE(traced.ir().find("qr"), std::string::npos);
  EXPECT_TRUE(tn::all_of(f(a) == la::solve(a, la::inv(a)) + la::cholesky(la::matrix_exp(a + a))).item<bool>());
}

}  // namespace
