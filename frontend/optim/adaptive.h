// Optimizers that divide by the size of past gradients: rmsprop, adagrad, adadelta, in the forms of torch.optim.
#pragma once

#include "tenon/frontend/optim/trees.h"

namespace tenon::optim {

// s = alpha * s + (1 - alpha) * g * g; d = g / (sqrt(s) + epsilon), with `centered` of s - m * m, m being the mean of gradients;
// p - rate * d, or v = momentum * v + d and p - rate * v. Tieleman and Hinton, Coursera lecture 6.5, 2012; Graves, arXiv:1308.0850.
struct RmsProp {
  Number rate = 1e-2, momentum = 0, weight_decay = 0, alpha = 0.99, epsilon = 1e-8;
  bool centered = false;
  PathSettings settings = {};
};
// s = s + g * g; p - rate / (1 + (step - 1) * rate_decay) * g / (sqrt(s) + epsilon). Duchi, Hazan and Singer, JMLR 12, 2011.
struct Adagrad {
  Number rate = 1e-2, weight_decay = 0, rate_decay = 0, epsilon = 1e-10;
  double initial = 0;  // of s, where adagrad_init is told
  PathSettings settings = {};
};
// s = rho * s + (1 - rho) * g * g; d = sqrt(c + epsilon) / sqrt(s + epsilon) * g; c = rho * c + (1 - rho) * d * d; p - rate * d. Zeiler,
// arXiv:1212.5701, algorithm 1.
struct Adadelta {
  Number rate = 1, rho = 0.9, epsilon = 1e-6, weight_decay = 0;
  PathSettings settings = {};
};

template <class P>
struct RmsPropState {
  P square;
  P velocity;  // undefined if the options that made it have no momentum
  P mean;  // undefined unless they are centered
};
template <class P>
struct AdagradState {
  P sum;
  Tensor step;  // i64
};
template <class P>
struct AdadeltaState {
  P square, change;
};

namespace detail {
void rmsprop_step(const Trees& trees, const RmsProp& o, const Location& at);
void adagrad_step(const Trees& trees, Tensor& step, const Adagrad& o, const Location& at);
void adadelta_step(const Trees& trees, const Adadelta& o, const Location& at);
}  // namespace detail

// For options with or without a momentum; given options, for such alone. `centered` needs to be told.
template <class P>
RmsPropState<P> rmsprop_init(const P& parameters, const RmsProp& o = {.momentum = 1}) {
  return tenon::detail::guarded("rmsprop_init", {}, [&] {
    return RmsPropState<P>{detail::slot_of(parameters), detail::slot_of(parameters, !o.momentum.is(0)),
                           detail::slot_of(parameters, o.centered)};
  });
}
template <class P>
std::pair<P, RmsPropState<P>> rmsprop(P parameters, P gradients, RmsPropState<P> state, const RmsProp& o = {},
                                      const At& at = At::current()) {
  tenon::detail::guarded("rmsprop", place(at), [&] {
    detail::rmsprop_step(detail::trees_of(parameters, gradients, state.square, state.velocity, state.mean), o,
                         place(at));
  });
  return {std::move(parameters), std::move(state)};
}

template <class P>
AdagradState<P> adagrad_init(const P& parameters, const Adagrad& o = {}) {
  return tenon::detail::guarded("adagrad_init", {}, [&] {
    P copy = parameters;
    return AdagradState<P>{detail::slot_of(parameters, true, o.initial),
                           detail::first_step(tenon::detail::items_of(copy))};
  });
}
template <class P>
std::pair<P, AdagradState<P>> adagrad(P parameters, P gradients, AdagradState<P> state, const Adagrad& o = {},
                                      const At& at = At::current()) {
  tenon::detail::guarded("adagrad", place(at), [&] {
    detail::adagrad_step(detail::trees_of(parameters, gradients, state.sum), state.step, o, place(at));
  });
  return {std::move(parameters), std::move(state)};
}

template <class P>
AdadeltaState<P> adadelta_init(const P& parameters) {
  return tenon::detail::guarded(
      "adadelta_init", {}, [&] { return AdadeltaState<P>{detail::slot_of(parameters), detail::slot_of(parameters)}; });
}
template <class P>
std::pair<P, AdadeltaState<P>> adadelta(P parameters, P gradients, AdadeltaState<P> state, const Adadelta& o = {},
                                        const At& at = At::current()) {
  tenon::detail::guarded("adadelta", place(at), [&] {
    detail::adadelta_step(detail::trees_of(parameters, gradients, state.square, state.change), o, place(at));
  });
  return {std::move(parameters), std::move(state)};
}

}  // namespace tenon::optim
