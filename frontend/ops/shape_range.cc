// Tensors from a few numbers: linspace, logspace, full_like; powers of a vector. Ends are numbers or 0-d tensors, which may have
// gradients.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using ir::Value;
using Values = std::span<const Value>;

// start + i * step in the first half, stop - (n - 1 - i) * step in the second, with step = (stop - start) / (n - 1): both ends are
// exact, as PyTorch has them. A third operand is the base of powers.
std::vector<Value> build_spaced(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const made::Spaced s(attrs);
  const DType dtype = formula::wide(s.dtype);
  const Shape shape({s.count});
  const Value start = ir::cast(x[0], dtype), stop = ir::cast(x[1], dtype), n = ir::extent_value(b, s.count);
  const Value one = ir::literal(n, 1), gaps = ir::max(n - one, one);
  const auto all = [&](Value v) { return ir::broadcast(v, shape, {}); };
  const Value i = ir::iota(b, i64, shape, 0), step = all((stop - start) / ir::cast(gaps, dtype));
  const Value first = ir::lt(i, all(ir::max(n / 2, one)));
  const Value up = all(start) + ir::cast(i, dtype) * step, down = all(stop) - ir::cast(all(n - one) - i, dtype) * step;
  const Value line = ir::select(first, up, down);
  return {ir::cast(s.powers ? ir::pow(all(ir::cast(x[2], dtype)), line) : line, s.dtype)};
}

Tensor spaced(const char* op, const Operand& start, const Operand& stop, Extent count, const double* base,
              const TensorOptions& o, const Location& at) try {
  const FloatEnvironment standard;
  if (!is_floating(o.dtype))
    throw Error(
        std::string(op) + ": the dtype is a floating one, not " + std::string(name(o.dtype)) + "; cast the result", at);
  const Shape shape = Extents({count}).checked(op, o.dtype, at);
  const DType dtype = formula::wide(o.dtype);
  std::vector<Tensor> inputs{entered(start, dtype, op), entered(stop, dtype, op)};
  for (const Tensor& t : inputs)
    if (t.ndim() != 0) throw Error(std::string(op) + ": an end is a number, not " + describe(t), at);
  if (base) inputs.push_back(materialize(Operand(*base, at), dtype, op));
  Tensor t = apply({op, build_spaced},
                   made::SpacedAttrs{.count = shape[0], .dtype = o.dtype, .powers = base != nullptr}, inputs, at)[0];
  if (o.requires_grad) t.set_requires_grad(true);
  return t;
} catch (...) {
  leave_with_error(op, at);
}

// Columns x^(m - 1) ... x^0, or the other way round. A power of 0 is 1, whatever x is.
std::vector<Value> build_vander(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const made::Powers p(attrs);
  const Shape shape({x[0].shape()[0], p.columns});
  Value i = ir::iota(b, i64, shape, 1);
  if (!p.increasing) i = ir::broadcast(ir::extent_value(b, p.columns), shape, {}) - 1 - i;
  if (!is_floating(x[0].dtype())) {  // running products, in the dtype of these
    const Value v = ir::broadcast(ir::cast(x[0], x[0].dtype() == u64 ? u64 : i64), shape, {0});
    const Value factors = select(eq(i, ir::literal(i, 0)), ir::literal(v, 1), v);
    return ir::apply(b, ir::Op::cumprod, std::span(&factors, 1),
                     ir::CumulativeAttrs{.axis = 1, .reverse = !p.increasing});
  }
  return formula::rounded(x[0], [&](Value v) { return ir::pow(ir::broadcast(v, shape, {0}), ir::cast(i, v.dtype())); });
}

}  // namespace

Tensor linspace(Operand start, Operand stop, Extent count, TensorOptions o, const At& at) {
  return spaced("linspace", start, stop, count, nullptr, o, place(at));
}
Tensor logspace(Operand start, Operand stop, Extent count, double base, TensorOptions o, const At& at) {
  return spaced("logspace", start, stop, count, &base, o, place(at));
}

namespace {

Tensor filled(const char* op, const Operand& operand, const Operand& value) try {
  const Location& at = operand.where();
  const Tensor like = as_tensor(operand, op);
  Tensor number = materialize(value, like.dtype(), op);
  number.cell()->number = false;  // it has a place: that of x
  number = beside(number, like, at);
  return broadcast_to(Operand(number, at), like.shape());
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor full_like(Operand x, Operand value) { return filled("full_like", x, value); }
Tensor fill(Operand x, Operand value) { return filled("fill", x, value); }

Tensor vander(Operand operand, std::optional<Extent> columns, bool increasing) try {
  const Location& at = operand.where();
  const Tensor x = real_tensor(operand, "vander");
  if (x.ndim() != 1) throw Error("vander takes a vector, not " + describe(x), at);
  const Shape shape = Extents({columns.value_or(x.shape()[0])}).checked("vander", x.dtype(), at);
  return apply_one({"vander", build_vander}, made::PowersAttrs{.columns = shape[0], .increasing = increasing}, {x}, at);
} catch (...) {
  leave_with_error("vander", operand.where());
}

}  // namespace tenon
