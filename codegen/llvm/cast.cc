// Casts, one rounding each. f16 goes through the conversion instructions of F16C, bf16 through integer arithmetic, because
// the compiler's own bf16 rounding flushes subnormals on some processors and calls a library on others. Narrowing from
// f64 and from 64-bit integers first makes an f32 or f64 that is rounded to odd, which a second rounding cannot hurt.
#include "tenon/codegen/llvm/scalar.h"

#include <llvm/IR/Module.h>
#include <llvm/TargetParser/Triple.h>

#include <cmath>

namespace tenon::codegen {

using llvm::Value;

namespace {

Value* integer(Value* like, uint64_t v) { return llvm::ConstantInt::get(like->getType(), v); }

Value* to_float(Builder& b, Value* half, DType from) {
  llvm::Type* type = as_wide(b.getFloatTy(), half->getType());
  if (from == DType::f16) return b.CreateFPExt(b.CreateBitCast(half, as_wide(b.getHalfTy(), half->getType())), type);
  Value* bits = b.CreateZExt(half, as_wide(b.getInt32Ty(), half->getType()));
  return b.CreateBitCast(b.CreateShl(bits, integer(bits, 16)), type);
}

Value* to_half(Builder& b, Value* x, DType to) {
  llvm::Type* bits16 = as_wide(b.getInt16Ty(), x->getType());
  if (to == DType::f16) return b.CreateBitCast(b.CreateFPTrunc(x, as_wide(b.getHalfTy(), x->getType())), bits16);
  Value* bits = b.CreateBitCast(x, as_wide(b.getInt32Ty(), x->getType()));
  Value* odd = b.CreateAnd(b.CreateLShr(bits, integer(bits, 16)), integer(bits, 1));
  Value* rounded = b.CreateLShr(b.CreateAdd(b.CreateAdd(bits, integer(bits, 0x7fff)), odd), integer(bits, 16));
  Value* quiet = b.CreateOr(b.CreateLShr(bits, integer(bits, 16)), integer(bits, 0x40));
  return b.CreateTrunc(b.CreateSelect(b.CreateFCmpUNO(x, x), quiet, rounded), bits16);
}

// f64 to f32, truncated, with the last bit set when anything was lost.
Value* round_to_odd(Builder& b, Value* x) {
  llvm::Type* f32_type = as_wide(b.getFloatTy(), x->getType());
  llvm::Type* i32_type = as_wide(b.getInt32Ty(), x->getType());
  Value* nearest = b.CreateFPTrunc(x, f32_type);
  Value* back = b.CreateFPExt(nearest, x->getType());
  Value* size = call(b, llvm::Intrinsic::fabs, {x->getType()}, {x});
  Value* back_size = call(b, llvm::Intrinsic::fabs, {x->getType()}, {back});
  Value* above = b.CreateZExt(b.CreateFCmpOGT(back_size, size), i32_type);
  Value* lost = b.CreateZExt(b.CreateFCmpONE(back, x), i32_type);
  Value* bits = b.CreateBitCast(nearest, i32_type);
  return b.CreateBitCast(b.CreateOr(b.CreateSub(bits, above), lost), f32_type);
}

// A 64-bit integer as an f64 that holds 53 bits of it, the last one standing for all below.
Value* sticky_double(Builder& b, Value* x, bool is_signed) {
  llvm::Type* type = as_wide(b.getDoubleTy(), x->getType());
  Value* negative = is_signed ? b.CreateICmpSLT(x, integer(x, 0)) : nullptr;
  Value* size = negative ? b.CreateSelect(negative, b.CreateNeg(x), x) : x;
  Value* low = b.CreateAnd(size, integer(x, 0x7ff));
  Value* sticky = b.CreateShl(b.CreateZExt(b.CreateICmpNE(low, integer(x, 0)), x->getType()), integer(x, 11));
  Value* high = b.CreateOr(b.CreateAnd(size, integer(x, ~uint64_t{0x7ff})), sticky);
  Value* large = b.CreateICmpUGE(size, integer(x, uint64_t{1} << 53));
  Value* result = b.CreateUIToFP(b.CreateSelect(large, high, size), type);
  return negative ? b.CreateSelect(negative, b.CreateFNeg(result), result) : result;
}

// Vectors of x86, which LLVM would convert lane by lane: brought into range first. NaN is 0.
Value* saturate(Builder& b, Value* x, DType from, DType to) {
  llvm::Type* type = as_wide(register_type(b.getContext(), to), x->getType());
  const int width = bits(to), digits = from == DType::f32 ? 24 : 53, whole = width - (is_signed(to) ? 1 : 0);
  const auto number = [&](double v) { return llvm::ConstantFP::get(x->getType(), v); };
  const double above = std::ldexp(1.0, whole);  // the first number that is too large
  const bool exact = whole <= digits;  // whether every integer of the dtype is a number
  Value* low = number(is_signed(to) ? -above : 0);
  Value* high = number(exact ? above - 1 : above - std::ldexp(1.0, whole - digits));
  Value* inside = b.CreateSelect(b.CreateFCmpORD(x, x), x, number(0));
  inside = b.CreateSelect(b.CreateFCmpOGT(inside, low), inside, low);
  inside = b.CreateSelect(b.CreateFCmpOLT(inside, high), inside, high);
  llvm::Type* wide = width < 32 ? as_wide(b.getInt32Ty(), x->getType()) : type;
  Value* r = is_signed(to) || width < 32 ? b.CreateFPToSI(inside, wide) : b.CreateFPToUI(inside, wide);
  if (width < 32) return b.CreateTrunc(r, type);
  if (exact) return r;
  const uint64_t most = UINT64_MAX >> (64 - whole);
  return b.CreateSelect(b.CreateFCmpOGE(x, number(above)), llvm::ConstantInt::get(type, most), r);
}

bool is_x86(Builder& b) { return llvm::Triple(b.GetInsertBlock()->getModule()->getTargetTriple()).isX86(); }

}  // namespace

Value* emit_cast(Builder& b, Value* x, DType from, DType to) {
  if (from == to) return x;
  llvm::Type* type = as_wide(register_type(b.getContext(), to), x->getType());
  if (is_half(from)) {
    x = to_float(b, x, from);
    return to == DType::f32 ? x : emit_cast(b, x, DType::f32, to);
  }
  if (to == DType::boolean) {
    Value* zero = llvm::Constant::getNullValue(x->getType());
    return is_floating(from) ? b.CreateFCmpUNE(x, zero) : b.CreateICmpNE(x, zero);
  }
  if (is_half(to)) {
    if (from == DType::f32) return to_half(b, x, to);
    if (from == DType::f64) return to_half(b, round_to_odd(b, x), to);
    if (bits(from) == 64) return to_half(b, round_to_odd(b, sticky_double(b, x, is_signed(from))), to);
    const DType exact = bits(from) == 32 ? DType::f64 : DType::f32;
    return emit_cast(b, emit_cast(b, x, from, exact), exact, to);
  }
  if (is_floating(from) && is_floating(to)) return to == DType::f64 ? b.CreateFPExt(x, type) : b.CreateFPTrunc(x, type);
  if (is_floating(from)) {
    if (x->getType()->isVectorTy() && is_x86(b)) return saturate(b, x, from, to);
    const auto id = is_signed(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return call(b, id, {type, x->getType()}, {x});
  }
  if (is_floating(to)) return is_signed(from) ? b.CreateSIToFP(x, type) : b.CreateUIToFP(x, type);
  return is_signed(from) ? b.CreateSExtOrTrunc(x, type) : b.CreateZExtOrTrunc(x, type);
}

}  // namespace tenon::codegen
