// Argument trees as values: their tensors, their paths, the same function over every tensor. What a tree may be made of stands
// in docs/transforms.md. Refuses to pair trees that differ.
#pragma once

#include <array>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tree/match.h"

namespace tenon::tree {

// The defined tensors of a tree, in order: members as declared, entries of maps by their keys. They are handles on the tree's own
// cells; assigning to one changes the list and not the tree.
template <class T>
std::vector<Tensor> leaves(const T& tree) {
  return detail::tensors_of(tree);
}

// Where each of leaves(tree) stands: layers[2].w, extra["gain"], pair.first, [0] in a tuple; empty for a tree that is a tensor.
template <class T>
std::vector<std::string> paths(const T& tree) {
  std::vector<std::string> out;
  for (detail::TreeItem& item : detail::items_of(tree))
    if (item.tag == 't') out.push_back(std::move(item.path));
  return out;
}

// Whether two trees have one C++ type, sizes, keys, presence and values of whatever is no tensor, and tensors in the same
// places. Dtypes and shapes do not count.
template <class A, class B>
bool equal_structure(const A& a, const B& b) {
  if constexpr (std::is_same_v<detail::Plain<A>, detail::Plain<B>>)
    return detail::structure_of(a) == detail::structure_of(b);
  else
    return false;
}

}  // namespace tenon::tree

namespace tenon::detail {

template <class, class As>
using OneOf = As;

template <class F, class T, class... More>
T mapped(const Location& at, F& f, const T& first, const More&... more) {
  const std::array<std::vector<Tensor>, sizeof...(More)> others{
      paired({"tree::map", "the first tree has", "another",
              "trees that are mapped together have the same structure, values and types"},
             first, more, Match::whole, at)...};
  T result = first;
  size_t n = 0;
  constexpr bool called = std::is_invocable_r_v<Tensor, F&, const Tensor&, OneOf<More, const Tensor&>...>;
  static_assert(called, "tree::map's function takes a tensor of each tree and gives a tensor");
  const auto value = [&]<size_t... N>(const Tensor& leaf, std::index_sequence<N...>) -> Tensor {
    if constexpr (called)
      return f(leaf, others[N][n]...);
    else
      return leaf;
  };
  for (Tensor* leaf : leaves_of(result)) {
    *leaf = value(*leaf, std::index_sequence_for<More...>{});
    ++n;
  }
  return result;
}

}  // namespace tenon::detail

namespace tenon::tree {

// The tree with f(tensor) in the place of each of its tensors; of several trees, with f of the tensors that stand at one path.
// f gives a tensor of any dtype and shape, and is called in the order of leaves(); undefined tensors stay as they are. Error, by
// path, where trees differ: they have one C++ type, the same structure and values, and tensors of the same dtypes and shapes.
template <class F, class T>
detail::Plain<T> map(F&& f, const T& tree, const At& at = At::current()) {
  return detail::mapped<F, detail::Plain<T>>(place(at), f, tree);
}
template <class F, class T>
detail::Plain<T> map(F&& f, const T& first, const detail::Plain<T>& second, const At& at = At::current()) {
  return detail::mapped<F, detail::Plain<T>>(place(at), f, first, second);
}
template <class F, class T>
detail::Plain<T> map(F&& f, const T& first, const detail::Plain<T>& second, const detail::Plain<T>& third,
                     const At& at = At::current()) {
  return detail::mapped<F, detail::Plain<T>>(place(at), f, first, second, third);
}
// Of any number of trees; errors name the lines of tensors and not that of the call.
template <class F, class T, class... More>
  requires(std::is_same_v<detail::Plain<T>, detail::Plain<More>> && ...)
detail::Plain<T> map(F&& f, const T& first, const detail::Plain<T>& second, const detail::Plain<T>& third,
                     const detail::Plain<T>& fourth, const More&... more) {
  return detail::mapped<F, detail::Plain<T>>({}, f, first, second, third, fourth, more...);
}

}  // namespace tenon::tree
