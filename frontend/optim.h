// Optimizers as plain functions over parameter trees: they trace, fuse and ship like any other code.
#pragma once

#include "tenon/frontend/ops.h"
#include "tenon/frontend/tree.h"

namespace tenon::optim {

struct Sgd {
  double rate = 1e-2, momentum = 0, weight_decay = 0;
};
struct AdamW {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 1e-2;
};

// State of adamw: first and second moments, shaped as the parameters, and the number of steps taken (f32 scalar).
template <class P>
struct AdamWState {
  P first, second;
  Tensor step;
};

namespace detail {
void sgd_leaf(Tensor& parameter, const Tensor& gradient, Tensor* velocity, const Sgd& o);
void adamw_leaf(Tensor& parameter, const Tensor& gradient, Tensor& first, Tensor& second, const Tensor& correct1,
                const Tensor& correct2, const AdamW& o);
std::pair<Tensor, Tensor> adamw_corrections(const Tensor& step, const AdamW& o);

template <class P>
std::vector<Tensor*> leaves(P& tree) {
  tenon::detail::Leaves l;
  l.want_structure = false;
  tenon::detail::walk(tree, l);
  return l.tensors;
}
}  // namespace detail

// p - rate * (g + weight_decay * p)
template <class P>
P sgd(P parameters, P gradients, const Sgd& o = {}) {
  auto p = detail::leaves(parameters), g = detail::leaves(gradients);
  for (size_t i = 0; i < p.size(); ++i) detail::sgd_leaf(*p[i], *g[i], nullptr, o);
  return parameters;
}
// v = momentum * v + g + weight_decay * p; p - rate * v
template <class P>
std::pair<P, P> sgd(P parameters, P gradients, P velocity, const Sgd& o = {}) {
  auto p = detail::leaves(parameters), g = detail::leaves(gradients), v = detail::leaves(velocity);
  for (size_t i = 0; i < p.size(); ++i) detail::sgd_leaf(*p[i], *g[i], v[i], o);
  return {std::move(parameters), std::move(velocity)};
}

template <class P>
AdamWState<P> adamw_init(const P& parameters) {
  AdamWState<P> state{parameters, parameters, zeros({})};
  for (Tensor* t : detail::leaves(state.first)) *t = zeros_like(*t);
  for (Tensor* t : detail::leaves(state.second)) *t = zeros_like(*t);
  return state;
}
// Decoupled weight decay (Loshchilov and Hutter, ICLR 2019, algorithm 2).
template <class P>
std::pair<P, AdamWState<P>> adamw(P parameters, P gradients, AdamWState<P> state, const AdamW& o = {}) {
  state.step = state.step + 1;
  const auto [c1, c2] = detail::adamw_corrections(state.step, o);
  auto p = detail::leaves(parameters), g = detail::leaves(gradients);
  auto m = detail::leaves(state.first), v = detail::leaves(state.second);
  for (size_t i = 0; i < p.size(); ++i) detail::adamw_leaf(*p[i], *g[i], *m[i], *v[i], c1, c2, o);
  return {std::move(parameters), std::move(state)};
}

}  // namespace tenon::optim
