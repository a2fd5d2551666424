// Loops. A vector loop has a wide main part without masks and one masked part of 16 lanes, which serves the tail and, for
// non-temporal stores, the head up to the first aligned element. Loops that cannot be vectorised (carried values, lanes
// that would leave an inner loop at different times, scratch memory of their own) run lane by lane, with equal results.
#include "tenon/codegen/llvm_kernel.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;
using ir::ScalarId;
using llvm::Value;

namespace {

// Above this many instructions a second copy of the body for the tail costs more compile time than masks cost run time.
constexpr int64_t masked_weight = 96;
// Up to this many, the main part runs two vectors at once.
constexpr int64_t paired_weight = 24;

bool is_flat(const ir::Kernel& kernel, BlockId block) {  // straight code, rare parts aside
  for (uint32_t number : kernel.blocks[index(block)].instructions) {
    const KernelOp kind = kernel.instructions[number].kind;
    if (kind == KernelOp::loop || kind == KernelOp::reduce || kind == KernelOp::contract || kind == KernelOp::scratch)
      return false;
  }
  return true;
}

}  // namespace

void KernelEmitter::emit_loop(const Instruction& i, Value* begin, Value* end) {
  const bool lanes_free = lanes_.width == 1;
  bool vector = i.loop == LoopKind::vector || i.loop == LoopKind::thread;
  // Independent iterations of straight code are a vector loop by another name.
  if (i.loop == LoopKind::parallel || i.loop == LoopKind::block) vector = is_flat(kernel_, i.blocks[0]);
  if (vector && lanes_free && i.operands.size() == 1 && can_vectorise(i))
    emit_vector(i, begin, end);
  else
    emit_serial(i, begin, end);
}

void KernelEmitter::emit_serial(const Instruction& i, Value* begin, Value* end) {
  const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
  const size_t carries = i.operands.size() - 1;
  std::vector<Value*> initial;
  for (size_t k = 0; k < carries; ++k) {
    const bool many = lanes_.width > 1 && varies(body.arguments[k + 1]);
    initial.push_back(many ? wide(i.operands[k + 1]) : uniform(i.operands[k + 1]));
  }
  llvm::BasicBlock* before = b_.GetInsertBlock();
  auto* loop = new_block("loop");
  auto* after = new_block("loop.end");
  b_.CreateCondBr(b_.CreateICmpSLT(begin, end), loop, after);
  b_.SetInsertPoint(loop);
  llvm::PHINode* position = b_.CreatePHI(b_.getInt64Ty(), 2);
  position->addIncoming(begin, before);
  values_[index(body.arguments[0])] = {Lowered::uniform, position, nullptr};
  std::vector<llvm::PHINode*> carried;
  for (size_t k = 0; k < carries; ++k) {
    carried.push_back(b_.CreatePHI(initial[k]->getType(), 2));
    carried[k]->addIncoming(initial[k], before);
    define(body.arguments[k + 1], carried[k]);
  }
  emit_block(i.blocks[0]);
  std::vector<Value*> next;
  for (size_t k = 0; k < carries; ++k)
    next.push_back(initial[k]->getType()->isVectorTy() ? wide(body.yields[k]) : uniform(body.yields[k]));
  Value* following = b_.CreateAdd(position, i64(1));
  llvm::BasicBlock* latch = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateICmpSLT(following, end), loop, after);
  position->addIncoming(following, latch);
  b_.SetInsertPoint(after);
  for (size_t k = 0; k < carries; ++k) {
    carried[k]->addIncoming(next[k], latch);
    llvm::PHINode* result = b_.CreatePHI(initial[k]->getType(), 2);
    result->addIncoming(initial[k], before);
    result->addIncoming(next[k], latch);
    define(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)}, result);
  }
}

void KernelEmitter::emit_vector(const Instruction& i, Value* begin, Value* end) {
  const ScalarId argument = kernel_.blocks[index(i.blocks[0])].arguments[0];
  const unsigned logical = static_cast<unsigned>(target_.lanes);
  const int64_t size = weight(i.blocks[0]);
  const bool has_chains = contains(i.blocks[0], [](const Instruction& x) { return x.kind == KernelOp::reduce; });
  unsigned wide_lanes = logical;
  if (has_chains && size <= paired_weight)
    wide_lanes = 4 * logical;  // several chains hide each other's latency
  else if (size <= paired_weight)
    wide_lanes = 2 * logical;
  const auto emit_at = [&](Value* position, unsigned width, Value* mask) {
    lanes_ = {width, position, mask};
    define_index(argument);
    emit_block(i.blocks[0]);
    lanes_ = {};
  };
  // remaining >= 1; a number gives a constant mask, which `emit_store` looks into
  const auto tail_mask = [&](Value* remaining) -> Value* {
    if (auto* number = llvm::dyn_cast<llvm::ConstantInt>(remaining)) {
      llvm::SmallVector<llvm::Constant*> lanes;
      for (unsigned l = 0; l < logical; ++l) lanes.push_back(b_.getInt1(l < number->getZExtValue()));
      return llvm::ConstantVector::get(lanes);
    }
    Value* few = call(b_, llvm::Intrinsic::umin, {b_.getInt64Ty()}, {remaining, i64(logical)});
    llvm::Type* lane = b_.getInt32Ty();
    return b_.CreateICmpULT(lane_numbers(lane, logical), splat(b_, b_.CreateTrunc(few, lane), logical));
  };

  Value* aligned = peel(i, begin, end);  // where the aligned part begins; null without non-temporal stores
  const auto* extent = llvm::dyn_cast<llvm::ConstantInt>(b_.CreateSub(end, begin));
  if (size > masked_weight && !aligned) {
    if (extent && extent->getSExtValue() >= 1 && extent->getSExtValue() <= logical)
      return emit_at(begin, logical, tail_mask(b_.CreateSub(end, begin)));
    count(begin, end, logical,
          [&](Value* position) { emit_at(position, logical, tail_mask(b_.CreateSub(end, position))); });
    return;
  }
  Value* first = aligned ? aligned : begin;
  Value* full = b_.CreateAnd(b_.CreateSub(end, first), i64(-static_cast<int64_t>(wide_lanes)));
  if (auto* number = llvm::dyn_cast<llvm::ConstantInt>(full); number && number->isZero() && wide_lanes > logical) {
    wide_lanes = logical;  // a short static loop: no main part wider than it
    full = b_.CreateAnd(b_.CreateSub(end, first), i64(-static_cast<int64_t>(wide_lanes)));
  }
  Value* last = b_.CreateAdd(first, full);
  const auto is_known = [](Value* v, bool value) {
    auto* c = llvm::dyn_cast<llvm::ConstantInt>(v);
    return c && c->isOne() == value;
  };

  auto* main_entry = new_block("vector");
  auto* after_main = new_block("vector.rest");
  auto* edge = new_block("edge");
  auto* done = new_block("vector.end");
  llvm::BasicBlock* before = b_.GetInsertBlock();
  if (aligned)
    b_.CreateCondBr(b_.CreateICmpSLT(begin, first), edge, main_entry);
  else
    b_.CreateBr(main_entry);

  b_.SetInsertPoint(main_entry);
  nontemporal_ = aligned != nullptr;
  if (!is_known(b_.CreateICmpSLT(first, last), false))
    count(first, last, wide_lanes, [&](Value* position) { emit_at(position, wide_lanes, nullptr); });
  nontemporal_ = false;
  b_.CreateBr(after_main);
  b_.SetInsertPoint(after_main);
  Value* rest = b_.CreateICmpSLT(last, end);
  if (is_known(rest, false) && !aligned) {
    b_.CreateBr(done);
    edge->eraseFromParent();
  } else {
    b_.CreateCondBr(rest, edge, done);
    b_.SetInsertPoint(edge);
    if (wide_lanes == logical && !aligned) {  // once
      emit_at(last, logical, tail_mask(b_.CreateSub(end, last)));
      b_.CreateBr(done);
      b_.SetInsertPoint(done);
      return;
    }
    llvm::PHINode* position = b_.CreatePHI(b_.getInt64Ty(), 3);
    llvm::PHINode* stop = b_.CreatePHI(b_.getInt64Ty(), 3);
    position->addIncoming(last, after_main);
    stop->addIncoming(end, after_main);
    if (aligned) {
      position->addIncoming(begin, before);
      stop->addIncoming(first, before);
    }
    emit_at(position, logical, tail_mask(b_.CreateSub(stop, position)));
    Value* next = b_.CreateAdd(position, i64(logical));
    auto* edge_end = new_block("edge.end");
    position->addIncoming(next, b_.GetInsertBlock());
    stop->addIncoming(stop, b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(next, stop), edge, edge_end);
    b_.SetInsertPoint(edge_end);
    if (aligned)
      b_.CreateCondBr(b_.CreateICmpSLT(stop, end), main_entry, done);  // that was the head
    else
      b_.CreateBr(done);
  }
  b_.SetInsertPoint(done);
}

// ---- what differs between lanes --------------------------------------------------------------------------------------

bool KernelEmitter::can_vectorise(const Instruction& i) {
  const auto private_memory = [](const Instruction& x) {
    return x.kind == KernelOp::scratch || x.kind == KernelOp::contract;
  };
  if (contains(i.blocks[0], private_memory)) return false;
  mark_varying(i.blocks[0], kernel_.blocks[index(i.blocks[0])].arguments[0]);
  // Inner loops must run equally long in all lanes.
  std::vector<BlockId> open{i.blocks[0]};
  while (!open.empty()) {
    const BlockId block = open.back();
    open.pop_back();
    for (uint32_t number : kernel_.blocks[index(block)].instructions) {
      const Instruction& x = kernel_.instructions[number];
      if ((x.kind == KernelOp::loop || x.kind == KernelOp::reduce) && varies(x.operands[0])) return false;
      open.insert(open.end(), x.blocks.begin(), x.blocks.end());
    }
  }
  return true;
}

void KernelEmitter::mark_varying(BlockId block, ScalarId argument) {
  std::fill(varying_.begin(), varying_.end(), 0);
  varying_[index(argument)] = 1;
  while (mark_block(block)) {
  }
}

bool KernelEmitter::mark_block(BlockId block) {
  bool changed = false;
  const auto mark = [&](ScalarId v) {
    changed |= varying_[index(v)] == 0;
    varying_[index(v)] = 1;
  };
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    bool vary = i.kind == KernelOp::rare || i.kind == KernelOp::reduce;
    if (i.kind != KernelOp::loop)
      for (ScalarId v : i.operands) vary |= varies(v);
    // What an iteration wrote, it may read back.
    if (i.kind == KernelOp::load && kernel_.buffers[index(i.buffer)].space != ir::Space::input) vary = true;
    for (BlockId inner : i.blocks) changed |= mark_block(inner);
    if (i.kind == KernelOp::loop) {
      const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
      for (size_t k = 0; k + 1 < i.operands.size(); ++k)
        if (varies(i.operands[k + 1]) || varies(body.yields[k])) {
          mark(body.arguments[k + 1]);
          mark(ScalarId{index(i.first_result) + static_cast<uint32_t>(k)});
        }
    } else if (vary) {
      for (uint32_t k = 0; k < i.result_count; ++k) mark(ScalarId{index(i.first_result) + k});
    }
  }
  return changed;
}

}  // namespace tenon::codegen
