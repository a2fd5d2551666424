// Arithmetic, comparison, bits and selection: one LLVM spelling per exact op and dtype, with the contract's answers where
// the machine has none (division by zero, shifts past the width, NaN in min and max). No fast-math flag is ever set.
#include "tenon/codegen/llvm/scalar.h"

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using llvm::Value;
using llvm::Intrinsic::ID;

llvm::Type* register_type(llvm::LLVMContext& context, DType t) {
  switch (t) {
    case DType::boolean: return llvm::Type::getInt1Ty(context);
    case DType::f32: return llvm::Type::getFloatTy(context);
    case DType::f64: return llvm::Type::getDoubleTy(context);
    default: return llvm::Type::getIntNTy(context, static_cast<unsigned>(bits(t)));
  }
}

llvm::Type* memory_type(llvm::LLVMContext& context, DType t) {
  return t == DType::boolean ? llvm::Type::getInt8Ty(context) : register_type(context, t);
}

llvm::Constant* lane_numbers(llvm::Type* element, unsigned lanes) {
  std::vector<llvm::Constant*> numbers;
  for (unsigned l = 0; l < lanes; ++l) numbers.push_back(llvm::ConstantInt::get(element, l));
  return llvm::ConstantVector::get(numbers);
}

Value* splat(Builder& b, Value* scalar, unsigned lanes) {
  if (lanes == 1 || scalar->getType()->isVectorTy()) return scalar;
  return b.CreateVectorSplat(lanes, scalar);
}

llvm::Constant* literal(llvm::LLVMContext& context, DType t, uint64_t pattern) {
  llvm::Type* type = register_type(context, t);
  if (t == DType::f32)
    return llvm::ConstantFP::get(context,
                                 llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, pattern & 0xffffffffu)));
  if (t == DType::f64)
    return llvm::ConstantFP::get(context, llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, pattern)));
  const unsigned width = type->getIntegerBitWidth();
  if (width < 64) pattern &= (uint64_t{1} << width) - 1;
  return llvm::ConstantInt::get(type, pattern);
}

llvm::Constant* identity(llvm::LLVMContext& context, ir::Op combine, DType t) {
  return literal(context, t, ir::identity_bits(combine, t));
}

Value* any(Builder& b, Value* condition) {
  if (!condition->getType()->isVectorTy()) return condition;
  llvm::Type* bits = b.getIntNTy(lanes_of(condition->getType()));
  return b.CreateICmpNE(b.CreateBitCast(condition, bits), llvm::ConstantInt::get(bits, 0));
}

namespace {

Value* unary(Builder& b, ID id, Value* x) { return call(b, id, {x->getType()}, {x}); }
Value* binary(Builder& b, ID id, Value* x, Value* y) { return call(b, id, {x->getType()}, {x, y}); }
Value* zero(Value* like) { return llvm::Constant::getNullValue(like->getType()); }
Value* number(Value* like, double v) { return llvm::ConstantFP::get(like->getType(), v); }
Value* integer(Value* like, uint64_t v) { return llvm::ConstantInt::get(like->getType(), v); }

// Up to 32 bits a quotient in f64 truncates to the exact one, and vectors of f64 divide where integers cannot.
Value* quotient(Builder& b, Value* x, Value* y, bool is_signed) {
  const unsigned width = x->getType()->getScalarSizeInBits();
  if (width <= 32 && x->getType()->isVectorTy()) {
    llvm::Type* wide = as_wide(b.getDoubleTy(), x->getType());
    Value* p = is_signed ? b.CreateSIToFP(x, wide) : b.CreateUIToFP(x, wide);
    Value* q = is_signed ? b.CreateSIToFP(y, wide) : b.CreateUIToFP(y, wide);
    Value* r = b.CreateFDiv(p, q);
    return is_signed ? b.CreateFPToSI(r, x->getType()) : b.CreateFPToUI(r, x->getType());
  }
  return is_signed ? b.CreateSDiv(x, y) : b.CreateUDiv(x, y);
}

Value* divide(Builder& b, Value* x, Value* y, bool is_signed, bool remainder) {
  Value* by_zero = b.CreateICmpEQ(y, zero(y));
  Value* unsafe = by_zero;
  if (is_signed) {
    Value* lowest =
        llvm::ConstantInt::get(x->getType(), llvm::APInt::getSignedMinValue(x->getType()->getScalarSizeInBits()));
    Value* overflow =
        b.CreateAnd(b.CreateICmpEQ(y, llvm::Constant::getAllOnesValue(y->getType())), b.CreateICmpEQ(x, lowest));
    unsafe = b.CreateOr(by_zero, overflow);  // INT_MIN / 1 is the wrapped INT_MIN / -1
  }
  Value* divisor = b.CreateSelect(unsafe, integer(y, 1), y);
  Value* q = quotient(b, x, divisor, is_signed);
  if (remainder) return b.CreateSelect(by_zero, x, b.CreateSub(x, b.CreateMul(q, divisor)));
  return b.CreateSelect(by_zero, zero(x), q);
}

// A constant that is no NaN needs one instruction, which takes its second operand where the first is not the better one.
Value* bounded(Builder& b, bool maximum, Value* x, Value* bound) {
  auto* splat_or_scalar = llvm::dyn_cast<llvm::Constant>(bound);
  if (splat_or_scalar && bound->getType()->isVectorTy()) splat_or_scalar = splat_or_scalar->getSplatValue();
  auto* c = llvm::dyn_cast_or_null<llvm::ConstantFP>(splat_or_scalar);
  if (!c || c->isNaN()) return nullptr;
  Value* better = maximum ? b.CreateFCmpOGT(bound, x) : b.CreateFCmpOLT(bound, x);
  Value* result = b.CreateSelect(better, bound, x);
  // Equal zeros give x, which is right for max(x, -0) and min(x, +0).
  if (!c->isZero() || c->isNegative() == maximum) return result;
  if (maximum) return b.CreateFAdd(result, bound);  // -0 + +0 is +0
  return nullptr;
}

Value* extremum(Builder& b, bool maximum, DType t, Value* x, Value* y) {
  if (is_floating(t)) {
    if (Value* v = bounded(b, maximum, x, y)) return v;
    if (Value* v = bounded(b, maximum, y, x)) return v;
  }
  if (is_floating(t)) return binary(b, maximum ? llvm::Intrinsic::maximum : llvm::Intrinsic::minimum, x, y);
  if (is_signed(t)) {
    Value* result = binary(b, maximum ? llvm::Intrinsic::smax : llvm::Intrinsic::smin, x, y);
    // A place that is bounded: LLVM would compute the bound of a loop's first element again in every round of it.
    return result->getType()->isIntegerTy(64) ? b.CreateFreeze(result) : result;
  }
  return binary(b, maximum ? llvm::Intrinsic::umax : llvm::Intrinsic::umin, x, y);
}

Value* shift(Builder& b, bool left, DType t, Value* x, Value* count) {
  const unsigned width = x->getType()->getScalarSizeInBits();
  Value* inside = b.CreateICmpULT(count, integer(count, width));
  Value* safe = b.CreateSelect(inside, count, integer(count, is_signed(t) && !left ? width - 1 : 0));
  if (left) return b.CreateSelect(inside, b.CreateShl(x, safe), zero(x));
  if (is_signed(t)) return b.CreateAShr(x, safe);
  return b.CreateSelect(inside, b.CreateLShr(x, safe), zero(x));
}

Value* compare(Builder& b, ir::Op op, DType t, Value* x, Value* y) {
  using P = llvm::CmpInst::Predicate;
  const bool floating = is_floating(t), is_signed_type = is_signed(t);
  const auto pick = [&](P f, P s, P u) { return floating ? f : is_signed_type ? s : u; };
  P p;
  switch (op) {
    case ir::Op::eq: p = pick(P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ); break;
    case ir::Op::ne: p = pick(P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE); break;
    case ir::Op::lt: p = pick(P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT); break;
    case ir::Op::le: p = pick(P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE); break;
    case ir::Op::gt: p = pick(P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT); break;
    case ir::Op::ge: p = pick(P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE); break;
    default: throw InternalError(std::string(ir::name(op)) + " is no comparison");
  }
  return floating ? b.CreateFCmp(p, x, y) : b.CreateICmp(p, x, y);
}

// Halves are only moved, negated and stripped of their sign.
Value* half_sign(Builder& b, ir::Op op, Value* x) {
  if (op == ir::Op::neg) return b.CreateXor(x, integer(x, 0x8000));
  if (op == ir::Op::abs) return b.CreateAnd(x, integer(x, 0x7fff));
  throw InternalError(std::string(ir::name(op)) + " on a half reached code generation");
}

// A product or quotient of x; 0 where it is NaN and x is 0 or the other one makes nothing of it.
Value* unless_nothing(Builder& b, Value* result, Value* x, Value* other_is_nothing) {
  Value* nothing = b.CreateOr(b.CreateFCmpOEQ(x, zero(x)), other_is_nothing);
  return b.CreateSelect(b.CreateAnd(b.CreateFCmpUNO(result, result), nothing), zero(x), result);
}

Value* floating_op(Builder& b, ir::Op op, llvm::ArrayRef<Value*> v) {
  Value* x = v[0];
  switch (op) {
    case ir::Op::neg: return b.CreateFNeg(x);
    case ir::Op::abs: return unary(b, llvm::Intrinsic::fabs, x);
    case ir::Op::sign: {
      Value* negative = b.CreateSelect(b.CreateFCmpOLT(x, zero(x)), number(x, -1), x);
      return b.CreateSelect(b.CreateFCmpOGT(x, zero(x)), number(x, 1), negative);
    }
    case ir::Op::floor: return unary(b, llvm::Intrinsic::floor, x);
    case ir::Op::ceil: return unary(b, llvm::Intrinsic::ceil, x);
    case ir::Op::trunc: return unary(b, llvm::Intrinsic::trunc, x);
    case ir::Op::round: return unary(b, llvm::Intrinsic::roundeven, x);
    case ir::Op::sqrt: return unary(b, llvm::Intrinsic::sqrt, x);
    case ir::Op::is_finite:
      return b.CreateFCmpOLT(unary(b, llvm::Intrinsic::fabs, x), llvm::ConstantFP::getInfinity(x->getType()));
    case ir::Op::add: return b.CreateFAdd(x, v[1]);
    case ir::Op::sub: return b.CreateFSub(x, v[1]);
    case ir::Op::mul: return b.CreateFMul(x, v[1]);
    case ir::Op::div: return b.CreateFDiv(x, v[1]);
    case ir::Op::rem: return emit_float_remainder(b, x, v[1]);
    case ir::Op::scale: return unless_nothing(b, b.CreateFMul(x, v[1]), x, b.CreateFCmpOEQ(v[1], zero(x)));
    case ir::Op::unscale: {
      Value* size = unary(b, llvm::Intrinsic::fabs, v[1]);
      Value* infinite = b.CreateFCmpOEQ(size, llvm::ConstantFP::getInfinity(x->getType()));
      return unless_nothing(b, b.CreateFDiv(x, v[1]), x, infinite);
    }
    case ir::Op::fma: return call(b, llvm::Intrinsic::fma, {x->getType()}, {x, v[1], v[2]});
    default: return nullptr;
  }
}

Value* integer_op(Builder& b, ir::Op op, DType t, llvm::ArrayRef<Value*> v) {
  Value* x = v[0];
  switch (op) {
    case ir::Op::neg: return b.CreateNeg(x);
    case ir::Op::abs: return is_signed(t) ? call(b, llvm::Intrinsic::abs, {x->getType()}, {x, b.getFalse()}) : x;
    case ir::Op::sign: {
      Value* nonzero = b.CreateZExt(b.CreateICmpNE(x, zero(x)), x->getType());
      if (!is_signed(t)) return nonzero;
      return b.CreateOr(nonzero, b.CreateAShr(x, integer(x, x->getType()->getScalarSizeInBits() - 1)));
    }
    case ir::Op::bit_not: return b.CreateNot(x);
    case ir::Op::popcount: return unary(b, llvm::Intrinsic::ctpop, x);
    case ir::Op::add: return b.CreateAdd(x, v[1]);
    case ir::Op::sub: return b.CreateSub(x, v[1]);
    case ir::Op::mul: return b.CreateMul(x, v[1]);
    case ir::Op::div: return divide(b, x, v[1], is_signed(t), false);
    case ir::Op::rem: return divide(b, x, v[1], is_signed(t), true);
    case ir::Op::bit_and: return b.CreateAnd(x, v[1]);
    case ir::Op::bit_or: return b.CreateOr(x, v[1]);
    case ir::Op::bit_xor: return b.CreateXor(x, v[1]);
    case ir::Op::shl: return shift(b, true, t, x, v[1]);
    case ir::Op::shr: return shift(b, false, t, x, v[1]);
    default: return nullptr;
  }
}

}  // namespace

Value* emit_op(Builder& b, ir::Op op, DType t, DType to, llvm::ArrayRef<Value*> v) {
  switch (op) {
    case ir::Op::select: return b.CreateSelect(v[0], v[1], v[2]);
    case ir::Op::cast: return emit_cast(b, v[0], t, to);
    case ir::Op::bitcast: {
      llvm::Type* type = as_wide(register_type(b.getContext(), to), v[0]->getType());
      return b.CreateBitCast(v[0], type);
    }
    case ir::Op::max: return extremum(b, true, t, v[0], v[1]);
    case ir::Op::min: return extremum(b, false, t, v[0], v[1]);
    case ir::Op::eq:
    case ir::Op::ne:
    case ir::Op::lt:
    case ir::Op::le:
    case ir::Op::gt:
    case ir::Op::ge:
      if (is_half(t))
        return compare(b, op, DType::f32, emit_cast(b, v[0], t, DType::f32), emit_cast(b, v[1], t, DType::f32));
      return compare(b, op, t, v[0], v[1]);
    default: break;
  }
  if (is_half(t)) return half_sign(b, op, v[0]);
  Value* result = is_floating(t) ? floating_op(b, op, v) : integer_op(b, op, t, v);
  if (!result)
    throw InternalError(std::string(ir::name(op)) + " on " + std::string(name(t)) + " reached code generation");
  return result;
}

}  // namespace tenon::codegen
