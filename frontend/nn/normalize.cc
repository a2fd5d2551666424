// Functions that bring a row to scale: softmax, log_softmax, layer_norm, rms_norm. Their formulas are part of the contract on
// numbers (docs/numbers.md): changing one raises runtime::numerics_version.
#include <array>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

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
  const Value rows = standardized(computed(x[0]), to.epsilon);
  const Value shift = widened(x[2]), scale = widened(x[1]);
  const std::vector<Value> factors = together({rows, scale}, to.scaled);
  const std::vector<Value> summands = together({factors[0] * factors[1], shift}, to.shifted);
  return {ir::cast(summands[0] + summands[1], to.result)};
}

// x * rsqrt(mean(x^2) + epsilon) * scale
std::vector<Value> build_rms_norm(ir::GraphBuilder&, std::span<const Value> given, const ir::Attrs& attrs) {
  const made::RmsNorm to(attrs);
  const Value x = computed(given[0]);
  const Value m = mean(x * x, {x.shape().rank() - 1}, true);
  const Value scale = widened(given[1]);
  const std::vector<Value> factors = together({x * spread(rsqrt(m + to.epsilon), x), scale}, to.scaled);
  return {ir::cast(factors[0] * factors[1], to.result)};
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

Tensor layer_norm(Operand x, Operand scale, Operand shift, double epsilon) try {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, "layer_norm");
  check_real(given.dtype(), "layer_norm", at);
  const Operand entering(typed(given, formula::floating(given.dtype()), at), at);
  const DType result = common_dtype(std::array<const Operand*, 3>{&entering, &scale, &shift}, "layer_norm");
  const Operand rows(rows_of(given, at), at), wide_scale = widened(scale), wide_shift = widened(shift);
  const Operand scaled(foreseen(ir::Op::mul, {&rows, &wide_scale}), at);
  const DType product = scaled.tensor().dtype(), sum = foreseen(ir::Op::add, {&scaled, &wide_shift}).dtype();
  return apply_one({"layer_norm", formula::build_layer_norm},
                   made::LayerNormAttrs{.epsilon = epsilon, .scaled = product, .shifted = sum, .result = result},
                   {given, entered(scale, product, "mul"), entered(shift, sum, "add")}, at);
} catch (...) {
  leave_with_error("layer_norm", x.where());
}

Tensor rms_norm(Operand x, Operand scale, double epsilon) try {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, "rms_norm");
  check_real(given.dtype(), "rms_norm", at);
  const Operand entering(typed(given, formula::floating(given.dtype()), at), at);
  const DType result = common_dtype(std::array<const Operand*, 2>{&entering, &scale}, "rms_norm");
  const Operand rows(rows_of(given, at), at), wide_scale = widened(scale);
  const DType product = foreseen(ir::Op::mul, {&rows, &wide_scale}).dtype();
  return apply_one({"rms_norm", formula::build_rms_norm},
                   made::RmsNormAttrs{.epsilon = epsilon, .scaled = product, .result = result},
                   {given, entered(scale, product, "mul")}, at);
} catch (...) {
  leave_with_error("rms_norm", x.where());
}

}  // namespace tenon
