// From a dtype to its C++ element type, and the arithmetic type in which the interpreter computes it.
#pragma once

#include <type_traits>
#include <utility>

#include "tenon/ir/base/dtype.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/half.h"

namespace tenon::ir {

struct Bool8 {
  uint8_t value;
};

template <class T>
inline constexpr bool is_half_type = std::is_same_v<T, Half16> || std::is_same_v<T, BHalf16>;
template <class T>
inline constexpr bool is_float_type = std::is_floating_point_v<T> || is_half_type<T>;

// Calls visitor with a value of the C++ type of the dtype.
template <class Visitor>
decltype(auto) visit(DType t, Visitor&& visitor) {
  switch (t) {
    case DType::boolean: return visitor(Bool8{});
    case DType::i8: return visitor(int8_t{});
    case DType::i16: return visitor(int16_t{});
    case DType::i32: return visitor(int32_t{});
    case DType::i64: return visitor(int64_t{});
    case DType::u8: return visitor(uint8_t{});
    case DType::u16: return visitor(uint16_t{});
    case DType::u32: return visitor(uint32_t{});
    case DType::u64: return visitor(uint64_t{});
    case DType::f16: return visitor(Half16{});
    case DType::bf16: return visitor(BHalf16{});
    case DType::f32: return visitor(float{});
    case DType::f64: return visitor(double{});
    case DType::c64:
    case DType::c128: throw InternalError("complex elements are computed part by part");
  }
  throw InternalError("a dtype outside the table");
}

// The unsigned type in which an integer type wraps, of at least 32 bits: u16 * u16 would overflow a promoted int.
template <class T>
using Wrap = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

// The value of an element in the type it is computed in: f32 for halves, itself otherwise.
template <class T>
auto widen(T x) {
  if constexpr (is_half_type<T>)
    return half_to_float(T::format, x.bits);
  else if constexpr (std::is_same_v<T, Bool8>)
    return x.value;
  else
    return x;
}
template <class T>
using Wide = decltype(widen(T{}));

// Back into the element type: the one rounding of a half, wrap-around of an integer.
template <class T, class From>
T narrow(From x) {
  if constexpr (is_half_type<T>)
    return T{half_from_double(T::format, static_cast<double>(x))};
  else if constexpr (std::is_same_v<T, Bool8>)
    return Bool8{static_cast<uint8_t>(x != 0)};
  else
    return static_cast<T>(x);
}

}  // namespace tenon::ir
