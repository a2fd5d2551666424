// The floating-point remainder, exactly C's fmod, without a library: |x| is reduced modulo |y| * 2^k for falling k. Each
// round's quotient is below 2^52, so its truncation is off by at most one and one fma gives the exact remainder; since
// |y| * 2^k is a multiple of |y|, the rounds compose. f32 computes in f64, where nothing is subnormal and one to six
// rounds suffice.
#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

using llvm::Value;

namespace {

Value* integer(llvm::Type* type, int64_t v) { return llvm::ConstantInt::get(type, static_cast<uint64_t>(v), true); }

// floor(log2) of a positive finite f64.
Value* exponent(Builder& b, Value* x) {
  llvm::Type* bits = as_wide(b.getInt64Ty(), x->getType());
  Value* biased = b.CreateLShr(b.CreateBitCast(x, bits), integer(bits, 52));
  Value* scaled = b.CreateFMul(x, llvm::ConstantFP::get(x->getType(), 0x1p54));
  Value* subnormal = b.CreateSub(b.CreateLShr(b.CreateBitCast(scaled, bits), integer(bits, 52)), integer(bits, 54));
  return b.CreateSelect(b.CreateICmpEQ(biased, integer(bits, 0)), subnormal, biased);
}

Value* power_of_two(Builder& b, Value* k, llvm::Type* f64_type) {
  return b.CreateBitCast(b.CreateShl(b.CreateAdd(k, integer(k->getType(), 1023)), integer(k->getType(), 52)), f64_type);
}

// One round: x modulo the largest |y| * 2^k that serves.
Value* round(Builder& b, Value* x, Value* modulus) {
  llvm::Type* wide = x->getType();
  llvm::Type* bits = as_wide(b.getInt64Ty(), wide);
  // 51 keeps the quotient below 2^52, and k at most 2046, so that both of its halves are exponents of f64.
  Value* gap = b.CreateSub(b.CreateSub(exponent(b, x), exponent(b, modulus)), integer(bits, 51));
  Value* k = b.CreateSelect(b.CreateICmpSGT(gap, integer(bits, 0)), gap, integer(bits, 0));
  // k can pass 1023, which one factor cannot hold.
  Value* quarter = b.CreateLShr(k, integer(bits, 2));
  Value* part = power_of_two(b, quarter, wide);
  Value* multiple = b.CreateFMul(b.CreateFMul(b.CreateFMul(modulus, part), part), part);
  multiple = b.CreateFMul(multiple, power_of_two(b, b.CreateSub(k, b.CreateMul(quarter, integer(bits, 3))), wide));
  Value* quotient = call(b, llvm::Intrinsic::trunc, {wide}, {b.CreateFDiv(x, multiple)});
  Value* rest = call(b, llvm::Intrinsic::fma, {wide}, {b.CreateFNeg(quotient), multiple, x});
  Value* raised = b.CreateFAdd(rest, multiple);
  return b.CreateSelect(b.CreateFCmpOLT(rest, llvm::Constant::getNullValue(wide)), raised, rest);
}

}  // namespace

Value* emit_float_remainder(Builder& b, Value* x, Value* y) {
  llvm::Type* type = x->getType();
  llvm::Type* wide = as_wide(b.getDoubleTy(), type);
  const bool narrow = type->getScalarType()->isFloatTy();
  const auto magnitude = [&](Value* v) {
    if (narrow) v = b.CreateFPExt(v, wide);
    return call(b, llvm::Intrinsic::fabs, {wide}, {v});
  };
  Value* size = magnitude(x);
  Value* divisor = magnitude(y);
  Value* infinite = llvm::ConstantFP::getInfinity(wide);
  Value* zero = llvm::Constant::getNullValue(wide);
  Value* valid = b.CreateAnd(b.CreateFCmpOLT(size, infinite), b.CreateFCmpOGT(divisor, zero));
  // Lanes without an answer take no part in the rounds.
  Value* start = b.CreateSelect(valid, size, zero);
  Value* modulus = b.CreateSelect(valid, divisor, llvm::ConstantFP::get(wide, 1.0));

  Value* active = nullptr;
  const auto unfinished = [&](ValueRefs left) { return any(b, active = b.CreateFCmpOGE(left[0], modulus)); };
  const Values left = while_loop(b, "remainder", start, unfinished, [&](ValueRefs left) {
    return Values{b.CreateSelect(active, round(b, left[0], modulus), left[0])};
  });
  Value* result = b.CreateSelect(valid, left[0], llvm::ConstantFP::getNaN(wide));
  if (narrow) result = b.CreateFPTrunc(result, type);
  return call(b, llvm::Intrinsic::copysign, {type}, {result, x});
}

}  // namespace tenon::codegen
