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

bool is_arg(Op op) { return op == Op::argmax || op == Op::argmin; }

}  // namespace

// ---- partial results --------------------------------------------------------------------------------------------------

KernelEmitter::Combines KernelEmitter::combines_of(const Instruction& i) const {
  Combines c{i.combines, {}};
  for (ScalarId v : kernel_.blocks[index(i.blocks[0])].yields) c.types.push_back(kernel_.dtype(v));
  return c;
}

KernelEmitter::Partial KernelEmitter::identities(const Combines& c, unsigned width) {
  Partial p;
  for (size_t k = 0; k < c.ops.size(); ++k) {
    p.values.push_back(splat(b_, identity(context_, c.ops[k], c.types[k]), width));
    p.indices.push_back(is_arg(c.ops[k]) ? splat(b_, i64(INT64_MAX), width) : nullptr);
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::yielded(const Instruction& i) {
  Partial p;
  const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
  for (size_t k = 0; k < i.combines.size(); ++k) {
    p.values.push_back(wide(body.yields[k]));
    p.indices.push_back(is_arg(i.combines[k]) ? wide(body.arguments[0]) : nullptr);
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::combine(const Combines& c, const Partial& older, const Partial& newer) {
  Partial p;
  for (size_t k = 0; k < c.ops.size(); ++k) {
    const DType type = c.types[k];
    Value *x = older.values[k], *y = newer.values[k];
    if (!is_arg(c.ops[k])) {
      p.values.push_back(emit_op(b_, c.ops[k], type, type, {x, y}));
      p.indices.push_back(nullptr);
      continue;
    }
    // The first NaN wins; else the first of the extreme elements.
    const Op better = c.ops[k] == Op::argmax ? Op::gt : Op::lt;
    Value* take = emit_op(b_, better, type, DType::boolean, {y, x});
    Value* tie = emit_op(b_, Op::eq, type, DType::boolean, {y, x});
    if (is_floating(type)) {
      Value* old_nan = emit_op(b_, Op::ne, type, DType::boolean, {x, x});
      Value* new_nan = emit_op(b_, Op::ne, type, DType::boolean, {y, y});
      take = b_.CreateOr(take, b_.CreateAnd(new_nan, b_.CreateNot(old_nan)));
      tie = b_.CreateOr(tie, b_.CreateAnd(new_nan, old_nan));
    }
    take = b_.CreateOr(take, b_.CreateAnd(tie, b_.CreateICmpSLT(newer.indices[k], older.indices[k])));
    p.values.push_back(b_.CreateSelect(take, y, x));
    p.indices.push_back(b_.CreateSelect(take, newer.indices[k], older.indices[k]));
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::keep(Value* mask, const Partial& chosen, const Partial& other) {
  Partial p;
  for (size_t k = 0; k < chosen.values.size(); ++k) {
    p.values.push_back(b_.CreateSelect(mask, chosen.values[k], other.values[k]));
    p.indices.push_back(chosen.indices[k] ? b_.CreateSelect(mask, chosen.indices[k], other.indices[k]) : nullptr);
  }
  return p;
}

// Joins the lanes of a partial by halving: lane l takes lane l + half.
KernelEmitter::Partial KernelEmitter::halve(const Combines& c, Partial p) {
  const unsigned lanes = lanes_of(p.values[0]->getType());
  for (unsigned half = lanes / 2; half >= 1; half /= 2) {
    Partial low, high;
    const auto part = [&](Value* v, unsigned from) -> Value* {
      if (half == 1) return b_.CreateExtractElement(v, uint64_t{from});
      std::vector<int> picked;
      for (unsigned l = 0; l < half; ++l) picked.push_back(static_cast<int>(from + l));
      return b_.CreateShuffleVector(v, picked);
    };
    for (size_t k = 0; k < p.values.size(); ++k) {
      low.values.push_back(part(p.values[k], 0));
      high.values.push_back(part(p.values[k], half));
      low.indices.push_back(p.indices[k] ? part(p.indices[k], 0) : nullptr);
      high.indices.push_back(p.indices[k] ? part(p.indices[k], half) : nullptr);
    }
    p = combine(c, low, high);
  }
  return p;
}

KernelEmitter::Partial KernelEmitter::phis(const Partial& like) {
  Partial p;
  for (size_t k = 0; k < like.values.size(); ++k) {
    p.values.push_back(b_.CreatePHI(like.values[k]->getType(), 2));
    p.indices.push_back(like.indices[k] ? b_.CreatePHI(like.indices[k]->getType(), 2) : nullptr);
  }
  return p;
}

void KernelEmitter::incoming(const Partial& phi, const Partial& value, llvm::BasicBlock* from) {
  for (size_t k = 0; k < phi.values.size(); ++k) {
    llvm::cast<llvm::PHINode>(phi.values[k])->addIncoming(value.values[k], from);
    if (phi.indices[k]) llvm::cast<llvm::PHINode>(phi.indices[k])->addIncoming(value.indices[k], from);
  }
}

// ---- the tree over blocks ---------------------------------------------------------------------------------------------

KernelEmitter::Stack KernelEmitter::open_stack(const Combines& c, unsigned width) {
  Stack stack;
  const Partial nothing = identities(c, width);
  for (size_t k = 0; k < nothing.values.size(); ++k) {
    stack.values.push_back(entry_slot(nothing.values[k]->getType(), stack_levels, 64));
    stack.indices.push_back(nothing.indices[k] ? entry_slot(nothing.indices[k]->getType(), stack_levels, 64) : nullptr);
  }
  stack.depth = entry_slot(b_.getInt64Ty(), 1, 8);
  stack.blocks = entry_slot(b_.getInt64Ty(), 1, 8);
  b_.CreateStore(i64(0), stack.depth);
  b_.CreateStore(i64(0), stack.blocks);
  store_partial(stack, i64(0), nothing);  // the result of a reduction over nothing
  return stack;
}

void KernelEmitter::store_partial(const Stack& stack, Value* level, const Partial& p) {
  for (size_t k = 0; k < p.values.size(); ++k) {
    b_.CreateStore(p.values[k], b_.CreateGEP(p.values[k]->getType(), stack.values[k], level));
    if (p.indices[k]) b_.CreateStore(p.indices[k], b_.CreateGEP(p.indices[k]->getType(), stack.indices[k], level));
  }
}

KernelEmitter::Partial KernelEmitter::load_partial(const Stack& stack, Value* level, const Partial& like) {
  Partial p;
  for (size_t k = 0; k < like.values.size(); ++k) {
    llvm::Type* type = like.values[k]->getType();
    p.values.push_back(b_.CreateLoad(type, b_.CreateGEP(type, stack.values[k], level)));
    llvm::Type* index_type = like.indices[k] ? like.indices[k]->getType() : nullptr;
    p.indices.push_back(index_type ? b_.CreateLoad(index_type, b_.CreateGEP(index_type, stack.indices[k], level)) : nullptr);
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
    Value* result = is_arg(i.combines[k]) ? p.indices[k] : p.values[k];
    if (i.combines[k] == Op::add && is_floating(kernel_.dtype(yields[k])))  // an empty sum is +0
      result = b_.CreateSelect(b_.CreateICmpEQ(extent, i64(0)), llvm::Constant::getNullValue(result->getType()), result);
    define(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)}, result);
  }
}

void KernelEmitter::emit_reduce(const Instruction& i) {
  const bool row = i.tree.lanes == target_.lanes && lanes_.width == 1;
  if (row && can_vectorise(i)) emit_row_reduce(i);
  else emit_chain_reduce(i);
}

// ---- rows -------------------------------------------------------------------------------------------------------------

// `blocks` neighbouring blocks at once, joined as a tree; each has `count` elements, a multiple of 16 unless `edges`.
KernelEmitter::Partial KernelEmitter::row_blocks(const Instruction& i, Value* first, Value* count, unsigned blocks, bool edges) {
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
  for (size_t k = 0; k < nothing.values.size(); ++k) {
    stripes.values.push_back(entry_slot(nothing.values[k]->getType(), lanes, 64));
    stripes.indices.push_back(nothing.indices[k] ? entry_slot(nothing.indices[k]->getType(), lanes, 64) : nullptr);
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
