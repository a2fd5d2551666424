// The rare half of the floating-point guard: the host's state is not the standard one, or flags were raised inside.
// Refuses to fail: the calls of the C library that are used here cannot.
#include "tenon/ir/base/float_environment.h"

namespace tenon {

void FloatEnvironment::enter() {
  std::fegetenv(&all_);
  std::fesetenv(FE_DFL_ENV);
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(standard);  // the C library does not know the bits that flush subnormals
#endif
}

void FloatEnvironment::leave() {
  if (is_foreign()) std::fesetenv(&all_);
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(host_);
#else
  __asm__ volatile("msr fpsr, %0" ::"r"(host_ & 0xffffffff));
#endif
}

}  // namespace tenon
