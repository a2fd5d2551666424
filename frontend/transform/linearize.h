// A function's derivative as a function: tn::linearize, tn::linear_transpose; and second-order products, tn::hvp. Refuses to
// transpose what is not linear.
#pragma once

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/gradients.h"

namespace tenon {

namespace detail {

// The linear part of a program at a point, with what it keeps of the point. Cheap to copy.
struct Linear {
  struct State;
  std::shared_ptr<const State> state;
  // tangents: one for each argument, undefined where it is no floating-point tensor; one tangent for each result, zeros where no
  // argument reaches it.
  std::vector<Tensor> operator()(const std::vector<Tensor>& tangents, const Location& at) const;
};
std::pair<std::vector<Tensor>, Linear> run_linearize(const Program& p, const std::vector<Tensor>& inputs,
                                                     const Location& at);
// The transpose of a program that is linear in all floating-point arguments together.
struct Transposed {
  struct State;
  std::shared_ptr<const State> state;
  std::vector<Tensor> operator()(const std::vector<Tensor>& cotangents, const Location& at) const;
};
Transposed run_linear_transpose(const Program& p, const std::vector<Tensor>& inputs, const Location& at);

void fill(std::vector<Tensor>& values, const std::vector<Tensor*>& like);  // zeros where none is given
// The tree with stand-ins for its tensors: types without values.
template <class T>
T types_of(const T& tree) {
  T like = tree;
  for (Tensor* t : leaves_of(like)) *t = stand_in(*t);
  return like;
}
// One argument as it is, several as a tuple.
template <class... A>
auto one_or_all(std::tuple<A...>&& arguments) {
  if constexpr (sizeof...(A) == 1)
    return std::get<0>(std::move(arguments));
  else
    return std::move(arguments);
}

}  // namespace detail

// f at a point, and its derivative there: auto [y, push] = tn::linearize(f, x). push(tangents...) takes a tangent for each argument
// and gives that of the result. It keeps what it needs of the point and never calls f again; it can be jitted, batched and
// differentiated.
template <class F, class... A>
auto linearize(F f, const A&... args) {
  return detail::guarded("linearize", {}, [&] {
    std::tuple<A...> copy(args...);
    const auto traced = detail::recorded("linearize", f, copy, {});
    using R = decltype(traced.result);
    auto [values, linear] = detail::run_linearize(*traced.program, traced.inputs, {});
    auto push = [linear = linear, arguments = detail::types_of(copy),
                 result = detail::types_of(traced.result)](const A&... tangents) -> R {
      return detail::guarded("linearize", {}, [&] {
        const std::tuple<A...> given(tangents...);
        const std::vector<Tensor> directions = detail::paired(
            {"push", "the arguments have", "the tangents", "tangents have the trees and the types of the arguments"},
            arguments, given, detail::Match::cotangent, {});
        R out = result;
        const std::vector<Tensor> moved = linear(directions, {});
        detail::replace(out, moved.data());
        return out;
      });
    };
    return std::make_pair(traced.with(values), std::move(push));
  });
}

// The transpose of a function that is linear in its floating-point arguments, which are given for their types alone:
// tn::linear_transpose(f, like...)(cotangent) gives one cotangent for each. Error, naming the op, for a function that is not linear.
template <class F, class... A>
auto linear_transpose(F f, const A&... like) {
  return detail::guarded("linear_transpose", {}, [&] {
    std::tuple<A...> copy(like...);
    const auto traced = detail::recorded("linear_transpose", f, copy, {});
    using R = decltype(traced.result);
    const detail::Transposed transposed = detail::run_linear_transpose(*traced.program, traced.inputs, {});
    return [transposed, copy = detail::types_of(copy), result = detail::types_of(traced.result)](
               const R& cotangent, const At& at = At::current()) {
      return detail::guarded("linear_transpose", place(at), [&] {
        std::vector<Tensor> seeds = detail::paired({"linear_transpose", "the result has", "the cotangent",
                                                    "a cotangent has the tree and the types of the result"},
                                                   result, cotangent, detail::Match::cotangent, place(at));
        detail::fill(seeds, detail::leaves_of(result));
        std::tuple<A...> out = copy;
        const std::vector<Tensor> cotangents = transposed(seeds, place(at));
        detail::replace(out, cotangents.data());
        return detail::one_or_all(std::move(out));
      });
    };
  });
}

namespace detail {
template <class F, class... A>
struct GradientOfAll {  // by every argument, as a tuple
  F f;
  Location made;
  template <size_t... N>
  auto gradient(std::index_sequence<N...>, const A&... args) const {
    return Gradient<false, F, static_cast<int>(N)...>(f, made)(args...);
  }
  auto operator()(const A&... args) const { return gradient(std::index_sequence_for<A...>{}, args...); }
};
}  // namespace detail

// The product of the Hessian of f, which gives a floating scalar, with a direction, forward over reverse: the cost of a few
// gradients, and no matrix. x and direction are one argument, or tuples of all arguments, as in jvp; so is the result.
template <class F, class X>
X hvp(F f, const X& x, const X& direction, const At& at = At::current()) {
  const auto product = [&]<class... A>(const std::tuple<A...>*) {
    return jvp(detail::GradientOfAll<F, A...>{f, place(at)}, x, direction, at).second;
  };
  return detail::guarded("hvp", place(at), [&] {
    const auto arguments = detail::AsTuple<X>::make(x);
    return product(&arguments);
  });
}
template <class F>
Tensor hvp(F f, const Tensor& x, const Tensor& direction, const At& at = At::current()) {
  return hvp<F, Tensor>(std::move(f), x, direction, at);
}

}  // namespace tenon
