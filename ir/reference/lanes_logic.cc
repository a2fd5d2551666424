// Bits, shifts, comparison and selection in the interpreter. A select moves bits; comparisons are IEEE's, so every one with
// a NaN is false but `ne`.
#include <bit>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/lanes_visit.h"

namespace tenon::ir::lanes {
namespace {

template <class T, class R, class Fn>
void zip(std::span<const Lanes> xs, Lanes& out, Fn fn) {
  const T *a = xs[0].as<T>(), *b = xs[1].as<T>();
  R* o = out.as<R>();
  const int64_t sa = xs[0].stride(), sb = xs[1].stride();
  for (int64_t i = 0; i < out.stored(); ++i) o[i] = fn(a[i * sa], b[i * sb]);
}

template <class T>
bool comparison(Op op, std::span<const Lanes> xs, Lanes& out) {
  switch (op) {
    case Op::eq: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) == widen(y); }); return true;
    case Op::ne: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) != widen(y); }); return true;
    case Op::lt: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) < widen(y); }); return true;
    case Op::le: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) <= widen(y); }); return true;
    case Op::gt: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) > widen(y); }); return true;
    case Op::ge: zip<T, uint8_t>(xs, out, [](T x, T y) { return widen(x) >= widen(y); }); return true;
    default: return false;
  }
}

// A count that is negative or not below the width shifts everything out.
template <class T>
T shift_left(T x, T count) {
  using U = std::make_unsigned_t<T>;
  if (static_cast<U>(count) >= 8 * sizeof(T)) return 0;
  return static_cast<T>(static_cast<uint64_t>(x) << static_cast<U>(count));
}
template <class T>
T shift_right(T x, T count) {
  using U = std::make_unsigned_t<T>;
  if (static_cast<U>(count) >= 8 * sizeof(T)) return static_cast<T>(x < 0 ? -1 : 0);
  return static_cast<T>(x >> static_cast<U>(count));
}

// T is an unsigned type of the operand's width; bool complements its one bit.
template <class T>
bool bitwise(Op op, std::span<const Lanes> xs, Lanes& out) {
  const T flip = static_cast<T>(xs[0].type == DType::boolean ? T{1} : static_cast<T>(~T{0}));
  switch (op) {
    case Op::bit_and: zip<T, T>(xs, out, [](T x, T y) { return static_cast<T>(x & y); }); return true;
    case Op::bit_or: zip<T, T>(xs, out, [](T x, T y) { return static_cast<T>(x | y); }); return true;
    case Op::bit_xor: zip<T, T>(xs, out, [](T x, T y) { return static_cast<T>(x ^ y); }); return true;
    case Op::bit_not:
    case Op::popcount: {
      const T* a = xs[0].as<T>();
      T* o = out.as<T>();
      for (int64_t i = 0; i < out.stored(); ++i) {
        const T x = a[i * xs[0].stride()];
        o[i] = static_cast<T>(op == Op::bit_not ? x ^ flip : static_cast<T>(std::popcount(x)));
      }
      return true;
    }
    default: return false;
  }
}

template <class T>
void choose(std::span<const Lanes> xs, Lanes& out) {
  const uint8_t* condition = xs[0].as<uint8_t>();
  const T *a = xs[1].as<T>(), *b = xs[2].as<T>();
  T* o = out.as<T>();
  const int64_t sc = xs[0].stride(), sa = xs[1].stride(), sb = xs[2].stride();
  for (int64_t i = 0; i < out.stored(); ++i) o[i] = condition[i * sc] ? a[i * sa] : b[i * sb];
}

// Calls visitor with an unsigned value of the dtype's width.
template <class Visitor>
auto visit_width(DType t, Visitor visitor) {
  switch (bytes(t)) {
    case 1: return visitor(uint8_t{});
    case 2: return visitor(uint16_t{});
    case 4: return visitor(uint32_t{});
    default: return visitor(uint64_t{});
  }
}

}  // namespace

bool logic(Op op, std::span<const Lanes> operands, Lanes& out) {
  if (op == Op::select) {
    visit_width(operands[1].type, [&](auto sample) { choose<decltype(sample)>(operands, out); });
    return true;
  }
  if (op == Op::shl || op == Op::shr)
    return visit(operands[0].type, [&](auto sample) {
      using T = decltype(sample);
      if constexpr (std::is_integral_v<T>) {
        zip<T, T>(operands, out, op == Op::shl ? shift_left<T> : shift_right<T>);
        return true;
      }
      return false;
    });
  if (!is_floating(operands[0].type) &&
      visit_width(operands[0].type, [&](auto sample) { return bitwise<decltype(sample)>(op, operands, out); }))
    return true;
  return visit(operands[0].type, [&](auto sample) { return comparison<decltype(sample)>(op, operands, out); });
}

}  // namespace tenon::ir::lanes
