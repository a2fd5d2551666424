// Vector loops that write past the caches: their main part must start where the stores are aligned to 64 bytes, which is known
// when the code runs. Refuses stores whose place is not known before the loop.
#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;
using llvm::Value;

// The first position at which every non-temporal store of a loop is aligned to 64 bytes, at most `end`. Null when there is
// no such store, or its place is not known before the loop.
Value* KernelEmitter::peel(const Instruction& loop, Value* begin, Value* end) {
  aligned_stores_.clear();
  const ir::BlockId body = loop.blocks[0];
  const ScalarId argument = kernel_.blocks[index(body)].arguments[0];
  Value* head = nullptr;
  for (uint32_t number : kernel_.blocks[index(body)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
    if (i.kind != KernelOp::store || !i.nontemporal || i.operands.size() != rank + 1 || rank == 0) continue;
    // The last index is the loop's own, or that plus a number known before the loop.
    ScalarId start = ir::no_scalar;
    bool known = i.operands[rank - 1] == argument;
    if (const uint32_t by = kernel_.scalars[index(i.operands[rank - 1])].instruction; !known && by != UINT32_MAX) {
      const Instruction& sum = kernel_.instructions[by];
      if (sum.kind == KernelOp::scalar && sum.op == ir::Op::add && sum.operands[1] == argument) {
        start = sum.operands[0];
        known = values_[index(start)].kind == Lowered::uniform && kernel_.scalars[index(start)].block != body;
      }
    }
    for (size_t k = 0; k + 1 < rank; ++k)
      known &=
          values_[index(i.operands[k])].kind == Lowered::uniform && kernel_.scalars[index(i.operands[k])].block != body;
    if (!known) continue;
    aligned_stores_.push_back(&i);
    Value* offset = begin;
    for (size_t k = 0; k + 1 < rank; ++k)
      offset = plus(offset, times(uniform(i.operands[k]), buffer_stride(i.buffer, k)));
    if (start != ir::no_scalar) offset = plus(offset, uniform(start));
    Value* place = b_.CreatePtrToInt(b_.CreateGEP(memory_type(context_, i.dtype), pointers_[index(i.buffer)], offset),
                                     b_.getInt64Ty());
    Value* missing = b_.CreateUDiv(b_.CreateAnd(b_.CreateNeg(place), i64(63)), i64(bytes(i.dtype)));
    // Outputs that cannot be aligned together go through the masked part.
    head = head ? b_.CreateSelect(b_.CreateICmpEQ(head, missing), head, b_.CreateSub(end, begin)) : missing;
  }
  if (!head) return nullptr;
  return call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {b_.CreateAdd(begin, head), end});
}

// Of a loop over more than the caches hold: what will be read soon. Where a round has much to compute, the processor looks too few
// rounds ahead to keep the memory busy (8 operations on 64 MiB: a quarter of the time). Prefetching past the end does nothing.
void KernelEmitter::fetch_ahead(Value* pointer, int64_t count) {
  constexpr int64_t ahead = 512;  // bytes
  for (int64_t byte = 0; byte < count; byte += 64)
    call(b_, llvm::Intrinsic::prefetch, {b_.getPtrTy()},
         {b_.CreateConstGEP1_64(b_.getInt8Ty(), pointer, static_cast<uint64_t>(ahead + byte)), b_.getInt32(0),
          b_.getInt32(3), b_.getInt32(1)});
}

// A loop whose aligned part [first, last) writes past the caches. One masked part serves the head and the tail, for a second
// copy would cost compile time: it is a loop with two ways in and two ways out, and so is built block by block.
void KernelEmitter::emit_aligned(const Instruction& i, Value* begin, Value* first, Value* end) {
  const int64_t width = main_lanes(i);
  Value* last = b_.CreateAdd(first, b_.CreateAnd(b_.CreateSub(end, first), i64(-width)));
  auto *aligned = new_block("aligned"), *edge = new_block("edge"), *edge_end = new_block("edge.end");
  auto *done = new_block("vector.end"), *before = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateICmpSLT(begin, first), edge, aligned);

  b_.SetInsertPoint(aligned);
  nontemporal_ = true;
  counted_loop(b_, "vector", {first, last, width}, [&](Value* position) { emit_lanes_at(i, position, width, false); });
  nontemporal_ = false;
  llvm::BasicBlock* aligned_end = b_.GetInsertBlock();
  b_.CreateCondBr(b_.CreateICmpSLT(last, end), edge, done);

  b_.SetInsertPoint(edge);
  llvm::PHINode* position = b_.CreatePHI(b_.getInt64Ty(), 3);
  llvm::PHINode* stop = b_.CreatePHI(b_.getInt64Ty(), 3);
  emit_tail_at(i, position, stop, false);
  Value* next = b_.CreateAdd(position, i64(target_.lanes));
  for (auto [from, at, to] : {std::tuple(aligned_end, last, end), std::tuple(before, begin, first),
                              std::tuple(b_.GetInsertBlock(), next, static_cast<Value*>(stop))}) {
    position->addIncoming(at, from);
    stop->addIncoming(to, from);
  }
  b_.CreateCondBr(b_.CreateICmpSLT(next, stop), edge, edge_end);
  b_.SetInsertPoint(edge_end);
  b_.CreateCondBr(b_.CreateICmpSLT(stop, end), aligned, done);  // that was the head
  b_.SetInsertPoint(done);
}

}  // namespace tenon::codegen
