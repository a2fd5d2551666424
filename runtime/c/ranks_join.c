/* Elements of two ranks joined, for every dtype and way of combining, in loops that compilers vectorise (CMakeLists.txt asks
 * for -O3 here). Floats as IEEE 754 has them, a NaN of min and max the quiet one, -0 below +0; integers wrap; bools are or and and.
 * Refuses to know how many ranks there are. */
#include "tenon/runtime/c/ranks_join.h"

#include <string.h>

#include "tenon/runtime/tenon_ranks.h"

/* Where out is a or b it is so element by element, which carries nothing from one turn to the next. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
#define LOOP(body) INDEPENDENT for (int64_t k = 0; k < count; k++) body

#define JOIN(name, type, expression)                                                \
  static void name(void* out, const void* left, const void* right, int64_t count) { \
    type* o = (type*)out;                                                           \
    const type* a = (const type*)left;                                              \
    const type* b = (const type*)right;                                             \
    LOOP({                                                                          \
      const type x = a[k];                                                          \
      const type y = b[k];                                                          \
      o[k] = (type)(expression);                                                    \
    })                                                                              \
  }

#define INTEGER(name, type, wide)           \
  JOIN(name##_sum, type, (wide)x + (wide)y) \
  JOIN(name##_prod, type, (wide)x*(wide)y)  \
  JOIN(name##_min, type, x < y ? x : y)     \
  JOIN(name##_max, type, x > y ? x : y)
INTEGER(i8, int8_t, uint32_t)
INTEGER(i16, int16_t, uint32_t)
INTEGER(i32, int32_t, uint32_t)
INTEGER(i64, int64_t, uint64_t)
INTEGER(u8, uint8_t, uint32_t)
INTEGER(u16, uint16_t, uint32_t)
INTEGER(u32, uint32_t, uint32_t)
INTEGER(u64, uint64_t, uint64_t)

JOIN(bool_or, uint8_t, x | y)
JOIN(bool_and, uint8_t, x& y)
JOIN(f32_sum, float, x + y)
JOIN(f32_prod, float, x* y)
JOIN(f64_sum, double, x + y)
JOIN(f64_prod, double, x* y)

/* An extreme, of the bits: equal numbers have the same bits, or are zeros, where min wants the sign of either and max that of both. */
#define EXTREME(name, type, bits, less, sign, nan)                                  \
  static void name(void* out, const void* left, const void* right, int64_t count) { \
    bits* o = (bits*)out;                                                           \
    const bits* a = (const bits*)left;                                              \
    const bits* b = (const bits*)right;                                             \
    LOOP({                                                                          \
      const bits p = a[k];                                                          \
      const bits q = b[k];                                                          \
      type x;                                                                       \
      type y;                                                                       \
      memcpy(&x, &p, sizeof x);                                                     \
      memcpy(&y, &q, sizeof y);                                                     \
      bits r = x less y ? p : q;                                                    \
      r = x == y ? (p sign q) : r;                                                  \
      o[k] = ((x != x) | (y != y)) ? (nan) : r;                                     \
    })                                                                              \
  }
EXTREME(f32_min, float, uint32_t, <, |, 0x7fc00000u)
EXTREME(f32_max, float, uint32_t, >, &, 0x7fc00000u)
EXTREME(f64_min, double, uint64_t, <, |, UINT64_C(0x7ff8000000000000))
EXTREME(f64_max, double, uint64_t, >, &, UINT64_C(0x7ff8000000000000))

tenon_join tenon_ranks_join_of(int32_t dtype, int32_t combine) {
#define ROW(name) {name##_sum, name##_prod, name##_min, name##_max}
  static const tenon_join joins[TENON_DTYPES][TENON_COMBINES] = {{bool_or, bool_and, bool_and, bool_or},
                                                                 ROW(i8),
                                                                 ROW(i16),
                                                                 ROW(i32),
                                                                 ROW(i64),
                                                                 ROW(u8),
                                                                 ROW(u16),
                                                                 ROW(u32),
                                                                 ROW(u64),
                                                                 ROW(f32),
                                                                 ROW(f32),
                                                                 ROW(f32),
                                                                 ROW(f64)};
  return joins[dtype][combine];
}

uint64_t tenon_ranks_element(int32_t dtype) {
  static const uint8_t sizes[TENON_DTYPES] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return dtype >= 0 && dtype < TENON_DTYPES ? sizes[dtype] : 0;
}

const char* tenon_ranks_dtype_name(int32_t dtype) {
  static const char* const names[TENON_DTYPES] = {"bool", "i8",  "i16", "i32",  "i64", "u8", "u16",
                                                  "u32",  "u64", "f16", "bf16", "f32", "f64"};
  return dtype >= 0 && dtype < TENON_DTYPES ? names[dtype] : "?";
}

/* ---- halves, without branches, as ir/base/half.h has them ----------------------------------------------------------- */

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Where `when` holds the one, else the other, both computed: a choice would keep loops scalar. */
static inline uint32_t choose(int when, uint32_t one, uint32_t other) {
  const uint32_t mask = 0u - (uint32_t)when;
  return (one & mask) | (other & ~mask);
}

static void widen_f16(float* out, const uint16_t* in, int64_t count) {
  LOOP({
    const uint32_t h = in[k];
    const uint32_t shifted = (h & 0x7fff) << 13;
    const uint32_t finite =
        bits_of(float_of(shifted) * 0x1p112f); /* the exponents' biases: 127 - 15; a subnormal is made normal */
    const uint32_t special = shifted | 0x7f800000u;
    out[k] = float_of((h & 0x8000) << 16 | choose((h & 0x7c00) == 0x7c00, special, finite));
  })
}

static void narrow_f16(uint16_t* out, const float* in, int64_t count) {
  const uint32_t subnormal = (uint32_t)(127 - 15 + 23 - 10 + 1) << 23; /* adding it rounds to multiples of 2^-24 */
  LOOP({
    const uint32_t x = bits_of(in[k]);
    const uint32_t a = x & 0x7fffffffu;
    const uint32_t normal = ((a + 0xfffu + (a >> 13 & 1)) >> 13) - (112u << 10);
    const uint32_t tiny = bits_of(float_of(a) + float_of(subnormal)) - subnormal;
    const uint32_t nan = 0x7e00u | (a >> 13 & 0x3ffu);
    uint32_t h = choose(a < 0x38800000u, tiny, normal);
    h = choose(a >= 0x47800000u, 0x7c00u, h);
    h = choose(a > 0x7f800000u, nan, h);
    out[k] = (uint16_t)(h | (x >> 16 & 0x8000u));
  })
}

static void widen_bf16(float* out, const uint16_t* in, int64_t count) {
  LOOP({ out[k] = float_of((uint32_t)in[k] << 16); })
}

static void narrow_bf16(uint16_t* out, const float* in, int64_t count) {
  LOOP({
    const uint32_t x = bits_of(in[k]);
    const uint32_t rounded = (x + 0x7fffu + (x >> 16 & 1)) >> 16;
    out[k] = (uint16_t)((x & 0x7fffffffu) > 0x7f800000u ? x >> 16 | 0x40u : rounded);
  })
}

void tenon_ranks_widen(int32_t dtype, float* out, const uint16_t* in, int64_t count) {
  (dtype == TENON_F16 ? widen_f16 : widen_bf16)(out, in, count);
}

void tenon_ranks_narrow(int32_t dtype, uint16_t* out, const float* in, int64_t count) {
  (dtype == TENON_F16 ? narrow_f16 : narrow_bf16)(out, in, count);
}
