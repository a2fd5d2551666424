// The identities of the ops that reductions combine with, as bit patterns: one place for the interpreter and the renderers.
#include <limits>

#include "tenon/ir/base/error.h"
#include "tenon/ir/base/half.h"
#include "tenon/ir/op.h"

namespace tenon::ir {

namespace {

uint64_t float_bits(DType t, double value) {
  switch (t) {
    case DType::f16: return half_from_double(f16_format, value);
    case DType::bf16: return half_from_double(bf16_format, value);
    case DType::f32: return std::bit_cast<uint32_t>(static_cast<float>(value));
    default: return std::bit_cast<uint64_t>(value);
  }
}

}  // namespace

uint64_t identity_bits(Op combine, DType t) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const uint64_t all = bits(t) == 64 ? ~uint64_t{0} : (uint64_t{1} << bits(t)) - 1;
  const uint64_t lowest = is_signed(t) ? uint64_t{1} << (bits(t) - 1) : 0;
  const bool floating = is_floating(t);
  switch (def(combine).identity) {
    case Identity::zero: return floating ? float_bits(t, -0.0) : 0;
    case Identity::one: return floating ? float_bits(t, 1) : 1;
    case Identity::lowest: return floating ? float_bits(t, -infinity) : lowest;
    case Identity::highest: return floating ? float_bits(t, infinity) : all & ~lowest;
    case Identity::ones: return all;
    case Identity::none: break;
  }
  throw InternalError(std::string(name(combine)) + " has no identity");
}

uint64_t nothing_bits(Op combine, DType t) {
  return def(combine).identity == Identity::zero ? 0 : identity_bits(combine, t);
}

}  // namespace tenon::ir
