// Tracing a C++ callable over argument trees, as every transform does: its program, and the tree that it gives. Refuses callables
// that take tensors by non-const reference.
#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/tree/nodes.h"
#include "tenon/frontend/tree/walk.h"

namespace tenon::detail {

struct Program;  // frontend/transform/program.h: a closed graph with its captured tensors
using Body = void (*)(void* context, std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

// Traces body over inputs of the given types (concrete, traced or spec tensors); closed over what it captures.
std::shared_ptr<Program> close(const char* what, const std::vector<Tensor>& inputs, Body body, void* context,
                               const Location& at);

// Whether a transform can call F with arguments of types A and gets a result; where not, says why, once.
template <class F, class... A>
constexpr bool is_callable() {
  constexpr bool called = std::is_invocable_v<F&, const A&...>;
  constexpr bool by_reference = !called && std::is_invocable_v<F&, A&...>;
  constexpr bool changing = !called && !by_reference && std::is_invocable_v<std::remove_const_t<F>&, const A&...>;
  static_assert(
      !by_reference,
      "a function under a transform (jit, grad, scan ...) must not take tensors by non-const reference: it runs on "
      "traced copies, so the caller would never see the change; take them by value or const reference and return "
      "what changes");
  static_assert(
      !changing,
      "a function under jit or grad must not be a mutable lambda: it runs once, while it is traced, and later "
      "calls would not see the change; make what changes an argument and a result");
  static_assert(
      called || by_reference || changing,
      "a function under a transform cannot be called with these arguments; scan calls it with the carry and a "
      "row of xs, fori_loop with the counter and the state, the others with the arguments as they are");
  if constexpr (called) {
    constexpr bool nothing = std::is_void_v<std::invoke_result_t<F&, const A&...>>;
    static_assert(!nothing, "a function under a transform returns its results, tensors in a tree; this one is void");
    return !nothing;
  } else {
    return false;
  }
}
// What F gives; a Tensor where it gives an x[i], or nothing that serves.
template <class F, class... A>
auto result_for() {
  if constexpr (is_callable<F, A...>())
    return std::type_identity<Plain<std::remove_cvref_t<std::invoke_result_t<F&, const A&...>>>>{};
  else
    return std::type_identity<Tensor>{};
}
template <class F, class... A>
using ResultOf = typename decltype(result_for<F, A...>())::type;

// Whether F can be called and gives an R, without another word when it cannot be called: that has been said.
template <class R, class F, class... A>
constexpr bool gives() {
  if constexpr (is_callable<F, A...>())
    return std::is_convertible_v<std::invoke_result_t<F&, const A&...>, R>;
  else
    return false;
}
template <class R, class F, class... A>
inline constexpr bool gives_another = is_callable<F, A...>() && !gives<R, F, A...>();

template <class R>
struct Recorded {
  std::shared_ptr<Program> program;
  std::vector<Tensor> inputs;  // of the program, without what it captured
  R result;  // its tensors are the trace's, which has ended

  // The result tree with other tensors: the first of `values`.
  R with(const std::vector<Tensor>& values) const {
    R tree = result;
    replace(tree, values.data());
    return tree;
  }
};

// Calls f once, on a copy of the arguments whose tensors are the trace's. The inputs stand for the arguments' tensors.
template <class R, class F, class... A>
Recorded<R> recorded_as(const char* what, F& f, std::tuple<A...> args, std::vector<Tensor> inputs, const Location& at) {
  struct Context {
    F& f;
    std::tuple<A...>& args;
    std::optional<R> result;
  } context{f, args, {}};
  const Body body = [](void* pointer, std::vector<Tensor>& traced, std::vector<Tensor>& outputs) {
    if constexpr (gives<R, F, A...>()) {
      auto& self = *static_cast<Context*>(pointer);
      replace(self.args, traced.data());
      R result = std::apply(self.f, std::as_const(self.args));
      outputs = tensors_of(result);
      self.result.emplace(std::move(result));
    }
  };
  auto program = close(what, inputs, body, &context, at);
  return {std::move(program), std::move(inputs), std::move(*context.result)};
}
template <class F, class... A>
auto recorded(const char* what, F& f, const std::tuple<A...>& args, const Location& at) {
  return recorded_as<ResultOf<F, A...>>(what, f, args, tensors_of(args), at);
}

}  // namespace tenon::detail
