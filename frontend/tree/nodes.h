// What nodes an argument tree may have: tensors, values, and containers by what they can do. Refuses nothing by itself; a class
// that is none of these must be an aggregate or static.
#pragma once

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// Specialise to true_type for a class that is configuration, not data. It must be trivially copyable, or have
// `std::string static_key() const` that tells values apart; its value is part of a jitted function's signature.
template <class T>
struct is_static : std::false_type {};

namespace detail {

// A Tensor for what x[i] gives; any other type as it is.
template <class T>
using Plain = std::conditional_t<std::is_base_of_v<Tensor, T>, Tensor, T>;

template <class T>
concept TupleLike = requires { std::tuple_size<T>::value; };
template <class T>
concept MapLike = requires(T t) {
  typename T::mapped_type;
  typename T::key_type;
  t.begin();
  t.size();
};
template <class T>
concept VectorLike = !MapLike<T> && requires(T t) {
  typename T::value_type;
  t.begin();
  t.size();
  t.push_back(*t.begin());
};
template <class T>
concept OptionalLike = requires(T t) {
  typename T::value_type;
  t.has_value();
  *t;
  t.reset();
};
template <class T>
concept VariantLike = requires(T t) {
  t.index();
  t.valueless_by_exception();
};
template <class T>
concept StringLike = requires(T t) {
  t.c_str();
  t.size();
};
template <class T>
concept Keyed = requires(const T t) { t.static_key(); };
template <class T>
struct IsPair : std::false_type {};
template <class A, class B>
struct IsPair<std::pair<A, B>> : std::true_type {};

}  // namespace detail
}  // namespace tenon
