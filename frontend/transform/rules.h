// Functions with rules of their own: tn::custom_vjp, tn::custom_jvp, tn::custom_batch. A rule is traced when the function is called,
// so it is part of the program, and holds on the tape, under every transform, jitted and ahead of time. Refuses, naming both types, rules
// whose results do not fit. What functions and rules capture from outside has no derivative: pass it as an argument.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/linearize.h"
#include "tenon/frontend/transform/vmap.h"

namespace tenon {

namespace detail {

void ensure_all_matched(size_t matched, size_t given, const Pairing& pairing, const Location& at);
// Of a backward or a tangent rule: which output is the derivative of each floating-point tensor of a tree, in order; -1: of none.
template <class T, class U>
std::vector<int> matched_outputs(const Pairing& pairing, T& first, U& second, const Location& at) {
  const std::vector<Tensor*> given = leaves_of(second),
                             pairs = match(pairing, items_of(first), items_of(second), Match::cotangent, at);
  std::vector<int> outputs;
  size_t next = 0;
  for (Tensor* pair : pairs) {  // pairs stand in the order of both trees
    outputs.push_back(pair == nullptr ? -1 : static_cast<int>(next));
    if (pair != nullptr) ++next;
  }
  ensure_all_matched(next, given.size(), pairing, at);
  return outputs;
}

std::vector<Tensor> run_custom_vjp(const Program& f, const Program& forward, const Program& backward,
                                   const std::vector<int>& cotangents, const std::vector<Tensor>& inputs,
                                   const Location& at);
std::vector<Tensor> run_custom_jvp(const Program& f, const Program& rule, const std::vector<int>& tangents,
                                   const std::vector<Tensor>& inputs, const Location& at);
std::vector<Tensor> run_custom_batch(const Program& f, const Program& rule, const std::vector<Tensor>& inputs,
                                     const Location& at);
// The extent of the lanes that the innermost vmap around here has; a negative number where there is none.
Extent lanes_here();
Tensor lane_stack(const Tensor& lane, Extent lanes);  // the type of all lanes' values

inline constexpr const char* cotangents_fit =
    "the backward rule gives a cotangent for each argument, of its tree and types; an undefined tensor for one of "
    "integers";
inline constexpr const char* tangents_fit = "the tangent of a result has its tree and types";
inline constexpr const char* results_fit = "the rule gives the result of the function, of the same tree and types";

template <class F, class Forward, class Backward>
class CustomVjp {
 public:
  CustomVjp(F f, Forward forward, Backward backward, const Location& made)
      : f_(std::move(f)), forward_(std::move(forward)), backward_(std::move(backward)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("custom_vjp", made_, [&] {
      const std::tuple<A...> arguments(args...);
      const auto called = recorded("custom_vjp", f_, arguments, made_);
      using R = decltype(called.result);
      const auto forward = recorded("custom_vjp", forward_, arguments, made_);
      using Pair = decltype(forward.result);
      static_assert(IsPair<Pair>::value, "the forward rule of custom_vjp gives a pair of result and residuals");
      static_assert(std::is_same_v<Plain<decltype(forward.result.first)>, R>,
                    "the forward rule of custom_vjp gives, first in its pair, what the function gives");
      paired({"custom_vjp", "the function gives", "its forward rule", results_fit}, called.result, forward.result.first,
             Match::whole, made_);
      using Residuals = Plain<std::remove_cvref_t<decltype(forward.result.second)>>;
      const std::tuple<Residuals, R> given(forward.result.second, called.result);
      const auto backward = recorded("custom_vjp", backward_, given, made_);
      using C = decltype(backward.result);
      const Pairing pairing{"custom_vjp", "the argument is", "its backward rule gives", cotangents_fit};
      std::vector<int> cotangents;
      if constexpr (sizeof...(A) == 1 && std::is_same_v<C, std::tuple_element_t<0, std::tuple<A...>>>) {
        cotangents = matched_outputs(pairing, std::get<0>(arguments), backward.result, made_);
      } else if constexpr (std::is_same_v<C, std::tuple<A...>>) {
        cotangents = matched_outputs(pairing, arguments, backward.result, made_);
      } else if constexpr (sizeof...(A) == 2 && std::is_convertible_v<C, std::tuple<A...>>) {  // a pair
        const std::tuple<A...> as_tuple(backward.result);
        cotangents = matched_outputs(pairing, arguments, as_tuple, made_);
      } else {
        static_assert(
            std::is_same_v<C, std::tuple<A...>>,
            "the backward rule of custom_vjp gives the cotangent of the one argument, or a tuple with one for each");
      }
      return called.with(
          run_custom_vjp(*called.program, *forward.program, *backward.program, cotangents, called.inputs, made_));
    });
  }

 private:
  const F f_;
  const Forward forward_;
  const Backward backward_;
  const Location made_;
};

template <class F, class Rule>
class CustomJvp {
 public:
  CustomJvp(F f, Rule rule, const Location& made) : f_(std::move(f)), rule_(std::move(rule)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("custom_jvp", made_, [&] {
      const std::tuple<A...> arguments(args...);
      const auto called = recorded("custom_jvp", f_, arguments, made_);
      using R = decltype(called.result);
      const auto primals = one_or_all(std::tuple<A...>(arguments));
      const auto rule = recorded("custom_jvp", rule_, std::tuple(primals, primals), made_);
      using Pair = decltype(rule.result);
      static_assert(IsPair<Pair>::value && std::is_same_v<Plain<decltype(rule.result.first)>, R> &&
                        std::is_same_v<Plain<decltype(rule.result.second)>, R>,
                    "the rule of custom_jvp gives a pair of the function's result and its tangent");
      paired({"custom_jvp", "the function gives", "its rule", results_fit}, called.result, rule.result.first,
             Match::whole, made_);
      const auto tangents =
          matched_outputs({"custom_jvp", "the function gives", "its rule, as the tangent,", tangents_fit},
                          called.result, rule.result.second, made_);
      return called.with(run_custom_jvp(*called.program, *rule.program, tangents, called.inputs, made_));
    });
  }

 private:
  const F f_;
  const Rule rule_;
  const Location made_;
};

template <class F, class Rule>
class CustomBatch {
 public:
  CustomBatch(F f, Rule rule, const Location& made) : f_(std::move(f)), rule_(std::move(rule)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded("custom_batch", made_, [&] {
      const std::tuple<A...> arguments(args...);
      auto called = recorded("custom_batch", f_, arguments, made_);
      using R = decltype(called.result);
      const Extent lanes = lanes_here();
      if (lanes.is_number() && lanes.number() < 0)
        return called.with(run_custom_batch(*called.program, *called.program, called.inputs, made_));
      std::vector<Tensor> stacks;
      for (const Tensor& t : called.inputs) stacks.push_back(lane_stack(t, lanes));
      const auto rule = recorded_as<R>("custom_batch", rule_, arguments, stacks, made_);
      R wanted = called.result;
      for (Tensor* t : leaves_of(wanted)) *t = lane_stack(*t, lanes);
      paired({"custom_batch", "the lanes' results are", "its rule gives",
              "the rule takes every argument with the lanes in front, and gives the result with the lanes in front"},
             wanted, rule.result, Match::whole, made_);
      return called.with(run_custom_batch(*called.program, *rule.program, called.inputs, made_));
    });
  }

 private:
  const F f_;
  const Rule rule_;
  const Location made_;
};

}  // namespace detail

// f, whose reverse derivative is what the rules say: forward(args...) gives a pair of f's result and residuals (any tree), and
// backward(residuals, cotangent) the cotangent of the one argument, or a tuple with one for each; that of an argument of integers is
// an undefined Tensor(). Higher orders differentiate backward. Under vmap the rules see one lane. Forward mode transposes backward, which
// must then be linear in the cotangent.
template <class F, class Forward, class Backward>
auto custom_vjp(F f, Forward forward, Backward backward, const At& at = At::current()) {
  return detail::CustomVjp<F, Forward, Backward>(std::move(f), std::move(forward), std::move(backward), place(at));
}

// f, whose derivative is what the rule says: rule(primals, tangents) gives a pair of f's result and its tangent, which must be linear in
// the tangents; one argument is taken as it is, several as tuples. Reverse mode transposes it.
template <class F, class Rule>
auto custom_jvp(F f, Rule rule, const At& at = At::current()) {
  return detail::CustomJvp<F, Rule>(std::move(f), std::move(rule), place(at));
}

// f, which the innermost vmap around the call batches by the rule: rule(args...) takes every argument with the lanes in front, repeated
// where all share it, and gives the results with the lanes in front. Derivatives are those of f.
template <class F, class Rule>
auto custom_batch(F f, Rule rule, const At& at = At::current()) {
  return detail::CustomBatch<F, Rule>(std::move(f), std::move(rule), place(at));
}

}  // namespace tenon
