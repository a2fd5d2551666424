/* The x86-64 micro-architecture level of the processor at hand, from CPUID and from what the system saves on
 * a context switch. Refuses to trust model names: a hypervisor may hide instructions that the model is known
 * for. */
#include "tenon/runtime/tenon_runtime.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdatomic.h>

static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

/* XCR0: the register state that the operating system saves. Valid only where OSXSAVE is reported. */
static uint64_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int32_t find_level(void) {
  uint32_t a, b, c, d, extended_c = 0, leaf7_b = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 1;
  uint32_t leaf1_c = c;
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) extended_c = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) leaf7_b = b;

  uint32_t level2 = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT;
  if (!has(leaf1_c, level2) || !has(extended_c, bit_LAHF_LM)) return 1;

  uint32_t level3 = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
  if (!has(leaf1_c, level3) || !has(leaf7_b, bit_BMI | bit_AVX2 | bit_BMI2) || !has(extended_c, bit_LZCNT)) return 2;
  uint64_t state = saved_state();
  if ((state & 0x06) != 0x06) return 2; /* xmm and ymm */

  uint32_t level4 = bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
  if (!has(leaf7_b, level4) || (state & 0xe0) != 0xe0) return 3; /* masks, upper zmm halves, zmm16-31 */
  return 4;
}

/* Asked once: under a hypervisor CPUID takes as long as hundreds of small programs. Threads that ask at once find the
 * same, so no lock is needed, and a forked child inherits the answer. */
int32_t tenon_cpu_level(void) {
  static _Atomic int32_t known; /* 0: not yet */
  int32_t level = atomic_load_explicit(&known, memory_order_relaxed);
  if (level == 0) {
    level = find_level();
    atomic_store_explicit(&known, level, memory_order_relaxed);
  }
  return level;
}

#else

int32_t tenon_cpu_level(void) { return 0; }

#endif
