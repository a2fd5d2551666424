// The device side of CUDA rendering: header-free CUDA C++ that stands before the kernels of a module. It spells every exact
// op for every dtype, with the same bits as the other routes: integers wrap, x / 0 is 0, shifts past the width are defined,
// float to int saturates, a conversion rounds once. codegen/cuda/prelude_teams.h goes on. Compiled with --fmad=false.
// Refuses to hold transcendental functions: kernels carry their expansions.
#pragma once

namespace tenon::codegen {

// Types, conversions and scalar ops.
inline constexpr char cuda_prelude_scalars[] = R"cuda(
#define TENON_FN template <class T> __device__ __forceinline__
namespace tenon {

using i8 = signed char;
using i16 = short;
using i32 = int;
using i64 = long long;
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using f32 = float;
using f64 = double;
struct f16 { u16 bits; };   // moved as bits, computed in f32
struct bf16 { u16 bits; };

// n / d of 0 <= n < 2^31 is n * multiplier >> shift; 0 where d is 0, for then both are.
struct Divisor { u32 multiplier, shift; };
__device__ __forceinline__ i32 quotient(i32 n, Divisor by) { return i32(u64(u32(n)) * by.multiplier >> by.shift); }
__device__ __forceinline__ i32 remainder(i32 n, i32 d, Divisor by) { return n - quotient(n, by) * d; }

template <class T> struct Traits { static constexpr bool floating = false; using wrap = T; };
template <> struct Traits<i8> { static constexpr bool floating = false; using wrap = u8; };
template <> struct Traits<i16> { static constexpr bool floating = false; using wrap = u16; };
template <> struct Traits<i32> { static constexpr bool floating = false; using wrap = u32; };
template <> struct Traits<i64> { static constexpr bool floating = false; using wrap = u64; };
template <> struct Traits<f32> { static constexpr bool floating = true; using wrap = u32; };
template <> struct Traits<f64> { static constexpr bool floating = true; using wrap = u64; };
template <> struct Traits<f16> { static constexpr bool floating = true; using wrap = u16; };
template <> struct Traits<bf16> { static constexpr bool floating = true; using wrap = u16; };
template <class T> using Wrap = typename Traits<T>::wrap;
template <class T> constexpr bool is_float = Traits<T>::floating;
template <class T> constexpr bool is_signed = !is_float<T> && T(-1) < T(0);
template <> constexpr bool is_signed<f16> = false;
template <> constexpr bool is_signed<bf16> = false;
template <> constexpr bool is_signed<bool> = false;
template <class A, class B> constexpr bool same = false;
template <class A> constexpr bool same<A, A> = true;

// ---- bits and conversions
template <class To, class From>
__device__ __forceinline__ To bitcast(From x) {
  static_assert(sizeof(To) == sizeof(From), "a bitcast keeps the width");
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}
TENON_FN T neg(T x) {
  if constexpr (is_float<T>) return bitcast<T>(Wrap<T>(bitcast<Wrap<T>>(x) ^ (Wrap<T>(1) << (8 * sizeof(T) - 1))));
  else return T(Wrap<T>(0) - Wrap<T>(x));
}
TENON_FN T abs(T x) {
  if constexpr (is_float<T>) return bitcast<T>(Wrap<T>(bitcast<Wrap<T>>(x) & Wrap<T>(~(Wrap<T>(1) << (8 * sizeof(T) - 1)))));
  else if constexpr (is_signed<T>) return x < 0 ? T(Wrap<T>(0) - Wrap<T>(x)) : x;
  else return x;
}
TENON_FN bool signbit(T x) { return bitcast<Wrap<T>>(x) >> (8 * sizeof(T) - 1); }

#ifdef __CUDACC__  // a host that runs this text to test it spells the three conversions itself
__device__ __forceinline__ f32 f16_to_f32(u16 x) {
  f32 y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
__device__ __forceinline__ u16 f32_to_f16(f32 x) {
  u16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ u16 f64_to_f16(f64 x) {
  u16 y;
  asm("cvt.rn.f16.f64 %0, %1;" : "=h"(y) : "d"(x));
  return y;
}
#endif
__device__ __forceinline__ f32 widen(f16 x) { return f16_to_f32(x.bits); }
__device__ __forceinline__ f32 widen(bf16 x) { return bitcast<f32>(u32(x.bits) << 16); }
// Truncated, with the last bit set when that was inexact: a second rounding to fewer bits then comes out as one.
__device__ __forceinline__ f32 odd_f32(f64 x) {
  const f32 y = __double2float_rz(x);
  return x == x && f64(y) != x ? bitcast<f32>(bitcast<u32>(y) | 1u) : y;
}
__device__ __forceinline__ f64 odd_f64(i64 x) {
  const f64 y = __ll2double_rz(x);
  return i64(y) != x ? bitcast<f64>(bitcast<u64>(y) | 1u) : y;
}
__device__ __forceinline__ f64 odd_f64(u64 x) {
  const f64 y = __ull2double_rz(x);
  return u64(y) != x ? bitcast<f64>(bitcast<u64>(y) | 1u) : y;
}
// Integer code: no instruction rounds to bf16 on every architecture without touching subnormals.
__device__ __forceinline__ bf16 narrow_bf16(f32 x) {
  const u32 bits = bitcast<u32>(x);
  if (x != x) return bf16{u16((bits >> 16) | 0x40)};
  return bf16{u16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
__device__ __forceinline__ f16 narrow_f16(f32 x) { return f16{f32_to_f16(x)}; }
__device__ __forceinline__ f16 narrow_f16(f64 x) { return f16{f64_to_f16(x)}; }
template <class To, class From>
__device__ __forceinline__ To saturate(From x) {
  constexpr To lowest = is_signed<To> ? To(Wrap<To>(1) << (8 * sizeof(To) - 1)) : To(0);
  constexpr To highest = To(~lowest);
  constexpr From above = From(u64(1) << (8 * sizeof(To) - 2)) * (is_signed<To> ? 2 : 4);  // the first that does not fit
  if (x != x) return 0;
  if (x >= above) return highest;
  if (x <= From(lowest)) return lowest;
  return To(x);
}
template <class To, class From>
__device__ __forceinline__ To cast(From x) {
  if constexpr (same<From, f16> || same<From, bf16>) {
    return cast<To>(widen(x));
  } else if constexpr (same<To, From>) {
    return x;
  } else if constexpr (same<To, bool>) {
    return x != From(0);
  } else if constexpr (same<To, bf16>) {
    if constexpr (same<From, f32>) return narrow_bf16(x);
    else if constexpr (same<From, f64>) return narrow_bf16(odd_f32(x));
    else if constexpr (is_signed<From>) return narrow_bf16(odd_f32(odd_f64(i64(x))));
    else return narrow_bf16(odd_f32(odd_f64(u64(x))));
  } else if constexpr (same<To, f16>) {
    if constexpr (is_float<From>) return narrow_f16(x);
    else if constexpr (is_signed<From>) return narrow_f16(odd_f64(i64(x)));
    else return narrow_f16(odd_f64(u64(x)));
  } else if constexpr (is_float<From> && !is_float<To>) {
    return saturate<To>(x);
  } else {
    return To(x);
  }
}

// ---- exact ops, named as the rows of the op table
TENON_FN T add(T x, T y) { if constexpr (is_float<T>) return x + y; else return T(Wrap<T>(x) + Wrap<T>(y)); }
TENON_FN T sub(T x, T y) { if constexpr (is_float<T>) return x - y; else return T(Wrap<T>(x) - Wrap<T>(y)); }
TENON_FN T mul(T x, T y) { if constexpr (is_float<T>) return x * y; else return T(u64(x) * u64(y)); }
TENON_FN T div(T x, T y) {
  if constexpr (is_float<T>) return x / y;
  if (y == T(0)) return T(0);
  if constexpr (is_signed<T>) if (y == T(-1)) return neg(x);
  return T(x / y);
}
__device__ __forceinline__ f32 rem(f32 x, f32 y) { return ::fmodf(x, y); }
__device__ __forceinline__ f64 rem(f64 x, f64 y) { return ::fmod(x, y); }
TENON_FN T rem(T x, T y) {
  if (y == T(0)) return x;
  if constexpr (is_signed<T>) if (y == T(-1)) return T(0);
  return T(x % y);
}
TENON_FN T max(T x, T y) {
  if constexpr (!is_float<T>) return x > y ? x : y;
  else return x != x ? x : y != y ? y : x == y ? (signbit(x) ? y : x) : x > y ? x : y;
}
TENON_FN T min(T x, T y) {
  if constexpr (!is_float<T>) return x < y ? x : y;
  else return x != x ? x : y != y ? y : x == y ? (signbit(x) ? x : y) : x < y ? x : y;
}
TENON_FN T sign(T x) {
  if constexpr (is_float<T>) return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
  else return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);
}
TENON_FN T scale(T x, T y) { const T r = x * y; return r != r && (x == T(0) || y == T(0)) ? T(0) : r; }
TENON_FN T unscale(T x, T y) { const T r = x / y; return r != r && (x == T(0) || (y - y != T(0) && y == y)) ? T(0) : r; }
__device__ __forceinline__ f32 floor(f32 x) { return ::floorf(x); }
__device__ __forceinline__ f64 floor(f64 x) { return ::floor(x); }
__device__ __forceinline__ f32 ceil(f32 x) { return ::ceilf(x); }
__device__ __forceinline__ f64 ceil(f64 x) { return ::ceil(x); }
__device__ __forceinline__ f32 trunc(f32 x) { return ::truncf(x); }
__device__ __forceinline__ f64 trunc(f64 x) { return ::trunc(x); }
__device__ __forceinline__ f32 round(f32 x) { return ::rintf(x); }
__device__ __forceinline__ f64 round(f64 x) { return ::rint(x); }
__device__ __forceinline__ f32 sqrt(f32 x) { return __fsqrt_rn(x); }
__device__ __forceinline__ f64 sqrt(f64 x) { return __dsqrt_rn(x); }
__device__ __forceinline__ f32 fma(f32 x, f32 y, f32 z) { return __fmaf_rn(x, y, z); }
__device__ __forceinline__ f64 fma(f64 x, f64 y, f64 z) { return __fma_rn(x, y, z); }
TENON_FN bool is_finite(T x) { return x - x == T(0); }
TENON_FN T bit_not(T x) { if constexpr (same<T, bool>) return !x; else return T(~x); }
TENON_FN T bit_and(T x, T y) { return T(x & y); }
TENON_FN T bit_or(T x, T y) { return T(x | y); }
TENON_FN T bit_xor(T x, T y) { return T(x ^ y); }
TENON_FN T popcount(T x) { return T(__popcll(u64(Wrap<T>(x)))); }
// A count that is negative or not below the width shifts everything out.
TENON_FN T shl(T x, T count) { return Wrap<T>(count) >= 8 * sizeof(T) ? T(0) : T(u64(x) << Wrap<T>(count)); }
TENON_FN T shr(T x, T count) {
  if (Wrap<T>(count) >= 8 * sizeof(T)) return x < T(0) ? T(-1) : T(0);
  return T(x >> Wrap<T>(count));
}
TENON_FN bool eq(T x, T y) { return x == y; }
TENON_FN bool ne(T x, T y) { return x != y; }
TENON_FN bool lt(T x, T y) { return x < y; }
TENON_FN bool le(T x, T y) { return x <= y; }
TENON_FN bool gt(T x, T y) { return x > y; }
TENON_FN bool ge(T x, T y) { return x >= y; }
TENON_FN T select(bool condition, T x, T y) { return condition ? x : y; }
)cuda";

}  // namespace tenon::codegen
