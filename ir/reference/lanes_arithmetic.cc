// The exact arithmetic of the interpreter, every op for every dtype: integers wrap through unsigned arithmetic, halves
// compute in f32 and round once. Built without contraction, free of undefined behaviour.
#include <cmath>
#include <limits>

#include "tenon/ir/base/error.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/lanes_visit.h"

namespace tenon::ir::lanes {
namespace {

template <class T, class R = T, class Fn>
void map(std::span<const Lanes> xs, Lanes& out, Fn fn) {
  const T* a = xs[0].as<T>();
  R* o = out.as<R>();
  for (int64_t i = 0; i < out.stored(); ++i) o[i] = fn(a[i * xs[0].stride()]);
}

template <class T, class Fn>
void zip(std::span<const Lanes> xs, Lanes& out, Fn fn) {
  const T *a = xs[0].as<T>(), *b = xs[1].as<T>();
  T* o = out.as<T>();
  const int64_t sa = xs[0].stride(), sb = xs[1].stride();
  for (int64_t i = 0; i < out.stored(); ++i) o[i] = fn(a[i * sa], b[i * sb]);
}

// neg and abs are moves of bits: they keep a NaN's payload.
template <class T>
T flip_sign(T x) {
  if constexpr (is_half_type<T>)
    return T{static_cast<uint16_t>(x.bits ^ 0x8000)};
  else if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(std::bit_cast<uint32_t>(x) ^ 0x80000000u);
  else
    return std::bit_cast<double>(std::bit_cast<uint64_t>(x) ^ 0x8000000000000000u);
}
template <class T>
T clear_sign(T x) {
  if constexpr (is_half_type<T>)
    return T{static_cast<uint16_t>(x.bits & 0x7fff)};
  else if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7fffffffu);
  else
    return std::bit_cast<double>(std::bit_cast<uint64_t>(x) & 0x7fffffffffffffffu);
}

// NaN wins, and -0 is below +0.
template <class W>
W float_max(W x, W y) {
  if (x != x || y != y) return std::numeric_limits<W>::quiet_NaN();
  if (x == y) return std::signbit(x) ? y : x;
  return x > y ? x : y;
}
template <class W>
W float_min(W x, W y) {
  if (x != x || y != y) return std::numeric_limits<W>::quiet_NaN();
  if (x == y) return std::signbit(x) ? x : y;
  return x < y ? x : y;
}

// The floating ops, in the type W that they are computed in.
template <class W>
W unary(Op op, W x) {
  switch (op) {
    case Op::sign: return x > 0 ? W(1) : x < 0 ? W(-1) : x;
    case Op::floor: return std::floor(x);
    case Op::ceil: return std::ceil(x);
    case Op::trunc: return std::trunc(x);
    case Op::round: return std::nearbyint(x);
    case Op::sqrt: return std::sqrt(x);
    default: throw InternalError(std::string(name(op)) + " is no floating op of one operand");
  }
}
template <class W>
W binary(Op op, W x, W y) {
  switch (op) {
    case Op::add: return x + y;
    case Op::sub: return x - y;
    case Op::mul: return x * y;
    case Op::div: return x / y;
    case Op::rem: return std::fmod(x, y);
    case Op::max: return float_max(x, y);
    case Op::min: return float_min(x, y);
    case Op::unscale: return (x == 0 || std::isinf(y)) && std::isnan(x / y) ? W(0) : x / y;
    case Op::scale: return (x == 0 || y == 0) && std::isnan(x * y) ? W(0) : x * y;
    default: throw InternalError(std::string(name(op)) + " is no floating op of two operands");
  }
}

template <class T>
bool floating(Op op, std::span<const Lanes> xs, Lanes& out) {
  using W = Wide<T>;
  switch (op) {
    case Op::neg: map<T>(xs, out, flip_sign<T>); return true;
    case Op::abs: map<T>(xs, out, clear_sign<T>); return true;
    case Op::is_finite: map<T, uint8_t>(xs, out, [](T x) { return std::isfinite(widen(x)); }); return true;
    case Op::sign:
    case Op::floor:
    case Op::ceil:
    case Op::trunc:
    case Op::round:
    case Op::sqrt: map<T>(xs, out, [op](T x) { return narrow<T>(unary<W>(op, widen(x))); }); return true;
    case Op::add:  // the three that run hot in reductions and dots of the tests get loops of their own
      zip<T>(xs, out, [](T x, T y) { return narrow<T>(widen(x) + widen(y)); });
      return true;
    case Op::mul: zip<T>(xs, out, [](T x, T y) { return narrow<T>(widen(x) * widen(y)); }); return true;
    case Op::sub:
    case Op::div:
    case Op::rem:
    case Op::max:
    case Op::min:
    case Op::scale:
    case Op::unscale:
      zip<T>(xs, out, [op](T x, T y) { return narrow<T>(binary<W>(op, widen(x), widen(y))); });
      return true;
    case Op::fma: {
      const T *a = xs[0].as<T>(), *b = xs[1].as<T>(), *c = xs[2].as<T>();
      T* o = out.as<T>();
      const int64_t sa = xs[0].stride(), sb = xs[1].stride(), sc = xs[2].stride();
      for (int64_t i = 0; i < out.stored(); ++i)
        o[i] = narrow<T>(std::fma(widen(a[i * sa]), widen(b[i * sb]), widen(c[i * sc])));
      return true;
    }
    default: return false;
  }
}

template <class T>
T divide(T x, T y) {
  if (y == 0) return 0;
  if (std::is_signed_v<T> && y == static_cast<T>(-1)) return static_cast<T>(Wrap<T>(0) - static_cast<Wrap<T>>(x));
  return static_cast<T>(x / y);
}
template <class T>
T remainder(T x, T y) {
  if (y == 0) return x;
  if (std::is_signed_v<T> && y == static_cast<T>(-1)) return 0;
  return static_cast<T>(x % y);
}

template <class T>
bool integral(Op op, std::span<const Lanes> xs, Lanes& out) {
  using U = Wrap<T>;
  constexpr auto negative = [](T x) { return std::is_signed_v<T> && x < T{}; };
  switch (op) {
    case Op::neg: map<T>(xs, out, [](T x) { return static_cast<T>(U(0) - static_cast<U>(x)); }); return true;
    case Op::abs:
      map<T>(xs, out, [=](T x) { return negative(x) ? static_cast<T>(U(0) - static_cast<U>(x)) : x; });
      return true;
    case Op::sign: map<T>(xs, out, [=](T x) { return static_cast<T>(negative(x) ? -1 : x != 0); }); return true;
    case Op::add:
      zip<T>(xs, out, [](T x, T y) { return static_cast<T>(static_cast<U>(x) + static_cast<U>(y)); });
      return true;
    case Op::sub:
      zip<T>(xs, out, [](T x, T y) { return static_cast<T>(static_cast<U>(x) - static_cast<U>(y)); });
      return true;
    case Op::mul:
      zip<T>(xs, out, [](T x, T y) { return static_cast<T>(static_cast<U>(x) * static_cast<U>(y)); });
      return true;
    case Op::div: zip<T>(xs, out, divide<T>); return true;
    case Op::rem: zip<T>(xs, out, remainder<T>); return true;
    case Op::max: zip<T>(xs, out, [](T x, T y) { return x > y ? x : y; }); return true;
    case Op::min: zip<T>(xs, out, [](T x, T y) { return x < y ? x : y; }); return true;
    default: return false;
  }
}

}  // namespace

bool arithmetic(Op op, std::span<const Lanes> operands, Lanes& out) {
  return visit(operands[0].type, [&](auto sample) {
    using T = decltype(sample);
    if constexpr (is_float_type<T>)
      return floating<T>(op, operands, out);
    else if constexpr (std::is_same_v<T, Bool8>)
      return false;
    else
      return integral<T>(op, operands, out);
  });
}

}  // namespace tenon::ir::lanes
