// Jacobians and Hessians over argument trees: tn::jacfwd, tn::jacrev, tn::hessian. Refuses arguments and results that are no
// floating-point tensors.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/linearize.h"

namespace tenon {

namespace detail {

enum class Direction : uint8_t { forward, reverse };
// By the inputs of the chosen arguments: for each result, for each chosen input, a tensor of the result's shape and the input's.
std::vector<Tensor> run_jacobian(Direction direction, const Program& p, const std::vector<Tensor>& inputs,
                                 const std::vector<bool>& chosen, const Location& at);

// How the blocks of a Jacobian stand: as the argument, where f gives a tensor; as the result, where f takes one; else one
// argument tree for each tensor of the result. Arguments: a tuple of those that were chosen.
template <class R, class... A>
auto arranged(const R& result, const std::tuple<A...>& arguments, const std::vector<Tensor>& blocks) {
  const size_t count = tensors_of(result).size();
  if constexpr (std::is_same_v<R, Tensor>) {
    std::tuple<A...> tree = arguments;
    replace(tree, blocks.data());
    return one_or_all(std::move(tree));
  } else if constexpr (sizeof...(A) == 1 && (std::is_same_v<A, Tensor> && ...)) {
    R tree = result;
    replace(tree, blocks.data());
    return tree;
  } else {
    using Row = decltype(one_or_all(std::tuple<A...>(arguments)));
    std::vector<Row> rows;
    const size_t width = tensors_of(arguments).size();
    for (size_t r = 0; r < count; ++r) {
      std::tuple<A...> tree = arguments;
      replace(tree, blocks.data() + r * width);
      rows.push_back(one_or_all(std::move(tree)));
    }
    return rows;
  }
}

template <Direction direction, class F, int... N>
class Jacobian {
 public:
  Jacobian(F f, const Location& made) : f_(std::move(f)), made_(made) {}

  template <class... A>
  auto operator()(const A&... args) const {
    return guarded(name, made_, [&] {
      constexpr bool there = ((N >= 0 && N < static_cast<int>(sizeof...(A))) && ...);
      static_assert(there, "tn::jacfwd<...> or jacrev<...> names an argument that is not there");
      const std::tuple<A...> copy(args...);
      const auto traced = recorded(name, f_, copy, made_);
      // The chosen arguments, in the order in which they are named, and where their tensors stand among the inputs.
      const auto chosen = std::make_tuple(std::get<(there ? N : 0)>(copy)...);
      std::vector<size_t> first{0};
      (first.push_back(first.back() + tensors_of(args).size()), ...);
      std::vector<size_t> wanted;
      const auto want = [&](size_t n) {
        for (size_t i = first[n]; i < first[n + 1]; ++i) wanted.push_back(i);
      };
      (want(there ? N : 0), ...);
      std::vector<bool> active(traced.inputs.size(), false);
      for (size_t i : wanted) active[i] = true;
      const std::vector<Tensor> made = run_jacobian(direction, *traced.program, traced.inputs, active, made_);
      // made goes by inputs ascending; the blocks go by the arguments as they are named.
      std::vector<size_t> rank(traced.inputs.size(), 0);
      size_t width = 0;
      for (size_t i = 0; i < active.size(); ++i)
        if (active[i]) rank[i] = width++;
      std::vector<Tensor> blocks;
      for (size_t r = 0; width != 0 && r < made.size() / width; ++r)
        for (size_t i : wanted) blocks.push_back(made[r * width + rank[i]]);
      return arranged(traced.result, chosen, blocks);
    });
  }

 private:
  static constexpr const char* name = direction == Direction::forward ? "jacfwd" : "jacrev";
  F f_;
  Location made_;
};

}  // namespace detail

// The Jacobian of f by argument 0, or by those named: jacfwd<0, 2>(f), which gives a tuple in that order. A block has the result's
// shape, then the argument's. f gives a tensor: the Jacobian is a tree like the argument. f takes a tensor: one like the result. Else
// a vector with one argument tree for each tensor of the result. jacfwd runs one batch of tangents over the elements of the
// argument, jacrev one of cotangents over those of the result: take the one of which there are fewer.
template <int... N, class F>
auto jacfwd(F f, const At& at = At::current()) {
  if constexpr (sizeof...(N) == 0)
    return detail::Jacobian<detail::Direction::forward, F, 0>(std::move(f), place(at));
  else
    return detail::Jacobian<detail::Direction::forward, F, N...>(std::move(f), place(at));
}
template <int... N, class F>
auto jacrev(F f, const At& at = At::current()) {
  if constexpr (sizeof...(N) == 0)
    return detail::Jacobian<detail::Direction::reverse, F, 0>(std::move(f), place(at));
  else
    return detail::Jacobian<detail::Direction::reverse, F, N...>(std::move(f), place(at));
}
// Second derivatives, forward over reverse: the result's shape, the argument's, the argument's again. Trees and several arguments
// nest as jacfwd of jacrev does.
template <int... N, class F>
auto hessian(F f, const At& at = At::current()) {
  return jacfwd<N...>(jacrev<N...>(std::move(f), at), at);
}

}  // namespace tenon
