// Reductions over axes, and what is composed from them.
#include <algorithm>

#include "tenon/frontend/promote.h"

namespace tenon {
namespace {

template <ir::Op op>
std::vector<ir::Value> build_reduce(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::KeptReduce kept_axes(attrs);
  const ir::Value r = ir::reduce(op, x[0], kept_axes.axes);
  if (!kept_axes.keepdims) return {r};
  Shape kept = x[0].shape();
  for (int64_t a : kept_axes.axes) kept[static_cast<size_t>(a)] = Dim(1);
  return {ir::reshape(r, kept)};
}

std::vector<int64_t> axes_of(const Reduce& r, int rank, const char* op, const Location& at) {
  std::vector<int64_t> axes;
  for (int64_t a : r.axes) axes.push_back(axis_of(a, rank, op, at));
  if (r.axes.empty())
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    throw Error(std::string(op) + ": an axis is named twice", at);
  return axes;
}

template <ir::Op op>
Tensor reduce(const char* name, const Tensor& x, const Reduce& r, const Location& at) {
  static constexpr auto build = build_reduce<op>;
  const Emit emit{name, build};
  const std::vector<int64_t> axes = axes_of(r, x.ndim(), name, at);
  if (axes.empty()) return x;
  return apply_one(emit, made::KeptReduceAttrs{axes, r.keepdims}, {x}, at);
}

// Sums of bool and integers are i64 (u64 stays).
Tensor summand(const Operand& x, const char* op) {
  const Tensor t = as_tensor(x, op);
  return is_floating(t.dtype()) || t.dtype() == u64 ? t : cast_to(t, i64, x.where());
}

Tensor floating(const Operand& x, const char* op) {
  const Tensor t = as_tensor(x, op);
  return is_floating(t.dtype()) ? t : cast_to(t, f32, x.where());
}

// How many elements are reduced: a number, or a sum of ones where an extent is symbolic. The count is exact and rounds
// once, to the dtype that is computed in, so it is the same number however an extent came to be known.
Operand count_of(const Tensor& x, const std::vector<int64_t>& axes, const Location& at) {
  int64_t n = 1;
  Shape symbolic;
  for (int64_t a : axes) {
    const Dim d = x.shape()[static_cast<size_t>(a)];
    if (d.is_number())
      (void)__builtin_mul_overflow(n, d.number(), &n);  // wraps only where an empty axis makes it 0 anyway
    else
      symbolic.push_back(d);
  }
  if (symbolic.empty()) return Operand(static_cast<double>(n), at);
  const Tensor counted = sum(Operand(full(symbolic, Operand(1, at), {.dtype = i64}), at));
  const Tensor times = full({}, Operand(static_cast<double>(n), at), {.dtype = i64});
  return Operand(cast_to(Operand(counted, at) * Operand(times, at), x.dtype(), at), at);
}

void check_not_empty(const Tensor& x, const std::vector<int64_t>& axes, const char* op, const Location& at) {
  for (int64_t a : axes)
    if (x.shape()[static_cast<size_t>(a)] == Dim(0))
      throw Error(std::string(op) + " of no elements: axis " + std::to_string(a) + " of " + describe(x) + " is empty",
                  at);
}

template <ir::Op op>
std::vector<ir::Value> build_arg(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return ir::apply(b, op, x, attrs);
}

template <ir::Op op>
Tensor arg_reduce(const Operand& x, int64_t axis, const char* name) {
  static constexpr auto build = build_arg<op>;
  const Tensor t = as_tensor(x, name);
  const int64_t a = axis_of(axis, t.ndim(), name, x.where());
  check_not_empty(t, {a}, name, x.where());
  return apply_one(Emit{name, build}, ir::ReduceAttrs{{a}}, {t}, x.where());
}

}  // namespace

Tensor sum(Operand x, Reduce r) { return reduce<ir::Op::reduce_sum>("sum", summand(x, "sum"), r, x.where()); }
Tensor prod(Operand x, Reduce r) { return reduce<ir::Op::reduce_prod>("prod", summand(x, "prod"), r, x.where()); }

Tensor max(Operand x, Reduce r) {
  const Tensor t = as_tensor(x, "max");
  if (t.dtype() == boolean) return any_of(x, r);
  check_not_empty(t, axes_of(r, t.ndim(), "max", x.where()), "max", x.where());
  return reduce<ir::Op::reduce_max>("max", t, r, x.where());
}
Tensor min(Operand x, Reduce r) {
  const Tensor t = as_tensor(x, "min");
  if (t.dtype() == boolean) return all_of(x, r);
  check_not_empty(t, axes_of(r, t.ndim(), "min", x.where()), "min", x.where());
  return reduce<ir::Op::reduce_min>("min", t, r, x.where());
}
Tensor all_of(Operand x, Reduce r) {
  Tensor t = as_tensor(x, "all_of");
  if (t.dtype() != boolean) t = Operand(t, x.where()) != 0;
  return reduce<ir::Op::reduce_and>("all_of", t, r, x.where());
}
Tensor any_of(Operand x, Reduce r) {
  Tensor t = as_tensor(x, "any_of");
  if (t.dtype() != boolean) t = Operand(t, x.where()) != 0;
  return reduce<ir::Op::reduce_or>("any_of", t, r, x.where());
}
Tensor peak(const Operand& x, const Reduce& r) { return reduce<ir::Op::reduce_max>("max", x.tensor(), r, x.where()); }
Tensor argmax(Operand x, int64_t axis) { return arg_reduce<ir::Op::argmax>(x, axis, "argmax"); }
Tensor argmin(Operand x, int64_t axis) { return arg_reduce<ir::Op::argmin>(x, axis, "argmin"); }

Tensor cumsum(Operand x, int64_t axis, bool reverse) {
  const Tensor t = summand(x, "cumsum");
  return apply_primitive(
      ir::Op::cumsum,
      ir::CumsumAttrs{.axis = static_cast<size_t>(axis_of(axis, t.ndim(), "cumsum", x.where())), .reverse = reverse},
      std::span(&t, 1), x.where())[0];
}

// mean = sum / n; var = mean((x - mean(x))^2): two passes over a row that stays on chip.
Tensor mean(Operand x, Reduce r) {
  const Location& at = x.where();
  const Tensor given = floating(x, "mean");
  const Operand t(widened(given, at), at);
  const std::vector<int64_t> axes = axes_of(r, given.ndim(), "mean", at);
  return cast_to(Operand(sum(t, r), at) / count_of(t.tensor(), axes, at), given.dtype(), at);
}
Tensor var(Operand x, Reduce r) {
  const Location& at = x.where();
  const Tensor given = floating(x, "var");
  const Operand t(widened(given, at), at);
  const Operand d(t - mean(t, {r.axes, true}), at);
  return cast_to(mean(Operand(d * d, at), r), given.dtype(), at);
}
// log(sum(exp(x - m))) + m with m = max(x); an infinite x that is the maximum counts as e^0.
Tensor logsumexp(Operand x, Reduce r) {
  const Location& at = x.where();
  const Tensor given = floating(x, "logsumexp");
  const Operand t(widened(given, at), at);
  const Operand m(stop_gradient(Operand(peak(t, {r.axes, true}), at)), at);
  const Operand e(exp(Operand(elementwise::gap(t, m), at)), at);
  const Tensor log_of_sum = log(Operand(sum(e, {r.axes, true}), at));
  const Operand s(cast_to(Operand(log_of_sum, at) + m, given.dtype(), at), at);
  if (r.keepdims) return s.tensor();
  const std::vector<int64_t> axes = axes_of(r, given.ndim(), "logsumexp", at);
  Tensor dropped = s.tensor();
  for (size_t i = axes.size(); i-- > 0;) dropped = squeeze(Operand(dropped, at), axes[i]);
  return dropped;
}

}  // namespace tenon
