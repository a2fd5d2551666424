// Adam and what was made of it: adam, adamw, lamb. Their state holds both moments, shaped as the numbers among the parameters (f32 for f16
// and bf16, undefined for others), and the number of steps taken (an i64 scalar).
#pragma once

#include "tenon/frontend/optim/trees.h"

namespace tenon::optim {

// Kingma and Ba, ICLR 2015, algorithm 1. `weight_decay` is added to the gradient (an L2 penalty). With `amsgrad` the greatest second moment
// so far divides (Reddi, Kale and Kumar, ICLR 2018); it is state, so tell adam_init, too.
struct Adam {
  Number rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  bool amsgrad = false;
  PathSettings settings = {};
};
// Decoupled weight decay (Loshchilov and Hutter, ICLR 2019, algorithm 2).
struct AdamW {
  Number rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 1e-2;
  PathSettings settings = {};
};
// Adam's direction d = m / (sqrt(v) + epsilon) + weight_decay * p of each leaf, times the quotient of the norms of p and d; where one of
// them is 0, d itself. The norms are of leaves as they are given: parts of sharded ones have norms of their own. You and others, Large Batch Optimization for Deep Learning, ICLR 2020, algorithm 2.
struct Lamb {
  Number rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6, weight_decay = 0;
  PathSettings settings = {};
};

template <class P>
struct AdamState {
  P first, second;
  P maximum;  // of the second moments, undefined without amsgrad
  Tensor step;
};
template <class P>
struct AdamWState {
  P first, second;
  Tensor step;
};
template <class P>
using LambState = AdamWState<P>;

namespace detail {
void adam_step(const Trees& trees, Tensor& step, const Adam& o, const Location& at);
void adamw_step(const Trees& trees, Tensor& step, const AdamW& o, const Location& at);
void lamb_step(const Trees& trees, Tensor& step, const Lamb& o, const Location& at);

template <class P>
AdamWState<P> two_moments(const char* what, const P& parameters) {
  return tenon::detail::guarded(what, {}, [&] {
    P copy = parameters;
    return AdamWState<P>{slot_of(parameters), slot_of(parameters), first_step(tenon::detail::items_of(copy))};
  });
}
}  // namespace detail

template <class P>
AdamState<P> adam_init(const P& parameters, const Adam& o = {}) {
  return tenon::detail::guarded("adam_init", {}, [&] {
    auto [first, second, step] = detail::two_moments("adam_init", parameters);
    return AdamState<P>{std::move(first), std::move(second), detail::slot_of(parameters, o.amsgrad), step};
  });
}
template <class P>
std::pair<P, AdamState<P>> adam(P parameters, P gradients, AdamState<P> state, const Adam& o = {},
                                const At& at = At::current()) {
  tenon::detail::guarded("adam", place(at), [&] {
    detail::adam_step(detail::trees_of(parameters, gradients, state.first, state.second, state.maximum), state.step, o,
                      place(at));
  });
  return {std::move(parameters), std::move(state)};
}

template <class P>
AdamWState<P> adamw_init(const P& parameters) {
  return detail::two_moments("adamw_init", parameters);
}
template <class P>
std::pair<P, AdamWState<P>> adamw(P parameters, P gradients, AdamWState<P> state, const AdamW& o = {},
                                  const At& at = At::current()) {
  tenon::detail::guarded("adamw", place(at), [&] {
    detail::adamw_step(detail::trees_of(parameters, gradients, state.first, state.second), state.step, o, place(at));
  });
  return {std::move(parameters), std::move(state)};
}

template <class P>
LambState<P> lamb_init(const P& parameters) {
  return detail::two_moments("lamb_init", parameters);
}
template <class P>
std::pair<P, LambState<P>> lamb(P parameters, P gradients, LambState<P> state, const Lamb& o = {},
                                const At& at = At::current()) {
  tenon::detail::guarded("lamb", place(at), [&] {
    detail::lamb_step(detail::trees_of(parameters, gradients, state.first, state.second), state.step, o, place(at));
  });
  return {std::move(parameters), std::move(state)};
}

}  // namespace tenon::optim
