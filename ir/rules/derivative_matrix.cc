// Derivatives of the rows over matrices, in closed form and themselves differentiable: Cholesky's factor and triangular systems (Murray,
// "Differentiation of the Cholesky decomposition", arXiv:1602.07527), LU and QR (Walter and Lehmann, "Algorithmic differentiation of
// linear algebra functions", arXiv:1001.1654), eigenvalues and singular values (Giles, "Collected matrix derivative results for forward
// and reverse mode algorithmic differentiation", 2008). Where values are equal, those of vectors do not exist, and are not finite.
#include "tenon/ir/base/error.h"
#include "tenon/ir/graph/matrices.h"
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {

using namespace matrices;

// dl = l Phi(l^-1 da l^-T), Phi taking the lower triangle and half the diagonal; da counts as symmetric.
std::vector<Value> cholesky_jvp(const JvpArgs& args) {
  const Value l = args.results[0], given = args.tangents[0];
  const Value da = (given + transposed(given)) * 0.5;
  const Value inner = transposed(solve(l, transposed(solve(l, da, false)), false));
  return {product(l, (lower(inner) + lower(inner, -1)) * 0.5)};
}

// dx = a^-1 (db - da x)
std::vector<Value> triangular_solve_jvp(const JvpArgs& args) {
  const SolveTriangular how(args.attrs);
  Value right = args.tangents[1];
  if (const Value da = args.tangents[0]) {
    const Value triangle = how.upper ? (how.unit ? da - lower(da) : upper(da)) : lower(da, how.unit ? -1 : 0);
    const Value moved = product(triangle, args.results[0]);
    right = right ? right - moved : -moved;
  }
  return {solve(args.primals[0], right, how.upper, how.unit)};
}
std::vector<Value> triangular_solve_transpose(const TransposeArgs& args) {
  const SolveTriangular how(args.attrs);
  std::vector<Value> result = absent(2);
  if (args.linear[1]) result[1] = solve(transposed(args.operands[0]), args.cotangents[0], !how.upper, how.unit);
  return result;
}

// With the pivots as they are: l and u's square parts as of a square matrix, and what lies beside or below them by a system.
std::vector<Value> lu_jvp(const JvpArgs& args) {
  const Value lu = args.results[0], da = rows_in_order(args.tangents[0], args.results[1]);
  const size_t row = rank(lu) - 2, column = rank(lu) - 1;
  const Dim m = height(lu), n = width(lu);
  Symbols& symbols = args.builder.symbols();
  const Dim k = symbols.minimum(m, n), below = symbols.difference(m, k), beside = symbols.difference(n, k);
  const Value square = part(part(lu, row, 0, k), column, 0, k);
  const Value inner = solve_right(square, solve(square, part(part(da, row, 0, k), column, 0, k), false, true), true);
  const Value l = lower(square, -1), u = upper(square), dl_factor = lower(inner, -1);
  const Value dl = dl_factor + product(l, dl_factor), du = product(upper(inner), u);
  Value tangent = lower(dl, -1) + du;
  if (!(beside == 0)) {  // wide
    const Value right = part(part(lu, row, 0, k), column, k, beside);
    const Value moved = part(part(da, row, 0, k), column, k, beside) - product(lower(dl, -1), right);
    tangent = joined(tangent, solve(square, moved, false, true), column);
  }
  if (!(below == 0)) {
    const Value under = part(part(lu, row, k, below), column, 0, k);
    const Value moved = part(part(da, row, k, below), column, 0, k) - product(under, du);
    Value rest = solve_right(square, moved, true);
    if (!(beside == 0)) rest = joined(rest, zeros_like(part(part(lu, row, k, below), column, k, beside)), column);
    tangent = joined(tangent, rest, row);
  }
  return {tangent, {}, {}};
}

// Terms that vanish are left out of square matrices alone, not of long or wide ones: which side is longer may be unknown, and bits do not
// depend on that.

// dq = q (omega) + (1 - q q^T) da r^-1, dr = (q^T da r^-1 - omega) r, omega being skew with the lower triangle of q^T da r^-1. What stands
// beside a square part follows it.
std::vector<Value> qr_jvp(const JvpArgs& args) {
  const Value q = args.results[0], r = args.results[1], da = args.tangents[0];
  const size_t column = rank(r) - 1;
  Symbols& symbols = args.builder.symbols();
  const Dim m = height(q), n = width(r), inner = height(r);
  if (Qr(args.attrs).complete && !(inner == n) && !symbols.at_least(n, inner))
    throw Error(
        "the derivative of a complete qr of a matrix with more rows than columns is not unique: take the reduced one");
  const Dim beside = symbols.difference(n, inner);
  const bool wide = !(beside == 0);
  const Value square = wide ? part(r, column, 0, inner) : r;
  const Value moved = solve_right(square, wide ? part(da, column, 0, inner) : da, true);
  const Value seen = product(transposed(q), moved), under = lower(seen, -1);
  const Value omega = under - transposed(under);
  Value dq = product(q, omega);
  if (!(m == n)) dq = dq + (moved - product(q, seen));
  Value dr = upper(product(seen - omega, square));
  if (wide) {
    const Value right = part(r, column, inner, beside);
    const Value turned = product(transposed(dq), product(q, right));
    dr = joined(dr, turned + product(transposed(q), part(da, column, inner, beside)), column);
  }
  return {dq, dr};
}

// dw = diag(v^T da v), dv = v (F o v^T da v), F_ij = 1 / (w_j - w_i)
std::vector<Value> eigh_jvp(const JvpArgs& args) {
  const bool given = Spectral(args.attrs).vectors;
  const std::vector<Value> all = given ? std::vector<Value>(args.results.begin(), args.results.end())
                                       : apply(args.builder, Op::eigh, args.primals, SpectralAttrs{.vectors = true});
  const Value w = all[0], v = all[1];
  const Value seen = product(transposed(v), product(args.tangents[0], v));
  std::vector<Value> tangents = {diagonal_of(seen)};
  if (given) tangents.push_back(product(v, reciprocal_gaps(w, seen) * seen));
  return tangents;
}

// With p = u^T da v: ds = diag(p), du = u (F o (p s + s p^T)) + (1 - u u^T) da v / s, dv = v (F o (s p + p^T s)) + (1 - v v^T) da^T u / s,
// F_ij = 1 / (s_j^2 - s_i^2).
std::vector<Value> svd_jvp(const JvpArgs& args) {
  const bool given = Spectral(args.attrs).vectors;
  const std::vector<Value> all = given ? std::vector<Value>(args.results.begin(), args.results.end())
                                       : apply(args.builder, Op::svd, args.primals, SpectralAttrs{.vectors = true});
  const Value s = all[0], u = all[1], vh = all[2], v = transposed(vh), da = args.tangents[0];
  const Value to_v = product(da, v), p = product(transposed(u), to_v), pt = transposed(p);
  std::vector<Value> tangents = {diagonal_of(p)};
  if (!given) return tangents;
  const Value by_column = for_columns(s, p), by_row = for_rows(s, p), f = reciprocal_gaps(s * s, p);
  Value du = product(u, f * (p * by_column + by_row * pt));
  Value dv = product(v, f * (by_row * p + pt * by_column));
  const bool square = height(u) == width(vh);
  if (!square) du = du + (to_v - product(u, p)) / for_columns(s, u);
  if (!square) {
    const Value to_u = product(transposed(da), u);
    dv = dv + (to_u - product(v, pt)) / for_columns(s, v);
  }
  tangents.push_back(du);
  tangents.push_back(transposed(dv));
  return tangents;
}

}  // namespace tenon::ir::rules
