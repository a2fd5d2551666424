// Every way in which one tree can fail to match another, for any tree: a walk of its own over the same kinds of nodes that
// makes the n-th change and remembers where. A test that meets all of them misses none that has a name.
#pragma once

#include <tenon/tenon.h>

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace tenon::testing {

struct Mutation {
  int countdown = 0;  // changes still to pass by
  std::string path = {}, what = {};
  bool undefined = false;  // the change takes a tensor away
  bool done = false;
  bool here(const std::string& at, const char* change) {
    if (done || countdown-- > 0) return false;
    path = at, what = change;
    return done = true;
  }
};

template <class T>
concept IsMap = requires(T t) { typename T::mapped_type; };
template <class T>
concept IsList = !IsMap<T> && requires(T t) { t.push_back(*t.begin()); };
template <class T>
concept IsOptional = requires(T t) { t.has_value(); };
template <class T>
concept IsVariant = requires(T t) { t.valueless_by_exception(); };

inline void mutate_tensor(Tensor& x, const std::string& path, Mutation& m) {
  if (!x.defined()) {
    if (m.here(path, "define")) x = ones({2});
    return;
  }
  if (m.here(path, "undefine"))
    x = Tensor(), m.undefined = true;
  else if (m.here(path, "dtype"))
    x = x.astype(x.dtype() == f64 ? f32 : x.dtype() == f32 ? f64 : x.dtype() == i64 ? i32 : i64);
  else if (m.here(path, "extent"))
    x = x.ndim() == 0 ? x.reshape({1}) : concat({x, x}, 0);
  else if (m.here(path, "rank"))
    x = expand_dims(x, 0);
}

template <class K>
std::string key_name(const K& key) {
  if constexpr (std::is_arithmetic_v<K>)
    return '[' + std::to_string(key) + ']';
  else
    return "[\"" + key + "\"]";
}
template <class K>
K other_key(const K& key) {
  if constexpr (std::is_arithmetic_v<K>)
    return static_cast<K>(key + 100);
  else
    return key + "_other";
}

template <class T>
void mutate(T& x, const std::string& path, Mutation& m) {
  const auto under = [&](const std::string& name) {
    return path.empty() || name[0] == '[' ? path + name : path + '.' + name;
  };
  if constexpr (std::is_same_v<T, Tensor>) {
    mutate_tensor(x, path, m);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (m.here(path, "bool")) x = !x;
  } else if constexpr (std::is_enum_v<T>) {
    if (m.here(path, "enum")) x = static_cast<T>(static_cast<int>(x) + 1);
  } else if constexpr (std::is_arithmetic_v<T>) {
    if (m.here(path, "number")) x = static_cast<T>(x + 1);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (m.here(path, "string")) x += "x";
  } else if constexpr (std::is_same_v<T, Shape>) {
    if (m.here(path, "shape")) x.push_back(Dim(3));
  } else if constexpr (IsMap<T>) {
    if (!x.empty() && m.here(path, "drop a key")) return void(x.erase(x.begin()));
    if (!x.empty() && m.here(path, "add a key")) {
      auto entry = *x.begin();
      return void(x.emplace(other_key(entry.first), entry.second));
    }
    if (!x.empty() && m.here(path, "rename a key")) {
      auto entry = *x.begin();
      x.erase(x.begin());
      return void(x.emplace(other_key(entry.first), entry.second));
    }
    for (auto& [key, value] : x) mutate(value, under(key_name(key)), m);
  } else if constexpr (IsList<T>) {
    if (!x.empty() && m.here(path, "shorter")) return x.pop_back();
    if (!x.empty() && m.here(path, "longer")) return x.push_back(x.front());
    size_t number = 0;
    for (auto&& item : x) {
      if constexpr (std::is_same_v<T, std::vector<bool>>) {
        if (m.here(under('[' + std::to_string(number) + ']'), "bit")) item = !item;
      } else {
        mutate(item, under('[' + std::to_string(number) + ']'), m);
      }
      ++number;
    }
  } else if constexpr (IsOptional<T>) {
    if (x.has_value() && m.here(path, "drop an optional")) return x.reset();
    if (!x.has_value() && m.here(path, "fill an optional")) return void(x.emplace());
    if (x.has_value()) mutate(*x, path, m);
  } else if constexpr (IsVariant<T>) {
    if (x.index() != 0 && m.here(path, "another alternative")) return void(x.template emplace<0>());
    if (x.index() == 0 && m.here(path, "another alternative")) return void(x.template emplace<1>());
    std::visit([&](auto& held) { mutate(held, path, m); }, x);
  } else if constexpr (requires {
                         x.first;
                         x.second;
                         typename T::first_type;
                       }) {
    mutate(x.first, under("first"), m);
    mutate(x.second, under("second"), m);
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    size_t number = 0;
    const auto each = [&](auto& item) { mutate(item, under('[' + std::to_string(number++) + ']'), m); };
    std::apply([&](auto&... item) { (each(item), ...); }, x);
  } else {
    size_t number = 0;
    const auto each = [&](auto& item) { mutate(item, under(std::string(detail::member_names<T>[number++])), m); };
    detail::with_members(x, [&](auto&... item) { (each(item), ...); });
  }
}

}  // namespace tenon::testing
