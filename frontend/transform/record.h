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

// What F gives for arguments of types A; a Tensor where it gives an x[i].
template <class F, class... A>
struct ResultFor {
  static constexpr bool by_reference =
      std::conjunction_v<std::negation<std::is_invocable<F&, const A&...>>, std::is_invocable<F&, A&...>>;
  static_assert(
      !by_reference,
      "a function under a transform (jit, grad, scan ...) must not take tensors by non-const reference: it runs on "
      "traced copies, so the caller would never see the change; take them by value or const reference and return "
      "what changes");
  static auto find() {
    if constexpr (by_reference) {
      return std::type_identity<Tensor>{};
    } else {
      return std::type_identity<Plain<std::remove_cvref_t<std::invoke_result_t<F&, const A&...>>>>{};
    }
  }
  using type = typename decltype(find())::type;
};
template <class F, class... A>
using ResultOf = typename ResultFor<F, A...>::type;

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
    auto& self = *static_cast<Context*>(pointer);
    replace(self.args, traced.data());
    R result = std::apply(self.f, std::as_const(self.args));
    outputs = tensors_of(result);
    self.result.emplace(std::move(result));
  };
  auto program = close(what, inputs, body, &context, at);
  return {std::move(program), std::move(inputs), std::move(*context.result)};
}
template <class F, class... A>
auto recorded(const char* what, F& f, const std::tuple<A...>& args, const Location& at) {
  return recorded_as<ResultOf<F, A...>>(what, f, args, tensors_of(args), at);
}

}  // namespace tenon::detail
