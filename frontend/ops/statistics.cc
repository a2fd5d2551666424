// mean, var and logsumexp. Their formulas are part of the contract on numbers (docs/numbers.md): changing one raises
// runtime::numerics_version.
#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {

Value mean(Value x, const Axes& axes, bool keepdims) {
  const Count n(x, axes, part_of(x.dtype()));
  const Value s = reduced(ir::Op::reduce_sum, x, axes, keepdims);
  return over_real(s, n.over(is_complex(s.dtype()) ? real(s) : s));
}

namespace {

// How many elements take part: all along the axes, or those of a mask.
Value counted(std::span<const Value> x, Value t, const Axes& axes, bool keepdims, Value like) {
  if (x.size() == 1) return Count(t, axes, t.dtype()).over(like);
  const Value ones = where_mask(x, ir::literal(t, 1), ir::literal(t, 0));
  return reduced(ir::Op::reduce_sum, ones, axes, keepdims);
}

Value masked_mean(std::span<const Value> x, Value t, const Axes& axes, bool keepdims) {
  if (x.size() == 1) return mean(t, axes, keepdims);
  const Value s = reduced(ir::Op::reduce_sum, where_mask(x, t, ir::literal(t, 0)), axes, keepdims);
  return over_real(s, counted(x, is_complex(t.dtype()) ? real(t) : t, axes, keepdims, s));
}

// Two passes over a row that stays on chip.
Value var(std::span<const Value> x, Value t, const made::Variance& v) {
  const Value d = t - spread(masked_mean(x, t, v.axes, true), t);
  const Value s = reduced(ir::Op::reduce_sum, where_mask(x, d * d, ir::literal(d, 0)), v.axes, v.keepdims);
  const Value n = counted(x, t, v.axes, v.keepdims, s);
  return s / (v.correction == 0 ? n : max(n - ir::like(n, v.correction), ir::literal(n, 0)));
}

// The root, whose slope at 0 is taken for 0: elements that are all equal have no direction that spreads them.
Value root(Value v) {
  const Value none = ir::eq(v, ir::literal(v, 0));
  return ir::select(none, v, sqrt(ir::select(none, ir::literal(v, 1), v)));
}

// log(sum(exp(x - m))) + m with m = max(x); an infinite x that is the maximum counts as e^0.
Value logsumexp(Value x, const Axes& axes) {
  const Value m = stop_gradient(peak(x, axes));
  return log(total(exp(gap(x, spread(m, x))), axes)) + m;
}

Value without(Value x, const Axes& axes) {
  for (size_t i = axes.size(); i-- > 0;) {
    Shape shape = x.shape();
    shape.erase(static_cast<size_t>(axes[i]));
    x = reshape(x, shape);
  }
  return x;
}

// Of complex numbers the mean of |x - mean|^2, which is real.
template <class F>
std::vector<Value> rounded_variance(std::span<const Value> x, const made::Variance& v, F f) {
  const Value given = ir::cast(x[0], v.dtype);
  if (is_complex(v.dtype)) return {f(var(x, real(given), v) + var(x, imag(given), v))};
  return rounded(given, [&](Value t) { return f(var(x, t, v)); });
}

std::vector<Value> build_mean(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const Value given = ir::cast(x[0], r.dtype);
  return rounded(given, [&](Value t) { return masked_mean(x, t, r.axes, r.keepdims); });
}
std::vector<Value> build_var(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Variance v(attrs);
  return rounded_variance(x, v, [](Value t) { return t; });
}
std::vector<Value> build_std(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Variance v(attrs);
  return rounded_variance(x, v, root);
}
// With the mean behind it.
template <BuildFn spread>
std::vector<Value> build_with_mean(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Variance v(attrs);
  const auto middle = rounded(ir::cast(x[0], v.dtype), [&](Value t) { return masked_mean(x, t, v.axes, v.keepdims); });
  return {spread(b, x, attrs)[0], middle[0]};
}
std::vector<Value> build_logsumexp(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const auto of = [&](Value t) { return logsumexp(where_mask(x, t, identity(ir::Op::max, t)), r.axes); };
  const Value kept = rounded(ir::cast(x[0], r.dtype), of)[0];
  return {r.keepdims ? kept : without(kept, r.axes)};
}

}  // namespace
}  // namespace formula

namespace {

DType computed_in(const Tensor& x, const Reduce& r, const char* op, const Location& at) {
  const DType dtype = r.dtype.value_or(formula::floating(x.dtype()));
  if (!is_continuous(dtype))
    throw Error(std::string(op) + ": the dtype is floating, not " + std::string(name(dtype)) + "; cast the result", at);
  return dtype;
}

// `inner` is what errors about axes name: the reduction that meets them first.
Tensor statistic(const Emit& emit, const Operand& x, const Reduce& r, const char* inner) try {
  const Tensor t = as_tensor(x, emit.name);
  const std::vector<int64_t> axes = axes_of(r, t.ndim(), inner, x.where());
  const DType dtype = computed_in(t, r, emit.name, x.where());
  const std::vector<Tensor> inputs = masked_inputs(t, r, emit.name, x.where());
  return apply(emit, made::KeptReduceAttrs{axes, r.keepdims, dtype}, inputs, x.where())[0];
} catch (...) {
  leave_with_error(emit.name, x.where());
}

std::vector<Tensor> spread_of(const Emit& emit, const Operand& x, const Reduce& r) try {
  const Tensor t = as_tensor(x, emit.name);
  const std::vector<int64_t> axes = axes_of(r, t.ndim(), "mean", x.where());
  const DType dtype = computed_in(t, r, emit.name, x.where());
  const std::vector<Tensor> inputs = masked_inputs(t, r, emit.name, x.where());
  return apply(emit, made::VarianceAttrs{axes, r.keepdims, dtype, r.correction}, inputs, x.where());
} catch (...) {
  leave_with_error(emit.name, x.where());
}

}  // namespace

Tensor mean(Operand x, Reduce r) { return statistic({"mean", formula::build_mean}, x, r, "mean"); }
Tensor var(Operand x, Reduce r) { return spread_of({"var", formula::build_var}, x, r)[0]; }
Tensor std(Operand x, Reduce r) { return spread_of({"std", formula::build_std}, x, r)[0]; }
TensorPair var_mean(Operand x, Reduce r) {
  const auto both = spread_of({"var_mean", formula::build_with_mean<formula::build_var>}, x, r);
  return {both[0], both[1]};
}
TensorPair std_mean(Operand x, Reduce r) {
  const auto both = spread_of({"std_mean", formula::build_with_mean<formula::build_std>}, x, r);
  return {both[0], both[1]};
}
Tensor logsumexp(Operand x, Reduce r) try {
  check_real(r.dtype.value_or(real_tensor(x, "logsumexp").dtype()), "logsumexp", x.where());
  return statistic({"logsumexp", formula::build_logsumexp}, x, r, "max");
} catch (...) {
  leave_with_error("logsumexp", x.where());
}

}  // namespace tenon
