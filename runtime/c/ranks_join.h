/* Joining what several ranks have, in the order that the contract on numbers names. Internal to the runtime. */
#ifndef TENON_RUNTIME_RANKS_JOIN_H
#define TENON_RUNTIME_RANKS_JOIN_H

#include <stdint.h>

#pragma GCC visibility push(hidden)
enum { TENON_DTYPES = 13, TENON_COMBINES = 4, TENON_STRIP = 512 };
enum {
  TENON_BOOL,
  TENON_I8,
  TENON_I16,
  TENON_I32,
  TENON_I64,
  TENON_U8,
  TENON_U16,
  TENON_U32,
  TENON_U64,
  TENON_F16,
  TENON_BF16,
  TENON_F32,
  TENON_F64
};

/* Bytes of an element; 0 where there is no such dtype. */
uint64_t tenon_ranks_element(int32_t dtype);
const char* tenon_ranks_dtype_name(int32_t dtype);

/* out[i] = a[i] with b[i]; out may be a or b. Halves are joined as f32: TENON_F32 of what is widened. */
typedef void (*tenon_join)(void* out, const void* a, const void* b, int64_t count);
tenon_join tenon_ranks_join_of(int32_t dtype, int32_t combine);
void tenon_ranks_widen(int32_t dtype, float* out, const uint16_t* in, int64_t count);
void tenon_ranks_narrow(int32_t dtype, uint16_t* out, const float* in, int64_t count);

/* out = in[0], ..., in[n - 1] joined by the tree: neighbours first, then the pairs, an odd last one waiting. n is at least 1. */
void tenon_ranks_tree(int32_t dtype, int32_t combine, void* out, const void* const* in, int32_t n, int64_t count);
#pragma GCC visibility pop

#endif
