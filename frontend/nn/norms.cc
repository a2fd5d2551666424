// Formulas of batch and group norms, and the layers. They are part of the contract on numbers: changing one raises
// runtime::numerics_version.
#include "tenon/frontend/nn/norms.h"

#include <array>

#include "tenon/frontend/nn/attributes.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::formula {
namespace {

// Of every channel of x, [n, c, ..], a number.
Value per_channel(Value c, Value x) { return ir::broadcast(c, x.shape(), {1}); }

// Inputs: x, mean, var, the number of batches, weight?, bias?. Outputs: y; in training also the next mean, var and number.
std::vector<Value> build_batch_norm(ir::GraphBuilder&, std::span<const Value> inputs, const ir::Attrs& attrs) {
  const made::BatchNormed to(attrs);
  const DType computed = wide(to.dtype);
  const Value x = ir::cast(inputs[0], computed);
  Value mean = inputs[1], var = inputs[2];
  std::vector<Value> next;
  Value d, spread_by;
  if (to.training) {
    Axes axes;
    for (int64_t i = 0; i < x.shape().rank(); ++i)
      if (i != 1) axes.push_back(i);
    const Value m = formula::mean(x, axes, false);
    d = x - per_channel(m, x);
    const Value squares = reduced(ir::Op::reduce_sum, d * d, axes, false);
    const Value n = Count(x, axes, computed).over(squares);
    spread_by = squares / n;
    const Value count = inputs[3] + 1;
    const auto moved = [&](Value running, Value batch) {
      const Value now = ir::cast(batch, running.dtype());
      if (!to.cumulative)
        return stop_gradient(running * (1 - to.momentum) +
                             now * to.momentum);  // a state, not a function of what it comes from
      const Value share = spread(1 / ir::cast(count, running.dtype()), running);
      return stop_gradient(running * (1 - share) + now * share);
    };
    next = {moved(mean, m), moved(var, squares / (n - 1)), count};
  } else {
    d = x - per_channel(ir::cast(mean, computed), x);
    spread_by = ir::cast(var, computed);
  }
  size_t more = 4;
  Value scale = rsqrt(spread_by + to.epsilon);
  if (to.scales) scale = scale * ir::cast(inputs[more++], computed);
  Value y = d * per_channel(scale, d);
  if (to.shifts) y = y + per_channel(ir::cast(inputs[more], computed), y);
  next.insert(next.begin(), ir::cast(y, to.dtype));
  return next;
}

// Inputs: x, weight?, bias?.
std::vector<Value> build_group_norm(ir::GraphBuilder& b, std::span<const Value> inputs, const ir::Attrs& attrs) {
  const made::GroupNormed to(attrs);
  const Value x = ir::cast(inputs[0], wide(to.dtype));
  const Shape& given = x.shape();
  Shape apart({given[0], Dim(to.groups), b.symbols().quotient(given[1], to.groups)});
  for (size_t i = 2; i < given.size(); ++i) apart.push_back(given[i]);
  Axes within;
  for (int64_t i = 2; i < apart.rank(); ++i) within.push_back(i);
  const Value groups = ir::reshape(x, apart);
  const Value d = groups - spread(mean(groups, within, true), groups);
  const Value v = mean(d * d, within, true);
  Value y = ir::reshape(d * spread(rsqrt(v + to.epsilon), d), given);
  size_t next = 1;
  if (to.scales) y = y * per_channel(ir::cast(inputs[next++], y.dtype()), y);
  if (to.shifts) y = y + per_channel(ir::cast(inputs[next], y.dtype()), y);
  return {ir::cast(y, to.dtype)};
}

}  // namespace
}  // namespace tenon::formula

namespace tenon::nn {
namespace {

// x's dtype, and the dtype that it and the weights meet in.
DType met(const Tensor& x, const Tensor& weight, const Tensor& bias, const char* layer, const Location& at) {
  check_real(x.dtype(), layer, at);
  const Operand entering(typed(x, formula::floating(x.dtype()), at), at);
  std::vector<Operand> operands{entering};
  for (const Tensor* t : {&weight, &bias})
    if (t->defined()) operands.emplace_back(*t, at);
  std::vector<const Operand*> pointers;
  for (const Operand& o : operands) pointers.push_back(&o);
  return common_dtype(pointers, layer);
}

// One number for each of so many channels.
void check_channels(const Tensor& t, const char* layer, const char* name, Dim channels, const Location& at) {
  const bool other =
      t.ndim() == 1 && t.shape()[0].is_number() && channels.is_number() && t.shape()[0].number() != channels.number();
  if (t.ndim() != 1 || other)
    throw Error(std::string(layer) + ": ." + name + " has a number for each of " + extent_text(channels) +
                    " channels, and is " + describe(t),
                at);
}

void check_momentum(const char* who, const std::optional<double>& momentum, const Location& at) {
  if (momentum && !(*momentum >= 0 && *momentum <= 1))
    throw Error(std::string(who) + ": .momentum lies in [0, 1], or is std::nullopt (the mean of all batches), and is " +
                    shortest(*momentum),
                at);
}

std::string channels_text(Dim channels) { return "x[n, " + extent_text(channels) + ", ..]"; }

std::vector<Tensor> batch_normed(const BatchNorm& b, const Operand& x, bool training) try {
  constexpr const char* layer = "nn::BatchNorm";
  const Location& at = x.where();
  if (!b.running_mean.defined() || !b.running_var.defined() || !b.num_batches_tracked.defined())
    throw Error(std::string(layer) + ": has no running statistics; make it by tn::nn::batch_norm", at);
  if (b.running_mean.ndim() != 1)
    throw Error(std::string(layer) + ": .running_mean has one axis, and is " + describe(b.running_mean), at);
  const Dim channels = b.running_mean.shape()[0];
  const Tensor t = entering(x, layer, 2, 1, channels, channels_text(channels));
  check_channels(b.running_var, layer, "running_var", channels, at);
  if (training) check_momentum(layer, b.momentum, at);
  Extent each = t.shape()[0];
  for (size_t i = 2; i < t.shape().size(); ++i) each = each * t.shape()[i];
  if (training && each.is_number() && each.number() < 2)
    throw Error(std::string(layer) + ": training takes more than one number a channel, and " + describe(t) + " has " +
                    std::to_string(each.number()) + "; use a larger batch, or .training = false",
                at);
  std::vector<Tensor> inputs{t, b.running_mean, b.running_var, b.num_batches_tracked};
  for (const auto& [weight, name] : {std::pair(&b.weight, "weight"), std::pair(&b.bias, "bias")}) {
    if (!weight->defined()) continue;
    check_channels(*weight, layer, name, channels, at);
    inputs.push_back(*weight);
  }
  return apply({layer, formula::build_batch_norm},
               made::BatchNormedAttrs{.epsilon = b.epsilon,
                                      .momentum = b.momentum.value_or(0),
                                      .cumulative = !b.momentum,
                                      .training = training,
                                      .scales = b.weight.defined(),
                                      .shifts = b.bias.defined(),
                                      .dtype = met(t, b.weight, b.bias, layer, at)},
               inputs, at);
} catch (...) {
  leave_with_error("nn::BatchNorm", x.where());
}

Tensor group_normed(const char* what, const Operand& x, int64_t groups, const Tensor& weight, const Tensor& bias,
                    double epsilon, Dim channels) try {
  const Location& at = x.where();
  const Tensor given = as_tensor(x, what);
  const Dim here = channels.is_number() && channels.number() == 0 && given.ndim() > 1 ? given.shape()[1] : channels;
  const Tensor t = entering(Operand(given, at), what, 2, 1, here, channels_text(here));
  if (groups < 1 || (here.is_number() && here.number() % groups != 0))
    throw Error(std::string(what) + ": " + std::to_string(groups) + " groups do not divide the " + extent_text(here) +
                    " channels of " + describe(t),
                at);
  std::vector<Tensor> inputs{t};
  for (const auto& [tensor, name] : {std::pair(&weight, "weight"), std::pair(&bias, "bias")}) {
    if (!tensor->defined()) continue;
    check_channels(*tensor, what, name, here, at);
    inputs.push_back(*tensor);
  }
  return apply_one({what, formula::build_group_norm},
                   made::GroupNormedAttrs{.groups = groups,
                                          .epsilon = epsilon,
                                          .scales = weight.defined(),
                                          .shifts = bias.defined(),
                                          .dtype = met(t, weight, bias, what, at)},
                   inputs, at);
} catch (...) {
  leave_with_error(what, x.where());
}

void check_epsilon(const char* maker, double epsilon, const Location& at) {
  if (!(epsilon >= 0)) throw Error(std::string(maker) + ": .epsilon is 0 or more, not " + shortest(epsilon), at);
}

struct Affine {
  Tensor weight, bias;
};
Affine affine(const char* maker, const std::vector<int64_t>& shape, bool weight, bool bias, DType dtype, double epsilon,
              const At& at) {
  if (shape.empty())
    throw Error(std::string(maker) + ": the shape of what is normalized has one axis or more", place(at));
  for (const int64_t width : shape) check_count(maker, "the number of channels", width, place(at));
  check_floating(maker, dtype, place(at));
  (void)Extents(shape).checked(maker, dtype, place(at));  // their product is a number
  check_epsilon(maker, epsilon, place(at));
  return {weight ? tenon::ones(shape, {.dtype = dtype}, at) : Tensor(),
          bias ? tenon::zeros(shape, {.dtype = dtype}, at) : Tensor()};
}

Operand or_number(const Tensor& t, double number, const Location& at) {
  return t.defined() ? Operand(t, at) : Operand(number, at);
}
// The width of a norm of rows; where it is not said, that of its weight.
Dim width_of(int64_t width, const Tensor& weight, const Tensor& x) {
  if (width > 0) return Dim(width);
  if (weight.defined() && weight.ndim() == 1) return weight.shape()[0];
  return x.ndim() > 0 ? x.shape()[static_cast<size_t>(x.ndim() - 1)] : Dim(1);
}

Tensor row_of(const Operand& x, const char* layer, int64_t width, const Tensor& weight) {
  const Tensor t = as_tensor(x, layer);
  const Dim w = width_of(width, weight, t);
  return entering(Operand(t, x.where()), layer, 1, -1, w, "x[.., " + extent_text(w) + "]");
}

// The same of several axes.
Tensor block_of(const Operand& x, const char* layer, const std::vector<int64_t>& shape) {
  const Tensor t = as_tensor(x, layer);
  std::string wants = "x[..";
  for (const int64_t extent : shape) wants += ", " + std::to_string(extent);
  const auto axes = static_cast<int64_t>(shape.size());
  for (int64_t i = 1; i <= axes; ++i)
    entering(Operand(t, x.where()), layer, static_cast<int>(axes), -i, Dim(shape[static_cast<size_t>(axes - i)]),
             wants + "]");
  return t;
}

// Those of one axis are a width.
std::vector<int64_t> several(const std::vector<int64_t>& shape) {
  return shape.size() > 1 ? shape : std::vector<int64_t>();
}
int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

}  // namespace

Tensor BatchNorm::operator()(Operand x) const { return batch_normed(*this, x, false)[0]; }

std::pair<Tensor, BatchNorm> BatchNorm::operator()(Operand x, const Mode& mode) const {
  std::vector<Tensor> made = batch_normed(*this, x, mode.training);
  BatchNorm next = *this;
  if (mode.training) {
    next.running_mean = made[1], next.running_var = made[2], next.num_batches_tracked = made[3];
  }
  return {std::move(made[0]), std::move(next)};
}

std::pair<Tensor, BatchNorm> BatchNorm::train(Operand x) const { return (*this)(std::move(x), {.training = true}); }

BatchNorm batch_norm(int64_t channels, const BatchNormOptions& o, const At& at) {
  auto [weight, bias] = affine("nn::batch_norm", {channels}, o.affine, o.affine, o.dtype, o.eps, at);
  check_momentum("nn::batch_norm", o.momentum, place(at));
  const TensorOptions running{.dtype = is_half(o.dtype) ? f32 : o.dtype};
  BatchNorm b{std::move(weight), std::move(bias)};
  b.running_mean = tenon::zeros({channels}, running, at);
  b.running_var = tenon::ones({channels}, running, at);
  b.num_batches_tracked = tenon::zeros({}, {.dtype = i64}, at);
  b.momentum = o.momentum, b.epsilon = o.eps;
  return b;
}

Tensor LayerNorm::operator()(Operand x) const try {
  const Location& at = x.where();
  if (!shape.empty())
    return tenon::layer_norm(Operand(block_of(x, "nn::LayerNorm", shape), at), shape,
                             {.weight = weight, .bias = bias, .eps = epsilon});
  const Tensor t = row_of(x, "nn::LayerNorm", width, weight);
  return tenon::layer_norm(Operand(t, at), or_number(weight, 1, at), or_number(bias, 0, at), epsilon);
} catch (...) {
  leave_with_error("nn::LayerNorm", x.where());
}

LayerNorm layer_norm(const std::vector<int64_t>& shape, const LayerNormOptions& o, const At& at) {
  auto [weight, bias] = affine("nn::layer_norm", shape, o.affine, o.affine && o.bias, o.dtype, o.eps, at);
  return {std::move(weight), std::move(bias), count_of(shape), o.eps, several(shape)};
}
LayerNorm layer_norm(int64_t width, const LayerNormOptions& o, const At& at) {
  return layer_norm(std::vector{width}, o, at);
}

Tensor RmsNorm::operator()(Operand x) const try {
  const Location& at = x.where();
  if (!shape.empty())
    return tenon::rms_norm(Operand(block_of(x, "nn::RmsNorm", shape), at), Extents(shape),
                           {.weight = weight, .eps = epsilon});
  const Tensor t = row_of(x, "nn::RmsNorm", width, weight);
  return tenon::rms_norm(Operand(t, at), or_number(weight, 1, at), epsilon);
} catch (...) {
  leave_with_error("nn::RmsNorm", x.where());
}

RmsNorm rms_norm(const std::vector<int64_t>& shape, const RmsNormOptions& o, const At& at) {
  return {affine("nn::rms_norm", shape, o.affine, false, o.dtype, o.eps, at).weight, count_of(shape), o.eps,
          several(shape)};
}
RmsNorm rms_norm(int64_t width, const RmsNormOptions& o, const At& at) { return rms_norm(std::vector{width}, o, at); }

Tensor group_norm(Operand x, int64_t groups, const GroupNormInputs& o) {
  return group_normed("nn::group_norm", x, groups, o.weight, o.bias, o.eps, Dim(0));
}
Tensor GroupNorm::operator()(Operand x) const {
  return group_normed("nn::GroupNorm", x, groups, weight, bias, epsilon, Dim(channels));
}
GroupNorm group_norm(int64_t groups, int64_t channels, const GroupNormOptions& o, const At& at) {
  auto [weight, bias] = affine("nn::group_norm", {channels}, o.affine, o.affine, o.dtype, o.eps, at);
  if (groups < 1 || channels % groups != 0)
    throw Error(
        "nn::group_norm: " + std::to_string(groups) + " groups do not divide " + std::to_string(channels) + " channels",
        place(at));
  return {std::move(weight), std::move(bias), groups, channels, o.eps};
}

Tensor InstanceNorm::operator()(Operand x) const {
  return group_normed("nn::InstanceNorm", x, channels, weight, bias, epsilon, Dim(channels));
}
InstanceNorm instance_norm(int64_t channels, const InstanceNormOptions& o, const At& at) {
  auto [weight, bias] = affine("nn::instance_norm", {channels}, o.affine, o.affine, o.dtype, o.eps, at);
  return {std::move(weight), std::move(bias), channels, o.eps};
}

}  // namespace tenon::nn
