// Extents as programs compute with them: arithmetic, lists of extents, and positions in a tensor. An extent of a traced tensor may be
// free (tn::dim): it stays an extent through +, -, *, / and %, and is a number only when the program runs. What bounds decide is
// decided while tracing; what they leave open is checked at the call. Refuses to choose a branch by what is not decided.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/lane_axes.h"
#include "tenon/ir/base/dtype.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/shape.h"

namespace tenon {

struct Cell;  // frontend/tensor/cell.h
class Tensor;

inline Location place(const std::source_location& s) {
  return {s.file_name(), s.function_name(), static_cast<uint32_t>(s.line()), static_cast<uint32_t>(s.column())};
}

template <class T>
concept AnExtent = std::same_as<T, Dim> || std::same_as<T, Extent>;
template <class A, class B>
concept Extentwise = (AnExtent<A> && (AnExtent<B> || std::integral<B>)) || (std::integral<A> && AnExtent<B>);

namespace detail {
[[noreturn]] void out_of_memory(const char* what, uint64_t bytes,
                                const Location& at);  // Error; 0: nobody knows how many
// What templates do on behalf of the function `what`: no std::bad_alloc leaves it.
template <class F>
decltype(auto) guarded(const char* what, const Location& at, F&& work, uint64_t bytes = 0) {
  try {
    return std::forward<F>(work)();
  } catch (const std::bad_alloc&) {
    out_of_memory(what, bytes, at);
  }
}

Extent add(Extent a, Extent b);
Extent subtract(Extent a, Extent b);
Extent multiply(Extent a, Extent b);
Extent divide(Extent a, Extent b);
Extent remainder(Extent a, Extent b);
Extent least(Extent a, Extent b);
Extent greatest(Extent a, Extent b);
bool less(Extent a, Extent b);
bool same(Extent a, Extent b);
}  // namespace detail

// On numbers these are C++'s, and an Error where the result leaves 64 bits or a divisor is 0. On free extents: what cannot come out
// negative is no extent but an Error, as is dividing by what is not positive; quotients round down.
template <class A, class B>
  requires Extentwise<A, B>
Extent operator+(A a, B b) {
  return detail::add(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent operator-(A a, B b) {
  return detail::subtract(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent operator*(A a, B b) {
  return detail::multiply(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent operator/(A a, B b) {
  return detail::divide(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent operator%(A a, B b) {
  return detail::remainder(a, b);
}
template <AnExtent T>
Extent operator-(T a) {
  return detail::subtract(0, a);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent min(A a, B b) {
  return detail::least(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
Extent max(A a, B b) {
  return detail::greatest(a, b);
}
// Error where the bounds of free extents do not decide it.
template <class A, class B>
  requires Extentwise<A, B>
bool operator<(A a, B b) {
  return detail::less(a, b);
}
template <class A, class B>
  requires Extentwise<A, B>
bool operator>(A a, B b) {
  return detail::less(b, a);
}
template <class A, class B>
  requires Extentwise<A, B>
bool operator<=(A a, B b) {
  return !detail::less(b, a);
}
template <class A, class B>
  requires Extentwise<A, B>
bool operator>=(A a, B b) {
  return !detail::less(a, b);
}
// Whether they are the same extent, for every value of what is free in them.
template <class A, class B>
  requires Extentwise<A, B> && (std::same_as<A, Extent> || std::same_as<B, Extent>)
bool operator==(A a, B b) {
  return detail::same(a, b);
}
std::ostream& operator<<(std::ostream& out, const Extent& extent);
std::ostream& operator<<(std::ostream& out, const Dim& dim);
std::ostream& operator<<(std::ostream& out, const Shape& shape);  // [2, 3]
std::ostream& operator<<(std::ostream& out, DType dtype);  // f32

// Extents as the caller wrote them, negative ones included: the function that takes them refuses those, by its name and the
// caller's place. A Shape, a vector of numbers, or a list of numbers and extents: {2, x.shape()[0] / 2, tn::dim("n")}.
class Extents {
 public:
  Extents() = default;
  Extents(std::initializer_list<Extent> extents);
  Extents(const Shape& shape);  // NOLINT
  template <std::integral T>
  Extents(const std::vector<T>& numbers) {  // NOLINT
    detail::guarded("a shape", {}, [&] { extents_.assign(numbers.begin(), numbers.end()); });
  }
  Extents(std::vector<Extent> extents) : extents_(std::move(extents)) {}  // NOLINT
  Extents(const std::vector<Dim>& extents);  // NOLINT
  // Error unless every extent is 0 or more and a tensor of them is not too large.
  Shape checked(const char* op, DType dtype, const Location& at) const;
  const std::vector<Extent>& list() const { return extents_; }

 private:
  std::vector<Extent> extents_;
};

// One position of x[{...}]: a number, all, slice(start, stop, step), none (a new axis of extent 1), ellipsis (all for as many axes as the
// others leave), or a tensor of integers or bools, by NumPy's rules (docs/numbers.md). Negative numbers count from the end; a slice is
// clamped to the axis. Positions may be free extents.
struct All {};
inline constexpr All all{};
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};
struct Index {
  enum class What : uint8_t { number, every, slice, fresh, rest, tensor } what = What::every;
  Extent start = 0, stop = INT64_MAX;
  int64_t step = 1;
  std::shared_ptr<Cell> cell;  // of a tensor
  Location where;  // of the indexing expression, for errors
  Index(All, const std::source_location& at = std::source_location::current()) : where(place(at)) {}  // NOLINT
  Index(None, const std::source_location& at = std::source_location::current())  // NOLINT
      : what(What::fresh), where(place(at)) {}
  Index(Ellipsis, const std::source_location& at = std::source_location::current())  // NOLINT
      : what(What::rest), where(place(at)) {}
  Index(const Tensor& positions, const std::source_location& at = std::source_location::current());  // NOLINT
  template <class T>
    requires std::integral<T> || AnExtent<T>
  Index(T position, const std::source_location& at = std::source_location::current())  // NOLINT
      : what(What::number), start(position), where(place(at)) {}
};
inline Index slice(Extent start, Extent stop, int64_t step = 1,
                   const std::source_location& at = std::source_location::current()) {
  Index i(all, at);
  i.what = Index::What::slice, i.start = start, i.stop = stop, i.step = step;
  return i;
}

}  // namespace tenon
