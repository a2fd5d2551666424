// The update rules of the optimizers, leaf by leaf. Numbers are those of the parameter's dtype, f32 for f16 and bf16: every
// hyperparameter is rounded once, and a half is rounded once, when it is stored.
#include "tenon/frontend/optim.h"

#include <cmath>

#include "tenon/frontend/match.h"
#include "tenon/frontend/promote.h"

namespace tenon::optim::detail {
namespace {

using tenon::detail::Match;
using tenon::detail::match;

// Arithmetic on behalf of the caller: the first operand of a function tells its line.
struct Line {
  const Location& at;
  Operand operator()(const Tensor& t) const { return {t, at}; }
  Operand operator()(double v) const { return {v, at}; }
  Operand operator()(int v) const { return {v, at}; }
  Tensor cast(const Tensor& t, DType dtype) const { return cast_to(t, dtype, at); }
};

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

bool moves(const Tensor& parameter, const Tensor* gradient) {
  return gradient != nullptr && is_floating(parameter.dtype());
}

void check_beta(const char* name, double beta, const Location& at) {
  if (!(beta >= 0 && beta < 1))
    throw Error("adamw: ." + std::string(name) + " lies in [0, 1), and is " + std::to_string(beta), at);
}

// 1 / (1 - beta^steps) in f64. expm1 keeps what 1 - beta^steps would cancel.
Tensor correction(const Line& line, const Tensor& steps, double beta) {
  if (beta == 0) return ones_like(steps);
  return line(-1.0) / expm1(line(line(steps) * line(std::log(beta))));
}

}  // namespace

void sgd_step(const Items& parameters, const Items& gradients, const Items* velocity, const Sgd& o,
              const Location& at) {
  const Line line{at};
  if (velocity == nullptr && o.momentum != 0)
    throw Error(
        "sgd: .momentum needs the velocity: sgd(parameters, gradients, velocity, options), which gives both back", at);
  const std::vector<Tensor*> p = tensors(parameters), g = gradients_for("sgd", parameters, gradients, at);
  std::vector<Tensor*> v(p.size(), nullptr);
  if (velocity != nullptr) v = state_for("sgd", "the velocity", parameters, *velocity, at);
  for (size_t i = 0; i < p.size(); ++i) {
    if (!moves(*p[i], g[i])) continue;
    const DType wide = computing(p[i]->dtype());
    const Tensor before = line.cast(*p[i], wide);
    Tensor step = line.cast(*g[i], wide);
    if (o.weight_decay != 0) step = line(step) + line(o.weight_decay) * before;
    if (v[i] != nullptr) {
      step = line(line(o.momentum) * line.cast(*v[i], wide)) + step;
      *v[i] = line.cast(step, v[i]->dtype());
    }
    *p[i] = line.cast(line(before) - line(o.rate) * step, p[i]->dtype());
  }
}

void make_moments(const Items& parameters) {
  for (Tensor* t : tensors(parameters))
    *t = is_floating(t->dtype()) ? zeros(t->shape(), {.dtype = computing(t->dtype())}) : Tensor();
}

void adamw_step(const Items& parameters, const Items& gradients, const Items& first, const Items& second, Tensor& step,
                const AdamW& o, const Location& at) {
  const Line line{at};
  check_beta("beta1", o.beta1, at);
  check_beta("beta2", o.beta2, at);
  if (!step.defined() || step.dtype() != i64 || step.ndim() != 0)
    throw Error("adamw: at 'step', the state has " + describe(step) +
                    " and not i64[]; make the state with tn::optim::adamw_init",
                at);
  const std::vector<Tensor*> p = tensors(parameters), g = gradients_for("adamw", parameters, gradients, at),
                             m = state_for("adamw", "the first moments", parameters, first, at),
                             v = state_for("adamw", "the second moments", parameters, second, at);
  step = line(step) + line(1);
  const Tensor steps = line.cast(step, f64);
  const Tensor exact1 = correction(line, steps, o.beta1), exact2 = correction(line, steps, o.beta2);
  for (size_t i = 0; i < p.size(); ++i) {
    if (!moves(*p[i], g[i])) continue;
    const DType wide = computing(p[i]->dtype());
    const Tensor before = line.cast(*p[i], wide), gradient = line.cast(*g[i], wide), correct1 = line.cast(exact1, wide),
                 correct2 = line.cast(exact2, wide);
    const Tensor mean = line(line(o.beta1) * line.cast(*m[i], wide)) + line(1.0 - o.beta1) * gradient;
    const Tensor square =
        line(line(o.beta2) * line.cast(*v[i], wide)) + line(1.0 - o.beta2) * (line(gradient) * gradient);
    Tensor direction = line(line(mean) * correct1) / (line(sqrt(line(line(square) * correct2))) + line(o.epsilon));
    if (o.weight_decay != 0) direction = line(direction) + line(o.weight_decay) * before;
    *m[i] = line.cast(mean, m[i]->dtype());
    *v[i] = line.cast(square, v[i]->dtype());
    *p[i] = line.cast(line(before) - line(o.rate) * direction, p[i]->dtype());
  }
}

}  // namespace tenon::optim::detail
