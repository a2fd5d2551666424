// Functions that bring a row to scale: softmax, log_softmax, layer_norm, rms_norm. Their formulas are part of the contract on
// numbers (docs/numbers.md): changing one raises runtime::numerics_version.
#include <array>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {
namespace formula {
namespace {

// One division a row.
Value softmax(Value x, int64_t axis) {
  const Value e = exp(x - spread(stop_gradient(peak(x, {axis})), x));
  const Value r = 1 / total(e, {axis});
  return e * spread(r, e);
}

}  // namespace

Value log_softmax(Value x, int64_t axis) {
  const Value shifted = x - spread(stop_gradient(peak(x, {axis})), x);
  return shifted - spread(log(total(exp(shifted), {axis})), shifted);
}

namespace {

std::vector<Value> build_softmax(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::AlongAs to(attrs);
  return rounded(ir::cast(x[0], to.dtype), [&](Value t) { return softmax(t, to.axis); });
}
std::vector<Value> build_log_softmax(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::AlongAs to(attrs);
  return rounded(ir::cast(x[0], to.dtype), [&](Value t) { return log_softmax(t, to.axis); });
}

// The last axes as one.
Value joined(Value x, int64_t axes) {
  const Shape& given = x.shape();
  const auto kept = static_cast<size_t>(given.rank() - axes);
  if (axes == 1 || given.rank() == 0) return x;
  Shape shape, last;
  for (size_t i = 0; i < given.size(); ++i) (i < kept ? shape : last).push_back(given[i]);
  shape.push_back(x.builder->symbols().numel(last));
  return ir::reshape(x, shape);
}
Value apart(Value x, const Shape& shape) { return x.shape() == shape ? x : ir::reshape(x, shape); }

// Rows of zero mean and unit variance.
Value standardized(Value x, double epsilon) {
  const Axes row = {x.shape().rank() - 1};
  const Value d = x - spread(mean(x, row, true), x);
  const Value v = mean(d * d, row, true);
  return d * spread(rsqrt(v + epsilon), d);
}

Value computed(Value x) { return ir::cast(x, wide(floating(x.dtype()))); }

// standardized(x) * scale + shift
std::vector<Value> build_layer_norm(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::LayerNorm to(attrs);
  const Shape shape = x[0].shape();
  const Value rows = standardized(joined(computed(x[0]), to.axes), to.epsilon);
  const Value shift = joined(widened(x[2]), to.axes), scale = joined(widened(x[1]), to.axes);
  const std::vector<Value> factors = together({rows, scale}, to.scaled);
  const std::vector<Value> summands = together({factors[0] * factors[1], shift}, to.shifted);
  const Value y = ir::cast(summands[0] + summands[1], to.result);
  return {to.axes == 1 ? y : apart(y, shape)};
}

// x * rsqrt(mean(x^2) + epsilon) * scale
std::vector<Value> build_rms_norm(ir::GraphBuilder&, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::RmsNorm to(attrs);
  const Shape shape = given[0].shape();
  const Value x = joined(computed(given[0]), to.axes);
  const Value m = mean(x * x, {x.shape().rank() - 1}, true);
  const Value scale = joined(widened(given[1]), to.axes);
  const std::vector<Value> factors = together({x * spread(rsqrt(m + to.epsilon), x), scale}, to.scaled);
  const Value y = ir::cast(factors[0] * factors[1], to.result);
  return {to.axes == 1 ? y : apart(y, shape)};
}

}  // namespace
}  // namespace formula

namespace {

Tensor along(const Emit& emit, const Operand& x, int64_t axis, std::optional<DType> dtype) try {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, emit.name);
  check_real(given.dtype(), emit.name, at);
  const Tensor t = given.ndim() == 0 ? reshape(Operand(given, at), {1}) : given;  // a scalar is its own row
  const DType as = dtype.value_or(formula::floating(t.dtype()));
  if (!is_floating(as))
    throw Error(std::string(emit.name) + ": the dtype is floating, not " + std::string(name(as)), at);
  const Tensor y = apply_one(emit, made::AlongAsAttrs{axis_of(axis, t.ndim(), emit.name, at), as}, {t}, at);
  return given.ndim() == 0 ? reshape(Operand(y, at), {}) : y;
} catch (...) {
  leave_with_error(emit.name, x.where());
}

// What scale meets in a norm: computed numbers, shaped as x.
Tensor rows_of(const Tensor& x, const Location& at) {
  (void)axis_of(-1, x.ndim(), "mean", at);
  return stand_in({formula::wide(formula::floating(x.dtype())), x.shape()}, at);
}

}  // namespace

Tensor softmax(Operand x, int64_t axis, std::optional<DType> dtype) {
  return along({"softmax", formula::build_softmax}, x, axis, dtype);
}
Tensor log_softmax(Operand x, int64_t axis, std::optional<DType> dtype) {
  return along({"log_softmax", formula::build_log_softmax}, x, axis, dtype);
}

namespace {

// Over so many of the last axes; scale and shift are numbers, or fit them.
Tensor layer_normed(const Operand& x, const Operand& scale, const Operand& shift, double epsilon, int64_t axes) {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, "layer_norm");
  check_real(given.dtype(), "layer_norm", at);
  const Operand entering(typed(given, formula::floating(given.dtype()), at), at);
  const DType result = common_dtype(std::array<const Operand*, 3>{&entering, &scale, &shift}, "layer_norm");
  const Operand rows(rows_of(given, at), at), wide_scale = widened(scale), wide_shift = widened(shift);
  const Operand scaled(foreseen(ir::Op::mul, {&rows, &wide_scale}), at);
  const DType product = scaled.tensor().dtype(), sum = foreseen(ir::Op::add, {&scaled, &wide_shift}).dtype();
  return apply_one(
      {"layer_norm", formula::build_layer_norm},
      made::LayerNormAttrs{.epsilon = epsilon, .scaled = product, .shifted = sum, .result = result, .axes = axes},
      {given, entered(scale, product, "mul"), entered(shift, sum, "add")}, at);
}

Tensor rms_normed(const Operand& x, const Operand& scale, double epsilon, int64_t axes) {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, "rms_norm");
  check_real(given.dtype(), "rms_norm", at);
  const Operand entering(typed(given, formula::floating(given.dtype()), at), at);
  const DType result = common_dtype(std::array<const Operand*, 2>{&entering, &scale}, "rms_norm");
  const Operand rows(rows_of(given, at), at), wide_scale = widened(scale);
  const DType product = foreseen(ir::Op::mul, {&rows, &wide_scale}).dtype();
  return apply_one({"rms_norm", formula::build_rms_norm},
                   made::RmsNormAttrs{.epsilon = epsilon, .scaled = product, .result = result, .axes = axes},
                   {given, entered(scale, product, "mul")}, at);
}

bool may_equal(Dim a, Dim b) { return a == b || a.is_symbol() || b.is_symbol(); }

// Error unless the last extents of x are those of the shape, and the weights are of it.
Shape check_last(const char* name, const Tensor& x, const Extents& extents, const Tensor& weight, const Tensor& bias,
                 double epsilon, const Location& at) {
  const Shape shape = extents.checked(name, f64, at);
  const auto fail = [&](const std::string& why) { throw Error(std::string(name) + ": " + why, at); };
  if (shape.rank() == 0) fail("the shape of what is normalized has one axis or more");
  bool fits = shape.rank() <= x.ndim();
  for (int i = 1; fits && i <= shape.rank(); ++i) fits = may_equal(shape[shape.rank() - i], x.shape()[x.ndim() - i]);
  if (!fits)
    fail("the shape " + to_string(shape) + " is that of the last axes of x, and x is " + describe(x) +
         "; give the extents over which mean and variance are taken");
  for (const auto& [t, which] : {std::pair(&weight, "weight"), std::pair(&bias, "bias")}) {
    if (!t->defined()) continue;
    bool same = t->ndim() == shape.rank();
    for (int i = 0; same && i < shape.rank(); ++i) same = may_equal(shape[i], t->shape()[i]);
    if (!same) fail(std::string(".") + which + " has the shape " + to_string(shape) + ", and is " + describe(*t));
  }
  if (!(epsilon >= 0)) fail(".epsilon is 0 or more, not " + shortest(epsilon));
  return shape;
}

Operand or_number(const Tensor& t, double number, const Location& at) {
  return t.defined() ? Operand(t, at) : Operand(number, at);
}

}  // namespace

Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon) try {
  return layer_normed(x, scale, shift, epsilon, 1);
} catch (...) {
  leave_with_error("layer_norm", x.where());
}

Tensor rms_norm(Operand x, Operand scale, double epsilon) try { return rms_normed(x, scale, epsilon, 1); } catch (...) {
  leave_with_error("rms_norm", x.where());
}

Tensor layer_norm(Operand x, const Extents& shape, const LayerNormInputs& o) try {
  const Location& at = x.where();
  const Operand given(as_tensor(x, "layer_norm"), at);
  const Shape last = check_last("layer_norm", given.tensor(), shape, o.weight, o.bias, o.eps, at);
  return layer_normed(given, or_number(o.weight, 1, at), or_number(o.bias, 0, at), o.eps, last.rank());
} catch (...) {
  leave_with_error("layer_norm", x.where());
}

Tensor rms_norm(Operand x, const Extents& shape, const RmsNormInputs& o) try {
  const Location& at = x.where();
  const Operand given(as_tensor(x, "rms_norm"), at);
  const Shape last = check_last("rms_norm", given.tensor(), shape, o.weight, {}, o.eps, at);
  return rms_normed(given, or_number(o.weight, 1, at), o.eps, last.rank());
} catch (...) {
  leave_with_error("rms_norm", x.where());
}

}  // namespace tenon
