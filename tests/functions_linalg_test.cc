// The battery (tests/function_case.h) of tn::linalg, less its derivatives, which linalg_derivatives_test.cc asks for; what the values are is
// asked in linalg_test.cc. Programs of decompositions take long to compile.
#include <gtest/gtest.h>

#include "tenon/tests/function_case.h"

namespace tn = tenon;
namespace linalg = tn::linalg;
using tenon::testing::apart;
using tenon::testing::check_functions;
using tenon::testing::Drawn;
using tenon::testing::FunctionCase;
using tn::Tensor;

namespace {

using Arguments = std::vector<Drawn>;
const Arguments square = {{{2, 3, 3}}}, tall = {{{4, 3}}}, system = {{{2, 3, 3}}, {{3, 2}}};
const std::vector<Arguments> others = {{{{0, 0}}}, {{{1, 1}}}, {{{0, 2, 2}}}};

// Symmetric and definite, of any square matrix.
Tensor definite(const Tensor& x) {
  return tn::matmul(x, tn::matrix_transpose(x)) + tn::eye(x.shape()[static_cast<size_t>(x.ndim() - 1)]);
}
// Factors, for what takes them; complex matrices stand for theirs, which nothing gives.
Tensor factor(const Tensor& x) { return tn::is_complex(x) ? x : linalg::cholesky(definite(x)); }
linalg::LuFactor lu_factors(const Tensor& x) {
  return tn::is_complex(x) ? linalg::LuFactor{x, tn::zeros({2, 3}, {.dtype = tn::i64})}
                           : linalg::lu_factor(definite(x));
}
Tensor symmetric(const Tensor& x) { return x + tn::matrix_transpose(x); }

// Arguments are made of what is drawn: more programs than one. Halves are rounded on the way there.
FunctionCase made(std::string name, tenon::testing::Called call, Arguments arguments, int derivatives = 0) {
  FunctionCase c{std::move(name), std::move(call), std::move(arguments)};
  c.derivatives = derivatives, c.halves = false, c.programs = -1;
  return c;
}
FunctionCase plain(std::string name, tenon::testing::Called call, Arguments arguments, int derivatives = 0,
                   std::vector<Arguments> more = {}) {
  FunctionCase c{std::move(name), std::move(call), std::move(arguments), std::move(more)};
  c.derivatives = derivatives;
  return c;
}

TEST(LinalgBattery, Decompositions) {
  check_functions({
      made("cholesky", TENON_CALL(linalg::cholesky(definite(x[0]))), square),
      made("lu", TENON_CALL(linalg::lu(definite(x[0])).u), square),
      made("lu", TENON_CALL(linalg::lu(definite(x[0])).l), square),
      made("lu_factor", TENON_CALL(linalg::lu_factor(definite(x[0])).lu), square),
      plain("qr", TENON_CALL(linalg::qr(x[0]).q), tall),
      plain("qr", TENON_CALL(linalg::qr(x[0]).r), tall),
      made("eigh", TENON_CALL(linalg::eigh(symmetric(x[0])).w), square),
      made("eigvalsh", TENON_CALL(linalg::eigvalsh(symmetric(x[0]))), square),
      plain("svd", TENON_CALL(linalg::svd(x[0]).s), tall),
      plain("svdvals", TENON_CALL(linalg::svdvals(x[0])), tall),
  });
}

TEST(LinalgBattery, Systems) {
  check_functions({
      made("solve", TENON_CALL(linalg::solve(definite(x[0]), x[1])), system),
      made("solve_triangular", TENON_CALL(linalg::solve_triangular(definite(x[0]), x[1])), system),
      made("triangular_solve", TENON_CALL(linalg::triangular_solve(definite(x[0]), x[1], {.upper = true})), system),
      made("cholesky_solve", TENON_CALL(linalg::cholesky_solve(x[1], factor(x[0]))), system),
      made("cholesky_inverse", TENON_CALL(linalg::cholesky_inverse(factor(x[0]))), square, 2),
      made("lu_solve", TENON_CALL(linalg::lu_solve(lu_factors(x[0]), x[1])), system, 2),
      made("inv", TENON_CALL(linalg::inv(definite(x[0]))), square),
      plain("pinv", TENON_CALL(linalg::pinv(x[0])), tall),
      plain("lstsq", TENON_CALL(linalg::lstsq(x[0], x[1]).solution), {{{4, 3}}, {{4}}}),
      plain("matrix_rank", TENON_CALL(linalg::matrix_rank(x[0])), tall, 0),
      made("tensorinv", TENON_CALL(linalg::tensorinv(definite(x[0]).reshape({2, 2, 4}))), {{{4, 4}}}, 2),
      made("tensorsolve", TENON_CALL(linalg::tensorsolve(definite(x[0]).reshape({4, 2, 2}), x[1])), {{{4, 4}}, {{4}}},
           2),
  });
}

TEST(LinalgBattery, FunctionsOfMatrices) {
  check_functions({
      plain("det", TENON_CALL(linalg::det(x[0])), square, 0, others),
      made("slogdet", TENON_CALL(linalg::slogdet(definite(x[0])).logabsdet), square),
      made("logdet", TENON_CALL(linalg::logdet(definite(x[0]))), square, 2),
      plain("matrix_power", TENON_CALL(linalg::matrix_power(x[0], 3)), square, 0, others),
      plain("matrix_exp", TENON_CALL(linalg::matrix_exp(x[0])), {{{2, 2}, -0.5, 0.5}}),
      plain("vector_norm", TENON_CALL(linalg::vector_norm(x[0], 3, {.axes = {-1}})), {apart({3, 4})}),
      plain("matrix_norm", TENON_CALL(linalg::matrix_norm(x[0], "nuc")), tall),
      plain("matrix_norm", TENON_CALL(linalg::matrix_norm(x[0])), tall, 0, {{{{0, 3}}}}),
      plain("trace", TENON_CALL(linalg::trace(x[0])), square, 0, others),
  });
}

TEST(LinalgBattery, Products) {
  check_functions({
      plain("cross", TENON_CALL(linalg::cross(x[0], x[1])), {{{4, 3}}, {{3}}}, 0, {{{{0, 3}}, {{3}}}}),
      plain("vecdot", TENON_CALL(linalg::vecdot(x[0], x[1])), {{{4, 3}}, {{3}}}, 0, {{{{4, 0}}, {{0}}}}),
      plain("tensordot", TENON_CALL(linalg::tensordot(x[0], x[1], {0, 1}, {1, 2})), {{{3, 4, 2}}, {{5, 3, 4}}}),
      plain("multi_dot", TENON_CALL(linalg::multi_dot({x[0], x[1], x[2]})), {{{2, 5}}, {{5, 1}}, {{1, 3}}}),
  });
}

}  // namespace
