/* The floating-point control word that compiled code runs under: round to nearest, subnormals kept, traps
 * masked.
 *
 * Libraries built with fast-math options set flush-to-zero for whole threads, so the word is set on entry and
 * put back on leaving, flags included. This file refuses to touch x87 state: compiled code never uses it. */
#include "tenon/runtime/tenon_runtime.h"

#if defined(__x86_64__)

#include <xmmintrin.h>

enum { DEFAULT_MXCSR = 0x1f80, FLAGS = 0x3f };

uint32_t tenon_fp_enter(void) {
  uint32_t saved = _mm_getcsr();
  if ((saved & ~(uint32_t)FLAGS) != DEFAULT_MXCSR) _mm_setcsr(DEFAULT_MXCSR);
  return saved;
}

void tenon_fp_leave(uint32_t saved) {
  if (_mm_getcsr() != saved) _mm_setcsr(saved);
}

#elif defined(__aarch64__)

uint32_t tenon_fp_enter(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
  __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0));
  return (uint32_t)saved;
}

void tenon_fp_leave(uint32_t saved) { __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)saved)); }

#else
#error "tenon_runtime knows the floating-point control word of x86-64 and aarch64 only"
#endif
