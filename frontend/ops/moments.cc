// Reductions made of others: nansum, nanmean, count_nonzero, aminmax, norm; and what variables have in common: cov, corrcoef.
// Refuses norms of other orders and of matrices: those are linear algebra's.
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// 1 where an element takes part: where the mask holds, and it is a number.
Value takes_part(std::span<const Value> x, Value t) {
  const Value number = ir::bit_not(is_nan(t));
  return where_mask(x, number, ir::splat_integer(*t.builder, boolean, 0, t.shape()));
}

std::vector<Value> build_nansum(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const Value t = ir::cast(x[0], r.dtype);
  return {reduced(ir::Op::reduce_sum, ir::select(takes_part(x, t), t, ir::literal(t, 0)), r.axes, r.keepdims)};
}
std::vector<Value> build_nanmean(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  return rounded(ir::cast(x[0], r.dtype), [&](Value t) {
    const Value part = takes_part(x, t), none = ir::literal(t, 0);
    const Value sum = reduced(ir::Op::reduce_sum, ir::select(part, t, none), r.axes, r.keepdims);
    const Value count = reduced(ir::Op::reduce_sum, ir::cast(part, i64), r.axes, r.keepdims);
    return sum / ir::cast(count, t.dtype());
  });
}
std::vector<Value> build_count_nonzero(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const Value none = ir::splat_integer(*x[0].builder, i64, 0, x[0].shape());
  return {reduced(ir::Op::reduce_sum, where_mask(x, ir::cast(truth(x[0]), i64), none), r.axes, r.keepdims)};
}

std::vector<Value> build_aminmax(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  std::vector<Value> ends;
  for (const ir::Op op : {ir::Op::reduce_min, ir::Op::reduce_max}) {
    const Value t = x[0].dtype() == boolean ? ir::cast(x[0], u8) : x[0];
    const Value counted = where_mask(x, t, identity(ir::def(op).combine, t));
    ends.push_back(ir::cast(reduced(op, counted, r.axes, r.keepdims), x[0].dtype()));
  }
  return ends;
}

// The root of the sum of squares. At 0 it has no slope: the derivative is taken for 0, as those of abs and of PyTorch's norm are.
std::vector<Value> build_norm(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const auto of = [&](Value t) {
    const Value kept = where_mask(x, t, ir::literal(t, 0));
    const auto square = [](Value v) { return v * v; };
    const Value each = is_complex(kept.dtype()) ? square(real(kept)) + square(imag(kept)) : square(kept);
    const Value squares = reduced(ir::Op::reduce_sum, each, r.axes, r.keepdims);
    const Value none = ir::eq(squares, ir::literal(squares, 0));
    return ir::select(none, squares, sqrt(ir::select(none, ir::literal(squares, 1), squares)));
  };
  const Value given = ir::cast(x[0], r.dtype);
  return is_complex(r.dtype) ? std::vector{of(given)} : rounded(given, of);
}

// Rows are variables, columns observations: d d^T / (n - correction), d being distances from each row's mean.
Value covariance(Value x, double correction) {
  const Value rows =
      x.shape().rank() == 2 ? x : ir::reshape(x, {Dim(1), x.shape().rank() == 0 ? Dim(1) : x.shape()[0]});
  const Value d = rows - ir::spread(mean(rows, {1}, true), rows);
  const Value products = ir::dot_general(d, d, {}, {}, {1}, {1});
  const Value n = Count(rows, {1}, rows.dtype()).over(products);
  const Value all = products / max(n - ir::like(n, correction), ir::literal(n, 0));
  return x.shape().rank() == 2 && !(x.shape()[0] == 1) ? all : ir::reshape(all, {});
}

std::vector<Value> build_cov(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  return rounded(x[0], [&](Value t) { return covariance(t, made::Corrected(attrs).correction); });
}

// cov scaled by both variables' deviations, and clipped to what a correlation can be.
std::vector<Value> build_corrcoef(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs&) {
  return rounded(x[0], [&](Value t) {
    const Value c = covariance(t, 1);
    if (c.shape().rank() == 0) return c / c;
    const Shape shape = c.shape();
    const Value own = ir::eq(ir::iota(b, i64, shape, 0), ir::iota(b, i64, shape, 1));
    const Value variances = ir::reduce(ir::Op::reduce_sum, ir::select(own, c, ir::literal(c, 0)), {1});
    const Value deviations = sqrt(variances);
    const Value r = c / ir::broadcast(deviations, shape, {0}) / ir::broadcast(deviations, shape, {1});
    return min(max(r, ir::literal(r, -1)), ir::literal(r, 1));
  });
}

}  // namespace
}  // namespace formula

namespace {

std::vector<Tensor> reduction(const Emit& emit, const Operand& x, const Reduce& r, DType dtype) {
  const Tensor t = as_tensor(x, emit.name);
  const std::vector<int64_t> axes = axes_of(r, t.ndim(), emit.name, x.where());
  const std::vector<Tensor> inputs = masked_inputs(t, r, emit.name, x.where());
  return apply(emit, made::KeptReduceAttrs{axes, r.keepdims, dtype}, inputs, x.where());
}

Tensor one_reduction(const Emit& emit, const Operand& x, const Reduce& r, DType (*computed)(DType)) try {
  return reduction(emit, x, r, computed(r.dtype.value_or(as_tensor(x, emit.name).dtype())))[0];
} catch (...) {
  leave_with_error(emit.name, x.where());
}

DType as_it_is(DType given) { return given; }

void check_matrix(const Tensor& x, const char* op, const Location& at) {
  if (x.ndim() > 2)
    throw Error(std::string(op) + ": rows are variables, columns observations; " + describe(x) + " has more axes", at);
}

}  // namespace

Tensor nansum(Operand x, Reduce r) {
  return one_reduction({"nansum", formula::build_nansum}, x, r, formula::summed_as);
}
Tensor nanmean(Operand x, Reduce r) try {
  check_real("nanmean", {&x});
  return one_reduction({"nanmean", formula::build_nanmean}, x, r, formula::floating);
} catch (...) {
  leave_with_error("nanmean", x.where());
}
Tensor count_nonzero(Operand x, Reduce r) {
  return one_reduction({"count_nonzero", formula::build_count_nonzero}, x, r, as_it_is);
}
Tensor norm(Operand x, Reduce r) { return one_reduction({"norm", formula::build_norm}, x, r, formula::floating); }

TensorPair aminmax(Operand x, Reduce r) try {
  const Tensor t = real_tensor(x, "aminmax");
  if (!r.where)
    for (int64_t a : axes_of(r, t.ndim(), "aminmax", x.where())) check_row(t, a, "aminmax", x.where());
  const auto ends = reduction({"aminmax", formula::build_aminmax}, x, r, t.dtype());
  return {ends[0], ends[1]};
} catch (...) {
  leave_with_error("aminmax", x.where());
}

Tensor cov(Operand x, Covariance c) try {
  const Tensor t = real_tensor(x, "cov");
  check_matrix(t, "cov", x.where());
  return apply_one({"cov", formula::build_cov}, made::CorrectedAttrs{c.correction}, {t}, x.where());
} catch (...) {
  leave_with_error("cov", x.where());
}
Tensor corrcoef(Operand x) try {
  const Tensor t = real_tensor(x, "corrcoef");
  check_matrix(t, "corrcoef", x.where());
  return apply_one({"corrcoef", formula::build_corrcoef}, {}, {t}, x.where());
} catch (...) {
  leave_with_error("corrcoef", x.where());
}

}  // namespace tenon
