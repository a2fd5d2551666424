// The direct way of a contraction: a few rows times one vector of columns in registers, operands read in the inner loop.
// Needs no scratch memory, so it serves small problems, where packing would cost more than it saves. Refuses cache blocking.
#include "tenon/codegen/llvm_contract.h"

namespace tenon::codegen {

using llvm::Value;

int64_t ContractEmitter::direct_rows() const {
  const int64_t parts = std::max<int64_t>(1, lanes * size_ / kernel_.target_.vector_bytes);  // registers per vector
  int64_t rows = std::clamp<int64_t>(kernel_.target_.vector_registers * 3 / 4 / parts, 1, 6), m = 0;
  if (known(m_, m) && m > 0) rows = std::min(rows, m);
  return rows;
}

void ContractEmitter::emit_direct(Value* begin, Value* end) {
  const int64_t rows = direct_rows();
  const uint64_t vectors = static_cast<uint64_t>(rows);
  Value* tile = kernel_.entry_slot(vector_, vectors, 64);
  Value* levels = join_levels() ? kernel_.entry_slot(vector_, vectors * static_cast<uint64_t>(join_levels()), 64) : nullptr;
  Value* row_tiles = divide_up(m_, rows);
  kernel_.count(begin, end, 1, [&](Value* unit) {
    Value* batch = b_.CreateSDiv(unit, row_tiles);
    Value* row = b_.CreateMul(b_.CreateSRem(unit, row_tiles), kernel_.i64(rows));
    kernel_.count(kernel_.i64(0), n_, lanes, [&](Value* column) { direct_tile(batch, row, column, tile, levels); });
  });
}

void ContractEmitter::direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels) {
  const int64_t rows = direct_rows();
  Value* mask = mask_below(column, n_);
  std::vector<Value*> places;  // rows past the edge repeat the last one and are never handed on
  for (int64_t r = 0; r < rows; ++r)
    places.push_back(smaller(b_.CreateAdd(row, kernel_.i64(r)), b_.CreateSub(m_, kernel_.i64(1))));

  const auto run = [&](Value* first, Value* last) {
    llvm::BasicBlock* before = b_.GetInsertBlock();
    llvm::BasicBlock *loop = kernel_.new_block("chain"), *after = kernel_.new_block("chain.end");
    Value* zero = llvm::Constant::getNullValue(vector_);
    b_.CreateCondBr(b_.CreateICmpSLT(first, last), loop, after);
    b_.SetInsertPoint(loop);
    llvm::PHINode* k = b_.CreatePHI(b_.getInt64Ty(), 2);
    k->addIncoming(first, before);
    std::vector<llvm::PHINode*> sums;
    for (int64_t r = 0; r < rows; ++r) {
      sums.push_back(b_.CreatePHI(vector_, 2));
      sums.back()->addIncoming(zero, before);
    }
    Value* y = vector_operand(1, batch, k, column, 2, mask);
    std::vector<Value*> next;
    for (size_t r = 0; r < sums.size(); ++r)
      next.push_back(multiply_add(b_, splat(b_, scalar_operand(0, batch, places[r], k), lanes), y, sums[r]));
    llvm::BasicBlock* latch = b_.GetInsertBlock();
    Value* following = b_.CreateAdd(k, kernel_.i64(1));
    k->addIncoming(following, latch);
    for (size_t r = 0; r < sums.size(); ++r) sums[r]->addIncoming(next[r], latch);
    b_.CreateCondBr(b_.CreateICmpSLT(following, last), loop, after);
    b_.SetInsertPoint(after);
    for (size_t r = 0; r < sums.size(); ++r) {
      llvm::PHINode* sum = b_.CreatePHI(vector_, 2);
      sum->addIncoming(zero, before);
      sum->addIncoming(next[r], latch);
      sums[r] = sum;
    }
    for (size_t r = 0; r < sums.size(); ++r)
      b_.CreateAlignedStore(sums[r], b_.CreateGEP(vector_, tile, kernel_.i64(static_cast<int64_t>(r))), llvm::Align(64));
  };
  if (levels) {
    // An empty sum still has one (empty) segment.
    Value* segments = larger(divide_up(k_, contract_segment), kernel_.i64(1));
    kernel_.count(kernel_.i64(0), segments, 1, [&](Value* number) {
      Value* first = b_.CreateMul(number, kernel_.i64(contract_segment));
      run(first, smaller(b_.CreateAdd(first, kernel_.i64(contract_segment)), k_));
      join(tile, levels, kernel_.i64(rows * lanes * size_), number, segments, rows * lanes);
    });
  } else {
    run(kernel_.i64(0), k_);
  }
  Value* valid = smaller(b_.CreateSub(m_, row), kernel_.i64(rows));
  epilogue(batch, row, valid, column, smaller(b_.CreateSub(n_, column), kernel_.i64(lanes)), tile, lanes);
}

}  // namespace tenon::codegen
