// Arithmetic and bits: the C library's functions that CUDA has built in, CUDA's intrinsics with the rounding that they name,
// and the three conversions of 16-bit floats that the prelude leaves to a host. Exact ones are exact; the fast
// approximations are the C library's functions. Refuses those that Tenon's kernels have no use for.
#pragma once

using size_t = decltype(sizeof(0));

extern "C" {
void* memcpy(void*, const void*, size_t) noexcept;
void* memset(void*, int, size_t) noexcept;
}
#define SIMULATED_BUILTIN1(name)                                      \
  static inline double name(double x) { return __builtin_##name(x); } \
  static inline float name##f(float x) { return __builtin_##name##f(x); }
#define SIMULATED_BUILTIN2(name)                                                   \
  static inline double name(double x, double y) { return __builtin_##name(x, y); } \
  static inline float name##f(float x, float y) { return __builtin_##name##f(x, y); }
SIMULATED_BUILTIN1(floor)
SIMULATED_BUILTIN1(ceil)
SIMULATED_BUILTIN1(trunc)
SIMULATED_BUILTIN1(rint)
SIMULATED_BUILTIN1(sqrt)
SIMULATED_BUILTIN1(fabs)
SIMULATED_BUILTIN1(exp)
SIMULATED_BUILTIN1(exp2)
SIMULATED_BUILTIN1(log)
SIMULATED_BUILTIN1(log2)
SIMULATED_BUILTIN1(sin)
SIMULATED_BUILTIN1(cos)
SIMULATED_BUILTIN1(tanh)
SIMULATED_BUILTIN2(fmod)
SIMULATED_BUILTIN2(fmin)
SIMULATED_BUILTIN2(fmax)
SIMULATED_BUILTIN2(pow)
#undef SIMULATED_BUILTIN1
#undef SIMULATED_BUILTIN2
static inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
static inline float rsqrtf(float x) { return 1 / __builtin_sqrtf(x); }
static inline float __expf(float x) { return __builtin_expf(x); }
static inline float __logf(float x) { return __builtin_logf(x); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
template <class T>
static inline T min(T x, T y) {
  return y < x ? y : x;
}
template <class T>
static inline T max(T x, T y) {
  return x < y ? y : x;
}

static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
static inline float __fmaf_rn(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dsub_rn(double x, double y) { return x - y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __drcp_rn(double x) { return 1 / x; }
static inline double __dsqrt_rn(double x) { return __builtin_sqrt(x); }
static inline double __fma_rn(double x, double y, double z) { return __builtin_fma(x, y, z); }

namespace simulated {
template <class To, class From>
static inline To bits(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}
// One step towards zero; what is stepped from is not zero.
static inline float shorter(float x) { return bits<float>(bits<unsigned>(x) - 1); }
static inline double shorter(double x) { return bits<double>(bits<unsigned long long>(x) - 1); }
}  // namespace simulated

static inline unsigned __float_as_uint(float x) { return simulated::bits<unsigned>(x); }
static inline int __float_as_int(float x) { return simulated::bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return simulated::bits<float>(x); }
static inline float __int_as_float(int x) { return simulated::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return simulated::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return simulated::bits<double>(x); }

// Rounded to nearest, and a step back where that went away from zero.
static inline float __double2float_rz(double x) {
  const float y = static_cast<float>(x);
  return __builtin_fabs(y) > __builtin_fabs(x) ? simulated::shorter(y) : y;
}
static inline double __ull2double_rz(unsigned long long x) {
  const double y = static_cast<double>(x);
  return y >= 0x1p64 || static_cast<unsigned long long>(y) > x ? simulated::shorter(y) : y;
}
static inline double __ll2double_rz(long long x) {
  const unsigned long long size =
      x < 0 ? 0ull - static_cast<unsigned long long>(x) : static_cast<unsigned long long>(x);
  return x < 0 ? -__ull2double_rz(size) : __ull2double_rz(size);
}
static inline float __double2float_rn(double x) { return static_cast<float>(x); }
static inline float __int2float_rn(int x) { return static_cast<float>(x); }
static inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
static inline float __ll2float_rn(long long x) { return static_cast<float>(x); }
static inline double __ll2double_rn(long long x) { return static_cast<double>(x); }
static inline int __float2int_rn(float x) {
  return x != x ? 0 : x >= 0x1p31f ? 0x7fffffff : x < -0x1p31f ? -0x7fffffff - 1 : static_cast<int>(__builtin_rintf(x));
}
static inline int __float2int_rz(float x) {
  return x != x ? 0 : x >= 0x1p31f ? 0x7fffffff : x < -0x1p31f ? -0x7fffffff - 1 : static_cast<int>(x);
}

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1u) << (31 - i);
  return y;
}
static inline unsigned __umulhi(unsigned x, unsigned y) {
  return static_cast<unsigned>(static_cast<unsigned long long>(x) * y >> 32);
}
static inline int __mulhi(int x, int y) { return static_cast<int>(static_cast<long long>(x) * y >> 32); }
static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(x) * y >> 64);
}
static inline long long __mul64hi(long long x, long long y) {
  return static_cast<long long>(static_cast<__int128>(x) * y >> 64);
}
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const unsigned long long both = static_cast<unsigned long long>(y) << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) result |= static_cast<unsigned>(both >> 8 * (selector >> 4 * i & 7u) & 0xffu) << 8 * i;
  return result;
}

// A NaN stays one, quiet, with its leading payload bits.
static inline float f16_to_f32(unsigned short x) {
  const unsigned sign = (x & 0x8000u) << 16, rest = x & 0x7fffu;
  if (rest >= 0x7c00u) return simulated::bits<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Halves, the subnormal ones too, are normal floats behind this product, which is exact.
  return simulated::bits<float>(sign | simulated::bits<unsigned>(simulated::bits<float>(rest << 13) * 0x1p112f));
}
static inline unsigned short f32_to_f16(float x) {
  const unsigned raw = simulated::bits<unsigned>(x), sign = raw >> 16 & 0x8000u, size = raw & 0x7fffffffu;
  if (size > 0x7f800000u) return static_cast<unsigned short>(sign | 0x7e00u | (size >> 13 & 0x3ffu));
  if (size >= 0x477ff000u) return static_cast<unsigned short>(sign | 0x7c00u);
  if (size < 0x38800000u) {  // subnormal: adding 1/2 rounds where the last bit then stands
    const float shifted = simulated::bits<float>(size) + 0.5f;
    return static_cast<unsigned short>(sign | (simulated::bits<unsigned>(shifted) - 0x3f000000u));
  }
  return static_cast<unsigned short>(sign | ((size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13));
}
static inline unsigned short f64_to_f16(double x) {
  const float y = __double2float_rz(x);
  const bool inexact =
      x == x && static_cast<double>(y) != x;  // rounding to odd first makes the second rounding the only one
  return f32_to_f16(inexact ? simulated::bits<float>(simulated::bits<unsigned>(y) | 1u) : y);
}
