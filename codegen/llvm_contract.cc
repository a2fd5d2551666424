// Contractions: every result element is one fma chain, ascending in k from +0, per segment of 4096; segments join by the
// pairwise tree. The order of the chain is all that the contract fixes; which elements are computed together is free.
// This file: the shared parts, and the direct form (one row of vectors at a time, operands read in place).
#include "tenon/codegen/llvm_kernel.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::Op;
using ir::ScalarId;
using llvm::Value;

namespace {

constexpr int64_t segment = 4096;  // of k: one chain (ir/rules/reduction.h)

}  // namespace

Value* KernelEmitter::multiply_add(DType t, Value* x, Value* y, Value* sum) {
  if (is_floating(t)) return call(b_, llvm::Intrinsic::fma, {x->getType()}, {x, y, sum});
  if (t == DType::boolean) return b_.CreateOr(b_.CreateAnd(x, y), sum);
  return b_.CreateAdd(b_.CreateMul(x, y), sum);
}

Value* KernelEmitter::contract_operand(const Instruction& i, unsigned side, llvm::ArrayRef<Lowered> arguments) {
  const ir::Block& block = kernel_.blocks[index(i.blocks[side])];
  for (size_t k = 0; k < arguments.size(); ++k) values_[index(block.arguments[k])] = arguments[k];
  emit_block(i.blocks[side]);
  const Lowered& value = values_[index(block.yields[0])];
  Value* v = value.kind == Lowered::affine ? wide(value) : value.value;
  return emit_cast(b_, v, kernel_.dtype(block.yields[0]), i.dtype);
}

// The chain of one row position and lanes_.width columns.
Value* KernelEmitter::contract_chain(const Instruction& i, const Lowered& batch, const Lowered& row, const Lowered& column) {
  Value* extent = uniform(i.operands[3]);
  Value* zero = splat(b_, llvm::Constant::getNullValue(register_type(context_, i.dtype)), lanes_.width);
  const auto chain = [&](Value* first, Value* end) -> Value* {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    auto *loop = new_block("k"), *after = new_block("k.end");
    b_.CreateCondBr(b_.CreateICmpSLT(first, end), loop, after);
    b_.SetInsertPoint(loop);
    llvm::PHINode* sum = b_.CreatePHI(zero->getType(), 2);
    llvm::PHINode* position = b_.CreatePHI(b_.getInt64Ty(), 2);
    sum->addIncoming(zero, before);
    position->addIncoming(first, before);
    const Lowered k{Lowered::uniform, position, nullptr};
    Value* left = splat(b_, contract_operand(i, 0, {batch, row, k}), lanes_.width);
    Value* right = splat(b_, contract_operand(i, 1, {batch, k, column}), lanes_.width);
    Value* next = multiply_add(i.dtype, left, right, sum);
    Value* following = b_.CreateAdd(position, i64(1));
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    sum->addIncoming(next, latch);
    position->addIncoming(following, latch);
    b_.CreateCondBr(b_.CreateICmpSLT(following, end), loop, after);
    b_.SetInsertPoint(after);
    llvm::PHINode* result = b_.CreatePHI(zero->getType(), 2);
    result->addIncoming(zero, before);
    result->addIncoming(next, latch);
    return result;
  };
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(extent);
  if (!is_floating(i.dtype) || (known && known->getSExtValue() <= segment)) return chain(i64(0), extent);
  const Combines add{{Op::add}, {i.dtype}};
  const Stack stack = open_stack(add, lanes_.width);
  count(i64(0), extent, segment, [&](Value* first) {
    Value* end = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {extent, b_.CreateAdd(first, i64(segment))});
    push(add, stack, {{{chain(first, end)}}}, 1);
  });
  Value* sum = collapse(add, stack, lanes_.width).parts[0][0];
  return b_.CreateSelect(b_.CreateICmpEQ(extent, i64(0)), zero, sum);
}

Value* KernelEmitter::contract_total(const Instruction& i) { return times(uniform(i.operands[0]), uniform(i.operands[1])); }

void KernelEmitter::emit_contract(const Instruction& i, Value* begin, Value* end) {
  const unsigned lanes = static_cast<unsigned>(target_.lanes);
  const ir::Block& epilogue = kernel_.blocks[index(i.blocks[2])];
  // Columns vary between lanes: in the right operand, and in everything that the epilogue makes of the sum.
  std::fill(varying_.begin(), varying_.end(), 0);
  varying_[index(kernel_.blocks[index(i.blocks[1])].arguments[2])] = 1;
  varying_[index(epilogue.arguments[2])] = varying_[index(epilogue.arguments[3])] = 1;
  while (mark_block(i.blocks[1]) || mark_block(i.blocks[2])) {
  }
  Value *rows = uniform(i.operands[1]), *columns = uniform(i.operands[2]);
  count(begin, end, 1, [&](Value* number) {
    const Lowered batch{Lowered::uniform, b_.CreateSDiv(number, rows), nullptr};
    const Lowered row{Lowered::uniform, b_.CreateSRem(number, rows), nullptr};
    count(i64(0), columns, lanes, [&](Value* position) {
      Value* left = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {b_.CreateSub(columns, position), i64(lanes)});
      llvm::Type* lane = b_.getInt32Ty();
      Value* mask = b_.CreateICmpULT(lane_numbers(lane, lanes), splat(b_, b_.CreateTrunc(left, lane), lanes));
      lanes_ = {lanes, position, mask};
      const Lowered column{Lowered::affine, i64(0), i64(1)};
      Value* sum = contract_chain(i, batch, row, column);
      values_[index(epilogue.arguments[0])] = batch;
      values_[index(epilogue.arguments[1])] = row;
      values_[index(epilogue.arguments[2])] = column;
      define(epilogue.arguments[3], sum);
      emit_block(i.blocks[2]);
      lanes_ = {};
    });
  });
}

}  // namespace tenon::codegen
