// The walk over an argument tree: its tensors in order, its structure as text (sizes, keys, presence, values of non-tensor
// members), and its nodes by path where they are wanted. Refuses reference members, bases and C arrays.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/buffer.h"
#include "tenon/frontend/tensor/few.h"
#include "tenon/frontend/tensor/tensor.h"
#include "tenon/frontend/tree/members.h"
#include "tenon/frontend/tree/nodes.h"
#include "tenon/runtime/cache/key_bytes.h"

namespace tenon::detail {

struct TreeItem;  // frontend/tree/items.h

struct Listing {
  std::vector<TreeItem>* items = nullptr;
  std::string path;  // of the node at hand
};
// Made at every call of a jitted function, so it holds little that has to be made and destroyed.
struct Leaves {
  Few<Tensor*, 16> tensors;
  KeyBytes structure;
  std::unique_ptr<std::vector<size_t>> ends;  // how many tensors there are after each tree, where that is wanted
  bool want_structure = true;
  Listing* listing = nullptr;  // of nodes, where it is wanted
  std::vector<bool>* states = nullptr;  // whether each tensor up to the last nn::Buffer is one, where it is wanted
};
void note_value(Leaves& leaves, char tag, const void* bytes, size_t size);
void note_keys(Leaves& leaves, size_t size, const std::string& keys, const std::string& text);
void note_item(Leaves& leaves, char tag, Tensor* tensor);
void note_missing(Leaves& leaves);
std::vector<Tensor> copies_of(const Leaves& leaves);  // its tensors
void note_state(Leaves& leaves, bool defined);

// Lengthens the path while alive: .name, or [number].
struct Step {
  Leaves& leaves;
  const size_t length;
  Step(Leaves& l, std::string_view name, size_t number) : leaves(l), length(l.listing ? l.listing->path.size() : 0) {
    if (leaves.listing) lengthen(name, number);
  }
  ~Step() {
    if (leaves.listing) leaves.listing->path.resize(length);
  }
  void lengthen(std::string_view name, size_t number);
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
};

void sort_pointers(std::vector<const void*>& pointers, bool (*less)(const void*, const void*));

template <class T>
void walk(T& tree, Leaves& leaves);

// What tells one key of a map from another.
template <class K>
std::string key_bytes(const K& key) {
  Leaves alone;
  walk(key, alone);
  return std::string(alone.structure.view());
}
template <class K>
std::string key_text(const K& key) {
  if constexpr (StringLike<K>)
    return '"' + std::string(key.c_str(), key.size()) + '"';
  else if constexpr (std::is_enum_v<K>)
    return std::to_string(static_cast<long long>(key));
  else if constexpr (std::is_arithmetic_v<K>)
    return std::to_string(key);
  else
    return "a key";
}

// The entries of a map in the order of their keys, whatever order the container keeps.
template <class T>
auto entries_of(T& map) {
  using Entry = std::remove_reference_t<decltype(*map.begin())>;
  std::vector<const void*> pointers;
  pointers.reserve(map.size());
  for (auto& entry : map) pointers.push_back(&entry);
  if constexpr (!requires { typename T::key_compare; }) {
    sort_pointers(pointers, [](const void* a, const void* b) -> bool {
      const auto &x = static_cast<const Entry*>(a)->first, &y = static_cast<const Entry*>(b)->first;
      if constexpr (requires { static_cast<bool>(x < y); })
        return x < y;
      else
        return key_bytes(x) < key_bytes(y);
    });
  }
  return pointers;
}

template <class T>
void walk_map(T& map, Leaves& leaves) {
  using Entry = std::remove_reference_t<decltype(*map.begin())>;
  const std::vector<const void*> entries = entries_of(map);
  std::string keys, text;
  for (const void* p : entries) {
    if (leaves.want_structure || leaves.listing) keys += key_bytes(static_cast<const Entry*>(p)->first);
    if (leaves.listing) text += (text.empty() ? "" : ", ") + key_text(static_cast<const Entry*>(p)->first);
  }
  note_keys(leaves, entries.size(), keys, text);
  for (const void* p : entries) {
    auto& entry = *static_cast<Entry*>(const_cast<void*>(p));
    const Step step(leaves, leaves.listing ? '[' + key_text(entry.first) + ']' : std::string(), 0);
    walk(entry.second, leaves);
  }
}

// The tag by which errors know how to print a number.
template <class T>
constexpr char number_tag() {
  if constexpr (std::is_enum_v<T>)
    return number_tag<std::underlying_type_t<T>>();
  else
    return std::is_same_v<T, bool> ? 'b' : std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'n';
}
template <class T>
void note_number(Leaves& leaves, T value) {
  if constexpr (std::is_same_v<T, long double>) {  // its last bytes are padding
    unsigned char bytes[sizeof value] = {};
    __builtin_memcpy(bytes, &value, 10);
    note_value(leaves, 'f', bytes, sizeof bytes);
  } else {
    note_value(leaves, number_tag<T>(), &value, sizeof value);
  }
}

[[gnu::always_inline]] inline void walk_tensor(const Tensor& tensor, Leaves& leaves) {
  auto* const leaf = const_cast<Tensor*>(&tensor);  // const trees are walked too: who walks one does not write
  const bool defined = tensor.defined();
  if (defined) leaves.tensors.push_back(leaf);
  // The types say where tensors may stand, so only those that are missing are noted, with how many there are before.
  if (!defined && leaves.want_structure) note_missing(leaves);
  if (leaves.listing) note_item(leaves, defined ? 't' : 'u', leaf);
}

template <class T>
  requires std::is_base_of_v<Tensor, std::remove_const_t<T>>  // or what x[i] gives
[[gnu::always_inline]] inline void walk(T& tensor, Leaves& leaves) {
  walk_tensor(tensor, leaves);
  if constexpr (std::is_base_of_v<nn::Buffer, std::remove_const_t<T>>)
    if (leaves.listing || leaves.states) note_state(leaves, tensor.defined());
}

template <class T>
void walk_static(const T& value, Leaves& leaves) {
  if constexpr (Keyed<T>) {
    const std::string key = value.static_key();
    note_value(leaves, 's', key.data(), key.size());
  } else {
    static_assert(std::is_trivially_copyable_v<T>, "a static class is trivially copyable or has static_key()");
    T copy = value;
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&copy);
#endif
    note_value(leaves, 'k', &copy, sizeof(T));
  }
}

inline void walk_shape(const Shape& shape, Leaves& leaves) {  // a free extent by its symbol
  std::vector<int64_t> codes;  // their number tells the rank
  for (Dim d : shape) codes.push_back(d.code());
  note_value(leaves, 'd', codes.data(), codes.size() * sizeof(int64_t));
}

template <class T>
void walk_list(T& list, Leaves& leaves) {
  const size_t size = list.size();
  note_value(leaves, 'l', &size, sizeof size);
  size_t number = 0;
  for (auto&& item : list) {
    const Step step(leaves, {}, number++);
    if constexpr (std::is_same_v<typename T::value_type, bool>)
      note_number(leaves, static_cast<bool>(item));
    else
      walk(item, leaves);
  }
}

template <class T>
void walk_members(T& tree, Leaves& leaves) {
  using U = std::remove_const_t<T>;
  size_t number = 0;
  const auto each = [&](auto& member) {
    const Step step(leaves, member_names<U>[number], number);
    ++number;
    walk(member, leaves);
  };
  with_members(tree, [&](auto&... member) { (each(member), ...); });
}

// Appends the tensors of a tree, in order, and its structure or its items where they are wanted.
template <class T>
void walk(T& tree, Leaves& leaves) {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_arithmetic_v<U> || std::is_enum_v<U>) {
    note_number(leaves, tree);
  } else if constexpr (StringLike<U>) {
    note_value(leaves, 's', tree.c_str(), tree.size());
  } else if constexpr (is_static<U>::value) {
    walk_static(tree, leaves);
  } else if constexpr (std::is_same_v<U, Shape>) {
    walk_shape(tree, leaves);
  } else if constexpr (AnExtent<U>) {
    if (tree.is_number())
      note_number(leaves, tree.number());
    else
      walk_shape({tree}, leaves);
  } else if constexpr (MapLike<U>) {
    walk_map(tree, leaves);
  } else if constexpr (VectorLike<U>) {
    walk_list(tree, leaves);
  } else if constexpr (OptionalLike<U>) {
    if (leaves.want_structure) leaves.structure += tree.has_value() ? '+' : '-';
    if (leaves.listing) note_item(leaves, tree.has_value() ? '+' : '-', nullptr);
    if (tree.has_value()) walk(*tree, leaves);
  } else if constexpr (VariantLike<U>) {
    const size_t index = tree.index();
    note_value(leaves, 'x', &index, sizeof index);
    if (!tree.valueless_by_exception()) visit([&](auto& held) { walk(held, leaves); }, tree);
  } else if constexpr (IsPair<U>::value) {
    {
      const Step step(leaves, "first", 0);
      walk(tree.first, leaves);
    }
    const Step step(leaves, "second", 0);
    walk(tree.second, leaves);
  } else if constexpr (TupleLike<U>) {
    size_t number = 0;
    const auto each = [&](auto& item) {
      const Step step(leaves, {}, number++);
      walk(item, leaves);
    };
    std::apply([&](auto&... item) { (each(item), ...); }, tree);
  } else if constexpr (std::is_empty_v<U> && !std::is_aggregate_v<U>) {
    static_cast<void>(tree);  // a function without a state, such as a lambda that captures nothing: its type says all
  } else {
    if constexpr (is_aggregate_tree<U>()) walk_members(tree, leaves);
  }
}

template <class T>
std::vector<Tensor*> leaves_of(T& tree) {
  Leaves leaves;
  leaves.want_structure = false;
  walk(tree, leaves);
  return std::vector<Tensor*>(leaves.tensors.begin(), leaves.tensors.end());
}
template <class T>
std::vector<Tensor> tensors_of(T& tree) {
  Leaves leaves;
  leaves.want_structure = false;
  walk(tree, leaves);
  return copies_of(leaves);
}
// Of each tensor, whether derivatives by the tree are by it, too: numbers that are no state.
std::vector<bool> parameters_among(const Leaves& leaves);
template <class T>
std::vector<bool> parameters_of(T& tree) {
  std::vector<bool> states;
  Leaves leaves;
  leaves.want_structure = false;
  leaves.states = &states;
  walk(tree, leaves);
  return parameters_among(leaves);
}
template <class T>
void replace(T& tree, const Tensor* values) {
  Leaves leaves;
  leaves.want_structure = false;
  walk(tree, leaves);
  for (Tensor* t : leaves.tensors) *t = *values++;
}
// Everything of a tree but its tensors and their types.
template <class T>
std::string structure_of(T& tree) {
  Leaves leaves;
  walk(tree, leaves);
  return std::string(leaves.structure.view());
}

}  // namespace tenon::detail
