// The update rules of the optimizers, leaf by leaf. Numbers are those of the parameter's dtype, f32 for f16 and bf16: every
// hyperparameter is rounded once, and a half is rounded once, when it is stored.
#include "tenon/frontend/optim/optim.h"
#include "tenon/frontend/tensor/placement.h"

#include <cmath>
#include <limits>

#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tree/match.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::optim::detail {
namespace {

using tenon::detail::Match;
using tenon::detail::match;

using ir::Value;

// ---- one leaf. Its numbers are inputs, so that a schedule of rates compiles nothing anew.

Value times(Value number, Value v) { return spread(number, v) * v; }

// A moment below the smallest normal number is taken for 0. What it could move is beyond the last place of any parameter, and where
// gradients have become 0, moments decay into the subnormal numbers, with which a processor computes many times as slowly.
Value settled(Value moment) {
  const double smallest =
      moment.dtype() == f64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  return select(lt(abs(moment), like(moment, smallest)), literal(moment, 0), moment);
}

// step = gradient + decay * parameter; with a velocity, step = momentum * velocity + step; parameter - rate * step.
// Inputs: parameter, gradient, rate, decay if it decays, velocity and momentum if it keeps one. Outputs: the parameter, and the
// velocity if there is one.
std::vector<Value> build_sgd(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::SgdStep with(attrs);
  const Value rate = x[2];
  size_t next = 3;
  const DType wide = rate.dtype();
  const Value before = cast(x[0], wide);
  Value step = cast(x[1], wide);
  if (with.decays) step = step + times(x[next++], before);
  if (!with.keeps) return {cast(before - times(rate, step), x[0].dtype())};
  const Value velocity = x[next], momentum = x[next + 1];
  step = settled(times(momentum, cast(velocity, wide)) + step);
  const Value kept = cast(step, velocity.dtype());
  return {cast(before - times(rate, step), x[0].dtype()), kept};
}

// The number of steps with this one, and 1 / (1 - beta^steps) in f64 for both betas. expm1 keeps what 1 - beta^steps would cancel.
// Inputs: the number of steps so far, and log(beta) of each beta that is not 0.
std::vector<Value> build_corrections(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::AdamWCorrections corrects(attrs);
  const Value step = x[0] + 1, steps = cast(step, f64);
  size_t next = 1;
  const auto correction = [&](bool any) { return any ? -1.0 / expm1(steps * x[next++]) : literal(steps, 1); };
  const Value first = correction(corrects.first);
  return {step, first, correction(corrects.second)};
}

// What a step of adamw reads, in the order of its inputs. Numbers have the dtype that is computed in; the last is there if the
// parameter decays.
namespace in {
enum : size_t {
  parameter,
  gradient,
  mean,
  square,
  correct1,
  correct2,
  beta1,
  rest1,
  beta2,
  rest2,
  epsilon,
  rate,
  decay
};
}

// Outputs: the parameter, both moments.
std::vector<Value> build_adamw(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const DType wide = x[in::rate].dtype();
  const Value before = cast(x[in::parameter], wide), gradient = cast(x[in::gradient], wide);
  const Value correct1 = cast(x[in::correct1], wide), correct2 = cast(x[in::correct2], wide);
  const Value new_mean = times(x[in::rest1], gradient);
  const Value mean = settled(times(x[in::beta1], cast(x[in::mean], wide)) + new_mean);
  const Value new_square = times(x[in::rest2], gradient * gradient);
  const Value square = settled(times(x[in::beta2], cast(x[in::square], wide)) + new_square);
  const Value size = sqrt(square * spread(correct2, square)), divisor = size + spread(x[in::epsilon], size);
  Value direction = mean * spread(correct1, mean) / divisor;
  if (made::AdamWStep(attrs).decays) direction = direction + times(x[in::decay], before);
  const Value m = cast(mean, x[in::mean].dtype()), v = cast(square, x[in::square].dtype());
  return {cast(before - times(x[in::rate], direction), x[in::parameter].dtype()), m, v};
}

Tensor number(double value, DType dtype, const Location& at) { return materialize(Operand(value, at), dtype, "optim"); }

DType computing(DType dtype) { return dtype == f64 ? f64 : f32; }

std::vector<Tensor*> gradients_for(const char* what, const Items& parameters, const Items& gradients,
                                   const Location& at) {
  return match({what, "the parameters have", "the gradients",
                "gradients have the tree and the types of the parameters, and may lack tensors"},
               parameters, gradients, Match::gradient, at);
}

std::vector<Tensor*> state_for(const char* what, const char* name, const Items& parameters, const Items& state,
                               const Location& at) {
  return match({what, "the parameters have", name, "the state has the tree and the types of the parameters"},
               parameters, state, Match::moment, at);
}

std::vector<Tensor*> tensors(const Items& items) {
  std::vector<Tensor*> out;
  for (const TreeItem& item : items)
    if (item.tag == 't') out.push_back(item.tensor);
  return out;
}

bool moves(const char* what, const Tensor& parameter, const Tensor* gradient, const Location& at) {
  if (gradient != nullptr && is_complex(parameter.dtype()))
    throw Error(
        std::string(what) + ": a parameter is " + describe(parameter) + "; keep tn::view_as_real of it, which is real",
        at);
  return gradient != nullptr && is_floating(parameter.dtype());
}

void check_beta(const char* name, double beta, const Location& at) {
  if (!(beta >= 0 && beta < 1))
    throw Error("adamw: ." + std::string(name) + " lies in [0, 1), and is " + shortest(beta), at);
}

}  // namespace

void sgd_step(const Items& parameters, const Items& gradients, const Items* velocity, const Sgd& o,
              const Location& at) {
  const FloatEnvironment standard;
  if (velocity == nullptr && o.momentum != 0)
    throw Error(
        "sgd: .momentum needs the velocity: sgd(parameters, gradients, velocity, options), which gives both back", at);
  const std::vector<Tensor*> p = tensors(parameters), g = gradients_for("sgd", parameters, gradients, at);
  std::vector<Tensor*> v(p.size(), nullptr);
  if (velocity != nullptr) v = state_for("sgd", "the velocity", parameters, *velocity, at);
  for (size_t i = 0; i < p.size(); ++i) {
    if (!moves("sgd", *p[i], g[i], at)) continue;
    const DType wide = computing(p[i]->dtype());
    std::vector<Tensor> inputs = {*p[i], *g[i], number(o.rate, wide, at)};
    if (o.weight_decay != 0) inputs.push_back(number(o.weight_decay, wide, at));
    if (v[i] != nullptr) inputs.insert(inputs.end(), {*v[i], number(o.momentum, wide, at)});
    std::vector<Tensor> results = apply(
        {"sgd", build_sgd}, made::SgdStepAttrs{.decays = o.weight_decay != 0, .keeps = v[i] != nullptr}, inputs, at);
    *p[i] = std::move(results[0]);
    if (v[i] != nullptr) *v[i] = std::move(results[1]);
  }
}

void make_moments(const Items& parameters) {
  for (const TreeItem& item : parameters) {
    if (item.tag != 't') continue;
    Tensor& t = *item.tensor;
    const bool moves = is_floating(t.dtype()) && !item.state;
    t = moves ? beside(zeros(t.shape(), {.dtype = computing(t.dtype())}), t, {}) : Tensor();
  }
}

Tensor first_step(const Items& parameters) {
  const std::vector<Tensor*> all = tensors(parameters);
  const Tensor step = zeros({}, {.dtype = i64});
  return all.empty() ? step : beside(step, *all[0], {});
}

void adamw_step(const Items& parameters, const Items& gradients, const Items& first, const Items& second, Tensor& step,
                const AdamW& o, const Location& at) {
  const FloatEnvironment standard;
  check_beta("beta1", o.beta1, at);
  check_beta("beta2", o.beta2, at);
  if (!step.defined() || step.dtype() != i64 || step.ndim() != 0)
    throw Error("adamw: at 'step', the state has " + describe(step) +
                    " and not i64[]; make the state with tn::optim::adamw_init",
                at);
  const std::vector<Tensor*> p = tensors(parameters), g = gradients_for("adamw", parameters, gradients, at),
                             m = state_for("adamw", "the first moments", parameters, first, at),
                             v = state_for("adamw", "the second moments", parameters, second, at);
  std::vector<Tensor> steps = {step};
  for (double beta : {o.beta1, o.beta2})
    if (beta != 0) steps.push_back(number(std::log(beta), f64, at));
  const std::vector<Tensor> corrected =
      apply({"adamw", build_corrections}, made::AdamWCorrectionsAttrs{.first = o.beta1 != 0, .second = o.beta2 != 0},
            steps, at);
  step = corrected[0];
  for (size_t i = 0; i < p.size(); ++i) {
    if (!moves("adamw", *p[i], g[i], at)) continue;
    std::vector<Tensor> inputs = {*p[i], *g[i], *m[i], *v[i], corrected[1], corrected[2]};
    for (double n : {o.beta1, 1.0 - o.beta1, o.beta2, 1.0 - o.beta2, o.epsilon, o.rate})
      inputs.push_back(number(n, computing(p[i]->dtype()), at));
    if (o.weight_decay != 0) inputs.push_back(number(o.weight_decay, computing(p[i]->dtype()), at));
    std::vector<Tensor> results =
        apply({"adamw", build_adamw}, made::AdamWStepAttrs{.decays = o.weight_decay != 0}, inputs, at);
    *p[i] = std::move(results[0]), *m[i] = std::move(results[1]), *v[i] = std::move(results[2]);
  }
}

}  // namespace tenon::optim::detail
