// Many values at a time with the names of ir/kernel/scalar.h, so that the templates of ir/math run natively over whole ranges of
// inputs. Counts operations outside and inside `rare`. Shares no code with the interpreter or the renderers; knows only
// the dtypes that the expansions use (bool, i32, i64, u32, u64, f32, f64).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/ir/base/dtype.h"

namespace tenon::testing {

struct Storage {
  static constexpr int lanes = 1024;
  alignas(64) uint64_t words[lanes];
  int uses;
};

class Lanes {
 public:
  static constexpr int size = Storage::lanes;
  static inline thread_local int64_t operations = 0, rare_operations = 0;
  static inline thread_local bool in_rare = false;

  Lanes() = default;
  explicit Lanes(DType dtype) : dtype_(dtype) {
    if (free_.empty()) free_.push_back(std::make_unique<Storage>());
    storage_ = free_.back().release();
    free_.pop_back();
    storage_->uses = 1;
  }
  Lanes(const Lanes& other) : dtype_(other.dtype_), storage_(other.storage_) {
    if (storage_) ++storage_->uses;
  }
  Lanes(Lanes&& other) noexcept : dtype_(other.dtype_), storage_(std::exchange(other.storage_, nullptr)) {}
  Lanes& operator=(Lanes other) noexcept {
    std::swap(dtype_, other.dtype_);
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~Lanes() {
    if (storage_ && --storage_->uses == 0) free_.emplace_back(storage_);
  }

  DType type() const { return dtype_; }
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(storage_->words);
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(storage_->words);
  }
  Lanes retyped(DType dtype) const {
    Lanes copy = *this;
    copy.dtype_ = dtype;
    return copy;
  }
  static void count() { ++(in_rare ? rare_operations : operations); }

 private:
  static inline thread_local std::vector<std::unique_ptr<Storage>> free_;
  DType dtype_ = DType::f32;
  Storage* storage_ = nullptr;
};

[[noreturn]] inline void refuse(const char* what) { throw std::logic_error(std::string("Lanes: ") + what); }

// Calls f with a value of the C++ type of `dtype`.
template <class F>
void with_float(DType dtype, F f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  refuse("a float operand expected");
}
template <class F>
void with_integer(DType dtype, F f) {
  if (dtype == DType::i32) return f(int32_t{});
  if (dtype == DType::i64) return f(int64_t{});
  if (dtype == DType::u32) return f(uint32_t{});
  if (dtype == DType::u64) return f(uint64_t{});
  refuse("an integer operand expected");
}
template <class F>
void with_number(DType dtype, F f) {
  is_floating(dtype) ? with_float(dtype, f) : with_integer(dtype, f);
}

template <class T, class R, class F>
void map1(const Lanes& x, Lanes& r, F f) {
  const T* a = x.data<T>();
  R* out = r.data<R>();
  for (int i = 0; i < Lanes::size; ++i) out[i] = f(a[i]);
}
template <class T, class R, class F>
void map2(const Lanes& x, const Lanes& y, Lanes& r, F f) {
  const T *a = x.data<T>(), *b = y.data<T>();
  R* out = r.data<R>();
  for (int i = 0; i < Lanes::size; ++i) out[i] = f(a[i], b[i]);
}
inline void require_same(const Lanes& x, const Lanes& y) {
  if (x.type() != y.type()) refuse("operands of one dtype expected");
  Lanes::count();
}

inline DType dtype(const Lanes& x) { return x.type(); }

inline Lanes like_bits(const Lanes& x, uint64_t bits) {
  Lanes r(x.type());
  if (bytes(x.type()) == 8)
    for (int i = 0; i < Lanes::size; ++i) r.data<uint64_t>()[i] = bits;
  else
    for (int i = 0; i < Lanes::size; ++i) r.data<uint32_t>()[i] = static_cast<uint32_t>(bits);
  return r;
}
inline Lanes like(const Lanes& x, double number) {
  switch (x.type()) {
    case DType::f32: return like_bits(x, std::bit_cast<uint32_t>(static_cast<float>(number)));
    case DType::f64: return like_bits(x, std::bit_cast<uint64_t>(number));
    case DType::u64: return like_bits(x, static_cast<uint64_t>(number));
    default: return like_bits(x, static_cast<uint64_t>(static_cast<int64_t>(number)));
  }
}

template <class To, class From>
To convert(From v) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (v != v) return 0;
    if (v <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (v >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
  }
  return static_cast<To>(v);
}

inline Lanes cast(const Lanes& x, DType to) {
  Lanes::count();
  Lanes r(to);
  with_number(x.type(), [&](auto from) {
    with_number(to, [&](auto into) {
      map1<decltype(from), decltype(into)>(x, r, [](auto v) { return convert<decltype(into)>(v); });
    });
  });
  return r;
}
inline Lanes bitcast(const Lanes& x, DType to) {
  if (bytes(x.type()) != bytes(to)) refuse("a bitcast keeps the width");
  return x.retyped(to);
}

// Integers wrap, so they are computed unsigned.
template <class T, class Fn>
T wrapping(T a, T b, Fn fn) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(fn(static_cast<U>(a), static_cast<U>(b)));
  } else {
    return fn(a, b);
  }
}

#define TENON_LANES_ARITHMETIC(name, expression)                                                               \
  inline Lanes name(const Lanes& x, const Lanes& y) {                                                          \
    require_same(x, y);                                                                                        \
    Lanes r(x.type());                                                                                         \
    with_number(x.type(), [&](auto kind) {                                                                     \
      using T = decltype(kind);                                                                                \
      map2<T, T>(x, y, r, [](T v, T w) { return wrapping(v, w, [](auto a, auto b) { return expression; }); }); \
    });                                                                                                        \
    return r;                                                                                                  \
  }
TENON_LANES_ARITHMETIC(operator+, a + b)
TENON_LANES_ARITHMETIC(operator-, a - b)
TENON_LANES_ARITHMETIC(operator*, a* b)
#undef TENON_LANES_ARITHMETIC

#define TENON_LANES_FLOAT(name, expression)                             \
  inline Lanes name(const Lanes& x) {                                   \
    Lanes::count();                                                     \
    Lanes r(x.type());                                                  \
    with_float(x.type(), [&](auto kind) {                               \
      using T = decltype(kind);                                         \
      map1<T, T>(x, r, [](T a) { return static_cast<T>(expression); }); \
    });                                                                 \
    return r;                                                           \
  }
TENON_LANES_FLOAT(sqrt, std::sqrt(a))
TENON_LANES_FLOAT(floor, std::floor(a))
TENON_LANES_FLOAT(ceil, std::ceil(a))
TENON_LANES_FLOAT(trunc, std::trunc(a))
TENON_LANES_FLOAT(round, std::nearbyint(a))
TENON_LANES_FLOAT(abs, std::fabs(a))
TENON_LANES_FLOAT(negated_float, -a)
#undef TENON_LANES_FLOAT

inline Lanes operator-(const Lanes& x) { return is_floating(x.type()) ? negated_float(x) : like(x, 0) - x; }

inline Lanes operator/(const Lanes& x, const Lanes& y) {
  require_same(x, y);
  Lanes r(x.type());
  with_float(x.type(), [&](auto kind) {
    using T = decltype(kind);
    map2<T, T>(x, y, r, [](T a, T b) { return a / b; });
  });
  return r;
}

#define TENON_LANES_INTEGER(name, expression)                                           \
  inline Lanes name(const Lanes& x, const Lanes& y) {                                   \
    require_same(x, y);                                                                 \
    Lanes r(x.type());                                                                  \
    if (x.type() == DType::boolean) {                                                   \
      map2<uint8_t, uint8_t>(x, y, r, [](uint8_t a, uint8_t b) { return expression; }); \
      return r;                                                                         \
    }                                                                                   \
    with_integer(x.type(), [&](auto kind) {                                             \
      using T = decltype(kind);                                                         \
      map2<T, T>(x, y, r, [](T a, T b) { return expression; });                         \
    });                                                                                 \
    return r;                                                                           \
  }
TENON_LANES_INTEGER(operator&, a& b)
TENON_LANES_INTEGER(operator|, a | b)
TENON_LANES_INTEGER(operator^, a ^ b)
#undef TENON_LANES_INTEGER

#define TENON_LANES_SHIFT(name, expression)                                                        \
  inline Lanes name(const Lanes& x, const Lanes& y) {                                              \
    require_same(x, y);                                                                            \
    Lanes r(x.type());                                                                             \
    with_integer(x.type(), [&](auto kind) {                                                        \
      using T = decltype(kind);                                                                    \
      using U = std::make_unsigned_t<T>;                                                           \
      constexpr U width = 8 * sizeof(T);                                                           \
      map2<T, T>(x, y, r, [](T a, T c) {                                                           \
        if (static_cast<U>(c) >= width) throw std::logic_error("Lanes: shift count out of range"); \
        return static_cast<T>(expression);                                                         \
      });                                                                                          \
    });                                                                                            \
    return r;                                                                                      \
  }
TENON_LANES_SHIFT(operator<<, static_cast<U>(a) << c)
TENON_LANES_SHIFT(operator>>, a >> c)
#undef TENON_LANES_SHIFT

#define TENON_LANES_COMPARE(name, operation)                             \
  inline Lanes name(const Lanes& x, const Lanes& y) {                    \
    require_same(x, y);                                                  \
    Lanes r(DType::boolean);                                             \
    with_number(x.type(), [&](auto kind) {                               \
      using T = decltype(kind);                                          \
      map2<T, uint8_t>(x, y, r, [](T a, T b) { return a operation b; }); \
    });                                                                  \
    return r;                                                            \
  }
TENON_LANES_COMPARE(operator<, <)
TENON_LANES_COMPARE(operator<=, <=)
TENON_LANES_COMPARE(operator>, >)
TENON_LANES_COMPARE(operator>=, >=)
TENON_LANES_COMPARE(operator==, ==)
TENON_LANES_COMPARE(operator!=, !=)
#undef TENON_LANES_COMPARE

inline Lanes bit_not(const Lanes& x) {
  Lanes::count();
  Lanes r(x.type());
  if (x.type() == DType::boolean)
    map1<uint8_t, uint8_t>(x, r, [](uint8_t a) { return static_cast<uint8_t>(a ^ 1); });
  else
    with_integer(x.type(), [&](auto kind) {
      using T = decltype(kind);
      map1<T, T>(x, r, [](T a) { return ~a; });
    });
  return r;
}

inline Lanes fma(const Lanes& x, const Lanes& y, const Lanes& z) {
  require_same(x, y);
  if (x.type() != z.type()) refuse("operands of one dtype expected");
  Lanes r(x.type());
  with_float(x.type(), [&](auto kind) {
    using T = decltype(kind);
    const T *a = x.data<T>(), *b = y.data<T>(), *c = z.data<T>();
    T* out = r.data<T>();
    for (int i = 0; i < Lanes::size; ++i) out[i] = std::fma(a[i], b[i], c[i]);
  });
  return r;
}

inline Lanes select(const Lanes& condition, const Lanes& x, const Lanes& y) {
  if (condition.type() != DType::boolean && condition.type() != x.type()) refuse("a bool condition expected");
  require_same(x, y);
  Lanes r(x.type());
  const uint8_t* c = condition.data<uint8_t>();
  const auto choose = [&](auto kind) {
    using T = decltype(kind);
    const T *a = x.data<T>(), *b = y.data<T>();
    T* out = r.data<T>();
    for (int i = 0; i < Lanes::size; ++i) out[i] = c[i] ? a[i] : b[i];
  };
  if (x.type() == DType::boolean)
    choose(uint8_t{});
  else if (bytes(x.type()) == 4)
    choose(uint32_t{});
  else
    choose(uint64_t{});
  return r;
}

// Refuses where `otherwise` is not x 2^n, rounded once.
inline Lanes scaled(const Lanes& x, const Lanes& n, const Lanes& otherwise) {
  const auto check = [&](auto kind, auto power) {
    using T = decltype(kind);
    const auto* powers = n.data<decltype(power)>();
    for (int i = 0; i < Lanes::size; ++i) {
      const T value = otherwise.data<T>()[i], exponent = static_cast<T>(powers[i]);
      const T exact = exponent != exponent
                          ? exponent
                          : std::scalbn(x.data<T>()[i], static_cast<int>(std::clamp(exponent, T(-9999), T(9999))));
      if (std::memcmp(&value, &exact, sizeof value) && (value == value || exact == exact)) refuse("not x 2^n");
    }
  };
  with_float(x.type(), [&](auto kind) { with_number(n.type(), [&](auto power) { check(kind, power); }); });
  return otherwise;
}

template <class Slow>
Lanes rare(const Lanes& condition, Slow slow, const Lanes& fast) {
  uint8_t any = 0;
  for (int i = 0; i < Lanes::size; ++i) any |= condition.data<uint8_t>()[i];
  if (!any) return fast;
  const bool outer = std::exchange(Lanes::in_rare, true);
  const Lanes value = slow();
  const Lanes result = select(condition, value, fast);
  Lanes::in_rare = outer;
  return result;
}

}  // namespace tenon::testing
