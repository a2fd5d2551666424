// What is done to trees of gradients and parameters beside the step: norms, clipping, averages, accumulation. Each is one program over the
// tree. Numbers that are no state count; integers, nn::Buffers and undefined tensors stay as they are. A half is computed in f32.
#pragma once

#include "tenon/frontend/optim/trees.h"

namespace tenon::optim {

namespace detail {
Tensor norm_of(const Items& tree, const Location& at);
enum class Norm : uint8_t { exact, torch };
Tensor clip_norm(const Items& tree, const Number& most, Norm how, const Location& at);
void clip_values(const Items& tree, const Number* low, const Number& high, const Location& at);  // no low: -high
void average(const Items& next, const Items& old, const Number& decay, const Location& at);
Tensor accumulate_into(const Items& sum, const Items& gradients, Tensor& count, const Number& every,
                       const Location& at);
}  // namespace detail

// The root of the sum of all squares: f64 if a leaf is, else f32; 0 of a tree without numbers.
template <class T>
Tensor global_norm(T tree, const At& at = At::current()) {
  return tenon::detail::guarded("global_norm", place(at),
                                [&] { return detail::norm_of(tenon::detail::items_of(tree), place(at)); });
}
// The tree, brought to the norm n where its norm is greater. A norm that is NaN makes all of it NaN.
template <class T>
T clip_by_norm(T tree, const Number& n, const At& at = At::current()) {
  tenon::detail::guarded("clip_by_norm", place(at),
                         [&] { detail::clip_norm(tenon::detail::items_of(tree), n, detail::Norm::exact, place(at)); });
  return tree;
}
// The same with the norm that it had.
template <class T>
std::pair<T, Tensor> clip_by_norm_with_norm(T tree, const Number& n, const At& at = At::current()) {
  Tensor norm = tenon::detail::guarded("clip_by_norm", place(at), [&] {
    return detail::clip_norm(tenon::detail::items_of(tree), n, detail::Norm::exact, place(at));
  });
  return {std::move(tree), std::move(norm)};
}
// Times n / (norm + 1e-6) where that is below 1, as torch.nn.utils.clip_grad_norm_ has it.
template <class T>
T clip_grad_norm(T tree, const Number& n, const At& at = At::current()) {
  tenon::detail::guarded("clip_grad_norm", place(at),
                         [&] { detail::clip_norm(tenon::detail::items_of(tree), n, detail::Norm::torch, place(at)); });
  return tree;
}
// Every element between low and high, a NaN staying one; or between -n and n.
template <class T>
T clip_by_value(T tree, const Number& low, const Number& high, const At& at = At::current()) {
  tenon::detail::guarded("clip_by_value", place(at),
                         [&] { detail::clip_values(tenon::detail::items_of(tree), &low, high, place(at)); });
  return tree;
}
template <class T>
T clip_by_value(T tree, const Number& n, const At& at = At::current()) {
  tenon::detail::guarded("clip_by_value", place(at),
                         [&] { detail::clip_values(tenon::detail::items_of(tree), nullptr, n, place(at)); });
  return tree;
}

// decay * old + (1 - decay) * next. Integers and buffers are those of `next`; an average may be f32 where `next` is f16 or bf16.
template <class T>
T ema(T old, T next, const Number& decay, const At& at = At::current()) {
  tenon::detail::guarded("ema", place(at), [&] {
    detail::average(tenon::detail::items_of(next), tenon::detail::items_of(old), decay, place(at));
  });
  return next;
}

// Gradients of several small batches for one step:
//
//   auto [ready, mean, next] = accumulate(sums, gradients, 4);   // of every fourth call ready is true, and mean that of four gradients
//
// `ready` is a bool tensor without axes, for tn::cond; `next` starts anew where it is true.
template <class P>
struct AccumulateState {
  P sum;  // f32 for f16 and bf16
  Tensor count;  // i64
};
template <class P>
struct Accumulated {
  Tensor ready;
  P gradients;
  AccumulateState<P> state;
};
template <class P>
AccumulateState<P> accumulate_init(const P& parameters) {
  return tenon::detail::guarded("accumulate_init", {}, [&] {
    P copy = parameters;
    return AccumulateState<P>{detail::slot_of(parameters), detail::first_step(tenon::detail::items_of(copy))};
  });
}
template <class P>
Accumulated<P> accumulate(AccumulateState<P> state, P gradients, const Number& every, const At& at = At::current()) {
  Tensor ready = tenon::detail::guarded("accumulate", place(at), [&] {
    return detail::accumulate_into(tenon::detail::items_of(state.sum), tenon::detail::items_of(gradients), state.count,
                                   every, place(at));
  });
  return {std::move(ready), std::move(gradients), std::move(state)};
}

}  // namespace tenon::optim
