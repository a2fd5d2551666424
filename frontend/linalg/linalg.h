// tn::linalg: decompositions, systems, functions and norms of matrices, which stand in the last two axes; axes before them are a batch.
// Names and results are torch.linalg's. f32 and f64; halves and integers are computed in f32, a half is rounded once at the end. All of it
// is compiled into programs and ships with them: algorithms are those of ir/matrix, whose headers name their sources. Derivatives are in
// closed form, to any order. A matrix that is not square where one must be is an Error; what is singular, or not positive definite, gives
// NaN or infinities, as each function says, and never fails.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/ops/ops.h"

namespace tenon {
namespace linalg {

// ---- decompositions

// l of a = l l^T, lower. The lower triangle of a is read, and derivatives are those of a symmetric a. Where a is not positive definite, l is
// NaN on and below the diagonal.
Tensor cholesky(Operand a);

// a = p l u: p a permutation, l unit lower [m, k], u upper [k, n]. The pivot is the first of the largest elements of its column.
struct Lu {
  Tensor p, l, u;
};
Lu lu(Operand a);
// l and u in one, l's ones left out, and the rows of a in the order in which they stand there, i64.
struct LuFactor {
  Tensor lu, rows;
};
LuFactor lu_factor(Operand a);

// a = q r, q having orthonormal columns: "reduced" q [m, min(m, n)], or "complete" q [m, m], which has no derivative where m > n.
struct Qr {
  Tensor q, r;
};
Qr qr(Operand a, const std::string& mode = "reduced");

// a = v diag(w) v^T for a symmetric a, of which the lower triangle is read; w ascends. Derivatives of v need eigenvalues that differ.
struct Eigh {
  Tensor w, v;
};
Eigh eigh(Operand a);
Tensor eigvalsh(Operand a);

// a = u diag(s) vh, thin: u [m, k], s [k] descending, vh [k, n], k = min(m, n). Derivatives of u and vh need values that differ.
struct Svd {
  Tensor u, s, vh;
};
Svd svd(Operand a);
Tensor svdvals(Operand a);

// ---- systems. b is [.., n, k], or a vector [n], or [.., n] where a's batch stands before n. Batches broadcast. A singular a gives
// infinities and NaN.
Tensor solve(Operand a, Operand b);
// Of a, one triangle is read; unitriangular: its diagonal counts as ones. left = false: x of x a = b. transpose: with a^T.
struct Triangular {
  bool upper = false, left = true, unitriangular = false, transpose = false;
};
Tensor solve_triangular(Operand a, Operand b, Triangular t = {});
Tensor triangular_solve(Operand a, Operand b, Triangular t = {});
// x of a x = b, from the factor of a: a = l l^T, or with upper a = l^T l.
struct Factor {
  bool upper = false;
};
Tensor cholesky_solve(Operand b, Operand l, Factor f = {});
Tensor cholesky_inverse(Operand l, Factor f = {});  // of l l^T, or with upper l^T l
Tensor lu_solve(const LuFactor& f, Operand b);  // x of a x = b, from lu_factor(a)
Tensor inv(Operand a);
Tensor inverse(Operand a);
// a's axes from `ind` on count as columns, those before as rows: tensordot(tensorinv(a), a, a.ndim - ind) is an identity.
Tensor tensorinv(Operand a, int64_t ind = 2);
Tensor tensorsolve(Operand a, Operand b);  // x of tensordot(a, x, x.ndim) = b, a being [b.shape, x.shape]
// By singular values: those not above rcond times the largest count as zeros; by default max(m, n) times the dtype's epsilon.
struct Cutoff {
  std::optional<double> rcond = {};
};
Tensor pinv(Operand a, Cutoff c = {});
Tensor pinverse(Operand a, Cutoff c = {});
// The x of least norm among those for which |a x - b| is least. residuals: [.., k], squared, where m > n and a has full rank; else empty.
struct Lstsq {
  Tensor solution, residuals, rank, singular_values;
};
Lstsq lstsq(Operand a, Operand b, Cutoff c = {});

// ---- functions of matrices
Tensor det(Operand a);  // of 0 x 0 it is 1
// sign 0 and logabsdet -inf where a is singular.
struct SlogDet {
  Tensor sign, logabsdet;
};
SlogDet slogdet(Operand a);
Tensor logdet(Operand a);  // NaN where det is negative, -inf where it is 0
Tensor matrix_power(Operand a, int64_t n);  // n < 0: of the inverse
// By scaling and squaring of Pade's approximants (Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM J.
// Matrix Anal. Appl. 26, 2005).
Tensor matrix_exp(Operand a);
Tensor expm(Operand a);
Tensor matrix_rank(Operand a, Cutoff c = {});  // i64

// ---- norms
struct Norm {
  std::vector<int64_t> axes = {};
  bool keepdims = false;
};
// (sum |x|^p)^(1/p) over axes, or over all elements; p of 0 counts what is not 0, infinite ones take extremes.
Tensor vector_norm(Operand x, double p = 2, Norm n = {});
// "fro", "nuc", 1, -1, 2, -2, inf, -inf, over the last two axes or those named.
Tensor matrix_norm(Operand x, const std::string& p = "fro", Norm n = {});
Tensor matrix_norm(Operand x, double p, Norm n = {});
inline Tensor matrix_norm(Operand x, const char* p, Norm n = {}) {
  return matrix_norm(x, std::string(p), std::move(n));
}
// Of all elements as one vector; with p: of a vector the vector's, of a matrix the matrix's, as axes or else the rank say.
inline Tensor norm(Operand x) { return tenon::norm(std::move(x)); }
Tensor norm(Operand x, double p, Norm n = {});
Tensor norm(Operand x, const std::string& p, Norm n = {});
inline Tensor norm(Operand x, const char* p, Norm n = {}) { return norm(x, std::string(p), std::move(n)); }

// The norm of a times that of its inverse, of a square a: the greatest singular value over the least for p = 2, which takes any matrix, the
// reverse for -2; infinite where a is singular.
Tensor cond(Operand a, double p = 2);
Tensor cond(Operand a, const std::string& p);
inline Tensor cond(Operand a, const char* p) { return cond(std::move(a), std::string(p)); }

// ---- distances. p as in vector_norm; at distance 0 its derivative is 0.
struct Distance {
  double p = 2;
  double eps = 1e-6;  // is added to each difference
  bool keepdim = false;
};
Tensor cdist(Operand x, Operand y, double p = 2);  // [.., n, d], [.., m, d] -> [.., n, m]
Tensor pairwise_distance(Operand x, Operand y, Distance d = {});  // along the last axis
Tensor dist(Operand x, Operand y, double p = 2);  // of all elements, 0-d
struct Normalize {
  double p = 2;
  int64_t axis = 1;
  double eps = 1e-12;
};
Tensor normalize(Operand x, Normalize n = {});  // x over its norm along the axis, which counts as eps where it is less

// ---- products
Tensor chain_matmul(std::span<const Tensor> matrices, const At& at = At::current());
Tensor chain_matmul(std::initializer_list<Tensor> matrices, const At& at = At::current());
Tensor cross(Operand a, Operand b, int64_t axis = -1);  // of three elements along the axis
using tenon::kron, tenon::outer;
Tensor vecdot(Operand a, Operand b, int64_t axis = -1);
// Over the last axes of a and the first of b, so many; or over those named.
Tensor tensordot(Operand a, Operand b, int64_t axes = 2);
Tensor tensordot(Operand a, Operand b, const std::vector<int64_t>& of_a, const std::vector<int64_t>& of_b);
// In the order that multiplies least, where extents are numbers.
Tensor multi_dot(std::span<const Tensor> matrices, const At& at = At::current());
Tensor multi_dot(std::initializer_list<Tensor> matrices, const At& at = At::current());
// The diagonal behind the other axes, `offset` over the main one.
struct Diagonal {
  int64_t offset = 0, axis1 = -2, axis2 = -1;
};
Tensor diagonal(Operand x, Diagonal d = {});
inline Tensor diagonal(Operand x, int64_t offset) { return diagonal(x, Diagonal{.offset = offset}); }
Tensor trace(Operand x, int64_t offset = 0);

}  // namespace linalg

using linalg::cross, linalg::tensordot, linalg::chain_matmul, linalg::cdist, linalg::pairwise_distance,
    linalg::normalize;
using linalg::logdet, linalg::inverse, linalg::pinverse, linalg::cholesky_inverse;

// As torch.norm has it: p takes x's elements as one vector, or those along the axes; "fro" and "nuc" are of matrices.
inline Tensor norm(Operand x, double p, linalg::Norm n = {}) {
  return linalg::vector_norm(std::move(x), p, std::move(n));
}
inline Tensor norm(Operand x, const char* p, linalg::Norm n = {}) {
  return linalg::matrix_norm(std::move(x), p, std::move(n));
}

}  // namespace tenon
