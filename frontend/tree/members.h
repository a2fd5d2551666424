// The members of an aggregate without a macro: counted by brace initialisation, reached by structured binding, named by what
// the compiler prints of a pointer to each. Refuses bases, reference members, C arrays and more than 64 members.
#pragma once

#include <array>
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
template <class T, size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{(static_cast<void>(I), AnyBut<T>{})...}; };
}
template <class T, size_t N = 64>
constexpr size_t member_count() {
  if constexpr (N == 0 || takes<T>(std::make_index_sequence<N>{}))
    return N;
  else
    return member_count<T, N - 1>();
}

// Calls f with every member, in order, and gives what it gives.
template <class T, class F>
constexpr auto with_members(T& tree, F&& f) {
  constexpr size_t n = member_count<std::remove_const_t<T>>();
  static_assert(!takes<std::remove_const_t<T>>(std::make_index_sequence<65>{}),
                "an argument tree's aggregate has at most 64 members");
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

template <class T, size_t... I>
constexpr auto printed_names(std::index_sequence<I...>) {
  constexpr auto pointers = with_members(
      unmade<T>.tree, [](auto&... m) { return std::make_tuple(MemberPointer<decltype(&m)>{std::addressof(m)}...); });
  static_cast<void>(pointers);
  return std::array<std::string_view, sizeof...(I)>{printed_name<std::get<I>(pointers)>()...};
}
template <class T>
inline constexpr auto member_names = printed_names<T>(std::make_index_sequence<member_count<T>()>{});

}  // namespace tenon::detail
