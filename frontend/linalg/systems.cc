// solve, solve_triangular, cholesky_solve, inv, pinv, lstsq, matrix_rank.
#include <array>
#include <limits>

#include "tenon/frontend/linalg/formulas.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

// The operands of a system as a formula meets them: in one dtype, b a matrix, batches alike.
struct System {
  made::Systems to;
  Value a, b;
  System(std::span<const Value> x, const ir::Attrs& attrs) : to(attrs) {
    const DType computed = formula::wide(to.dtype);
    a = ir::cast(x[0], computed), b = ir::cast(x[1], computed);
    if (to.vector) {
      Shape column = b.shape();
      column.push_back(1);
      b = ir::reshape(b, column);
    }
    broadcast_batches(a, b);
  }
  Values given(Value solution) const {
    if (to.vector) {
      Shape row = solution.shape();
      row.erase(rank(solution) - 1);
      solution = ir::reshape(solution, row);
    }
    return {ir::cast(solution, to.dtype)};
  }
};

Values build_solve(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const System s(x, attrs);
  return s.given(solved(s.a, s.b));
}

// x a = b is a^T x^T = b^T.
Values build_solve_triangular(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const System s(x, attrs);
  const bool turned = s.to.transposed == s.to.left;
  const Value a = turned ? transposed(s.a) : s.a, b = s.to.left ? s.b : transposed(s.b);
  const Value solution = matrices::solve(a, b, s.to.upper != turned, s.to.unit);
  return s.given(s.to.left ? solution : transposed(solution));
}

Values build_cholesky_inverse(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const Value l = computed(x[0]), factor = made::Systems(attrs).upper ? transposed(l) : l;
  const Value one = identity(*l.builder, l.dtype(), batch_of(l), height(l), width(l));
  const Value half = matrices::solve(factor, one, false);
  return as_given({product(transposed(half), half)}, x[0]);
}

// x[2]: the order of the rows.
Values build_lu_solve(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const System s(x, attrs);
  Shape rows = batch_of(s.a);
  rows.push_back(height(s.a));
  const Value b = rows_in_order(s.b, ir::broadcast_to(x[2], rows));
  return s.given(matrices::solve(s.a, matrices::solve(s.a, b, false, true), true));
}

// The factor stands in the place of a.
Values build_cholesky_solve(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const System s(x, attrs);
  const Value l = s.to.upper ? transposed(s.a) : s.a;
  return s.given(matrices::solve(transposed(l), matrices::solve(l, s.b, false), true));
}

Values build_inv(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given({inverse(computed(x[0]))}, x[0]);
}

double epsilon(DType t) {
  return t == f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
}

// Which of the singular values count: those above the cutoff times the largest.
Value that_count(Value values, Value a, double cutoff) {
  ir::GraphBuilder& b = *a.builder;
  const Value largest = formula::peak(values, {static_cast<int64_t>(rank(values)) - 1});
  Value share = ir::splat(b, a.dtype(), cutoff, {});
  if (cutoff < 0) {
    const Value longest = ir::extent_value(b, b.symbols().maximum(height(a), width(a)));
    share = ir::cast(longest, a.dtype()) * epsilon(a.dtype());
  }
  return gt(values, spread(largest, values) * ir::broadcast(share, values.shape(), {}));
}

// By singular values, whose own derivatives serve the orders beyond those of the rule.
Value plain_pinv(Value a, double cutoff) {
  const Values all = decomposed(ir::Op::svd, a, ir::SpectralAttrs{.vectors = true});
  const Value s = all[0], u = all[1], vh = all[2], counts = that_count(s, a, cutoff);
  const Value inverse = select(counts, 1 / select(counts, s, ir::like(s, 1)), zeros_like(s));
  const Value v = transposed(vh);
  return product(v * for_columns(inverse, v), transposed(u));
}

// Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate", SIAM J.
// Numer. Anal. 10, 1973: where the rank stays,
// dp = -p da p + p p^T da^T (1 - a p) + (1 - p a) da^T p^T p.
Value pinv_of(Value a, double cutoff, int order) {
  if (order == 0) return plain_pinv(a, cutoff);
  const auto rule = [&](const Values& in, const Values& tangents) {
    const Value x = in[0], dx = tangents[0];
    const Value p = pinv_of(x, cutoff, order - 1), pt = transposed(p), dxt = transposed(dx);
    const Value left = product(product(p, pt), dxt), right = product(dxt, product(pt, p));
    const Value tangent =
        left - product(left, product(x, p)) + right - product(p, product(x, right)) - product(p, product(dx, p));
    return std::pair(p, tangent);
  };
  return with_rule({a}, [&](const Values& x) { return plain_pinv(x[0], cutoff); }, rule);
}
constexpr int ruled_orders = 2;

Values build_pinv(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  return as_given({pinv_of(computed(x[0]), made::Ranks(attrs).cutoff, ruled_orders)}, x[0]);
}

Value count(Value values, Value a, double cutoff) {
  const Value counts = ir::cast(that_count(values, a, cutoff), i64);
  return ir::reduce(ir::Op::reduce_sum, counts, {static_cast<int64_t>(rank(values)) - 1});
}

Values build_matrix_rank(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const Value a = ir::stop_gradient(computed(x[0]));
  return {count(decomposed(ir::Op::svd, a, ir::SpectralAttrs{.vectors = false})[0], a, made::Ranks(attrs).cutoff)};
}

// attrs: of the system, then of the rank.
Values build_lstsq(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const System s(x, attrs);
  const double cutoff = made::Ranks(ir::Attrs(attrs.end() - 1, attrs.end())).cutoff;
  const Value solution = product(pinv_of(s.a, cutoff, ruled_orders), s.b);
  const Value rest = product(s.a, solution) - s.b;
  const Value squares = ir::reduce(ir::Op::reduce_sum, rest * rest, {static_cast<int64_t>(rank(rest)) - 2});
  const Value values = decomposed(ir::Op::svd, s.a, ir::SpectralAttrs{.vectors = false})[0];
  return {s.given(solution)[0], ir::cast(squares, s.to.dtype), count(ir::stop_gradient(values), s.a, cutoff),
          ir::cast(values, s.to.dtype)};
}

// ---- doors

// b stands for vectors where it is one, or has a's shape without the last axis.
bool is_vector(const Tensor& a, const Tensor& b) {
  if (b.ndim() == 1) return true;
  Shape rows = a.shape();
  rows.erase(static_cast<size_t>(a.ndim() - 1));
  return b.ndim() == a.ndim() - 1 && b.shape() == rows;
}

struct Given {
  Tensor a, b;
  made::SystemsAttrs attrs;
};

// `first` is the operand that is named first, for the place of errors.
Given system_of(const char* name, const Operand& first, const Operand& a, const Operand& b, bool square,
                bool left = true) {
  const Tensor m = square ? square_of(a, name) : matrices_of(a, name);
  const DType dtype = formula::floating(common_dtype(std::array<const Operand*, 2>{&a, &b}, name));
  refuse_complex(dtype, name, first.where());
  const Tensor right = as_tensor(b, name);
  if (right.ndim() == 0)
    throw Error(named(name) + ": the right side has no axes; it is a vector or a matrix", first.where());
  const bool vector = left && is_vector(m, right);
  const Dim rows = m.shape()[m.ndim() - (left ? 2 : 1)];
  const Dim met = right.shape()[right.ndim() - (vector || !left ? 1 : 2)];
  if (rows.is_number() && met.is_number() && !(rows == met))
    throw Error(named(name) + ": " + describe(m) + " and " + describe(right) + " do not fit: the right side has " +
                    to_string(met) + (left ? " rows" : " columns") + ", and the matrix " + to_string(rows),
                first.where());
  return {
      m, right, {.upper = false, .left = left, .unit = false, .transposed = false, .vector = vector, .dtype = dtype}};
}

Tensor system(const char* name, BuildFn build, const Operand& first, const Operand& a, const Operand& b,
              Triangular t) try {
  Given g = system_of(name, first, a, b, true, t.left);
  g.attrs.upper = t.upper, g.attrs.unit = t.unitriangular, g.attrs.transposed = t.transpose;
  return apply_one({name, build}, std::move(g.attrs), {g.a, g.b}, first.where());
} catch (...) {
  leave_with_error(name, first.where());
}

double cutoff_of(const Cutoff& c, const char* name, const Location& at) {
  if (!c.rcond) return -1;
  if (!(*c.rcond >= 0)) throw Error(named(name) + ": rcond is a share of the largest singular value, 0 or more", at);
  return *c.rcond;
}

Tensor ranked(const char* name, BuildFn build, const Operand& a, const Cutoff& c) try {
  return apply_one({name, build}, made::RanksAttrs{.cutoff = cutoff_of(c, name, a.where())}, {matrices_of(a, name)},
                   a.where());
} catch (...) {
  leave_with_error(name, a.where());
}

Tensor inverted(const char* name, const Operand& a) try {
  return apply_one({name, build_inv}, {}, {square_of(a, name)}, a.where());
} catch (...) {
  leave_with_error(name, a.where());
}

}  // namespace

Tensor solve(Operand a, Operand b) { return system("solve", build_solve, a, a, b, {}); }
Tensor solve_triangular(Operand a, Operand b, Triangular t) {
  return system("solve_triangular", build_solve_triangular, a, a, b, t);
}
Tensor triangular_solve(Operand a, Operand b, Triangular t) {
  return system("triangular_solve", build_solve_triangular, a, a, b, t);
}
Tensor cholesky_solve(Operand b, Operand l, Factor f) {
  return system("cholesky_solve", build_cholesky_solve, b, l, b, {.upper = f.upper});
}

Tensor inv(Operand a) { return inverted("inv", a); }

Tensor pinv(Operand a, Cutoff c) { return ranked("pinv", build_pinv, a, c); }
Tensor matrix_rank(Operand a, Cutoff c) { return ranked("matrix_rank", build_matrix_rank, a, c); }

Lstsq lstsq(Operand a, Operand b, Cutoff c) try {
  Given g = system_of("lstsq", a, a, b, false);
  ir::Attrs attrs = std::move(g.attrs);
  for (ir::Attr& more : ir::Attrs(made::RanksAttrs{.cutoff = cutoff_of(c, "lstsq", a.where())}))
    attrs.push_back(std::move(more));
  const Tensor operands[] = {g.a, g.b};
  const std::vector<Tensor> r = apply({"lstsq", build_lstsq}, attrs, operands, a.where());
  return {r[0], r[1], r[2], r[3]};
} catch (...) {
  leave_with_error("lstsq", a.where());
}

Tensor cholesky_inverse(Operand l, Factor f) try {
  const Tensor t = square_of(l, "cholesky_inverse");
  made::SystemsAttrs attrs{};
  attrs.upper = f.upper, attrs.left = true, attrs.dtype = t.dtype();
  return apply_one({"cholesky_inverse", build_cholesky_inverse}, std::move(attrs), {t}, l.where());
} catch (...) {
  leave_with_error("cholesky_inverse", l.where());
}

Tensor lu_solve(const LuFactor& f, Operand b) try {
  const Location& at = b.where();
  const Operand lu(f.lu, at);
  Given g = system_of("lu_solve", b, lu, b, true);
  Shape rows = g.a.shape();
  rows.erase(static_cast<size_t>(g.a.ndim() - 1));
  if (!f.rows.defined() || !is_integer(f.rows.dtype()) || f.rows.shape() != rows)
    throw Error("linalg::lu_solve: .rows are those of lu_factor, an order for every matrix", at);
  return apply_one({"lu_solve", build_lu_solve}, std::move(g.attrs), {g.a, g.b, f.rows}, at);
} catch (...) {
  leave_with_error("lu_solve", b.where());
}

Tensor inverse(Operand a) { return inverted("inverse", a); }
Tensor pinverse(Operand a, Cutoff c) { return ranked("pinverse", build_pinv, a, c); }

// As matrices: the axes before `ind` are one, and so are those from it on.
Tensor tensorinv(Operand a, int64_t ind) try {
  const Location& at = a.where();
  const Tensor t = as_tensor(a, "tensorinv");
  refuse_complex(t.dtype(), "tensorinv", at);
  if (ind < 1 || ind > t.ndim()) throw Error("linalg::tensorinv: ind lies between 1 and the number of axes", at);
  Extent rows = 1, columns = 1;
  std::vector<Extent> turned;
  for (int64_t i = 0; i < t.ndim(); ++i) {
    const Extent e = t.shape()[static_cast<size_t>(i)];
    (i < ind ? rows : columns) = (i < ind ? rows : columns) * e;
  }
  for (int64_t i = 0; i < t.ndim(); ++i) turned.push_back(t.shape()[static_cast<size_t>((i + ind) % t.ndim())]);
  return reshape(Operand(inv(Operand(reshape(Operand(t, at), {rows, columns}), at)), at), turned);
} catch (...) {
  leave_with_error("tensorinv", a.where());
}

Tensor tensorsolve(Operand a, Operand b) try {
  const Location& at = a.where();
  const Tensor t = as_tensor(a, "tensorsolve"), right = as_tensor(b, "tensorsolve");
  refuse_complex(promote(t.dtype(), right.dtype(), "tensorsolve", at), "tensorsolve", at);
  if (t.ndim() < right.ndim())
    throw Error("linalg::tensorsolve: a begins with b's axes; they are " + describe(t) + " and " + describe(right), at);
  Extent rows = 1, columns = 1;
  std::vector<Extent> shape;
  for (int64_t i = 0; i < t.ndim(); ++i) {
    const Extent e = t.shape()[static_cast<size_t>(i)];
    if (i < right.ndim()) {
      rows = rows * e;
    } else {
      columns = columns * e, shape.push_back(e);
    }
  }
  const Tensor x = solve(Operand(reshape(Operand(t, at), {rows, columns}), at), Operand(ravel(Operand(right, at)), at));
  return reshape(Operand(x, at), shape);
} catch (...) {
  leave_with_error("tensorsolve", a.where());
}

}  // namespace tenon::linalg
