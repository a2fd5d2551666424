// Optimizers as plain functions over parameter trees: they trace, fuse and ship like any other code. Gradients and state are
// paired with the parameters by path; integer and bool leaves, and leaves without a gradient, stay as they are. Moments and velocities
// below the smallest normal number become 0.
#pragma once

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tree/items.h"

namespace tenon::optim {

struct Sgd {
  double rate = 1e-2, momentum = 0, weight_decay = 0;
};
struct AdamW {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 1e-2;
};

// State of adamw: first and second moments, shaped as the floating parameters (f32 for f16 and bf16, undefined for others),
// and the number of steps taken (an i64 scalar).
template <class P>
struct AdamWState {
  P first, second;
  Tensor step;
};

namespace detail {
using tenon::detail::TreeItem;
using Items = std::vector<TreeItem>;

void sgd_step(const Items& parameters, const Items& gradients, const Items* velocity, const Sgd& o, const Location& at);
void make_moments(const Items& parameters);  // zeros in their place
Tensor first_step(const Items& parameters);  // 0, where they lie
void adamw_step(const Items& parameters, const Items& gradients, const Items& first, const Items& second, Tensor& step,
                const AdamW& o, const Location& at);
}  // namespace detail

// p - rate * (g + weight_decay * p)
template <class P>
P sgd(P parameters, P gradients, const Sgd& o = {}, const At& at = At::current()) {
  tenon::detail::guarded("sgd", place(at), [&] {
    detail::sgd_step(tenon::detail::items_of(parameters), tenon::detail::items_of(gradients), nullptr, o, place(at));
  });
  return parameters;
}
// The velocity before the first step: zeros, f32 for f16 and bf16, undefined for integers and bools.
template <class P>
P sgd_init(P parameters) {
  tenon::detail::guarded("sgd_init", {}, [&] { detail::make_moments(tenon::detail::items_of(parameters)); });
  return parameters;
}
// v = momentum * v + g + weight_decay * p; p - rate * v
template <class P, class V>  // V is P, and not deduced from the braces of options
  requires std::is_same_v<P, V>
std::pair<P, P> sgd(P parameters, P gradients, V velocity, const Sgd& o = {}, const At& at = At::current()) {
  tenon::detail::guarded("sgd", place(at), [&] {
    const detail::Items v = tenon::detail::items_of(velocity);
    detail::sgd_step(tenon::detail::items_of(parameters), tenon::detail::items_of(gradients), &v, o, place(at));
  });
  return {std::move(parameters), std::move(velocity)};
}

template <class P>
AdamWState<P> adamw_init(const P& parameters) {
  return tenon::detail::guarded("adamw_init", {}, [&] {
    AdamWState<P> state{parameters, parameters, detail::first_step(tenon::detail::items_of(parameters))};
    detail::make_moments(tenon::detail::items_of(state.first));
    detail::make_moments(tenon::detail::items_of(state.second));
    return state;
  });
}
// Decoupled weight decay (Loshchilov and Hutter, ICLR 2019, algorithm 2).
template <class P>
std::pair<P, AdamWState<P>> adamw(P parameters, P gradients, AdamWState<P> state, const AdamW& o = {},
                                  const At& at = At::current()) {
  tenon::detail::guarded("adamw", place(at), [&] {
    detail::adamw_step(tenon::detail::items_of(parameters), tenon::detail::items_of(gradients),
                       tenon::detail::items_of(state.first), tenon::detail::items_of(state.second), state.step, o,
                       place(at));
  });
  return {std::move(parameters), std::move(state)};
}

}  // namespace tenon::optim
