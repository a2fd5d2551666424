// L-BFGS: quasi-Newton steps whose iterations and line search run inside the program.
#pragma once

#include <string>

#include "tenon/frontend/optim/trees.h"

namespace tenon::optim {

struct Lbfgs {
  Number rate = 1;  // the length that a line search tries first
  int64_t iterations = 20;  // at most, in one call
  int64_t history = 10;  // pairs of steps and changes of the gradient that are kept
  Number tolerance_grad = 1e-7,
         tolerance_change = 1e-9;  // no more iterations where gradient, or step and loss, change no more than that
  std::string line_search = "strong_wolfe";  // or "backtracking", "none"
  int64_t searches = 25;  // evaluations of one line search, at most
};

// The newest pairs last; rows that hold none are zeros. Flat: all numbers of the parameters one after the other, in f64 if one is, else f32.
struct LbfgsState {
  Tensor steps, changes;  // [history, n]
  Tensor weights;  // [history], 1 / (step . change)
  Tensor scale;  // of the first estimate of the inverse Hessian
  Tensor iterations;  // i64, taken so far
  Tensor loss;  // at the parameters
};

namespace detail {
struct FlatLoss {  // a callable that outlives it
  const void* callable;
  Tensor (*call)(const void* callable, const Tensor& x);
  Tensor operator()(const Tensor& x) const { return call(callable, x); }
};
Tensor flat(const Items& parameters, const Location& at);
void put(const Items& parameters, const Tensor& flat, const Location& at);
LbfgsState lbfgs_state(const Items& parameters, const Lbfgs& o, const Location& at);
Tensor lbfgs_steps(const FlatLoss& loss, Tensor x, LbfgsState& state, const Lbfgs& o, const Location& at);
}  // namespace detail

template <class P>
LbfgsState lbfgs_init(P parameters, const Lbfgs& o = {}, const At& at = At::current()) {
  return tenon::detail::guarded("lbfgs_init", place(at),
                                [&] { return detail::lbfgs_state(tenon::detail::items_of(parameters), o, place(at)); });
}

// Iterations from the parameters on, each of which moves against the loss's gradient times an estimate of the inverse Hessian that the last
// pairs give by the two-loop recursion. Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5; "strong_wolfe" is a
// search by brackets and cubics (algorithms 3.5 and 3.6, c1 = 1e-4, c2 = 0.9), "backtracking" halves until the loss falls enough, and "none"
// takes the rate (in the very first iteration times min(1, 1 / |g|_1)), with the numbers of torch.optim.LBFGS without a line search.
//
// loss(parameters) gives a scalar and may use what is around it, such as a batch of tensors. Works eagerly, in jit and under vmap. A state
// made by lbfgs_init with the same `history`. Integers and buffers stay as they are. Extents must be numbers.
template <class F, class P>
std::pair<P, LbfgsState> lbfgs(F loss, P parameters, LbfgsState state, const Lbfgs& o = {},
                               const At& at = At::current()) {
  tenon::detail::guarded("lbfgs", place(at), [&] {
    const detail::Items items = tenon::detail::items_of(parameters);
    const auto of_flat = [&](const Tensor& x) {
      P moved = parameters;
      detail::put(tenon::detail::items_of(moved), x, place(at));
      return Tensor(loss(moved));
    };
    const detail::FlatLoss flat{
        &of_flat, [](const void* f, const Tensor& x) { return (*static_cast<decltype(&of_flat)>(f))(x); }};
    const Tensor x = detail::lbfgs_steps(flat, detail::flat(items, place(at)), state, o, place(at));
    detail::put(items, x, place(at));
  });
  return {std::move(parameters), std::move(state)};
}

// The same from the start: parameters that make the loss small.
template <class F, class P>
P minimize(F loss, P parameters, const Lbfgs& o = {.iterations = 200}, const At& at = At::current()) {
  LbfgsState state = lbfgs_init(parameters, o, at);
  return lbfgs(std::move(loss), std::move(parameters), std::move(state), o, at).first;
}

}  // namespace tenon::optim
