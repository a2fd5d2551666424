// Turns as numbers: no place yet is turn 0, no NaN yet the highest number there is.
#include "tenon/codegen/llvm/turns.h"

namespace tenon::codegen {

using ir::Op;
using llvm::Value;

namespace {

bool is_largest(const Combine& c) { return ir::def(c.op).identity == ir::Identity::lowest; }
size_t turned_count(const Combine& c) { return !is_place(c) ? part_count(c) : is_floating(c.type) ? 3 : 2; }

llvm::Constant* all_ones(Value* like) { return llvm::Constant::getAllOnesValue(like->getType()); }
Value* binary(Builder& b, llvm::Intrinsic::ID id, Value* x, Value* y) { return call(b, id, {x->getType()}, {x, y}); }

// The larger or smaller of two numbers, which have no more than 32 bits, or all.
Value* extreme_turn(Builder& b, bool largest, Value* x, Value* y) {
  const auto id = largest ? llvm::Intrinsic::umax : llvm::Intrinsic::umin;
  llvm::Type* type = x->getType();
  if (!type->isVectorTy() || type->getScalarSizeInBits() != 64) return binary(b, id, x, y);
  llvm::Type* halves = llvm::FixedVectorType::get(b.getInt32Ty(), 2 * lanes_of(type));  // which every machine compares
  return b.CreateBitCast(binary(b, id, b.CreateBitCast(x, halves), b.CreateBitCast(y, halves)), type);
}

Value* better(Builder& b, const Combine& c, Value* y, Value* x) {  // false where either is a NaN
  return emit_op(b, is_largest(c) ? Op::gt : Op::lt, c.type, DType::boolean, {y, x});
}

Value* better_value(Builder& b, const Combine& c, Value* take, Value* y, Value* x, bool masks) {
  if (is_floating(c.type) || (y->getType()->getScalarSizeInBits() == 64 && !masks)) return b.CreateSelect(take, y, x);
  return emit_op(b, is_largest(c) ? Op::max : Op::min, c.type, c.type, {y, x});
}

Values take_place(Builder& b, const Combine& c, ValueRefs running, Value* y, Value* turn, bool masks) {
  Value *x = running[0], *place = running[1];
  llvm::Type* numbers = place->getType();
  Value* number = splat(b, b.CreateZExtOrTrunc(turn, numbers->getScalarType()), lanes_of(numbers));
  Value* take = better(b, c, y, x);
  Values next{better_value(b, c, take, y, x, masks),
              masks ? b.CreateSelect(take, number, place)
                    : extreme_turn(b, true, place, b.CreateAnd(b.CreateSExt(take, numbers), number))};
  if (!is_floating(c.type)) return next;
  Value* nan = running[2];
  Value* no_nan = b.CreateFCmpORD(y, y);
  next.push_back(masks ? b.CreateSelect(no_nan, nan, binary(b, llvm::Intrinsic::umin, nan, number))
                       : extreme_turn(b, false, nan, b.CreateOr(b.CreateSExt(no_nan, numbers), number)));
  return next;
}

// A lane without a place has that of its first element.
Value* turns_before(Builder& b, Value* turn) {
  Value* one = llvm::ConstantInt::get(turn->getType(), 1);
  return b.CreateSub(binary(b, llvm::Intrinsic::umax, turn, one), one);
}

// The element that a lane's turn stands for, counted from the block's first.
Value* element_of(Builder& b, Value* turn, llvm::Type* type) {
  const unsigned lanes = lanes_of(turn->getType());
  Value* before = turns_before(b, b.CreateZExtOrTrunc(turn, as_wide(type, turn->getType())));
  return b.CreateAdd(b.CreateMul(before, llvm::ConstantInt::get(before->getType(), lanes)), lane_numbers(type, lanes));
}

// Joins lanes by halving: lane l takes lane l + half.
Value* join(Builder& b, Value* v, llvm::function_ref<Value*(Value*, Value*)> combine) {
  for (unsigned half = lanes_of(v->getType()) / 2; half >= 1; half /= 2) {
    const auto part = [&](unsigned from) -> Value* {
      if (half == 1) return b.CreateExtractElement(v, uint64_t{from});
      llvm::SmallVector<int> picked;
      for (unsigned l = 0; l < half; ++l) picked.push_back(static_cast<int>(from + l));
      return b.CreateShuffleVector(v, picked);
    };
    v = combine(part(0), part(half));
  }
  return v;
}

// The first NaN's element, else the first of those as extreme as the extreme one.
Values end_place(Builder& b, const Combine& c, ValueRefs running, Value* first, Value* count) {
  llvm::Type* number = b.getInt32Ty();
  const unsigned lanes = lanes_of(running[0]->getType());
  Value* const none = splat(b, b.getInt32(INT32_MAX), lanes);
  Value* value = join(b, running[0], [&](Value* low, Value* high) {
    return better_value(b, c, better(b, c, high, low), high, low, false);
  });
  Value* exists = b.CreateICmpULT(lane_numbers(number, lanes), splat(b, b.CreateTrunc(count, number), lanes));
  Value* best = emit_op(b, Op::eq, c.type, DType::boolean, {running[0], splat(b, value, lanes)});
  Value* places = b.CreateSelect(b.CreateAnd(exists, best), element_of(b, running[1], number), none);
  if (is_floating(c.type)) {
    Value* is_nan = b.CreateICmpNE(running[2], all_ones(running[2]));
    Value* any_nan = any(b, is_nan);
    places = b.CreateSelect(any_nan, b.CreateSelect(is_nan, element_of(b, running[2], number), none), places);
    value = b.CreateSelect(any_nan, llvm::ConstantFP::getNaN(value->getType()), value);
  }
  Value* place = join(b, places, [&](Value* x, Value* y) { return binary(b, llvm::Intrinsic::smin, x, y); });
  Value* in_row = b.CreateAdd(b.CreateZExt(place, b.getInt64Ty()), first);
  return {value, b.CreateSelect(b.CreateICmpEQ(count, b.getInt64(0)), b.getInt64(INT64_MAX), in_row)};
}

}  // namespace

Partial begin_turns(Builder& b, const Combines& combines, unsigned width) {
  Partial p;
  for (const Combine& c : combines) {
    if (!is_place(c)) {
      const Partial nothing = identities(b, {c}, width);
      p.insert(p.end(), nothing.begin(), nothing.end());
      continue;
    }
    Value* nothing = splat(b, identity(b.getContext(), c.op, c.type), width);
    Value* place = llvm::Constant::getNullValue(
        as_wide(b.getIntNTy(nothing->getType()->getScalarSizeInBits()), nothing->getType()));
    p.push_back(nothing);
    p.push_back(place);
    if (is_floating(c.type)) p.push_back(all_ones(place));
  }
  return p;
}

Partial take_turn(Builder& b, const Combines& combines, ValueRefs running, ValueRefs element, Value* turn, bool masks) {
  Partial p;
  for (const Combine& c : combines) {
    const size_t parts = is_place(c) ? 1 : part_count(c);
    const Values next = is_place(c) ? take_place(b, c, running, element[0], turn, masks)
                                    : combine(b, {c}, running.take_front(parts), element.take_front(parts));
    p.insert(p.end(), next.begin(), next.end());
    running = running.drop_front(turned_count(c));
    element = element.drop_front(parts);
  }
  return p;
}

Partial end_row(Builder& b, const Combines& combines, ValueRefs running, Value* first, Value* count) {
  Partial p;
  for (const Combine& c : combines) {
    const Values one =
        is_place(c) ? end_place(b, c, running, first, count) : halve(b, {c}, running.take_front(part_count(c)).vec());
    p.insert(p.end(), one.begin(), one.end());
    running = running.drop_front(turned_count(c));
  }
  return p;
}

Partial end_chains(Builder& b, const Combines& combines, ValueRefs running, Value* first) {
  Partial p;
  for (const Combine& c : combines) {
    if (!is_place(c)) {
      p.insert(p.end(), running.begin(), running.begin() + static_cast<std::ptrdiff_t>(part_count(c)));
    } else {
      Value *value = running[0], *turn = running[1];
      if (is_floating(c.type)) {
        Value* is_nan = b.CreateICmpNE(running[2], all_ones(running[2]));
        value = b.CreateSelect(is_nan, llvm::ConstantFP::getNaN(value->getType()), value);
        turn = b.CreateSelect(is_nan, running[2], turn);
      }
      Value* wide = turns_before(b, b.CreateZExt(turn, as_wide(b.getInt64Ty(), turn->getType())));
      p.push_back(value);
      p.push_back(b.CreateAdd(wide, splat(b, first, lanes_of(turn->getType()))));
    }
    running = running.drop_front(turned_count(c));
  }
  return p;
}

}  // namespace tenon::codegen
