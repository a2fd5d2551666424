// An array of scalars of one dtype, with one function per elementwise row: what an expansion of a transcendental function
// computes with in the interpreter. The names are those of ir/kernel/scalar.h, so one template serves kernels and interpreter.
// Every exact op is spelled here in plain C++ for every dtype (ir/lanes_*.cc, one file a family). Refuses to know shapes;
// one stored value may stand for all lanes (a literal), and shared data is never written.
#pragma once

#include <cstring>
#include <memory>
#include <span>

#include "tenon/ir/base/dtype.h"
#include "tenon/ir/op.h"

namespace tenon::ir {

struct Lanes {
  DType type = DType::f32;
  int64_t count = 0;
  bool splat = false;  // one stored value stands for all lanes
  std::shared_ptr<unsigned char[]> data;

  Lanes() = default;
  Lanes(DType type, int64_t count, bool splat = false);  // zeros
  static Lanes from(DType type, const void* elements, int64_t count);  // copies
  int64_t stored() const { return splat ? 1 : count; }
  int64_t stride() const { return splat ? 0 : 1; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data.get());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data.get());
  }
  void copy_to(void* elements) const;  // count elements, a splat repeated
};

inline DType dtype(const Lanes& x) { return x.type; }
// One elementwise row on lanes of equal count, by number. `to` is the target of cast and bitcast. Halves compute in f32 and
// round once; expanded rows on halves are evaluated in f64 and rounded once.
Lanes elementwise(Op op, std::span<const Lanes> operands, DType to = DType::f32);

Lanes like(const Lanes& x, double number);  // a literal of x's dtype
Lanes like_bits(const Lanes& x, uint64_t bits);  // a literal of x's dtype from its bit pattern
Lanes cast(const Lanes& x, DType to);
Lanes bitcast(const Lanes& x, DType to);
bool any(const Lanes& condition);

#define TENON_UNARY(name, ...) \
  inline Lanes name(const Lanes& x) { return elementwise(Op::name, std::span(&x, 1)); }
#define TENON_BINARY(name, ...)                       \
  inline Lanes name(const Lanes& x, const Lanes& y) { \
    const Lanes operands[] = {x, y};                  \
    return elementwise(Op::name, operands);           \
  }
#define TENON_TERNARY(name, ...)                                      \
  inline Lanes name(const Lanes& x, const Lanes& y, const Lanes& z) { \
    const Lanes operands[] = {x, y, z};                               \
    return elementwise(Op::name, operands);                           \
  }
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"

inline Lanes operator+(const Lanes& x, const Lanes& y) { return add(x, y); }
inline Lanes operator-(const Lanes& x, const Lanes& y) { return sub(x, y); }
inline Lanes operator*(const Lanes& x, const Lanes& y) { return mul(x, y); }
inline Lanes operator/(const Lanes& x, const Lanes& y) { return div(x, y); }
inline Lanes operator-(const Lanes& x) { return neg(x); }
inline Lanes operator<(const Lanes& x, const Lanes& y) { return lt(x, y); }
inline Lanes operator<=(const Lanes& x, const Lanes& y) { return le(x, y); }
inline Lanes operator>(const Lanes& x, const Lanes& y) { return gt(x, y); }
inline Lanes operator>=(const Lanes& x, const Lanes& y) { return ge(x, y); }
inline Lanes operator==(const Lanes& x, const Lanes& y) { return eq(x, y); }
inline Lanes operator!=(const Lanes& x, const Lanes& y) { return ne(x, y); }
inline Lanes operator&(const Lanes& x, const Lanes& y) { return bit_and(x, y); }
inline Lanes operator|(const Lanes& x, const Lanes& y) { return bit_or(x, y); }
inline Lanes operator^(const Lanes& x, const Lanes& y) { return bit_xor(x, y); }
inline Lanes operator<<(const Lanes& x, const Lanes& y) { return shl(x, y); }
inline Lanes operator>>(const Lanes& x, const Lanes& y) { return shr(x, y); }

// x 2^n rounded once, which is what `otherwise` computes.
inline Lanes scaled(const Lanes&, const Lanes&, const Lanes& otherwise) { return otherwise; }

// slow() where the condition holds, else fast; slow is computed only when a lane needs it.
template <class Slow>
Lanes rare(const Lanes& condition, Slow slow, const Lanes& fast) {
  return any(condition) ? select(condition, slow(), fast) : fast;
}

// ---- families, each in a file of its own (ir/lanes_*.cc); `out` has its dtype and room, strides follow the operands'
namespace lanes {
bool arithmetic(Op op, std::span<const Lanes> operands, Lanes& out);  // neg ... fma; false: not of this family
bool logic(Op op, std::span<const Lanes> operands, Lanes& out);  // bits, shifts, comparison, select
void convert(const Lanes& from, Lanes& out);
}  // namespace lanes

}  // namespace tenon::ir
