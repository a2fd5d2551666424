/* The instruction sets of the processor at hand, from CPUID and from what the system saves on a context switch. Asked once:
 * under a hypervisor each CPUID costs tens of microseconds. Refuses to trust model names: a hypervisor may hide
 * instructions that the model is known for. */
#include <stdatomic.h>

#include "tenon/runtime/tenon_runtime.h"

#if defined(__x86_64__)

#include <cpuid.h>

static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

/* XCR0: the register state that the operating system saves. Valid only where OSXSAVE is reported. */
static uint64_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static uint64_t ask(void) {
  uint32_t a, b, c, d, extended_c = 0, leaf7_b = 0, leaf7_c = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  uint32_t leaf1_c = c;
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) extended_c = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    leaf7_b = b;
    leaf7_c = c;
  }

  uint32_t level2 = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT;
  if (!has(leaf1_c, level2) || !has(extended_c, bit_LAHF_LM)) return 0;
  uint64_t found = TENON_CPU_X86_64_V2;

  uint32_t level3 = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
  if (!has(leaf1_c, level3) || !has(leaf7_b, bit_BMI | bit_AVX2 | bit_BMI2) || !has(extended_c, bit_LZCNT))
    return found;
  uint64_t state = saved_state();
  if ((state & 0x06) != 0x06) return found; /* xmm and ymm */
  found |= TENON_CPU_X86_64_V3;
  if (has(leaf7_c, bit_GFNI)) found |= TENON_CPU_GFNI;

  uint32_t level4 = bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
  if (!has(leaf7_b, level4) || (state & 0xe0) != 0xe0) return found; /* masks, upper zmm halves, zmm16-31 */
  found |= TENON_CPU_X86_64_V4;
  if (has(leaf7_c, bit_AVX512VBMI)) found |= TENON_CPU_AVX512_VBMI;
  if (has(leaf7_c, bit_AVX512VBMI2)) found |= TENON_CPU_AVX512_VBMI2;
  if (has(leaf7_c, bit_AVX512BITALG)) found |= TENON_CPU_AVX512_BITALG;
  if (has(leaf7_c, bit_AVX512VPOPCNTDQ)) found |= TENON_CPU_AVX512_VPOPCNTDQ;
  return found;
}

#elif defined(__aarch64__)

static uint64_t ask(void) { return TENON_CPU_AARCH64; } /* the floor has floating point and vectors */

#else

static uint64_t ask(void) { return 0; }

#endif

/* Threads that ask at once find the same, and a forked child inherits it. */
uint64_t tenon_cpu_features(void) {
  static _Atomic uint64_t known;
  const uint64_t asked = UINT64_C(1) << 63;
  uint64_t found = atomic_load_explicit(&known, memory_order_relaxed);
  if (found == 0) {
    found = ask() | asked;
    atomic_store_explicit(&known, found, memory_order_relaxed);
  }
  return found & ~asked;
}

int32_t tenon_cpu_level(void) {
#if defined(__x86_64__)
  uint64_t found = tenon_cpu_features();
  return found & TENON_CPU_X86_64_V4 ? 4 : found & TENON_CPU_X86_64_V3 ? 3 : found & TENON_CPU_X86_64_V2 ? 2 : 1;
#else
  return 0;
#endif
}
