// Losses over elements: their formulas, and their door.
#include <cmath>
#include <limits>
#include <numbers>

#include "tenon/frontend/nn/loss_formula.h"
#include "tenon/frontend/ops/rule_formula.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {

namespace made {
#define TENON_ATTRS TENON_ATTRS_STORE
#define FIELD TENON_FIELD_STORE
#include "tenon/frontend/nn/losses.def"
}  // namespace made

namespace formula {

Axes all_axes(Value x) {
  Axes axes;
  for (int axis = 0; axis < x.shape().rank(); ++axis) axes.push_back(axis);
  return axes;
}

Value reduced_loss(Value loss, const std::string& reduction) {
  const Axes axes = all_axes(loss);
  if (reduction == "none" || axes.empty()) return loss;
  if (reduction == "mean") return mean(loss, axes, false);
  const Value sum = reduced(ir::Op::reduce_sum, loss, axes, false);
  if (reduction == "sum") return sum;
  return sum / Count(loss, {0}, sum.dtype()).over(sum);
}

namespace {

using With = made::Loss;

// max(x, low) with the derivative of x above low and none below or at it, as torch.clamp_min has it but at the bound.
Value above(Value x, Value low) { return select(le(x, low), low, x); }
// A NaN passes, and the derivative at 0 is 1.
Value positive_part(Value x) { return select(lt(x, like(x, 0)), like(x, 0), x); }

Value mse(Values x, const With&) {
  const Value apart = x[0] - x[1];
  return apart * apart;
}
Value l1(Values x, const With&) { return abs(x[0] - x[1]); }
// The part up to the bend is squared, the rest is a line: no branch meets an infinite distance.
Value huber(Values x, const With& with) {
  const Value distance = abs(x[0] - x[1]), bent = min(distance, like(distance, with.parameter));
  return bent * bent * 0.5 + (distance - bent) * with.parameter;
}
Value smooth_l1(Values x, const With& with) {
  const Value distance = abs(x[0] - x[1]), bent = min(distance, like(distance, with.parameter));
  return bent * bent / (2 * with.parameter) + (distance - bent);
}

Value logarithm(Value x) { return above(log(x), like(x, -100)); }
Value other_logarithm(Value x) { return above(log1p(-x), like(x, -100)); }
constexpr double tiny = 1e-12F;  // as PyTorch has it
Value plain_bce(Value x, Value y) { return (y - 1) * other_logarithm(x) - y * logarithm(x); }
Value bce(Values x, const With& with) {
  const auto f = [](const std::vector<Value>& v) { return plain_bce(v[0], v[1]); };
  const auto rule = [](const std::vector<Value>& v, const std::vector<Value>& t) {
    const Value size = v[0] * (1 - v[0]), slope = (v[0] - v[1]) / max(size, like(size, tiny));
    return std::pair(plain_bce(v[0], v[1]), slope * t[0] + (other_logarithm(v[0]) - logarithm(v[0])) * t[1]);
  };
  const Value loss = with_rule({x[0], x[1]}, f, rule);
  return with.flags[0] ? loss * stop_gradient(x[2]) : loss;
}
// Operands: x, y, weight?, pos_weight?
Value bce_with_logits(Values x, const With& with) {
  const Value miss = softplus(-x[0]);  // -log(sigmoid(x))
  const Value share = with.flags[1] ? (stop_gradient(x[x.size() - 1]) - 1) * x[1] + 1 : Value();
  const Value loss = (1 - x[1]) * x[0] + (share ? share * miss : miss);
  return with.flags[0] ? loss * stop_gradient(x[2]) : loss;
}
Value kl(Values x, const With& with) {
  if (with.flags[0]) return exp(x[1]) * (x[1] - x[0]);
  const Value none = eq(x[1], like(x[1], 0)), y = select(none, like(x[1], 1), x[1]);
  return select(none, like(y, 0), y * (log(y) - x[0]));
}
Value soft_margin(Values x, const With&) { return softplus(-(x[0] * x[1])); }
Value hinge_embedding(Values x, const With& with) {
  const Value zero = like(x[0], 0), one = like(x[1], 1);
  const Value away = select(eq(x[1], one), zero, positive_part(with.parameter - x[0]));
  return away + select(eq(x[1], -one), zero, x[0]);
}
Value margin_ranking(Values x, const With& with) { return positive_part(-x[2] * (x[0] - x[1]) + with.parameter); }
// Operands: the distances from the anchor to the positive and to the negative, and with swap that between these two.
Value of_distances(Values x, const With& with) {
  const Value far = with.flags[0] ? min(x[1], x[2]) : x[1];
  return positive_part(x[0] - far + with.parameter);
}
Value poisson(Values x, const With& with) {
  const Value y = x[1];
  const Value loss = with.flags[0] ? exp(x[0]) - y * x[0] : x[0] - y * log(x[0] + with.parameter);
  if (!with.flags[1]) return loss;
  const Value large = gt(y, like(y, 1)), safe = select(large, y, like(y, 1));
  const Value stirling = safe * log(safe) - safe + 0.5 * log(safe * (2 * std::numbers::pi));
  return loss + select(large, stirling, like(y, 0));
}
// A variance below eps counts as eps, its derivative passing, as in PyTorch.
Value gaussian(Values x, const With& with) {
  const Value raised = (x[2] - stop_gradient(x[2])) + with.parameter;
  const Value variance = select(lt(x[2], like(x[2], with.parameter)), raised, x[2]), apart = x[0] - x[1];
  const Value loss = (log(variance) + apart * apart / variance) * 0.5;
  return with.flags[0] ? loss + 0.5 * std::log(2 * std::numbers::pi) : loss;
}

}  // namespace
}  // namespace formula

void check_reduction(const char* name, const std::string& reduction, const Location& at, bool batchmean) {
  if (reduction == "mean" || reduction == "sum" || reduction == "none" || (batchmean && reduction == "batchmean"))
    return;
  throw Error(std::string(name) + ": .reduction is \"mean\", \"sum\"" + (batchmean ? ", \"batchmean\"" : "") +
                  " or \"none\", and is \"" + reduction + '"',
              at);
}

LossInputs enter_loss(const LossCall& call, const std::vector<Operand>& operands, const Location& at) {
  const char* const name = call.emit.name;
  check_reduction(name, call.reduction, at, call.batchmean);
  std::vector<const Operand*> all;
  for (size_t i = 0; i + call.weights < operands.size(); ++i) all.push_back(&operands[i]);
  LossInputs inputs{meeting(name, Takes::floats, all, at), {}};
  for (const Operand& x : operands) inputs.tensors.push_back(entered(x, formula::wide(inputs.dtype), name));
  return inputs;
}

Tensor run_loss(const LossCall& call, const LossInputs& inputs, const Location& at) {
  return apply_one(call.emit,
                   made::LossAttrs{.reduction = call.reduction,
                                   .flags = call.flags,
                                   .parameter = call.parameter,
                                   .second = call.second,
                                   .dtype = inputs.dtype},
                   inputs.tensors, at);
}

Tensor apply_loss(const LossCall& call, std::vector<Operand> operands) {
  const Location at = operands[0].where();
  const char* const name = call.emit.name;
  try {
    const FloatEnvironment standard;
    const LossInputs inputs = enter_loss(call, operands, at);
    const Shape shape = check_broadcast(name, inputs.tensors, at);
    if (call.reduction == "batchmean" && shape.rank() == 0)
      throw Error(std::string(name) + ": \"batchmean\" divides by the first extent, and a number has none", at);
    return run_loss(call, inputs, at);
  } catch (...) {
    leave_with_error(name, at);
  }
}

namespace {

void check_at_least(const char* name, const char* field, double value, double least, bool above, const Location& at) {
  if (std::isfinite(value) && (above ? value > least : value >= least)) return;
  throw Error(
      std::string(name) + ": ." + field + " is " + (above ? "above 0" : "0 or more") + ", and not " + shortest(value),
      at);
}
void add(std::vector<Operand>& operands, const Weights& weight) {
  if (weight) operands.emplace_back(weight.tensor(), operands[0].where());
}

}  // namespace

#define TENON_LOSS(name) {#name "_loss", formula::build_loss<formula::name>}
Tensor mse_loss(Operand x, Operand y, const Loss& o) { return apply_loss({TENON_LOSS(mse), o.reduction}, {x, y}); }
Tensor l1_loss(Operand x, Operand y, const Loss& o) { return apply_loss({TENON_LOSS(l1), o.reduction}, {x, y}); }
Tensor huber_loss(Operand x, Operand y, const HuberLoss& o) {
  check_at_least("huber_loss", "delta", o.delta, 0, true, x.where());
  return apply_loss({TENON_LOSS(huber), o.reduction, {}, o.delta}, {x, y});
}
Tensor smooth_l1_loss(Operand x, Operand y, const SmoothL1Loss& o) {
  check_at_least("smooth_l1_loss", "beta", o.beta, 0, false, x.where());
  if (o.beta == 0) return apply_loss({{"smooth_l1_loss", formula::build_loss<formula::l1>}, o.reduction}, {x, y});
  return apply_loss({TENON_LOSS(smooth_l1), o.reduction, {}, o.beta}, {x, y});
}
Tensor binary_cross_entropy(Operand x, Operand y, const BinaryCrossEntropy& o) {
  std::vector<Operand> operands = {x, y};
  add(operands, o.weight);
  return apply_loss({.emit = {"binary_cross_entropy", formula::build_loss<formula::bce>},
                     .reduction = o.reduction,
                     .flags = {bool(o.weight)},
                     .weights = operands.size() - 2},
                    operands);
}
Tensor binary_cross_entropy_with_logits(Operand x, Operand y, const BinaryCrossEntropyWithLogits& o) {
  std::vector<Operand> operands = {x, y};
  add(operands, o.weight);
  add(operands, o.pos_weight);
  return apply_loss({.emit = {"binary_cross_entropy_with_logits", formula::build_loss<formula::bce_with_logits>},
                     .reduction = o.reduction,
                     .flags = {bool(o.weight), bool(o.pos_weight)},
                     .weights = operands.size() - 2},
                    operands);
}
Tensor kl_div(Operand x, Operand y, const KlDiv& o) {
  return apply_loss({.emit = {"kl_div", formula::build_loss<formula::kl>},
                     .reduction = o.reduction,
                     .flags = {o.log_target},
                     .batchmean = true},
                    {x, y});
}
Tensor soft_margin_loss(Operand x, Operand y, const Loss& o) {
  return apply_loss({TENON_LOSS(soft_margin), o.reduction}, {x, y});
}
Tensor hinge_embedding_loss(Operand x, Operand y, const HingeEmbeddingLoss& o) {
  return apply_loss({TENON_LOSS(hinge_embedding), o.reduction, {}, o.margin}, {x, y});
}
Tensor margin_ranking_loss(Operand x1, Operand x2, Operand y, const MarginLoss& o) {
  return apply_loss({TENON_LOSS(margin_ranking), o.reduction, {}, o.margin}, {x1, x2, y});
}
Tensor detail::triplet_of_distances(Operand near, Operand far, const Tensor& between,
                                    const TripletMarginWithDistanceLoss& o) {
  std::vector<Operand> operands = {near, far};
  if (o.swap) operands.emplace_back(between, near.where());
  return apply_loss({{"triplet_margin_with_distance_loss", formula::build_loss<formula::of_distances>},
                     o.reduction,
                     {o.swap},
                     o.margin},
                    operands);
}
Tensor poisson_nll_loss(Operand x, Operand y, const PoissonNllLoss& o) {
  return apply_loss(
      {{"poisson_nll_loss", formula::build_loss<formula::poisson>}, o.reduction, {o.log_input, o.full}, o.eps}, {x, y});
}
Tensor gaussian_nll_loss(Operand x, Operand y, Operand var, const GaussianNllLoss& o) {
  check_at_least("gaussian_nll_loss", "eps", o.eps, 0, true, x.where());
  return apply_loss({{"gaussian_nll_loss", formula::build_loss<formula::gaussian>}, o.reduction, {o.full}, o.eps},
                    {x, y, var});
}
#undef TENON_LOSS

}  // namespace tenon
