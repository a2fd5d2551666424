// What is made of cond and scan, and of slices alone: switch_case, map, associative_scan. Trees are compared whole, by path.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/control.h"

namespace tenon {

namespace detail {

Tensor case_index(const Operand& index, int64_t cases);  // clamped, i64
Tensor is_before(const Tensor& index, int64_t number, const Location& at);

// One of the cases [low, high), by halving: what runs is one path of conds.
template <size_t low, size_t high, class F, class... A>
auto one_of(const Tensor& index, F& cases, const Location& at, const A&... args) {
  if constexpr (high - low == 1) {
    return ResultOf<std::tuple_element_t<low, F>, A...>(std::get<low>(cases)(args...));
  } else {
    constexpr size_t middle = (low + high) / 2;
    const auto first = [&](const A&... given) { return one_of<low, middle>(index, cases, at, given...); };
    const auto second = [&](const A&... given) { return one_of<middle, high>(index, cases, at, given...); };
    return cond_as("switch_case", is_before(index, static_cast<int64_t>(middle), at), first, second, at, args...);
  }
}

using Combine = std::vector<Tensor> (*)(void* context, std::vector<Tensor>& left, std::vector<Tensor>& right);
std::vector<Tensor> run_associative(std::vector<Tensor> xs, int64_t axis, bool reverse, Combine combine, void* context,
                                    const At& at);

}  // namespace detail

// cases[index](args...), the index being clamped to the cases that there are. All give the same tree; one of them runs.
template <class... F, class... A>
auto switch_case(Operand index, std::tuple<F...> cases, const A&... args) {
  static_assert(sizeof...(F) > 0, "switch_case takes at least one case");
  const Location at = index.where();
  return detail::guarded("switch_case", at, [&] {
    const Tensor chosen = detail::case_index(index, static_cast<int64_t>(sizeof...(F)));
    return detail::one_of<0, sizeof...(F)>(chosen, cases, at, args...);
  });
}

// f(x) for each row x of xs along axis 0, stacked: a loop, whose body is f as it stands.
template <class F, class X>
auto map(F f, const X& xs, const At& at = At::current()) {
  const auto step = [&](int unused, const X& x) { return std::make_pair(unused, detail::ResultOf<F, X>(f(x))); };
  return detail::scan_as("map", step, 0, xs, {}, place(at)).second;
}

struct AssociativeScanOptions {
  int64_t axis = 0;
  bool reverse = false;  // from the last element on: f's left operand is the later one
};

// All prefixes x0, f(x0, x1), f(f(x0, x1), x2), ... along an axis, for an associative f that combines many elements at once: both
// its operands are trees like xs, shorter along the axis. f is called about 2 log2 n times (Blelloch, 1990; in JAX's order).
template <class F, class X>
X associative_scan(F f, const X& xs, AssociativeScanOptions o = {}, const At& at = At::current()) {
  static_assert(!detail::gives_another<X, F, X, X>, "associative_scan's function gives the type that it takes twice");
  return detail::guarded("associative_scan", place(at), [&] {
    struct Context {
      F& f;
      X left, right;
      Location at;
    } context{f, xs, xs, place(at)};
    const detail::Combine combine = [](void* pointer, std::vector<Tensor>& left, std::vector<Tensor>& right) {
      auto& self = *static_cast<Context*>(pointer);
      detail::replace(self.left, left.data());
      detail::replace(self.right, right.data());
      X result = self.f(std::as_const(self.left), std::as_const(self.right));
      detail::paired({"associative_scan", "the function takes", "and gives", "it keeps tree, values and types"},
                     self.left, result, detail::Match::whole, self.at);
      return detail::tensors_of(result);
    };
    X result = xs;
    const auto values = detail::run_associative(detail::tensors_of(xs), o.axis, o.reverse, combine, &context, at);
    detail::replace(result, values.data());
    return result;
  });
}

}  // namespace tenon
