// The floating-point state that the library computes in: round to nearest, subnormals kept, no traps. The host's may be another
// (a program linked with -ffast-math flushes subnormals in every thread; some round elsewhere, or unmask traps), and numbers
// that are folded, converted, read or printed are to be the same numbers in all of them.
//
// One object at each door (ir/base/door.h); refuses to stand in inner functions. It costs a read of the control register on the
// way in and one on the way out, and writes only where the host's state is another. Flags count as state: what the library
// raises is taken back.
#pragma once

#include <cfenv>
#include <cstdint>

namespace tenon {

class FloatEnvironment {
 public:
  FloatEnvironment() : host_(read()) {
    if (is_foreign()) enter();
  }
  ~FloatEnvironment() {
    if (read() != host_) leave();  // also where it was entered: the words differ then
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  using Word = uint32_t;  // MXCSR: six flags, then flush and mask bits and the rounding mode
  static constexpr Word standard = 0x1f80, control = 0xffc0;
  static Word read() { return __builtin_ia32_stmxcsr(); }
#elif defined(__aarch64__)
  using Word = uint64_t;  // FPCR above FPSR, whose flags trap nothing
  static constexpr Word standard = 0, control = 0xffffffff00000000;
  static Word read() {
    uint64_t fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    return fpcr << 32 | (fpsr & 0xffffffff);
  }
#else
#error "tenon knows the floating-point control word of x86-64 and aarch64 only"
#endif
  bool is_foreign() const { return (host_ & control) != standard; }
  void enter();
  void leave();

  const Word host_;
  std::fenv_t all_;  // with what else the processor has (x87), where it was not the standard one
};

}  // namespace tenon
