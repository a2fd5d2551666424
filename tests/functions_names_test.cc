// Other names of functions: each gives, to the bit, what the function gives that it names. Lists that are joined, split and turned; windows of
// signals; triangles; matrices.
#include <gtest/gtest.h>

#include <cmath>

#include "tenon/tests/arrays.h"
#include "tenon/tests/complex_values.h"
#include "tenon/tests/function_case.h"

namespace tn = tenon;
using tenon::testing::array_of;
using tenon::testing::check_functions;
using tenon::testing::NaNs;
using tn::Tensor;

namespace {

void expect_same(const Tensor& got, const Tensor& wanted, const char* what) {
  const auto apart = tenon::testing::difference(array_of(wanted), array_of(got), NaNs::one_value);
  EXPECT_FALSE(apart) << what << ": " << apart.value_or("");
}
void expect_same(const std::vector<Tensor>& got, const std::vector<Tensor>& wanted, const char* what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) expect_same(got[i], wanted[i], what);
}
#define SAME(a, b) expect_same(a, b, #a)

TEST(FunctionsNames, ElementwiseNames) {
  const Tensor x = tn::tensor({{1.5, -2.0, 0.0}, {-0.5, 3.0, 7.25}}), y = tn::tensor({2.0, -1.0, 0.5});
  SAME(tn::sub(x, y), x - y);
  SAME(x.sub(y, {.alpha = 2}), tn::subtract(x, y, 2));
  SAME(tn::rsub(x, y), y - x);
  SAME(x.rsub(y, {.alpha = 2}), tn::subtract(y, x, 2));
  SAME(tn::mul(x, y), x * y);
  SAME(tn::neg(x), -x);
  SAME(tn::fix(x), tn::trunc(x));
  SAME(tn::sgn(x), tn::sign(x));
  SAME(tn::clone(x), x);
  SAME(x.fill(3), tn::full_like(x, 3));
  SAME(x.type_as(tn::tensor({1})), x.astype(tn::i32));
  SAME(tn::psi(x), tn::digamma(x));
  SAME(tn::gammaln(x), tn::lgamma(x));
  SAME(tn::multigammaln(x, 2), tn::mvlgamma(x, 2));
  SAME(tn::float_power(x, 2), tn::pow(x.astype(tn::f64), 2));
  SAME(tn::array_equal(x, x), tn::equal(x, x));
  SAME(tn::eq(x, 0), x == 0);
  SAME(x.ne(0), x != 0);
  SAME(x.lt(y), x < y);
  SAME(x.greater_equal(y), x >= y);
  SAME(x.greater(y), x > y);
  SAME(tn::less(x, y), x < y);
  SAME(tn::less_equal(x, y), x <= y);
  SAME(tn::not_equal(x, y), x != y);
}

TEST(FunctionsNames, ShapeNames) {
  const Tensor x = tn::arange(0.0, 24.0).reshape({2, 3, 4}), m = x[0];
  SAME(tn::swapdims(x, 0, 2), tn::swapaxes(x, 0, 2));
  SAME(tn::transpose(x, 0, 1), tn::swapaxes(x, 0, 1));
  SAME(x.transpose(-1, 0), tn::swapaxes(x, -1, 0));
  SAME(m.t(), m.T());
  SAME(tn::t(m[0]), m[0]);
  SAME(x.mT(), tn::swapaxes(x, 1, 2));
  SAME(tn::matrix_transpose(x), tn::swapaxes(x, 1, 2));
  SAME(tn::adjoint(x), x.mT());
  SAME(x.mH(), x.mT());
  SAME(x.reshape_as(tn::zeros({4, 6})), x.reshape({4, 6}));
  SAME(x.view_as(tn::zeros({24})), tn::ravel(x));
  SAME(tn::cat({x, x}, 1), tn::concat({x, x}, 1));
  SAME(tn::concatenate({x, x}), tn::concat({x, x}));
  SAME(tn::row_stack({m, m}), tn::vstack({m, m}));
  SAME(tn::hsplit(x, 3), tn::tensor_split(x, 3, 1));
  SAME(tn::hsplit(tn::arange(6), {2, 3}), tn::tensor_split(tn::arange(6), std::vector<tn::Extent>{2, 3}, 0));
  SAME(tn::vsplit(x, 2), tn::tensor_split(x, 2, 0));
  SAME(tn::dsplit(x, std::vector<tn::Extent>{1}), tn::tensor_split(x, std::vector<tn::Extent>{1}, 2));
  SAME(tn::split_with_sizes(x, {1, 3}, 2), tn::split(x, std::vector<tn::Extent>{1, 3}, 2));
  SAME(tn::diagflat(m), tn::diag(tn::ravel(m)));
  SAME(tn::trapz(x, 2, 1), tn::trapezoid(x, 2, 1));
  SAME(tn::ger(m[0], m[1]), tn::outer(m[0], m[1]));
  EXPECT_THROW(tn::t(x), tn::Error);
  EXPECT_THROW(m[0].mT(), tn::Error);
  EXPECT_THROW(tn::dsplit(m, 2), tn::Error);
}

TEST(FunctionsNames, ListsOfTensors) {
  const Tensor a = tn::tensor({1, 2, 3}), b = tn::tensor({{10.5}, {20.5}});
  const std::vector<Tensor> both = tn::broadcast_tensors({a, b});
  SAME(both[0], tn::broadcast_to(a, {2, 3}));
  SAME(both[1], tn::broadcast_to(b, {2, 3}));
  EXPECT_THROW(tn::broadcast_tensors({a, tn::ones({2})}), tn::Error);
  SAME(tn::cartesian_prod({a, tn::tensor({4, 5})}), tn::tensor({{1, 4}, {1, 5}, {2, 4}, {2, 5}, {3, 4}, {3, 5}}));
  SAME(tn::cartesian_prod({a}), a);
  EXPECT_THROW(tn::cartesian_prod({a, b}), tn::Error);
  check_functions(
      {{"cartesian_prod", TENON_CALL(tn::cartesian_prod({x[0], x[1], x[0]})), {{{3}}, {{2}}}, {{{{0}}, {{2}}}}}});
}

TEST(FunctionsNames, Triangles) {
  SAME(tn::tril_indices(3, 3), tn::tensor({{0, 1, 1, 2, 2, 2}, {0, 0, 1, 0, 1, 2}}).astype(tn::i64));
  SAME(tn::triu_indices(3, 3), tn::tensor({{0, 0, 0, 1, 1, 2}, {0, 1, 2, 1, 2, 2}}).astype(tn::i64));
  SAME(tn::tril_indices(2, 3, 1), tn::tensor({{0, 0, 1, 1, 1}, {0, 1, 0, 1, 2}}).astype(tn::i64));
  SAME(tn::triu_indices(3, 2, -1), tn::tensor({{0, 0, 1, 1, 2}, {0, 1, 0, 1, 1}}).astype(tn::i64));
  EXPECT_EQ(tn::tril_indices(3, 3, INT64_MIN).shape(), tn::Shape({2, 0}));
  EXPECT_EQ(tn::triu_indices(3, 3, INT64_MAX).shape(), tn::Shape({2, 0}));
  EXPECT_EQ(tn::tril_indices(3, 3, INT64_MAX).shape(), tn::Shape({2, 9}));
  EXPECT_THROW(tn::tril_indices(-1, 3), tn::Error);
  EXPECT_THROW(tn::triu_indices(int64_t{1} << 40, int64_t{1} << 40), tn::Error);
  EXPECT_THROW(tn::triu_indices(int64_t{1} << 20, int64_t{1} << 20), tn::Error);
}

TEST(FunctionsNames, WindowsOfSignals) {
  const auto near = [](const Tensor& t, std::vector<double> wanted) {
    const std::vector<double> got = t.astype(tn::f64).to_vector<double>();
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-7) << i;
  };
  near(tn::hann_window(4), {0, 0.5, 1, 0.5});
  near(tn::hann_window(5, false), {0, 0.5, 1, 0.5, 0});
  near(tn::hamming_window(4), {0.08, 0.54, 1, 0.54});
  near(tn::blackman_window(4), {0, 0.34, 1, 0.34});
  near(tn::bartlett_window(4), {0, 0.5, 1, 0.5});
  near(tn::kaiser_window(5, false, 6), {0.014873337, 0.48295561, 1, 0.48295561, 0.014873337});
  near(tn::hann_window(1), {1});
  near(tn::hann_window(0), {});
  EXPECT_EQ(tn::hann_window(8, true, {.dtype = tn::f64}).dtype(), tn::f64);
  EXPECT_EQ(tn::hann_window(8).dtype(), tn::f32);
  EXPECT_THROW(tn::hann_window(-1), tn::Error);
  EXPECT_THROW(tn::hann_window(4, true, {.dtype = tn::i32}), tn::Error);
  SAME(tn::jit([](const Tensor& x) { return tn::kaiser_window(33) + x; })(tn::zeros({33})), tn::kaiser_window(33));
}

TEST(FunctionsNames, Matrices) {
  const Tensor a = tn::tensor({{4.0, 1.0, 0.5}, {1.0, 3.0, 0.25}, {0.5, 0.25, 2.0}}), b = tn::tensor({1.0, 2.0, 3.0});
  SAME(tn::linalg::inverse(a), tn::linalg::inv(a));
  SAME(tn::linalg::pinverse(a), tn::linalg::pinv(a));
  SAME(tn::chain_matmul({a, a, a}), tn::linalg::multi_dot({a, a, a}));
  const auto near = [](const Tensor& x, const Tensor& y, int line = __builtin_LINE()) {
    EXPECT_TRUE(tn::allclose(x, y, 1e-12, 1e-12).item<bool>()) << "line " << line << ": " << x << " and " << y;
  };
  near(tn::linalg::logdet(a), tn::linalg::slogdet(a).logabsdet);
  EXPECT_TRUE(std::isnan(tn::logdet(tn::tensor({{0.0, 1.0}, {1.0, 0.0}})).item<double>()));
  EXPECT_EQ(tn::logdet(tn::zeros({2, 2})).item<double>(), -INFINITY);
  near(tn::linalg::cholesky_inverse(tn::linalg::cholesky(a)), tn::linalg::inv(a));
  near(tn::linalg::cholesky_inverse(tn::linalg::cholesky(a).T(), {.upper = true}), tn::linalg::inv(a));
  near(tn::linalg::lu_solve(tn::linalg::lu_factor(a), b), tn::linalg::solve(a, b));
  const Tensor many = tn::stack({a, a + tn::eye(3)}), turned = tn::flip(many, {1});
  near(tn::linalg::lu_solve(tn::linalg::lu_factor(turned), tn::broadcast_to(a, {2, 3, 3})),
       tn::linalg::solve(turned, a));
  near(tn::linalg::cond(a), tn::linalg::matrix_norm(a, 2) * tn::linalg::matrix_norm(tn::linalg::inv(a), 2));
  near(tn::linalg::cond(a, -2), 1 / tn::linalg::cond(a));
  near(tn::linalg::cond(a, "fro"),
       tn::linalg::matrix_norm(a, "fro") * tn::linalg::matrix_norm(tn::linalg::inv(a), "fro"));
  EXPECT_EQ(tn::linalg::cond(tn::zeros({2, 2}) + 1, 1).item<double>(), INFINITY);
  EXPECT_THROW(tn::linalg::cond(a, 3), tn::Error);
  EXPECT_THROW(tn::linalg::cond(tn::ones({2, 3}), 1), tn::Error);
  const Tensor t = tn::normal(tn::key(5), {2, 3, 6}, {.dtype = tn::f64});
  near(tn::linalg::tensordot(tn::linalg::tensorinv(t), t, 2), tn::eye(6, {.dtype = tn::f64}));
  const Tensor s = tn::normal(tn::key(6), {6, 2, 3}, {.dtype = tn::f64}), right = tn::arange(0.0, 6.0).astype(tn::f64);
  near(tn::linalg::tensordot(s, tn::linalg::tensorsolve(s, right), 2), right);
  check_functions({
      {"logdet",
       TENON_CALL(tn::linalg::logdet(tn::matmul(x[0], x[0].mT()) + tn::eye(3))),
       {{{3, 3}}},
       {},
       2,
       false,
       false,
       true,
       -1},
      {"cond", TENON_CALL(tn::linalg::cond(x[0])), {tenon::testing::apart({3, 3})}, {}, 2, true, false},
  });
}

TEST(FunctionsNames, OrthogonalMatrices) {
  const Tensor q = tn::random::orthogonal(tn::key(3), 4, {5}, {.dtype = tn::f64});
  EXPECT_EQ(q.shape(), tn::Shape({5, 4, 4}));
  EXPECT_TRUE(tn::allclose(tn::matmul(q, q.mT()), tn::eye(4, {.dtype = tn::f64}), 1e-12, 1e-12).item<bool>());
  SAME(tn::random::orthogonal(tn::key(3), 4, {5}, {.dtype = tn::f64}), q);
  // Haar's measure: an element's square has the mean 1 / n, and both determinants occur.
  const Tensor many = tn::random::orthogonal(tn::key(7), 3, {20000});
  EXPECT_NEAR(tn::mean(many * many).item<double>(), 1.0 / 3, 1e-6);
  EXPECT_NEAR(tn::mean(many).item<double>(), 0, 5e-3);
  EXPECT_NEAR(tn::mean(tn::linalg::det(many)).item<double>(), 0, 0.03);
  EXPECT_EQ(tn::random::orthogonal(tn::key(1), 0).shape(), tn::Shape({0, 0}));
  EXPECT_THROW(tn::random::orthogonal(tn::key(1), -1), tn::Error);
}

}  // namespace
