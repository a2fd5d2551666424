// A number of an optimizer or of a schedule: a double, or a tensor without axes. In an argument tree it walks like a variant: a double
// is part of the signature, so that another one compiles anew; a tensor is a leaf, so that another one does not. Refuses nothing by
// itself: which numbers a field takes is said where it is used.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::optim {

class Number {
 public:
  constexpr Number() : held_(0.0) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  constexpr Number(T value) : held_(static_cast<double>(value)) {}  // NOLINT
  Number(const Tensor& value) : held_(value), is_tensor_(true) {}  // NOLINT
  constexpr Number(const Number& other) : Number() { set(other); }
  constexpr Number& operator=(const Number& other) {
    if (this != &other) clear(), set(other);
    return *this;
  }
  constexpr ~Number() { clear(); }

  constexpr bool is_tensor() const { return is_tensor_; }
  constexpr double value() const { return is_tensor_ ? 0 : held_.number; }  // of a double
  const Tensor& tensor() const { return held_.tensor; }  // of a tensor
  // Whether it is this very number, known while a program is made.
  constexpr bool is(double number) const { return !is_tensor_ && held_.number == number; }

  // ---- as a variant of the two, in this order
  constexpr size_t index() const { return is_tensor_ ? 1 : 0; }
  constexpr bool valueless_by_exception() const { return false; }
  template <class F, class N>
    requires std::is_same_v<std::remove_const_t<N>, Number>
  friend void visit(F&& f, N& number) {
    if (number.is_tensor_)
      f(number.held_.tensor);
    else
      f(number.held_.number);
  }

 private:
  template <class T>
  union Held {  // a template, so that clang, too, makes constants of numbers that are no tensors
    double number;
    T tensor;
    constexpr explicit Held(double n) : number(n) {}
    explicit Held(const T& t) : tensor(t) {}
    constexpr ~Held() {}
  };
  constexpr void clear() {
    if (is_tensor_) std::destroy_at(&held_.tensor), std::construct_at(&held_.number, 0.0);
    is_tensor_ = false;
  }
  constexpr void set(const Number& other) {
    if (other.is_tensor_)
      std::construct_at(&held_.tensor, other.held_.tensor);
    else
      held_.number = other.held_.number;
    is_tensor_ = other.is_tensor_;
  }

  Held<Tensor> held_;
  bool is_tensor_ = false;
};

}  // namespace tenon::optim
