// Reductions in the contract's order (SEMANTICS: blocks, lanes, halving, pairwise tree), so that every tiling and thread
// count gives the same bits. A row is reduced over 16 lanes, several independent blocks at once; a column is one chain in
// every lane of the loop around it. Absent lanes hold the identity, never zero.
#include "tenon/codegen/llvm_kernel.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::Op;
using ir::ScalarId;
using llvm::Value;

namespace {

constexpr uint64_t stack_levels = 48;  // of the pairwise tree: more blocks than memory holds

// max and min of floats as three chains of one cheap op each, where the ordered op itself is a chain of five.
bool is_extremum(Op op, DType t) { return (op == Op::max || op == Op::min) && is_floating(t); }

}  // namespace

// ---- partial results --------------------------------------------------------------------------------------------------

KernelEmitter::Combines KernelEmitter::combines_of(const Instruction& i) const {
  Combines c{i.combines, {}};
  for (ScalarId v : kernel_.blocks[index(i.blocks[0])].yields) c.types.push_back(kernel_.dtype(v));
  return c;
}

std::vector<Value*> KernelEmitter::lift(Op op, DType t, Value* value, Value* index) {
  if (ir::def(op).positional) return {value, index};
  if (!is_extremum(op, t)) return {value};
  llvm::Type* bits = as_wide(b_.getIntNTy(value->getType()->getScalarSizeInBits()), value->getType());
  return {value, b_.CreateBitCast(value, bits), b_.CreateSExt(b_.CreateFCmpUNO(value, value), bits)};
}

KernelEmitter::Partial KernelEmitter::identities(const Combines& c, unsigned width) {
  Partial p;
  for (size_t k = 0; k < c.ops.size(); ++k) {
    llvm::Constant* nothing = identity(context_, c.ops[k], c.types[k]);
    std::vector<Value*> parts{nothing};
    if (ir::def(c.ops[k]).positional) parts.push_back(i64(INT64_MAX));
    if (is_extremum(c.ops[k], c.types[k])) {
      llvm::Type* bits = b_.getIntNTy(nothing->getType()->getScalarSizeInBits());
      parts.push_back(c.ops[k] == Op::max ? llvm::Constant::getAllOnesValue(bits) : llvm::Constant::getNullValue(bits));
      parts.push_back(llvm::Constant::getNullValue(bits));
    }
    for (Value*& part : parts) part = splat(b_, part, width);
    p.parts.push_back(std::move(parts));
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::yielded(const Instruction& i) {
  Partial p;
  const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
  for (size_t k = 0; k < i.combines.size(); ++k) {
    Value* position = ir::def(i.combines[k]).positional ? wide(body.arguments[0]) : nullptr;
    p.parts.push_back(lift(i.combines[k], kernel_.dtype(body.yields[k]), wide(body.yields[k]), position));
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::combine(const Combines& c, const Partial& older, const Partial& newer) {
  Partial p;
  for (size_t k = 0; k < c.ops.size(); ++k) {
    const DType type = c.types[k];
    const std::vector<Value*>&old_parts = older.parts[k], &new_parts = newer.parts[k];
    Value *x = old_parts[0], *y = new_parts[0];
    if (is_extremum(c.ops[k], type)) {
      const bool largest = c.ops[k] == Op::max;
      Value* take = largest ? b_.CreateFCmpOGT(y, x) : b_.CreateFCmpOLT(y, x);  // false where either is a NaN
      // Equal zeros differ in sign: of the largest only all negative give -0, of the smallest any.
      Value* signs = largest ? b_.CreateAnd(old_parts[1], new_parts[1]) : b_.CreateOr(old_parts[1], new_parts[1]);
      p.parts.push_back({b_.CreateSelect(take, y, x), signs, b_.CreateOr(old_parts[2], new_parts[2])});
      continue;
    }
    if (!ir::def(c.ops[k]).positional) {
      p.parts.push_back({emit_op(b_, c.ops[k], type, type, {x, y})});
      continue;
    }
    // The first NaN wins; else the first of the extreme elements.
    const Op better = ir::def(c.ops[k]).identity == ir::Identity::lowest ? Op::gt : Op::lt;
    Value* take = emit_op(b_, better, type, DType::boolean, {y, x});
    Value* tie = emit_op(b_, Op::eq, type, DType::boolean, {y, x});
    if (is_floating(type)) {
      Value* old_nan = emit_op(b_, Op::ne, type, DType::boolean, {x, x});
      Value* new_nan = emit_op(b_, Op::ne, type, DType::boolean, {y, y});
      take = b_.CreateOr(take, b_.CreateAnd(new_nan, b_.CreateNot(old_nan)));
      tie = b_.CreateOr(tie, b_.CreateAnd(new_nan, old_nan));
    }
    take = b_.CreateOr(take, b_.CreateAnd(tie, b_.CreateICmpSLT(new_parts[1], old_parts[1])));
    p.parts.push_back({b_.CreateSelect(take, y, x), b_.CreateSelect(take, new_parts[1], old_parts[1])});
  }
  return p;
}

Value* KernelEmitter::settle(Op op, DType t, const std::vector<Value*>& parts) {
  if (ir::def(op).positional) return parts[1];
  if (!is_extremum(op, t)) return parts[0];
  llvm::Type* type = parts[0]->getType();
  llvm::Type* bits = parts[1]->getType();
  Value* sign = llvm::ConstantInt::get(bits, llvm::APInt::getSignMask(bits->getScalarSizeInBits()));
  Value* zero = b_.CreateBitCast(b_.CreateAnd(parts[1], sign), type);
  Value* value = b_.CreateSelect(b_.CreateFCmpOEQ(parts[0], llvm::Constant::getNullValue(type)), zero, parts[0]);
  return b_.CreateSelect(b_.CreateICmpNE(parts[2], llvm::Constant::getNullValue(bits)), llvm::ConstantFP::getNaN(type),
                         value);
}

KernelEmitter::Partial KernelEmitter::keep(Value* mask, const Partial& chosen, const Partial& other) {
  Partial p = chosen;
  for (size_t k = 0; k < p.parts.size(); ++k)
    for (size_t n = 0; n < p.parts[k].size(); ++n)
      p.parts[k][n] = b_.CreateSelect(mask, chosen.parts[k][n], other.parts[k][n]);
  return p;
}

// Joins the lanes of a partial by halving: lane l takes lane l + half.
KernelEmitter::Partial KernelEmitter::halve(const Combines& c, Partial p) {
  const unsigned lanes = lanes_of(p.parts[0][0]->getType());
  for (unsigned half = lanes / 2; half >= 1; half /= 2) {
    Partial low = p, high = p;
    const auto part = [&](Value* v, unsigned from) -> Value* {
      if (half == 1) return b_.CreateExtractElement(v, uint64_t{from});
      std::vector<int> picked;
      for (unsigned l = 0; l < half; ++l) picked.push_back(static_cast<int>(from + l));
      return b_.CreateShuffleVector(v, picked);
    };
    for (size_t k = 0; k < p.parts.size(); ++k)
      for (size_t n = 0; n < p.parts[k].size(); ++n) {
        low.parts[k][n] = part(p.parts[k][n], 0);
        high.parts[k][n] = part(p.parts[k][n], half);
      }
    p = combine(c, low, high);
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::phis(const Partial& like) {
  Partial p = like;
  for (auto& parts : p.parts)
    for (Value*& part : parts) part = b_.CreatePHI(part->getType(), 2);
  return p;
}

void KernelEmitter::incoming(const Partial& phi, const Partial& value, llvm::BasicBlock* from) {
  for (size_t k = 0; k < phi.parts.size(); ++k)
    for (size_t n = 0; n < phi.parts[k].size(); ++n)
      llvm::cast<llvm::PHINode>(phi.parts[k][n])->addIncoming(value.parts[k][n], from);
}

// ---- the tree over blocks ---------------------------------------------------------------------------------------------

KernelEmitter::Stack KernelEmitter::open_stack(const Combines& c, unsigned width) {
  Stack stack;
  const Partial nothing = identities(c, width);
  for (const auto& parts : nothing.parts) {
    stack.parts.emplace_back();
    for (Value* part : parts) stack.parts.back().push_back(entry_slot(part->getType(), stack_levels, 64));
  }
  stack.depth = entry_slot(b_.getInt64Ty(), 1, 8);
  stack.blocks = entry_slot(b_.getInt64Ty(), 1, 8);
  b_.CreateStore(i64(0), stack.depth);
  b_.CreateStore(i64(0), stack.blocks);
  store_partial(stack, i64(0), nothing);  // the result of a reduction over nothing
  return stack;
}

void KernelEmitter::store_partial(const Stack& stack, Value* level, const Partial& p) {
  for (size_t k = 0; k < p.parts.size(); ++k)
    for (size_t n = 0; n < p.parts[k].size(); ++n)
      b_.CreateStore(p.parts[k][n], b_.CreateGEP(p.parts[k][n]->getType(), stack.parts[k][n], level));
}

KernelEmitter::Partial KernelEmitter::load_partial(const Stack& stack, Value* level, const Partial& like) {
  Partial p = like;
  for (size_t k = 0; k < p.parts.size(); ++k)
    for (size_t n = 0; n < p.parts[k].size(); ++n) {
      llvm::Type* type = p.parts[k][n]->getType();
      p.parts[k][n] = b_.CreateLoad(type, b_.CreateGEP(type, stack.parts[k][n], level));
    }
  return p;
}

// Adds the partial of an aligned run of `blocks` blocks, a power of two.
void KernelEmitter::push(const Combines& c, const Stack& stack, Partial p, int64_t blocks) {
  Value* seen = b_.CreateLoad(b_.getInt64Ty(), stack.blocks);
  Value* runs = blocks == 1 ? seen : b_.CreateUDiv(seen, i64(blocks));
  Value* depth = b_.CreateLoad(b_.getInt64Ty(), stack.depth);
  b_.CreateStore(b_.CreateAdd(seen, i64(blocks)), stack.blocks);
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto *head = new_block("push"), *join = new_block("push.join"), *done = new_block("push.end");
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  const Partial newer = phis(p);
  llvm::PHINode* bits = b_.CreatePHI(b_.getInt64Ty(), 2);
  llvm::PHINode* level = b_.CreatePHI(b_.getInt64Ty(), 2);
  incoming(newer, p, before);
  bits->addIncoming(runs, before);
  level->addIncoming(depth, before);
  b_.CreateCondBr(b_.CreateICmpNE(b_.CreateAnd(bits, i64(1)), i64(0)), join, done);
  b_.SetInsertPoint(join);
  Value* below = b_.CreateSub(level, i64(1));
  const Partial joined = combine(c, load_partial(stack, below, newer), newer);
  llvm::BasicBlock* join_end = b_.GetInsertBlock();
  incoming(newer, joined, join_end);
  bits->addIncoming(b_.CreateLShr(bits, i64(1)), join_end);
  level->addIncoming(below, join_end);
  b_.CreateBr(head);
  b_.SetInsertPoint(done);
  store_partial(stack, level, newer);
  b_.CreateStore(b_.CreateAdd(level, i64(1)), stack.depth);
}

KernelEmitter::Partial KernelEmitter::collapse(const Combines& c, const Stack& stack, unsigned width) {
  Value* depth = b_.CreateLoad(b_.getInt64Ty(), stack.depth);
  Value* top = b_.CreateSub(call(b_, llvm::Intrinsic::umax, {b_.getInt64Ty()}, {depth, i64(1)}), i64(1));
  const Partial last = load_partial(stack, top, identities(c, width));
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto *head = new_block("collapse"), *join = new_block("collapse.join"), *done = new_block("collapse.end");
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  const Partial newer = phis(last);
  llvm::PHINode* level = b_.CreatePHI(b_.getInt64Ty(), 2);
  incoming(newer, last, before);
  level->addIncoming(top, before);
  b_.CreateCondBr(b_.CreateICmpSGT(level, i64(0)), join, done);
  b_.SetInsertPoint(join);
  Value* below = b_.CreateSub(level, i64(1));
  const Partial joined = combine(c, load_partial(stack, below, newer), newer);
  llvm::BasicBlock* join_end = b_.GetInsertBlock();
  incoming(newer, joined, join_end);
  level->addIncoming(below, join_end);
  b_.CreateBr(head);
  b_.SetInsertPoint(done);
  return newer;
}

void KernelEmitter::finish_reduce(const Instruction& i, const Partial& p, Value* extent) {
  const auto& yields = kernel_.blocks[index(i.blocks[0])].yields;
  for (size_t k = 0; k < i.combines.size(); ++k) {
    Value* result = settle(i.combines[k], kernel_.dtype(yields[k]), p.parts[k]);
    const bool sum = i.combines[k] == Op::add && is_floating(kernel_.dtype(yields[k]));
    if (sum || ir::def(i.combines[k]).positional)  // an empty sum is +0, the place of an empty maximum 0
      result =
          b_.CreateSelect(b_.CreateICmpEQ(extent, i64(0)), llvm::Constant::getNullValue(result->getType()), result);
    define(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)}, result);
  }
}

void KernelEmitter::emit_reduce(const Instruction& i) {
  const bool row = i.tree.lanes == target_.lanes && lanes_.width == 1;
  if (row && can_vectorise(i))
    emit_row_reduce(i);
  else
    emit_chain_reduce(i);
}

// ---- rows -------------------------------------------------------------------------------------------------------------

// `blocks` neighbouring blocks at once, joined as a tree; each has `count` elements, a multiple of 16 unless `edges`.
KernelEmitter::Partial KernelEmitter::row_blocks(const Instruction& i, Value* first, Value* count, unsigned blocks,
                                                 bool edges) {
  const Combines c = combines_of(i);
  const unsigned lanes = static_cast<unsigned>(i.tree.lanes);
  const ScalarId argument = kernel_.blocks[index(i.blocks[0])].arguments[0];
  const auto element = [&](Value* position, Value* mask) {
    lanes_ = {lanes, position, mask};
    define_index(argument);
    emit_block(i.blocks[0]);
    const Partial p = yielded(i);
    lanes_ = {};
    return p;
  };
  Value* full = edges ? b_.CreateAnd(count, i64(-static_cast<int64_t>(lanes))) : count;
  const Partial nothing = identities(c, lanes);
  std::vector<Partial> sums(blocks, nothing);
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(full);
  if (!known || !known->isZero()) {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    auto *loop = new_block("row"), *after = new_block("row.end");
    b_.CreateCondBr(b_.CreateICmpSLT(i64(0), full), loop, after);
    b_.SetInsertPoint(loop);
    std::vector<Partial> running;
    for (unsigned g = 0; g < blocks; ++g) running.push_back(phis(nothing));
    llvm::PHINode* offset = b_.CreatePHI(b_.getInt64Ty(), 2);
    offset->addIncoming(i64(0), before);
    std::vector<Partial> next;
    for (unsigned g = 0; g < blocks; ++g) {
      incoming(running[g], nothing, before);
      Value* position = b_.CreateAdd(b_.CreateAdd(first, offset), i64(static_cast<int64_t>(g) * i.tree.block));
      next.push_back(combine(c, running[g], element(position, nullptr)));
    }
    Value* following = b_.CreateAdd(offset, i64(lanes));
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    offset->addIncoming(following, latch);
    for (unsigned g = 0; g < blocks; ++g) incoming(running[g], next[g], latch);
    b_.CreateCondBr(b_.CreateICmpSLT(following, full), loop, after);
    b_.SetInsertPoint(after);
    for (unsigned g = 0; g < blocks; ++g) {
      sums[g] = phis(nothing);
      incoming(sums[g], nothing, before);
      incoming(sums[g], next[g], latch);
    }
  }
  Value* rest = b_.CreateSub(count, full);
  auto* known_rest = llvm::dyn_cast<llvm::ConstantInt>(rest);
  if (edges && !(known_rest && known_rest->isZero())) {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    auto *edge = new_block("row.edge"), *after = new_block("row.edge.end");
    b_.CreateCondBr(b_.CreateICmpSGT(rest, i64(0)), edge, after);
    b_.SetInsertPoint(edge);
    llvm::Type* lane = b_.getInt32Ty();
    Value* mask = b_.CreateICmpULT(lane_numbers(lane, lanes), splat(b_, b_.CreateTrunc(rest, lane), lanes));
    const Partial last = element(b_.CreateAdd(first, full), mask);
    const Partial mixed = keep(mask, combine(c, sums[0], last), sums[0]);
    llvm::BasicBlock* edge_end = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    const Partial joined = phis(nothing);
    incoming(joined, sums[0], before);
    incoming(joined, mixed, edge_end);
    sums[0] = joined;
  }
  for (Partial& p : sums) p = halve(c, p);
  for (unsigned step = 1; step < blocks; step *= 2)
    for (unsigned g = 0; g + step < blocks; g += 2 * step) sums[g] = combine(c, sums[g], sums[g + step]);
  return sums[0];
}

void KernelEmitter::emit_row_reduce(const Instruction& i) {
  const Combines c = combines_of(i);
  Value* extent = uniform(i.operands[0]);
  const int64_t block = i.tree.block;
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(extent);
  if (known && known->getSExtValue() <= block) return finish_reduce(i, row_blocks(i, i64(0), extent, 1, true), extent);

  const int64_t size = weight(i.blocks[0]);
  int64_t group = size <= 12 ? 4 : size <= 32 ? 2 : 1;
  while (known && group > 1 && known->getSExtValue() < 2 * group * block) group /= 2;
  const Stack stack = open_stack(c, 1);
  Value* grouped = i64(0);
  if (group > 1) {
    grouped = b_.CreateAnd(extent, i64(-group * block));
    count(i64(0), grouped, group * block, [&](Value* first) {
      push(c, stack, row_blocks(i, first, i64(block), static_cast<unsigned>(group), false), group);
    });
  }
  count(grouped, extent, block, [&](Value* first) {
    Value* left = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {b_.CreateSub(extent, first), i64(block)});
    push(c, stack, row_blocks(i, first, left, 1, true), 1);
  });
  finish_reduce(i, collapse(c, stack, 1), extent);
}

// ---- chains -----------------------------------------------------------------------------------------------------------

KernelEmitter::Partial KernelEmitter::chain_block(const Instruction& i, Value* first, Value* end) {
  const Combines c = combines_of(i);
  const Partial nothing = identities(c, lanes_.width);
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto *loop = new_block("chain"), *after = new_block("chain.end");
  b_.CreateCondBr(b_.CreateICmpSLT(first, end), loop, after);
  b_.SetInsertPoint(loop);
  const Partial running = phis(nothing);
  llvm::PHINode* position = b_.CreatePHI(b_.getInt64Ty(), 2);
  incoming(running, nothing, before);
  position->addIncoming(first, before);
  define(kernel_.blocks[index(i.blocks[0])].arguments[0], position);
  emit_block(i.blocks[0]);
  const Partial next = combine(c, running, yielded(i));
  Value* following = b_.CreateAdd(position, i64(1));
  llvm::BasicBlock* latch = b_.GetInsertBlock();
  incoming(running, next, latch);
  position->addIncoming(following, latch);
  b_.CreateCondBr(b_.CreateICmpSLT(following, end), loop, after);
  b_.SetInsertPoint(after);
  const Partial result = phis(nothing);
  incoming(result, nothing, before);
  incoming(result, next, latch);
  return result;
}

// A tree of 16 lanes where lanes cannot be vector lanes: one running partial per lane in memory.
KernelEmitter::Partial KernelEmitter::striped_block(const Instruction& i, Value* first, Value* end) {
  const Combines c = combines_of(i);
  const Partial nothing = identities(c, lanes_.width);
  const uint64_t lanes = static_cast<uint64_t>(i.tree.lanes);
  Stack stripes;
  for (const auto& parts : nothing.parts) {
    stripes.parts.emplace_back();
    for (Value* part : parts) stripes.parts.back().push_back(entry_slot(part->getType(), lanes, 64));
  }
  for (uint64_t l = 0; l < lanes; ++l) store_partial(stripes, i64(static_cast<int64_t>(l)), nothing);
  count(first, end, 1, [&](Value* position) {
    define(kernel_.blocks[index(i.blocks[0])].arguments[0], position);
    emit_block(i.blocks[0]);
    const Partial value = yielded(i);
    Value* lane = b_.CreateURem(b_.CreateSub(position, first), i64(i.tree.lanes));
    store_partial(stripes, lane, combine(c, load_partial(stripes, lane, nothing), value));
  });
  std::vector<Partial> p;
  for (uint64_t l = 0; l < lanes; ++l) p.push_back(load_partial(stripes, i64(static_cast<int64_t>(l)), nothing));
  for (size_t half = lanes / 2; half >= 1; half /= 2)
    for (size_t l = 0; l < half; ++l) p[l] = combine(c, p[l], p[l + half]);
  return p[0];
}

void KernelEmitter::emit_chain_reduce(const Instruction& i) {
  const Combines c = combines_of(i);
  Value* extent = uniform(i.operands[0]);
  const auto block = [&](Value* first, Value* end) {
    return i.tree.lanes == 1 ? chain_block(i, first, end) : striped_block(i, first, end);
  };
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(extent);
  if (known && known->getSExtValue() <= i.tree.block) return finish_reduce(i, block(i64(0), extent), extent);
  const unsigned width = lanes_.width;
  const Stack stack = open_stack(c, width);
  count(i64(0), extent, i.tree.block, [&](Value* first) {
    Value* end = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {extent, b_.CreateAdd(first, i64(i.tree.block))});
    push(c, stack, block(first, end), 1);
  });
  finish_reduce(i, collapse(c, stack, width), extent);
}

}  // namespace tenon::codegen
