// Writing kernels as algebra: Scalar is a handle on a scalar value in a KernelBuilder, with one function per elementwise
// row and operators, so that an expansion of a transcendental function is one template for kernels and interpreter alike
// (the same names exist for Lanes in ir/reference/lanes.h). Strict: operands of one dtype; only `like` adapts.
#pragma once

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

struct Scalar {
  KernelBuilder* builder = nullptr;
  ScalarId id = no_scalar;
  explicit operator bool() const { return id != no_scalar; }
};

DType dtype(Scalar x);
Scalar like(Scalar x, double number);  // a literal of x's dtype (integer dtypes: the number must be integral)
Scalar like_bits(Scalar x, uint64_t bits);  // a literal of x's dtype from its bit pattern
Scalar cast(Scalar x, DType to);
Scalar bitcast(Scalar x, DType to);

#define TENON_UNARY(name, ...) Scalar name(Scalar x);
#define TENON_BINARY(name, ...) Scalar name(Scalar x, Scalar y);
#define TENON_TERNARY(name, ...) Scalar name(Scalar x, Scalar y, Scalar z);
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"

inline Scalar operator+(Scalar x, Scalar y) { return add(x, y); }
inline Scalar operator-(Scalar x, Scalar y) { return sub(x, y); }
inline Scalar operator*(Scalar x, Scalar y) { return mul(x, y); }
inline Scalar operator/(Scalar x, Scalar y) { return div(x, y); }
inline Scalar operator-(Scalar x) { return neg(x); }
inline Scalar operator<(Scalar x, Scalar y) { return lt(x, y); }
inline Scalar operator<=(Scalar x, Scalar y) { return le(x, y); }
inline Scalar operator>(Scalar x, Scalar y) { return gt(x, y); }
inline Scalar operator>=(Scalar x, Scalar y) { return ge(x, y); }
inline Scalar operator==(Scalar x, Scalar y) { return eq(x, y); }
inline Scalar operator!=(Scalar x, Scalar y) { return ne(x, y); }
inline Scalar operator&(Scalar x, Scalar y) { return bit_and(x, y); }
inline Scalar operator|(Scalar x, Scalar y) { return bit_or(x, y); }
inline Scalar operator^(Scalar x, Scalar y) { return bit_xor(x, y); }
inline Scalar operator<<(Scalar x, Scalar y) { return shl(x, y); }
inline Scalar operator>>(Scalar x, Scalar y) { return shr(x, y); }

// x 2^n rounded once, which `otherwise` computes: a machine that has an instruction for it spells that instead.
Scalar scaled(Scalar x, Scalar n, Scalar otherwise);

// slow() where any lane's condition holds, else fast: select(condition, slow(), fast), computed only when needed.
template <class Slow>
Scalar rare(Scalar condition, Slow slow, Scalar fast) {
  condition.builder->open_rare(condition.id, fast.id);
  Scalar value = slow();
  return {condition.builder, condition.builder->close_rare(value.id)};
}

}  // namespace tenon::ir
