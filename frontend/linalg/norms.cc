// vector_norm, matrix_norm, norm, in all orders, and cond. At zeros a norm's derivative is 0.
#include <algorithm>
#include <cmath>

#include "tenon/frontend/linalg/formulas.h"
#include "tenon/frontend/ops/complex_formula.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

Value reduced(ir::Op op, Value x, const Axes& axes) { return axes.empty() ? x : ir::reduce(op, x, axes); }
// Of no elements an extreme of sizes is 0.
Value extreme(ir::Op op, Value sizes, const Axes& axes) {
  const Value r = reduced(op, sizes, axes);
  return select(bit_or(is_finite(r), ir::gt(r, ir::like(r, 0))), r, select(ne(r, r), r, zeros_like(r)));
}

Value sizes_of(Value x) { return is_complex(x.dtype()) ? formula::magnitude(formula::parts(x)) : abs(x); }

Value euclidean(Value x, const Axes& axes) {
  const auto square = [](Value v) { return v * v; };
  const Value each = is_complex(x.dtype()) ? square(ir::real(x)) + square(ir::imag(x)) : square(x);
  const Value squares = reduced(ir::Op::reduce_sum, each, axes);
  const Value nothing = eq(squares, zeros_like(squares));
  return select(nothing, zeros_like(squares), sqrt(select(nothing, ir::like(squares, 1), squares)));
}

}  // namespace

Value vector_norm_of(Value x, double p, const Axes& axes) {
  if (p == 2) return euclidean(x, axes);
  const Value size = sizes_of(x);
  if (p == 1) return reduced(ir::Op::reduce_sum, size, axes);
  if (p == 0) return reduced(ir::Op::reduce_sum, ir::cast(ne(size, zeros_like(size)), size.dtype()), axes);
  if (std::isinf(p)) return extreme(p > 0 ? ir::Op::reduce_max : ir::Op::reduce_min, size, axes);
  const Value sum = reduced(ir::Op::reduce_sum, pow(size, ir::like(size, p)), axes);
  const Value nothing = p > 0 ? eq(sum, zeros_like(sum)) : ne(sum, sum);
  const Value root = pow(select(nothing, ir::like(sum, 1), sum), ir::like(sum, 1 / p));
  return select(nothing, p > 0 ? zeros_like(sum) : sum, root);
}

namespace {

// Of x whose matrices stand in the last two axes.
Value matrix_norm_of(Value x, const std::string& order, double p) {
  const int64_t row = static_cast<int64_t>(rank(x)) - 2, column = row + 1;
  if (order == "fro") return euclidean(x, {row, column});
  if (order == "nuc" || std::abs(p) == 2) {
    refuse_complex(x.dtype(), "matrix_norm", x.builder->location());
    const Value values = decomposed(ir::Op::svd, x, ir::SpectralAttrs{.vectors = false})[0];
    if (order == "nuc") return ir::reduce(ir::Op::reduce_sum, values, {row});
    return extreme(p > 0 ? ir::Op::reduce_max : ir::Op::reduce_min, values, {row});
  }
  const Value sums = ir::reduce(ir::Op::reduce_sum, sizes_of(x), {std::isinf(p) ? column : row});
  return extreme(p > 0 ? ir::Op::reduce_max : ir::Op::reduce_min, sums, {row});
}

// A reduction's result with its axes back, with extent 1.
Value with_axes(Value x, Axes axes) {
  std::sort(axes.begin(), axes.end());
  Shape shape = x.shape();
  for (int64_t axis : axes) shape.insert(static_cast<size_t>(axis), Dim(1));
  return ir::reshape(x, shape);
}

Values build_vector_norm(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Norms n(attrs);
  const Value r = vector_norm_of(computed(x[0]), n.p, n.axes);
  return as_given({n.keepdims ? with_axes(r, n.axes) : r}, x[0]);
}

Values build_matrix_norm(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Norms n(attrs);
  std::vector<int64_t> order;
  for (int64_t axis = 0; axis < x[0].shape().rank(); ++axis)
    if (std::find(n.axes.begin(), n.axes.end(), axis) == n.axes.end()) order.push_back(axis);
  order.insert(order.end(), n.axes.begin(), n.axes.end());
  Value a = computed(x[0]);
  if (!std::is_sorted(order.begin(), order.end())) a = ir::transpose(a, order);
  const Value r = matrix_norm_of(a, n.order, n.p);
  return as_given({n.keepdims ? with_axes(r, n.axes) : r}, x[0]);
}

Values build_cond(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Norms n(attrs);
  const Value a = computed(x[0]);
  if (!n.order.empty() || std::abs(n.p) != 2) {
    const Value size = matrix_norm_of(a, n.order, n.p), both = size * matrix_norm_of(inverse(a), n.order, n.p);
    const Value singular = bit_and(ne(both, both), eq(size, size));  // its inverse is infinities and NaN
    return as_given({select(singular, ir::like(both, INFINITY), both)}, x[0]);
  }
  const Value s = decomposed(ir::Op::svd, a, ir::SpectralAttrs{.vectors = false})[0];
  const auto last = static_cast<int64_t>(rank(s)) - 1;
  const Value most = ir::reduce(ir::Op::reduce_max, s, {last}), least = ir::reduce(ir::Op::reduce_min, s, {last});
  return as_given({n.p > 0 ? most / least : least / most}, x[0]);
}

// ---- doors

Axes axes_in(const Norm& n, const Tensor& t, const char* name, const Location& at) {
  Axes axes;
  for (int64_t axis : n.axes) {
    axes.push_back(axis_of(axis, t.ndim(), name, at));
    if (std::count(axes.begin(), axes.end(), axes.back()) > 1)
      throw Error(named(name) + ": axis " + std::to_string(axis) + " is named twice", at);
  }
  return axes;
}

void check_order(const char* name, const std::string& order, double p, const Location& at) {
  const bool number = order.empty() && (std::abs(p) == 1 || std::abs(p) == 2 || std::isinf(p));
  if (order == "fro" || order == "nuc" || number) return;
  throw Error(named(name) + ": the norms of matrices are \"fro\", \"nuc\", 1, -1, 2, -2, inf and -inf, not " +
                  (order.empty() ? std::to_string(p) : "\"" + order + "\""),
              at);
}

Tensor of_matrices(const char* name, const Operand& x, const std::string& order, double p, const Norm& n) try {
  const Tensor t = matrices_of(x, name, true);
  Axes axes = axes_in(n, t, name, x.where());
  if (axes.empty()) axes = {t.ndim() - 2, t.ndim() - 1};
  if (axes.size() != 2) throw Error(named(name) + ": a matrix has two axes; name two", x.where());
  check_order(name, order, p, x.where());
  return apply_one({name, build_matrix_norm},
                   made::NormsAttrs{.order = order, .p = p, .axes = axes, .keepdims = n.keepdims}, {t}, x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

Tensor of_vectors(const char* name, const Operand& x, double p, const Norm& n) try {
  const Tensor t = as_tensor(x, name);
  if (p != p) throw Error(named(name) + ": the order is a number, not NaN", x.where());
  Axes axes = axes_in(n, t, name, x.where());
  std::sort(axes.begin(), axes.end());
  for (int64_t axis = 0; n.axes.empty() && axis < t.ndim(); ++axis) axes.push_back(axis);
  return apply_one({name, build_vector_norm},
                   made::NormsAttrs{.order = "", .p = p, .axes = axes, .keepdims = n.keepdims}, {t}, x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

Tensor condition(const Operand& a, const std::string& order, double p) try {
  check_order("cond", order, p, a.where());
  const bool spectral = order.empty() && std::abs(p) == 2;
  const Tensor t = spectral ? matrices_of(a, "cond") : square_of(a, "cond");
  if (t.shape()[static_cast<size_t>(t.ndim() - 1)] == 0 || t.shape()[static_cast<size_t>(t.ndim() - 2)] == 0)
    throw Error("linalg::cond: a matrix without elements has none: " + describe(t), a.where());
  return apply_one({"cond", build_cond}, made::NormsAttrs{.order = order, .p = p, .axes = {}, .keepdims = false}, {t},
                   a.where());
} catch (...) {
  leave_with_error("cond", a.where());
}

}  // namespace

Tensor vector_norm(Operand x, double p, Norm n) { return of_vectors("vector_norm", x, p, n); }
Tensor matrix_norm(Operand x, const std::string& p, Norm n) { return of_matrices("matrix_norm", x, p, 0, n); }
Tensor matrix_norm(Operand x, double p, Norm n) { return of_matrices("matrix_norm", x, "", p, n); }

Tensor norm(Operand x, double p, Norm n) {
  const bool matrix = n.axes.size() == 2 || (n.axes.empty() && as_tensor(x, "norm").ndim() == 2);
  return matrix ? of_matrices("norm", x, "", p, n) : of_vectors("norm", x, p, n);
}
Tensor norm(Operand x, const std::string& p, Norm n) { return of_matrices("norm", x, p, 0, n); }

Tensor cond(Operand a, double p) { return condition(a, "", p); }
Tensor cond(Operand a, const std::string& p) { return condition(a, p, 0); }

}  // namespace tenon::linalg
