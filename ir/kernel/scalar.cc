// Scalar algebra over a kernel builder: one function per elementwise row, made from the op table, and literals.
// Refuses to decide anything about an op: KernelBuilder::scalar does.
#include "tenon/ir/kernel/scalar.h"

#include <bit>
#include <cmath>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/half.h"
#include "tenon/ir/kernel/lowering.h"

namespace tenon::ir {
namespace {

uint64_t literal_bits(DType type, double number) {
  switch (type) {
    case DType::f64: return std::bit_cast<uint64_t>(number);
    case DType::f32: return std::bit_cast<uint32_t>(static_cast<float>(number));
    case DType::f16: return half_from_double(f16_format, number);
    case DType::bf16: return half_from_double(bf16_format, number);
    default: break;
  }
  const double limit = std::ldexp(1.0, bits(type) - (is_signed(type) ? 1 : 0));
  const double lowest = is_signed(type) ? -limit : 0.0;
  if (std::trunc(number) != number || number < lowest || number >= limit)
    throw InternalError("the literal " + std::to_string(number) + " does not fit " + std::string(name(type)));
  return number < 0 ? static_cast<uint64_t>(static_cast<int64_t>(number)) : static_cast<uint64_t>(number);
}

}  // namespace

DType dtype(Scalar x) { return x.builder->dtype(x.id); }

Scalar like(Scalar x, double number) {
  const DType type = dtype(x);
  return {x.builder, x.builder->literal(type, literal_bits(type, number))};
}

Scalar scaled(Scalar x, Scalar n, Scalar otherwise) { return {x.builder, x.builder->scaled(x.id, n.id, otherwise.id)}; }

Scalar like_bits(Scalar x, uint64_t bits) { return {x.builder, x.builder->literal(dtype(x), bits)}; }

Scalar cast(Scalar x, DType to) { return {x.builder, x.builder->scalar(Op::cast, std::span(&x.id, 1), to)}; }

Scalar bitcast(Scalar x, DType to) { return {x.builder, x.builder->scalar(Op::bitcast, std::span(&x.id, 1), to)}; }

#define TENON_UNARY(name, ...) \
  Scalar name(Scalar x) { return {x.builder, x.builder->scalar(Op::name, std::span(&x.id, 1))}; }
#define TENON_BINARY(name, ...)                                \
  Scalar name(Scalar x, Scalar y) {                            \
    const ScalarId operands[] = {x.id, y.id};                  \
    return {x.builder, x.builder->scalar(Op::name, operands)}; \
  }
#define TENON_TERNARY(name, ...)                               \
  Scalar name(Scalar x, Scalar y, Scalar z) {                  \
    const ScalarId operands[] = {x.id, y.id, z.id};            \
    return {x.builder, x.builder->scalar(Op::name, operands)}; \
  }
#define TENON_OP(name, ...)
#include "tenon/ir/ops.def"

Scalar Lowering::literal(DType t, double number) { return {&builder, builder.literal(t, literal_bits(t, number))}; }

}  // namespace tenon::ir
