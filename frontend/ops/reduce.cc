// Reductions over axes. Refuses statistics: frontend/ops/statistics.cc composes them.
#include <algorithm>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

// What a reduction computes with: sums of bool and integers are i64 (u64 stays), and whether any is true is asked of bools.
template <ir::Op op>
DType reduced_as(DType given) {
  if constexpr (op == ir::Op::reduce_sum || op == ir::Op::reduce_prod) return formula::summed_as(given);
  return op == ir::Op::reduce_and || op == ir::Op::reduce_or ? boolean : given;
}

template <ir::Op op>
std::vector<ir::Value> build_reduce(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  const ir::Value read = r.dtype == boolean ? formula::truth(x[0]) : ir::cast(x[0], r.dtype);
  const ir::Value counted = formula::where_mask(x, read, formula::identity(ir::def(op).combine, read));
  if (op == ir::Op::reduce_prod && is_complex(r.dtype)) return {formula::complex_product(counted, r.axes, r.keepdims)};
  return {formula::reduced(op, counted, r.axes, r.keepdims)};
}

template <ir::Op op>
Tensor reduce(const char* name, const Operand& x, const Reduce& r) try {
  static constexpr auto build = build_reduce<op>;
  const Tensor t = as_tensor(x, name);
  const std::vector<int64_t> axes = axes_of(r, t.ndim(), name, x.where());
  const DType dtype = reduced_as<op>(r.dtype.value_or(t.dtype()));
  if (axes.empty() && dtype == t.dtype() && !r.where) return t;
  const std::vector<Tensor> inputs = masked_inputs(t, r, name, x.where());
  return apply({name, build}, made::KeptReduceAttrs{axes, r.keepdims, dtype}, inputs, x.where())[0];
} catch (...) {
  leave_with_error(name, x.where());
}

void check_not_empty(const Tensor& x, const std::vector<int64_t>& axes, const char* op, const Location& at) {
  for (int64_t a : axes)
    if (x.shape()[a] == Dim(0))
      throw Error(std::string(op) + " of no elements: axis " + std::to_string(a) + " of " + describe(x) + " is empty",
                  at);
}

// Of bools: whether any is true, or all are.
template <ir::Op op>
Tensor extremum(const char* name, const Operand& x, const Reduce& r) try {
  const Tensor t = real_tensor(x, name);
  check_real(r.dtype.value_or(t.dtype()), name, x.where());
  if (t.dtype() == boolean) return op == ir::Op::reduce_max ? any_of(x, r) : all_of(x, r);
  if (!r.where) check_not_empty(t, axes_of(r, t.ndim(), name, x.where()), name, x.where());
  return reduce<op>(name, Operand(t, x.where()), r);
} catch (...) {
  leave_with_error(name, x.where());
}

// Along one axis; over all elements it is that of a row.
template <ir::Op op>
std::vector<ir::Value> build_arg(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce r(attrs);
  if (x[0].shape().rank() == 0) return {ir::splat_integer(*x[0].builder, i64, 0, {})};
  if (!r.axes.empty()) return {formula::reduced(op, x[0], r.axes, r.keepdims)};
  return {ir::reduce(op, formula::flattened(x[0]), {0})};
}

template <ir::Op op>
Tensor arg_reduce(const char* name, const Operand& x, std::optional<int64_t> axis, bool keepdims = false) try {
  static constexpr auto build = build_arg<op>;
  const Tensor t = as_tensor(x, name);
  std::vector<int64_t> axes, all;
  if (axis) axes.push_back(row_axis(*axis, t, name, x.where()));
  for (int i = 0; i < t.ndim(); ++i) all.push_back(i);
  check_not_empty(t, axis && t.ndim() != 0 ? axes : all, name, x.where());
  return apply_one({name, build}, made::KeptReduceAttrs{axes, keepdims, i64}, {t}, x.where());
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

std::vector<int64_t> axes_of(const Reduce& r, int rank, const char* op, const Location& at) {
  std::vector<int64_t> axes;
  for (int64_t a : r.axes)
    if (rank != 0 || (a != 0 && a != -1)) axes.push_back(axis_of(a, rank, op, at));
  if (r.axes.empty())
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    throw Error(std::string(op) + ": an axis is named twice", at);
  return axes;
}

std::vector<Tensor> masked_inputs(const Tensor& x, const Reduce& r, const char* op, const Location& at) {
  if (!r.where) return {x};
  const Tensor mask = r.where.tensor();
  if (mask.dtype() != boolean)
    throw Error(std::string(op) + ": where is a bool tensor, and this is " + describe(mask) + "; compare it with 0",
                at);
  if (!stretches(mask.shape(), x.shape()))
    throw Error(std::string(op) + ": the mask " + describe(mask) + " does not stretch to " + describe(x), at);
  return {x, mask};
}

Tensor sum(Operand x, Reduce r) { return reduce<ir::Op::reduce_sum>("sum", x, r); }
Tensor prod(Operand x, Reduce r) { return reduce<ir::Op::reduce_prod>("prod", x, r); }

Tensor max(Operand x, Reduce r) { return extremum<ir::Op::reduce_max>("max", x, r); }
Tensor min(Operand x, Reduce r) { return extremum<ir::Op::reduce_min>("min", x, r); }
Tensor amax(Operand x, Reduce r) { return extremum<ir::Op::reduce_max>("amax", x, r); }
Tensor amin(Operand x, Reduce r) { return extremum<ir::Op::reduce_min>("amin", x, r); }
Tensor all_of(Operand x, Reduce r) { return reduce<ir::Op::reduce_and>("all_of", x, r); }
Tensor any_of(Operand x, Reduce r) { return reduce<ir::Op::reduce_or>("any_of", x, r); }
Tensor argmax(Operand x) { return arg_reduce<ir::Op::argmax>("argmax", x, {}); }
Tensor argmin(Operand x) { return arg_reduce<ir::Op::argmin>("argmin", x, {}); }
Tensor argmax(Operand x, int64_t axis, bool keepdims) {
  return arg_reduce<ir::Op::argmax>("argmax", x, axis, keepdims);
}
Tensor argmin(Operand x, int64_t axis, bool keepdims) {
  return arg_reduce<ir::Op::argmin>("argmin", x, axis, keepdims);
}

}  // namespace tenon
