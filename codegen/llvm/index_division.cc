// Quotients and remainders of indices that count up from lane to lane, by a number: one scalar division for all lanes, since what
// follows wraps around at most a few times. Machines divide vectors of integers one lane at a time, if at all.
//   i = 100, 101, ... ; i div 14 = 7, 7, ... 7, 8, ... ; i rem 14 = 2, 3, ... 13, 0, ...
// Refuses an index that is not proved to lie between zero and far below overflow.
#include "tenon/codegen/llvm/kernel.h"

#include <algorithm>

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;
using llvm::Value;

namespace {

constexpr int64_t far = int64_t{1} << 40;  // sums and products of a few of these do not overflow
constexpr int deepest = 12;

// k such that v * k >> 16 is v / d for every v below `end`; 0 when there is none.
uint64_t reciprocal(uint64_t d, uint64_t end) {
  const uint64_t k = 65536 / d + 1;
  if (end * k > UINT32_MAX) return 0;
  for (uint64_t v = 0; v < end; ++v)
    if (v * k >> 16 != v / d) return 0;
  return k;
}

}  // namespace

// Which extent each index stays below.
void KernelEmitter::find_bounds() {
  bound_.assign(kernel_.scalars.size(), ir::no_scalar);
  for (const Instruction& i : kernel_.instructions) {
    const auto bind = [&](size_t block, std::initializer_list<size_t> operands) {
      size_t argument = 0;
      for (size_t o : operands)
        bound_[index(kernel_.blocks[index(i.blocks[block])].arguments[argument++])] = i.operands[o];
    };
    if (i.kind == KernelOp::loop || i.kind == KernelOp::reduce) bind(0, {0});
    if (i.kind == KernelOp::contract) bind(0, {0, 1, 3}), bind(1, {0, 3, 2}), bind(2, {0, 1, 2});
  }
}

// No value of v lies above; unknown where that is not proved. not_negative: and none below zero.
std::optional<int64_t> KernelEmitter::most_of(ScalarId v, bool not_negative, int depth) const {
  if (depth > deepest) return std::nullopt;
  const uint32_t number = kernel_.scalars[index(v)].instruction;
  const auto kept = [](int64_t n) { return n <= far ? std::optional(n) : std::nullopt; };
  if (number == UINT32_MAX) {
    if (bound_[index(v)] == ir::no_scalar) return std::nullopt;
    const auto extent = most_of(bound_[index(v)], false, depth + 1);
    return extent ? std::optional(std::max<int64_t>(0, *extent - 1)) : std::nullopt;
  }
  const Instruction& i = kernel_.instructions[number];
  if (i.kind == KernelOp::literal && i.dtype == DType::i64) {
    const auto n = static_cast<int64_t>(i.immediate);
    return not_negative && n < 0 ? std::nullopt : kept(n);
  }
  if (i.kind != KernelOp::scalar || i.dtype != DType::i64 || i.operands.size() != 2) return std::nullopt;
  const auto x = most_of(i.operands[0], not_negative || i.op != Op::min, depth + 1);
  const auto y = most_of(i.operands[1], not_negative || i.op != Op::min, depth + 1);
  if (i.op == Op::min && !not_negative && (x || y)) return x && y ? std::min(*x, *y) : x ? x : y;
  if (i.op == Op::sub && !not_negative && x && y) return x;
  if (!x || !y) return std::nullopt;
  switch (i.op) {
    case Op::add: return kept(*x + *y);
    case Op::mul: return *x == 0 || *y <= far / *x ? std::optional(*x * *y) : std::nullopt;
    case Op::div: return x;
    case Op::rem: return x;
    case Op::min: return std::min(*x, *y);
    case Op::max: return std::max(*x, *y);
    default: return std::nullopt;
  }
}

bool KernelEmitter::divide_index(const Instruction& i) {
  const Lowered &x = values_[index(i.operands[0])], &y = values_[index(i.operands[1])];
  if (lanes_.width < 2 || x.kind != Lowered::affine || y.kind != Lowered::uniform || known(x.step) != 1) return false;
  const auto divisor = known(y.value);
  if (!divisor || *divisor < 2 || *divisor > far || !most_of(i.operands[0], true, 0)) return false;
  const int64_t d = *divisor, width = lanes_.width;
  const uint64_t factor = d < width ? reciprocal(static_cast<uint64_t>(d), static_cast<uint64_t>(d + width)) : 0;
  if (d < width && factor == 0) return false;

  Value* first = plus(x.value, lanes_.position);
  Value* whole = b_.CreateUDiv(first, i64(d));
  const bool remainder = i.op == Op::rem;
  if (lanes_.aligned && d % width == 0 && known(x.value) && *known(x.value) % width == 0) {  // all lanes wrap together
    values_[index(i.first_result)] =
        remainder ? Lowered{Lowered::affine, b_.CreateSub(x.value, b_.CreateMul(whole, i64(d))), i64(1)}
                  : Lowered{Lowered::uniform, whole, nullptr};
    return true;
  }
  Value* rest = b_.CreateSub(first, b_.CreateMul(whole, i64(d)));
  llvm::Type* wide_type = llvm::FixedVectorType::get(b_.getInt64Ty(), lanes_.width);
  if (d >= width) {  // one wrap at most
    Value* counted = b_.CreateAdd(splat(b_, rest, lanes_.width), lane_numbers(b_.getInt64Ty(), lanes_.width));
    Value* limit = splat(b_, i64(d), lanes_.width);
    Value* wraps = b_.CreateICmpUGE(counted, limit);
    define(i.first_result, remainder ? b_.CreateSelect(wraps, b_.CreateSub(counted, limit), counted)
                                     : b_.CreateSelect(wraps, splat(b_, b_.CreateAdd(whole, i64(1)), lanes_.width),
                                                       splat(b_, whole, lanes_.width)));
    return true;
  }
  llvm::Type* narrow = b_.getInt32Ty();
  const auto same = [&](uint64_t n) { return splat(b_, b_.getInt32(static_cast<uint32_t>(n)), lanes_.width); };
  Value* counted =
      b_.CreateAdd(splat(b_, b_.CreateTrunc(rest, narrow), lanes_.width), lane_numbers(narrow, lanes_.width));
  Value* turns = b_.CreateLShr(b_.CreateMul(counted, same(factor)), same(16));
  if (remainder) {
    Value* left = b_.CreateSub(counted, b_.CreateMul(turns, same(static_cast<uint64_t>(d))));
    define(i.first_result, b_.CreateZExt(left, wide_type));
  } else {
    define(i.first_result, b_.CreateAdd(splat(b_, whole, lanes_.width), b_.CreateZExt(turns, wide_type)));
  }
  return true;
}

}  // namespace tenon::codegen
