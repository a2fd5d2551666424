// Derivatives of tn::linalg: reverse against forward mode and against differences, to second order; the tape's and the trace's are one;
// jitted results have the eager bits; lanes give what each gives alone.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/tenon.h"

namespace tn = tenon;
namespace la = tenon::linalg;
using tn::f64, tn::Tensor;

namespace {

using Results = std::vector<Tensor>;
using Function = std::function<Results(const Tensor&)>;

Tensor drawn(const tn::Extents& shape, uint64_t seed) { return tn::normal(tn::key(seed), shape, {.dtype = f64}); }
Tensor transposed(const Tensor& x) {
  std::vector<int64_t> order;
  for (int axis = 0; axis < x.ndim(); ++axis) order.push_back(axis);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return tn::transpose(x, order);
}
Tensor identity(int64_t n) {
  const Tensor i = tn::arange(0, n);
  return (i.reshape({n, 1}) == i).astype(f64);
}
Tensor definite(const Tensor& x) {
  return tn::matmul(x, transposed(x)) + identity(x.shape()[static_cast<size_t>(x.ndim() - 1)].number());
}
double number(const Tensor& x) { return x.item<double>(); }
void expect_near(const Tensor& x, const Tensor& y, double bound) {
  ASSERT_EQ(x.shape(), y.shape());
  if (x.numel() == 0) return;
  EXPECT_LE(number(tn::max(tn::abs(x - y))), bound * std::max(1.0, number(tn::max(tn::abs(y)))));
}

struct Case {
  const char* name;
  Function f;
  Tensor x;
  double bound = 1e-6;
};

void check(const Case& c) {
  SCOPED_TRACE(c.name);
  const Results values = c.f(c.x);
  Results weights;
  for (size_t k = 0; k < values.size(); ++k) weights.push_back(drawn(values[k].shape(), 100 + k));
  const auto loss = [&](const Tensor& x) {
    Tensor sum = tn::zeros({}, {.dtype = f64});
    const Results r = c.f(x);
    for (size_t k = 0; k < r.size(); ++k) sum = sum + tn::sum(r[k] * weights[k]);
    return sum;
  };
  const Tensor d = drawn(c.x.shape(), 77), gradient = tn::grad(loss)(c.x);
  constexpr double h = 1e-5;
  const auto slope = [&](const Tensor& x) { return tn::sum(tn::grad(loss)(x) * d); };
  const double first = number(tn::sum(gradient * d)), scale = std::max(1.0, std::abs(first));
  EXPECT_NEAR(first, number(loss(c.x + h * d) - loss(c.x - h * d)) / (2 * h), c.bound * scale);
  EXPECT_NEAR(first, number(tn::jvp(loss, c.x, d).second), 1e-9 * scale);
  const double second = number(tn::sum(tn::grad(slope)(c.x) * d)), bent = std::max(1.0, std::abs(second));
  EXPECT_NEAR(second, number(slope(c.x + h * d) - slope(c.x - h * d)) / (2 * h), 30 * c.bound * bent);

  Tensor leaf = c.x + 0.0;
  leaf.set_requires_grad(true);
  loss(leaf).backward();
  expect_near(leaf.grad(), gradient, 1e-10);

  const Results jitted = tn::jit([&](const Tensor& x) { return c.f(x); })(c.x);
  const Tensor other = c.x + 0.1 * d;
  const Results beside = c.f(other), lanes = tn::vmap([&](const Tensor& x) { return c.f(x); })(tn::stack({c.x, other}));
  for (size_t k = 0; k < values.size(); ++k) {
    EXPECT_TRUE(tn::all_of(jitted[k] == values[k]).item<bool>()) << "jitted, result " << k;
    expect_near(lanes[k][{0}], values[k], 1e-9);
    expect_near(lanes[k][{1}], beside[k], 1e-9);
  }
}
void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) check(c);
}

const Tensor& square() {
  static const Tensor x = drawn({4, 4}, 1);
  return x;
}
const Tensor& batch() {
  static const Tensor x = drawn({2, 3, 3}, 2);
  return x;
}
const Tensor& tall() {
  static const Tensor x = drawn({5, 3}, 3);
  return x;
}
const Tensor& wide() {
  static const Tensor x = drawn({3, 5}, 4);
  return x;
}
const Tensor& right() {
  static const Tensor x = drawn({4, 2}, 5);
  return x;
}
const Tensor& row() {
  static const Tensor x = drawn({4}, 6);
  return x;
}

TEST(LinalgDerivatives, Cholesky) {
  const auto f = [](const Tensor& a) { return Results{la::cholesky(definite(a))}; };
  check({{"square", f, square()},
         {"batch", f, batch()},
         {"solve", [](const Tensor& a) { return Results{la::cholesky_solve(right(), la::cholesky(definite(a)))}; },
          square()}});
  // As of a symmetric matrix.
  const Tensor g = tn::grad([](const Tensor& a) { return tn::sum(la::cholesky(a)); })(definite(square()));
  expect_near(g, transposed(g), 1e-12);
}

TEST(LinalgDerivatives, Systems) {
  check({{"by matrix", [](const Tensor& a) { return Results{la::solve(a, right())}; }, square()},
         {"by right side", [](const Tensor& b) { return Results{la::solve(square(), b)}; }, right()},
         {"vector", [](const Tensor& a) { return Results{la::solve(a, row())}; }, square()},
         {"batch", [](const Tensor& a) { return Results{la::solve(a, drawn({3, 2}, 9))}; }, batch()},
         {"inverse", [](const Tensor& a) { return Results{la::inv(a)}; }, square()},
         {"pinv, tall", [](const Tensor& a) { return Results{la::pinv(a)}; }, tall()},
         {"pinv, wide", [](const Tensor& a) { return Results{la::pinv(a)}; }, wide()},
         {"lstsq",
          [](const Tensor& a) {
            const auto r = la::lstsq(a, drawn({5, 2}, 8));
            return Results{r.solution, r.residuals, r.singular_values};
          },
          tall()}});
}

TEST(LinalgDerivatives, Triangular) {
  for (const bool upper : {false, true})
    for (const bool left : {false, true}) {
      const la::Triangular how{.upper = upper, .left = left, .unitriangular = upper == left, .transpose = upper};
      const Tensor b = left ? right() : transposed(right());
      check({{"by matrix", [&](const Tensor& a) { return Results{la::solve_triangular(a + 2 * identity(4), b, how)}; },
              square()},
             {"by right side",
              [&](const Tensor& x) { return Results{la::solve_triangular(square() + 2 * identity(4), x, how)}; }, b}});
    }
}

TEST(LinalgDerivatives, Decompositions) {
  const auto lu = [](const Tensor& a) {
    const auto [p, l, u] = la::lu(a);
    return Results{l, u};
  };
  const auto qr = [](const Tensor& a) {
    const auto [q, r] = la::qr(a);
    return Results{q, r};
  };
  const auto complete = [](const Tensor& a) {
    const auto [q, r] = la::qr(a, "complete");
    return Results{q, r};
  };
  check({{"lu", lu, square()},
         {"lu, batch", lu, batch()},
         {"lu, tall", lu, tall()},
         {"lu, wide", lu, wide()},
         {"qr", qr, square()},
         {"qr, batch", qr, batch()},
         {"qr, tall", qr, tall()},
         {"qr, wide", qr, wide()},
         {"qr, complete", complete, wide()}});
  EXPECT_THROW(tn::grad([](const Tensor& a) { return tn::sum(la::qr(a, "complete").q); })(tall()), tn::Error);
}

TEST(LinalgDerivatives, Spectral) {
  const auto svd = [](const Tensor& a) {
    const auto [u, s, vh] = la::svd(a);
    return Results{u, s, vh};
  };
  check({{"eigh",
          [](const Tensor& a) {
            const auto [w, v] = la::eigh(a + transposed(a));
            return Results{w, v};
          },
          square()},
         {"eigvalsh", [](const Tensor& a) { return Results{la::eigvalsh(a + transposed(a))}; }, square()},
         {"svd", svd, square(), 1e-5},
         {"svd, batch", svd, batch(), 1e-5},
         {"svd, tall", svd, tall(), 1e-5},
         {"svd, wide", svd, wide(), 1e-5},
         {"svdvals", [](const Tensor& a) { return Results{la::svdvals(a)}; }, tall()}});
}

TEST(LinalgDerivatives, Functions) {
  const auto det = [](const Tensor& a) { return Results{la::det(a)}; };
  const auto slogdet = [](const Tensor& a) { return Results{la::slogdet(a).logabsdet}; };
  const auto exponential = [](const Tensor& a) { return Results{la::matrix_exp(a * 3)}; };
  check({{"det", det, square()},
         {"det, batch", det, batch()},
         {"slogdet", slogdet, square()},
         {"exp", exponential, square(), 1e-5},
         {"exp, batch", exponential, batch(), 1e-5}});
  for (const int64_t n : {3, -2})
    check(Case{"power", [n](const Tensor& a) { return Results{la::matrix_power(a, n)}; }, square(), 1e-5});
}

TEST(LinalgDerivatives, Norms) {
  constexpr double inf = INFINITY;
  for (const double p : {2.0, 3.0, -1.0, inf})
    check(Case{"vector",
               [p](const Tensor& a) {
                 return Results{la::vector_norm(a, p), la::vector_norm(a, p, {.axes = {-1}}),
                                la::vector_norm(a, p, {.axes = {0}, .keepdims = true})};
               },
               square(), 1e-5});
  for (const double p : {-2.0, 1.0, inf})
    check(Case{"matrix",
               [p](const Tensor& a) {
                 return Results{la::matrix_norm(a, p), la::matrix_norm(a, p, {.axes = {0, -1}, .keepdims = true})};
               },
               batch(), 1e-5});
  for (const char* p : {"fro", "nuc"})
    check(Case{p, [p](const Tensor& a) { return Results{la::matrix_norm(a, p), la::norm(a, p, {.axes = {2, 0}})}; },
               batch(), 1e-5});
  check(Case{"norm", [](const Tensor& a) { return Results{la::norm(a), la::norm(a, 1), la::norm(a, "nuc")}; }, tall(),
             1e-5});
  const Tensor at_zero = tn::grad([](const Tensor& x) { return la::norm(x); })(tn::zeros({3}, {.dtype = f64}));
  EXPECT_EQ(at_zero.to_vector<double>(), (std::vector<double>{0, 0, 0}));
}

TEST(LinalgDerivatives, Products) {
  check({{"cross", [](const Tensor& a) { return Results{tn::cross(a, drawn({3}, 3)), la::cross(a, a * a, 0)}; },
          drawn({3, 3}, 4)},
         {"outer", [](const Tensor& a) { return Results{tn::outer(a, row())}; }, drawn({3}, 4)},
         {"kron", [](const Tensor& a) { return Results{tn::kron(a, right()), tn::kron(row(), a)}; }, square()},
         {"vecdot", [](const Tensor& a) { return Results{la::vecdot(a, row())}; }, square()},
         {"tensordot",
          [](const Tensor& a) {
            return Results{tn::tensordot(a, right(), 1), tn::tensordot(a, square(), 2), tn::tensordot(a, right(), 0),
                           tn::tensordot(a, right(), {0}, {0})};
          },
          square()},
         {"multi_dot",
          [](const Tensor& a) {
            return Results{la::multi_dot({a, square(), right()}),
                           la::multi_dot({row(), a, square(), right(), drawn({2, 7}, 4)}),
                           la::multi_dot({a, square(), row()})};
          },
          square()},
         {"diagonal",
          [](const Tensor& a) {
            return Results{la::diagonal(a), la::diagonal(a, 1), la::diagonal(a, -2), la::trace(a),
                           la::diagonal(a, {.offset = 1, .axis1 = 1, .axis2 = 0})};
          },
          wide()}});
}

// ---- values that are computed another way

TEST(LinalgValues, Determinants) {  // by Laplace's expansion
  const std::vector<double> a = square().to_vector<double>();
  const std::function<double(std::vector<int>, size_t)> expand = [&](std::vector<int> columns, size_t r) {
    double sum = columns.empty() ? 1 : 0;
    for (size_t k = 0; k < columns.size(); ++k) {
      std::vector<int> rest = columns;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(k));
      sum += (k % 2 ? -1 : 1) * a[r * 4 + static_cast<size_t>(columns[k])] * expand(rest, r + 1);
    }
    return sum;
  };
  EXPECT_NEAR(number(la::det(square())), expand({0, 1, 2, 3}, 0), 1e-12);
}

TEST(LinalgValues, Exponentials) {  // by their series
  for (const double scale : {0.01, 0.5, 3.0, 20.0}) {
    const Tensor a = scale * square() / 3.0;
    Tensor term = identity(4), sum = term;
    for (int k = 1; k < 250; ++k) term = tn::matmul(term, a) / static_cast<double>(k), sum = sum + term;
    expect_near(la::expm(a) / tn::max(tn::abs(sum)), sum / tn::max(tn::abs(sum)), 1e-9);
  }
  expect_near(tn::matmul(la::expm(100 * square()), la::expm(-100 * square() + 0.0)) * 0.0,
              tn::zeros({4, 4}, {.dtype = f64}), 1);
  EXPECT_TRUE(tn::all_of(la::expm(tn::zeros({3, 3}, {.dtype = f64})) == identity(3)).item<bool>());
}

TEST(LinalgValues, PseudoInverses) {  // Moore's and Penrose's conditions, also where the rank is not full
  for (const Tensor& a :
       {tall(), wide(), tn::matmul(drawn({6, 2}, 1), drawn({2, 5}, 2)), tn::zeros({2, 3}, {.dtype = f64})}) {
    const Tensor p = la::pinv(a), ap = tn::matmul(a, p), pa = tn::matmul(p, a);
    expect_near(tn::matmul(ap, a), a, 1e-13);
    expect_near(tn::matmul(pa, p), p, 1e-12);
    expect_near(ap, transposed(ap), 1e-13);
    expect_near(pa, transposed(pa), 1e-13);
  }
  EXPECT_EQ(la::matrix_rank(tn::matmul(drawn({6, 2}, 1), drawn({2, 5}, 2))).item<int64_t>(), 2);
  EXPECT_EQ(la::matrix_rank(identity(3), {.rcond = 1.5}).item<int64_t>(), 0);
}

TEST(LinalgValues, NormsAndProducts) {
  const Tensor a = tn::tensor({{3.0, -4.0}, {0.0, 0.0}});
  EXPECT_EQ(number(la::norm(a)), 5);
  EXPECT_EQ(number(la::vector_norm(a, 0)), 2);
  EXPECT_EQ(number(la::vector_norm(a, INFINITY)), 4);
  EXPECT_EQ(number(la::matrix_norm(a, 1)), 4);
  EXPECT_EQ(number(la::matrix_norm(a, INFINITY)), 7);
  EXPECT_NEAR(number(la::matrix_norm(a, "nuc")), 5, 1e-14);
  EXPECT_NEAR(number(la::matrix_norm(a, 2)), 5, 1e-14);
  EXPECT_NEAR(number(la::matrix_norm(a, -2)), 0, 1e-14);
  EXPECT_EQ(tn::cross(tn::tensor({1.0, 0.0, 0.0}), tn::tensor({0.0, 1.0, 0.0})).to_vector<double>(),
            (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(tn::kron(tn::tensor({1, 2}), tn::tensor({{1, 10}})).to_vector<int64_t>(),
            (std::vector<int64_t>{1, 10, 2, 20}));
  EXPECT_EQ(la::trace(tn::arange(0, 12).reshape({3, 4}), 1).item<int64_t>(), 18);
  EXPECT_EQ(la::diagonal(tn::arange(0, 12).reshape({3, 4}), -1).to_vector<int64_t>(), (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(la::diagonal(tn::arange(0, 12).reshape({3, 4}), 7).numel(), 0);
}

}  // namespace
