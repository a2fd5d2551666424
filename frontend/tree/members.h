// The members of an aggregate without a macro: counted by brace initialisation, reached by structured binding, named by what
// the compiler prints of a pointer to each. Refuses bases, reference members, C arrays and more than 64 members.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tenon::detail {

template <class T>
struct AnyBut {
  template <class U>
    requires(!std::is_same_v<std::remove_cvref_t<U>, T>)
  operator U()
      const {  // counts members and is never called; without a body, clang warns of types in unnamed namespaces
    __builtin_unreachable();
  }
};
template <class T, size_t... N>
constexpr bool takes(std::index_sequence<N...>) {
  return requires { T{(static_cast<void>(N), AnyBut<T>{})...}; };
}
template <class T, size_t N = 64>
constexpr size_t member_count() {
  if constexpr (N == 0 || takes<T>(std::make_index_sequence<N>{}))
    return N;
  else
    return member_count<T, N - 1>();
}

// A base comes first in the braces, and takes what becomes a base of T alone.
template <class T>
struct AnyBaseOf {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U() const {
    __builtin_unreachable();
  }
};
// Two values in braces of their own, after those for `before` and with those for `after` behind them.
template <class T, size_t... Before, size_t... After>
constexpr bool takes_two(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires {
    T{(static_cast<void>(Before), AnyBut<T>{})...,
      {AnyBut<T>{}, AnyBut<T>{}},
      (static_cast<void>(After), AnyBut<T>{})...};
  };
}
// Without braces of its own a C array counts as its elements. So it takes two values in braces, but leaves no room for as many
// values behind them as there are without.
template <class T, size_t count, size_t at = 0>
constexpr bool has_array() {
  if constexpr (at >= count)
    return false;
  else if constexpr (takes_two<T>(std::make_index_sequence<at>{}, std::index_sequence<>{}) &&
                     !takes_two<T>(std::make_index_sequence<at>{}, std::make_index_sequence<count - at - 1>{}))
    return true;
  else
    return has_array<T, count, at + 1>();
}

// What keeps a type from being an argument tree by its members.
enum class Unfit : uint8_t { no, other, base, array, reference, many };
template <class T>
constexpr Unfit unfit() {
  if constexpr (std::is_array_v<T>)
    return Unfit::array;
  else if constexpr (!std::is_aggregate_v<T>)
    return Unfit::other;
  else if constexpr (requires { T{AnyBaseOf<T>{}}; })
    return Unfit::base;
  else if constexpr (member_count<T>() == 0 && !std::is_empty_v<T>)
    return Unfit::reference;
  else if constexpr (has_array<T, member_count<T>()>())
    return Unfit::array;
  else if constexpr (takes<T>(std::make_index_sequence<65>{}))
    return Unfit::many;
  else
    return Unfit::no;
}
// Says so, once per type: in a function, since clang repeats what fails in a class.
template <class T>
constexpr bool is_aggregate_tree() {
  constexpr Unfit why = unfit<T>();
  static_assert(
      why != Unfit::other,
      "an argument tree is made of tensors, numbers, strings, aggregates (all members public), tuples, arrays, "
      "vectors, maps, optionals and variants; mark any other class with tenon::is_static");
  static_assert(why != Unfit::base, "an argument tree's aggregate has no base class: make the base a member");
  static_assert(why != Unfit::array, "an argument tree has no C arrays: make it a std::array");
  static_assert(why != Unfit::reference, "an argument tree's aggregate has values for members, not references");
  static_assert(why != Unfit::many, "an argument tree's aggregate has at most 64 members: group some in a struct");
  return why == Unfit::no;
}

// Calls f with every member, in order, and gives what it gives.
template <class T, class F>
constexpr auto with_members(T& tree, F&& f) {
  constexpr size_t n = member_count<std::remove_const_t<T>>();
  if constexpr (n == 0) {
    static_cast<void>(tree);
    return f();
  }
#include "tenon/frontend/tree/member_bindings.def"
}

// A T that is never made: only the addresses of its members are formed, while compiling.
template <class T>
union Unmade {
  char none;
  T tree;
  constexpr Unmade() : none(0) {}
  constexpr ~Unmade() {}
};
template <class T>
inline constexpr Unmade<T> unmade{};
template <class P>
struct MemberPointer {
  P to;
};

// The last identifier of "... pointer = MemberPointer<...>{(& unmade<S>.Unmade<S>::tree.S::weight)}]" (GCC) or of
// "... {&unmade.tree.weight}]" (clang). Empty where a compiler prints something else.
template <auto pointer>
constexpr auto printed_name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  size_t end = text.size();
  while (end > 0 && (text[end - 1] == ']' || text[end - 1] == '}' || text[end - 1] == ')')) --end;
  const size_t before = text.find_last_of(":. &(*", end - 1);
  return before == std::string_view::npos ? std::string_view() : text.substr(before + 1, end - before - 1);
}

template <class T, size_t... N>
constexpr auto printed_names(std::index_sequence<N...>) {
  constexpr auto pointers = with_members(
      unmade<T>.tree, [](auto&... m) { return std::make_tuple(MemberPointer<decltype(&m)>{std::addressof(m)}...); });
  static_cast<void>(pointers);
  return std::array<std::string_view, sizeof...(N)>{printed_name<std::get<N>(pointers)>()...};
}
template <class T>
inline constexpr auto member_names = printed_names<T>(std::make_index_sequence<member_count<T>()>{});

}  // namespace tenon::detail
