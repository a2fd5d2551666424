// Tensors written out: tn::tensor of a number, of a vector, of nested braces. Refuses rows that differ in length.
#pragma once

#include "tenon/frontend/tensor/tensor.h"

namespace tenon {

// Nested braces, or a scalar: the dtype is the element type's (float f32, double f64, int i32, ...).
struct GradOption {
  bool requires_grad = false;
};

namespace detail {
template <class T>
Tensor tensor_from(const std::vector<T>& values, const std::vector<int64_t>& shape, GradOption o, const At& at) {
  if constexpr (std::is_same_v<T, bool>) {
    std::vector<char> bytes(values.begin(), values.end());
    return copy_from(bytes.data(), Shape::from(shape), boolean, o.requires_grad, at);
  } else {
    return copy_from(values.data(), Shape::from(shape), Tensor::dtype_of<T>(), o.requires_grad, at);
  }
}
inline void check_rows(size_t found, size_t first, const char* what, const At& at) {
  if (found != first) throw Error(std::string("tensor: the ") + what + " of a nested list differ in length", place(at));
}
}  // namespace detail

template <detail::Number T>
Tensor tensor(T value, GradOption o = {}, const At& at = At::current()) {
  return detail::guarded("tensor", place(at), [&] { return detail::tensor_from(std::vector<T>{value}, {}, o, at); });
}
template <detail::Number T>
Tensor tensor(const std::vector<T>& values, GradOption o = {}, const At& at = At::current()) {
  const auto make = [&] { return detail::tensor_from(values, {static_cast<int64_t>(values.size())}, o, at); };
  return detail::guarded("tensor", place(at), make);
}
template <detail::Number T>
Tensor tensor(std::initializer_list<T> row, GradOption o = {}, const At& at = At::current()) {
  return detail::guarded("tensor", place(at), [&] { return tensor(std::vector<T>(row), o, at); });
}
template <detail::Number T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, GradOption o = {}, const At& at = At::current()) {
  const auto make = [&] {
    std::vector<T> values;
    for (auto& row : rows) {
      detail::check_rows(row.size(), rows.begin()->size(), "rows", at);
      values.insert(values.end(), row.begin(), row.end());
    }
    const auto columns = rows.size() == 0 ? 0 : rows.begin()->size();
    return detail::tensor_from(values, {static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns)}, o, at);
  };
  return detail::guarded("tensor", place(at), make);
}
template <detail::Number T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> blocks, GradOption o = {},
              const At& at = At::current()) {
  const auto make = [&] {
    std::vector<T> values;
    const auto rows = blocks.size() == 0 ? 0 : blocks.begin()->size();
    const auto columns = rows == 0 ? 0 : blocks.begin()->begin()->size();
    for (auto& block : blocks) {
      detail::check_rows(block.size(), rows, "blocks", at);
      for (auto& row : block) {
        detail::check_rows(row.size(), columns, "rows", at);
        values.insert(values.end(), row.begin(), row.end());
      }
    }
    const std::vector<int64_t> shape = {static_cast<int64_t>(blocks.size()), static_cast<int64_t>(rows),
                                        static_cast<int64_t>(columns)};
    return detail::tensor_from(values, shape, o, at);
  };
  return detail::guarded("tensor", place(at), make);
}

}  // namespace tenon
