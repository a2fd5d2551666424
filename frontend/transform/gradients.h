// Derivatives of callables over argument trees: grad, value_and_grad, jvp, vjp. Refuses a loss that is no floating scalar, and
// tangents and cotangents that do not fit.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/record.h"
#include "tenon/frontend/tree/match.h"

namespace tenon {

namespace detail {

std::vector<Tensor> run_gradient(const Program& p, const std::vector<Tensor>& inputs, const std::vector<bool>& active,
                                 const Location& at);
void check_loss(const std::vector<TreeItem>& result, const Location& at);  // its first tensor has a value
struct JvpResult {
  std::vector<Tensor> primals, tangents;  // a tangent that is structurally absent is zeros
};
JvpResult run_jvp(const Program& p, const std::vector<Tensor>& inputs, const std::vector<Tensor>& tangents,
                  const Location& at);
struct Pullback {
  std::shared_ptr<void> state;
  std::vector<Tensor> operator()(const std::vector<Tensor>& cotangents, const Location& at) const;
};
std::pair<std::vector<Tensor>, Pullback> run_vjp(const Program& p, const std::vector<Tensor>& inputs,
                                                 const std::vector<bool>& active, const Location& at);
Tensor stand_in(const Tensor& t);  // its type and place without its value

template <bool WithValue, class F, int... N>
class Gradient {
 public:
  Gradient(F function, const Location& place) : f(std::move(function)), made(place) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("grad", made, [&] { return compute(args...); });
  }

 private:
  template <class... A>
  auto compute(const A&... args) const {
    constexpr bool there = ((N >= 0 && N < static_cast<int>(sizeof...(A))) && ...);
    static_assert(there, "tn::grad<...> names an argument that is not there");
    std::tuple<A...> copy(args...);
    const auto traced = recorded("grad", f, copy, made);
    using R = decltype(traced.result);
    std::vector<bool> active;
    int number = 0;
    const auto mark = [&](const auto& arg) {
      const bool chosen = ((N == number) || ...);
      for (const bool parameter : parameters_of(arg)) active.push_back(chosen && parameter);
      ++number;
    };
    (mark(args), ...);
    check_loss(items_of(traced.result), made);
    const std::vector<Tensor> values = run_gradient(*traced.program, traced.inputs, active, made);
    R result = traced.with(values);
    // Gradients arrive for active leaves only; an integer leaf, or one of state, has none and becomes undefined.
    size_t next = values.size();
    for (bool a : active) next -= a ? 1 : 0;
    std::vector<Tensor> gradients;
    for (bool a : active) gradients.push_back(a ? values[next++] : Tensor());
    replace(copy, gradients.data());
    auto chosen = [&] {
      if constexpr (sizeof...(N) == 1)
        return std::get<(there ? N : 0)...>(copy);
      else
        return std::make_tuple(std::get<(there ? N : 0)>(copy)...);
    }();
    if constexpr (WithValue)
      return std::make_pair(std::move(result), std::move(chosen));
    else if constexpr (IsPair<R>::value)
      return std::make_pair(std::move(chosen), std::move(result.second));
    else
      return chosen;
  }

  F f;
  Location made;
};

}  // namespace detail

// The gradient of f's value (a floating scalar, or the first of a pair whose second is aux) by argument 0, or by those named:
// grad<0, 2>(f). The result has the arguments' types; with aux it is a pair of gradient and aux.
template <int... N, class F>
auto grad(F f, const At& at = At::current()) {
  if constexpr (sizeof...(N) == 0)
    return detail::Gradient<false, F, 0>(std::move(f), place(at));
  else
    return detail::Gradient<false, F, N...>(std::move(f), place(at));
}
// A pair of f's result and the gradient.
template <int... N, class F>
auto value_and_grad(F f, const At& at = At::current()) {
  if constexpr (sizeof...(N) == 0)
    return detail::Gradient<true, F, 0>(std::move(f), place(at));
  else
    return detail::Gradient<true, F, N...>(std::move(f), place(at));
}

namespace detail {
template <class T>
struct AsTuple {
  static std::tuple<T> make(const T& t) { return {t}; }
};
template <class... T>
struct AsTuple<std::tuple<T...>> {
  static std::tuple<T...> make(const std::tuple<T...>& t) { return t; }
};
}  // namespace detail

// Value and directional derivative: primals and tangents are one argument, or a tuple of all arguments. Where state, an nn::Buffer, has
// no tangent, it does not move.
template <class F, class P>
auto jvp(F f, const P& primals, const P& tangents, const At& at = At::current()) {
  return detail::guarded("jvp", place(at), [&] {
    const auto in = detail::AsTuple<P>::make(primals);
    const std::vector<Tensor> directions = detail::paired(
        {"jvp", "the primals have", "the tangents", "tangents have the tree and the types of the primals"}, primals,
        tangents, detail::Match::cotangent, place(at));
    const auto traced = detail::recorded("jvp", f, in, place(at));
    const detail::JvpResult r = detail::run_jvp(*traced.program, traced.inputs, directions, place(at));
    return std::make_pair(traced.with(r.primals), traced.with(r.tangents));
  });
}

template <class F>
auto jvp(F f, const Tensor& primals, const Tensor& tangents, const At& at = At::current()) {
  return jvp<F, Tensor>(std::move(f), primals, tangents, at);
}

// Value and pullback: pull(cotangent of the result) gives cotangents of the arguments (one, or a tuple), undefined ones of integers and of
// state; a cotangent of state may be undefined, and counts as zeros.
template <class F, class... A>
auto vjp(F f, const A&... args) {
  return detail::guarded("vjp", {}, [&] {
    std::tuple<A...> copy(args...);
    const auto traced = detail::recorded("vjp", f, copy, {});
    using R = decltype(traced.result);
    auto [values, reverse] = detail::run_vjp(*traced.program, traced.inputs, detail::parameters_of(copy), {});
    R like = traced.result;
    for (Tensor* t : detail::leaves_of(like)) *t = detail::stand_in(*t);
    auto pull = [pullback = reverse, copy, like](const R& cotangent, const At& at = At::current()) {
      return detail::guarded("vjp", place(at), [&] {
        std::tuple<A...> out = copy;
        const std::vector<Tensor> seeds = detail::paired(
            {"vjp", "the result has", "the cotangent", "a cotangent has the tree and the types of the result"}, like,
            cotangent, detail::Match::cotangent, place(at));
        std::vector<Tensor> gradients = pullback(seeds, place(at));
        detail::replace(out, gradients.data());
        if constexpr (sizeof...(A) == 1)
          return std::get<0>(out);
        else
          return out;
      });
    };
    return std::make_pair(traced.with(values), std::move(pull));
  });
}

}  // namespace tenon
