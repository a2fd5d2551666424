// Stochastic gradient descent, with PyTorch's momentum, and Lion: optimizers whose state is one tree, shaped as the parameters.
#pragma once

#include "tenon/frontend/optim/trees.h"

namespace tenon::optim {

// v = momentum * v + (1 - dampening) * (g + weight_decay * p), of the first step undamped; p - rate * v, or with `nesterov`
// p - rate * (g + weight_decay * p + momentum * v). Sutskever and others, ICML 2013, in the form of torch.optim.SGD.
struct Sgd {
  Number rate = 1e-2, momentum = 0, dampening = 0;
  bool nesterov = false;
  Number weight_decay = 0;
  PathSettings settings = {};
};
// c = beta1 * m + (1 - beta1) * g; p - rate * (sign(c) + weight_decay * p); m = beta2 * m + (1 - beta2) * g. Chen and others, Symbolic
// Discovery of Optimization Algorithms, NeurIPS 2023, algorithm 2.
struct Lion {
  Number rate = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  PathSettings settings = {};
};

namespace detail {
void sgd_step(const Trees& trees, const Sgd& o, const Location& at);
void lion_step(const Trees& trees, const Lion& o, const Location& at);
}  // namespace detail

// Without momentum there is no state. Error for a momentum.
template <class P>
P sgd(P parameters, P gradients, const Sgd& o = {}, const At& at = At::current()) {
  tenon::detail::guarded("sgd", place(at),
                         [&] { detail::sgd_step(detail::trees_of(parameters, gradients), o, place(at)); });
  return parameters;
}
// The velocity before the first step: -0, by which the first step knows itself; f32 for f16 and bf16, undefined for integers and bools.
template <class P>
P sgd_init(P parameters) {
  return tenon::detail::guarded("sgd_init", {}, [&] { return detail::slot_of(std::move(parameters), true, -0.0); });
}
template <class P, class V>  // V is P, and not deduced from the braces of options
  requires std::is_same_v<P, V>
std::pair<P, P> sgd(P parameters, P gradients, V velocity, const Sgd& o = {}, const At& at = At::current()) {
  tenon::detail::guarded("sgd", place(at),
                         [&] { detail::sgd_step(detail::trees_of(parameters, gradients, velocity), o, place(at)); });
  return {std::move(parameters), std::move(velocity)};
}

template <class P>
P lion_init(P parameters) {
  return tenon::detail::guarded("lion_init", {}, [&] { return detail::slot_of(std::move(parameters)); });
}
template <class P>
std::pair<P, P> lion(P parameters, P gradients, P moment, const Lion& o = {}, const At& at = At::current()) {
  tenon::detail::guarded("lion", place(at),
                         [&] { detail::lion_step(detail::trees_of(parameters, gradients, moment), o, place(at)); });
  return {std::move(parameters), std::move(moment)};
}

}  // namespace tenon::optim
