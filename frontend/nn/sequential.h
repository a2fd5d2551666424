// Layers one after the other, and around what they take: sequential, residual. What stands in them is anything that takes a tensor and
// gives one: layers, lambdas that capture nothing, layers of the caller's. Refuses nothing by itself.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/frontend/nn/activations.h"
#include "tenon/frontend/nn/mode.h"

namespace tenon::nn {

namespace detail {

// The tensor that goes on: of a pair, as recurrent layers give it, the first.
template <class Given>
Tensor first_of(Given&& given) {
  if constexpr (std::is_convertible_v<Given, Tensor>)
    return std::forward<Given>(given);
  else
    return std::forward<Given>(given).first;
}
template <class Layer>
Tensor used(const Layer& layer, const Tensor& x, const Location& at) {
  if constexpr (requires { layer(Operand(x, at)); })
    return first_of(layer(Operand(x, at)));
  else
    return first_of(layer(x));
}
// What a layer gives in a mode, and the layer after it: itself, unless it gives another. The n-th layer draws from a key of its own.
template <class Layer>
std::pair<Tensor, Layer> run(const Layer& layer, const Tensor& x, const Mode& mode, uint64_t n, const Location& at) {
  const Tensor key = mode.key.defined() ? fold_in(mode.key, Operand(static_cast<int64_t>(n), at)) : Tensor();
  const auto both = [&](auto&& given) -> std::pair<Tensor, Layer> {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(given)>, std::pair<Tensor, Layer>>)
      return std::move(given);
    else
      return {first_of(std::move(given)), layer};
  };
  if constexpr (requires { layer(Operand(x, at), {.training = true, .key = key}); })
    return both(layer(Operand(x, at), {.training = mode.training, .key = key}));
  else if constexpr (requires { layer(x, {.training = true, .key = key}); })
    return both(layer(x, {.training = mode.training, .key = key}));
  else
    return {used(layer, x, at), layer};
}

}  // namespace detail

// x through every layer, in order; of a layer that gives a pair the first goes on. In a mode: a pair of that, with dropout in training, and of the layers after it, whose running
// statistics have moved.
template <class... Layers>
struct Sequential {
  std::tuple<Layers...> layers;

  Tensor operator()(const Tensor& x, const At& at = At::current()) const {
    Tensor y = x;
    std::apply([&](const auto&... layer) { ((y = detail::used(layer, y, place(at))), ...); }, layers);
    return y;
  }
  std::pair<Tensor, Sequential> operator()(const Tensor& x, const Mode& mode, const At& at = At::current()) const {
    Tensor y = x;
    uint64_t n = 0;
    const auto next = [&](const auto& layer) {
      auto [value, after] = detail::run(layer, y, mode, n++, place(at));
      y = std::move(value);
      return after;
    };
    // Braces run their entries in order.
    std::tuple<Layers...> after =
        std::apply([&](const auto&... layer) { return std::tuple<Layers...>{next(layer)...}; }, layers);
    return {std::move(y), {std::move(after)}};
  }
};
template <class... Layers>
Sequential<Layers...> sequential(Layers... layers) {
  return {std::tuple<Layers...>(std::move(layers)...)};
}

// shortcut(x) + body(x) (He and others, "Deep residual learning", CVPR 2016, section 3.2); the shortcut is the identity unless given.
template <class Body, class Shortcut = Identity>
struct Residual {
  Body body;
  Shortcut shortcut = {};

  Tensor operator()(const Tensor& x, const At& at = At::current()) const {
    const Tensor past = detail::used(shortcut, x, place(at));
    return Operand(past, place(at)) + Operand(detail::used(body, x, place(at)), place(at));
  }
  std::pair<Tensor, Residual> operator()(const Tensor& x, const Mode& mode, const At& at = At::current()) const {
    auto [past, shortcut_after] = detail::run(shortcut, x, mode, 1, place(at));
    auto [value, after] = detail::run(body, x, mode, 0, place(at));
    return {Operand(past, place(at)) + Operand(value, place(at)), {std::move(after), std::move(shortcut_after)}};
  }
};
template <class Body>
Residual<Body> residual(Body body) {
  return {std::move(body), {}};
}
template <class Body, class Shortcut>
Residual<Body, Shortcut> residual(Body body, Shortcut shortcut) {
  return {std::move(body), std::move(shortcut)};
}

}  // namespace tenon::nn
