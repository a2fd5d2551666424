// Parts of running results: making, combining, and reading off what they stand for. Absent lanes hold the identity, never
// zero.
#include "tenon/codegen/llvm/partial.h"

namespace tenon::codegen {

using ir::Op;
using llvm::Value;

namespace {

bool is_extremum(const Combine& c) { return (c.op == Op::max || c.op == Op::min) && is_floating(c.type); }

void append(Values& list, const Values& more) { list.insert(list.end(), more.begin(), more.end()); }

Values combine_extrema(Builder& b, bool largest, ValueRefs older, ValueRefs newer) {
  Value *x = older[0], *y = newer[0];
  Value* take = largest ? b.CreateFCmpOGT(y, x) : b.CreateFCmpOLT(y, x);  // false where either is a NaN
  // Equal zeros differ in sign: of the largest only all negative give -0, of the smallest any.
  Value* signs = largest ? b.CreateAnd(older[1], newer[1]) : b.CreateOr(older[1], newer[1]);
  Value* value = b.CreateSelect(take, y, x);
  return {value, signs, b.CreateOr(older[2], newer[2])};
}

// The first NaN wins; else the first of the extreme elements.
Values combine_places(Builder& b, const Combine& c, ValueRefs older, ValueRefs newer) {
  Value *x = older[0], *y = newer[0];
  const auto holds = [&](Op op, Value* left, Value* right) {
    return emit_op(b, op, c.type, DType::boolean, {left, right});
  };
  Value* take = holds(ir::def(c.op).identity == ir::Identity::lowest ? Op::gt : Op::lt, y, x);
  Value *old_nan = nullptr, *new_nan = nullptr;
  if (is_floating(c.type)) {
    old_nan = holds(Op::ne, x, x), new_nan = holds(Op::ne, y, y);
    take = b.CreateOr(take, b.CreateAnd(new_nan, b.CreateNot(old_nan)));
  }
  Value* tie = holds(Op::eq, y, x);
  if (old_nan) tie = b.CreateOr(tie, b.CreateAnd(new_nan, old_nan));
  take = b.CreateOr(take, b.CreateAnd(tie, b.CreateICmpSLT(newer[1], older[1])));
  Value* value = b.CreateSelect(take, y, x);
  return {value, b.CreateSelect(take, newer[1], older[1])};
}

Value* settle_extremum(Builder& b, ValueRefs parts) {
  llvm::Type *type = parts[0]->getType(), *bits = parts[1]->getType();
  Value* sign = llvm::ConstantInt::get(bits, llvm::APInt::getSignMask(bits->getScalarSizeInBits()));
  Value* zero = b.CreateBitCast(b.CreateAnd(parts[1], sign), type);
  Value* value = b.CreateSelect(b.CreateFCmpOEQ(parts[0], llvm::Constant::getNullValue(type)), zero, parts[0]);
  Value* has_nan = b.CreateICmpNE(parts[2], llvm::Constant::getNullValue(bits));
  return b.CreateSelect(has_nan, llvm::ConstantFP::getNaN(type), value);
}

}  // namespace

bool is_place(const Combine& c) { return ir::def(c.op).positional; }
size_t part_count(const Combine& c) { return is_extremum(c) ? 3 : is_place(c) ? 2 : 1; }

Partial identities(Builder& b, const Combines& combines, unsigned width) {
  Partial p;
  for (const Combine& c : combines) {
    llvm::Constant* nothing = identity(b.getContext(), c.op, c.type);
    p.push_back(nothing);
    if (is_place(c)) p.push_back(b.getInt64(INT64_MAX));
    if (is_extremum(c)) {
      llvm::Type* bits = b.getIntNTy(nothing->getType()->getScalarSizeInBits());
      p.push_back(c.op == Op::max ? llvm::Constant::getAllOnesValue(bits) : llvm::Constant::getNullValue(bits));
      p.push_back(llvm::Constant::getNullValue(bits));
    }
  }
  for (Value*& part : p) part = splat(b, part, width);
  return p;
}

Partial lift(Builder& b, const Combine& c, Value* value, Value* position) {
  if (is_place(c)) return position ? Partial{value, position} : Partial{value};
  if (!is_extremum(c)) return {value};
  llvm::Type* bits = as_wide(b.getIntNTy(value->getType()->getScalarSizeInBits()), value->getType());
  Value* pattern = b.CreateBitCast(value, bits);
  return {value, pattern, b.CreateSExt(b.CreateFCmpUNO(value, value), bits)};
}

Partial combine(Builder& b, const Combines& combines, ValueRefs older, ValueRefs newer) {
  Partial p;
  for (const Combine& c : combines) {
    if (is_extremum(c))
      append(p, combine_extrema(b, c.op == Op::max, older, newer));
    else if (is_place(c))
      append(p, combine_places(b, c, older, newer));
    else
      p.push_back(emit_op(b, c.op, c.type, c.type, {older[0], newer[0]}));
    older = older.drop_front(part_count(c));
    newer = newer.drop_front(part_count(c));
  }
  return p;
}

Partial halve(Builder& b, const Combines& combines, Partial p) {
  for (unsigned half = lanes_of(p[0]->getType()) / 2; half >= 1; half /= 2) {
    Partial low, high;
    const auto part = [&](Value* v, unsigned from) -> Value* {
      if (half == 1) return b.CreateExtractElement(v, uint64_t{from});
      llvm::SmallVector<int> picked;
      for (unsigned l = 0; l < half; ++l) picked.push_back(static_cast<int>(from + l));
      return b.CreateShuffleVector(v, picked);
    };
    for (Value* v : p) {
      low.push_back(part(v, 0));
      high.push_back(part(v, half));
    }
    p = combine(b, combines, low, high);
  }
  return p;
}

Partial choose(Builder& b, Value* mask, ValueRefs chosen, ValueRefs other) {
  Partial p;
  for (size_t n = 0; n < chosen.size(); ++n) p.push_back(b.CreateSelect(mask, chosen[n], other[n]));
  return p;
}

Values settle(Builder& b, const Combines& combines, ValueRefs parts) {
  Values results;
  for (const Combine& c : combines) {
    results.push_back(is_extremum(c) ? settle_extremum(b, parts) : parts[is_place(c) ? 1 : 0]);
    parts = parts.drop_front(part_count(c));
  }
  return results;
}

}  // namespace tenon::codegen
