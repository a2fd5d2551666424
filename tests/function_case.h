// The battery that every public function goes through, as a table: what is written per function is a call and how its arguments
// are drawn. Checked are: one eager program; the interpreter's bits eagerly, traced and on every route, in f64, f32, f16 and bf16, with
// NaN, infinities and zeros of both signs among the elements; a half being the f32 result rounded once; derivatives to second order
// against differences and inner products, and their routes; lanes, each with the bits that it has alone. What a function's values
// are is not asked here: each family's test holds them against numbers of its own.
#pragma once

#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/tenon.h"

namespace tenon::testing {

enum class Elements { floating, integer, boolean };
struct Drawn {
  std::vector<int64_t> shape;
  double low = -2, high = 2;  // integers too, high excluded
  Elements elements = Elements::floating;
  bool apart = false;  // no two elements near each other, none near a whole number: for what has kinks and order
};
inline Drawn integers(std::vector<int64_t> shape, int64_t low, int64_t high) {
  return {std::move(shape), static_cast<double>(low), static_cast<double>(high), Elements::integer, false};
}
inline Drawn booleans(std::vector<int64_t> shape) { return {std::move(shape), 0, 2, Elements::boolean, false}; }
inline Drawn apart(std::vector<int64_t> shape, double low = -2, double high = 2) {
  return {std::move(shape), low, high, Elements::floating, true};
}

using Called = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
struct FunctionCase {
  std::string name;  // as frontend/ops/functions/*.def or its header spells it
  Called call;
  std::vector<Drawn> arguments;
  std::vector<std::vector<Drawn>> others = {};  // empty, of rank 0, long: values and routes alone
  int derivatives = 2;  // orders that are checked; 0 of what has none
  bool halves = true;  // takes f16 and bf16, computes in f32, rounds once
  bool specials = true;  // is given NaN, infinities, -0
  bool lanes = true;
  int programs = 1;  // that an eager call asks for; -1: more than one, for a reason
  bool extends = true;  // complex arguments are taken or refused; on the real axis they give what real ones give
};

// Results of any form as a list.
inline std::vector<Tensor> results(Tensor t) { return {std::move(t)}; }
inline std::vector<Tensor> results(std::vector<Tensor> t) { return t; }
template <class... T>
std::vector<Tensor> results(const std::tuple<T...>& t) {
  return std::apply([](const auto&... part) { return std::vector<Tensor>{part...}; }, t);
}
inline std::vector<Tensor> results(const std::pair<Tensor, Tensor>& t) { return {t.first, t.second}; }
// A call of a case: x[0], x[1] ... are its arguments.
#define TENON_CALL(...)                            \
  tenon::testing::Called {                         \
    [](const std::vector<tenon::Tensor>& x) {      \
      static_cast<void>(x);                        \
      return tenon::testing::results(__VA_ARGS__); \
    }                                              \
  }

// Everything above, as GoogleTest expectations.
void check_function(const FunctionCase& c);
inline void check_functions(const std::vector<FunctionCase>& cases) {
  for (const FunctionCase& c : cases) check_function(c);
}

}  // namespace tenon::testing
