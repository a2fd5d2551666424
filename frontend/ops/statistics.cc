// mean, var and logsumexp. Their formulas are part of the contract on numbers (docs/numbers.md): changing one raises
// runtime::numerics_version.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {

Value mean(Value x, const Axes& axes, bool keepdims) {
  if (is_complex(x.dtype())) return ir::complex(mean(real(x), axes, keepdims), mean(imag(x), axes, keepdims));
  const Count n(x, axes, x.dtype());
  const Value s = reduced(ir::Op::reduce_sum, x, axes, keepdims);
  return s / n.over(s);
}

namespace {

// Two passes over a row that stays on chip.
Value var(Value x, const Axes& axes, bool keepdims) {
  const Value d = x - spread(mean(x, axes, true), x);
  return mean(d * d, axes, keepdims);
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

std::vector<Value> build_mean(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  return rounded(x[0], [&](Value t) { return mean(t, r.axes, r.keepdims); });
}
std::vector<Value> build_var(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  if (is_complex(x[0].dtype()))  // the mean of |x - mean|^2
    return {var(real(x[0]), r.axes, r.keepdims) + var(imag(x[0]), r.axes, r.keepdims)};
  return rounded(x[0], [&](Value t) { return var(t, r.axes, r.keepdims); });
}
std::vector<Value> build_logsumexp(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const Value kept = rounded(x[0], [&](Value t) { return logsumexp(t, r.axes); })[0];
  return {r.keepdims ? kept : without(kept, r.axes)};
}

}  // namespace
}  // namespace formula

namespace {

// `inner` is what errors about axes name: the reduction that meets them first.
Tensor statistic(const Emit& emit, const Operand& x, const Reduce& r, const char* inner) try {
  const Tensor t = as_tensor(x, emit.name);
  return apply_one(emit, made::KeptReduceAttrs{axes_of(r, t.ndim(), inner, x.where()), r.keepdims}, {t}, x.where());
} catch (...) {
  leave_with_error(emit.name, x.where());
}

}  // namespace

Tensor mean(Operand x, Reduce r) { return statistic({"mean", formula::build_mean}, x, r, "mean"); }
Tensor var(Operand x, Reduce r) { return statistic({"var", formula::build_var}, x, r, "mean"); }
Tensor logsumexp(Operand x, Reduce r) { return statistic({"logsumexp", formula::build_logsumexp}, x, r, "max"); }

}  // namespace tenon
