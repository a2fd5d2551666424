// Casts, one rounding each. f16 goes through the conversion instructions of F16C, bf16 through integer arithmetic, because
// the compiler's own bf16 rounding flushes subnormals on some processors and calls a library on others. Narrowing from
// f64 and from 32-bit and 64-bit integers first makes a number that is rounded to odd, which a second rounding cannot hurt.
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
  Value* is_nan = b.CreateFCmpUNO(x, x);
  if (llvm::Type* numbers = type_of_masks(b, is_nan, is_nan)) {
    Value* nan = b.CreateSExt(is_nan, numbers);
    Value* above = b.CreateAnd(b.CreateAdd(odd, integer(bits, 0x7fff)), b.CreateNot(nan));
    Value* high = b.CreateLShr(b.CreateAdd(bits, above), integer(bits, 16));
    return b.CreateTrunc(b.CreateOr(high, b.CreateAnd(nan, integer(bits, 0x40))), bits16);
  }
  Value* rounded = b.CreateLShr(b.CreateAdd(b.CreateAdd(bits, integer(bits, 0x7fff)), odd), integer(bits, 16));
  Value* quiet = b.CreateOr(b.CreateLShr(bits, integer(bits, 16)), integer(bits, 0x40));
  return b.CreateTrunc(b.CreateSelect(is_nan, quiet, rounded), bits16);
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

// A 32-bit integer as one of which an f32 holds every bit, the last one standing for all below: rounded to odd.
Value* sticky_number(Builder& b, Value* x, bool is_signed) {
  const uint64_t exact = 1 << 24;
  Value* low = b.CreateAnd(x, integer(x, 0xff));
  Value* sticky = b.CreateAnd(b.CreateAdd(low, integer(x, 0xff)), integer(x, 0x100));
  Value* high = b.CreateOr(b.CreateAnd(x, integer(x, 0xffffff00)), sticky);
  Value* is_small = is_signed ? b.CreateICmpULE(b.CreateAdd(x, integer(x, exact)), integer(x, 2 * exact))
                              : b.CreateICmpULE(x, integer(x, exact));
  return b.CreateSelect(is_small, x, high);
}

// A whole f64 in the range of a 64-bit integer, where the machine converts 32 bits at most: both halves by their place in the
// significand of a larger number.
Value* in_halves(Builder& b, Value* x, llvm::Type* type) {
  const auto number = [&](double v) { return llvm::ConstantFP::get(x->getType(), v); };
  const auto rounded = [&](llvm::Intrinsic::ID id, Value* v) { return call(b, id, {v->getType()}, {v}); };
  const auto bits_of = [&](Value* v) { return b.CreateBitCast(v, type); };
  x = rounded(llvm::Intrinsic::trunc, x);
  Value* high = rounded(llvm::Intrinsic::floor, b.CreateFMul(x, number(0x1p-32)));
  Value* low = call(b, llvm::Intrinsic::fma, {x->getType()}, {high, number(-0x1p32), x});  // exact
  Value* high_bits = bits_of(b.CreateFAdd(high, number(0x1.8p52)));
  Value* low_bits = bits_of(b.CreateFAdd(low, number(0x1p52)));
  return b.CreateOr(b.CreateShl(high_bits, integer(high_bits, 32)),
                    b.CreateAnd(low_bits, integer(low_bits, 0xffffffff)));
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
  Value* r = nullptr;
  if (width == 64 && !has_masks(b))
    r = in_halves(b, from == DType::f32 ? b.CreateFPExt(inside, as_wide(b.getDoubleTy(), inside->getType())) : inside,
                  type);
  else
    r = is_signed(to) || width < 32 ? b.CreateFPToSI(inside, wide) : b.CreateFPToUI(inside, wide);
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
    if (bits(from) == 32) x = sticky_number(b, x, is_signed(from));
    return to_half(b, emit_cast(b, x, from, DType::f32), to);
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
