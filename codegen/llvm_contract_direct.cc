// The direct way of a contraction: a tile of a few rows and vectors in registers, operands read in the inner loop. Needs no
// scratch memory, so it serves small problems, where packing would cost more than it saves, few rows, which use each
// element of the right operand once, and contractions inside other loops. Refuses cache blocking.
#include "tenon/codegen/llvm_contract.h"

namespace tenon::codegen {

using llvm::Value;

ContractEmitter::Tiles ContractEmitter::direct_tiles() {
  Tiles t;
  t.rows = divide_up(m_, plan_.rows);
  t.columns = divide_up(n_, plan_.columns());
  t.all = b_.CreateMul(batches_, b_.CreateMul(t.rows, t.columns));
  Value* work = b_.CreateMul(larger(k_, kernel_.i64(1)), kernel_.i64(plan_.rows * plan_.columns()));
  t.share = divide_up(kernel_.i64(contract_claim), work);
  return t;
}

Value* ContractEmitter::direct_total() {
  const Tiles t = direct_tiles();
  return divide_up(t.all, t.share);
}

void ContractEmitter::emit_direct(Value* begin, Value* end) {
  const uint64_t vectors = static_cast<uint64_t>(plan_.rows * plan_.vectors);
  Value* tile = kernel_.entry_slot(vector_, vectors, 64);
  Value* levels =
      join_levels() ? kernel_.entry_slot(vector_, vectors * static_cast<uint64_t>(join_levels()), 64) : nullptr;
  const Tiles t = direct_tiles();
  Value* last = smaller(b_.CreateMul(end, t.share), t.all);
  kernel_.count(b_.CreateMul(begin, t.share), last, 1, [&](Value* number) {
    Value* line = b_.CreateSDiv(number, t.columns);
    Value* column = b_.CreateMul(b_.CreateSRem(number, t.columns), kernel_.i64(plan_.columns()));
    Value* row = b_.CreateMul(b_.CreateSRem(line, t.rows), kernel_.i64(plan_.rows));
    direct_tile(b_.CreateSDiv(line, t.rows), row, column, tile, levels);
  });
}

void ContractEmitter::direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels) {
  if (levels) {
    // An empty sum still has one (empty) segment.
    Value* segments = larger(divide_up(k_, contract_segment), kernel_.i64(1));
    const int64_t elements = plan_.rows * plan_.columns();
    repeat(segments, [&](Value* number) {
      Value* first = b_.CreateMul(number, kernel_.i64(contract_segment));
      direct_chains(batch, row, column, first, smaller(b_.CreateAdd(first, kernel_.i64(contract_segment)), k_), tile);
      join(tile, levels, kernel_.i64(elements * size_), number, segments, elements);
    });
  } else {
    direct_chains(batch, row, column, kernel_.i64(0), k_, tile);
  }
  Value* rows = smaller(b_.CreateSub(m_, row), kernel_.i64(plan_.rows));
  Value* columns = smaller(b_.CreateSub(n_, column), kernel_.i64(plan_.columns()));
  epilogue(batch, row, rows, column, columns, tile, plan_.columns());
}

// The chains of one tile over k in [first, last), from +0, stored to the tile.
void ContractEmitter::direct_chains(Value* batch, Value* row, Value* column, Value* first, Value* last, Value* tile) {
  std::vector<Value*> places, masks;  // rows past the edge repeat the last one and are never handed on
  for (int64_t r = 0; r < plan_.rows; ++r)
    places.push_back(smaller(b_.CreateAdd(row, kernel_.i64(r)), b_.CreateSub(m_, kernel_.i64(1))));
  // The last tile may reach past the edge by whole vectors.
  const bool filled = plan_.n >= 0 && plan_.n % plan_.columns() == 0;
  for (int64_t v = 0; v < plan_.vectors; ++v)
    masks.push_back(filled ? nullptr : lane_mask(b_.CreateSub(n_, b_.CreateAdd(column, kernel_.i64(v * lanes)))));

  llvm::BasicBlock* before = b_.GetInsertBlock();
  llvm::BasicBlock *loop = kernel_.new_block("chain"), *after = kernel_.new_block("chain.end");
  Value* zero = llvm::Constant::getNullValue(vector_);
  b_.CreateCondBr(b_.CreateICmpSLT(first, last), loop, after);
  b_.SetInsertPoint(loop);
  llvm::PHINode* k = b_.CreatePHI(b_.getInt64Ty(), 2);
  k->addIncoming(first, before);
  std::vector<llvm::PHINode*> sums;
  for (int64_t c = 0; c < plan_.rows * plan_.vectors; ++c) {
    sums.push_back(b_.CreatePHI(vector_, 2));
    sums.back()->addIncoming(zero, before);
  }
  std::vector<Value*> y, next;
  for (size_t v = 0; v < masks.size(); ++v)
    y.push_back(
        vector_operand(1, batch, k, b_.CreateAdd(column, kernel_.i64(static_cast<int64_t>(v) * lanes)), 2, masks[v]));
  for (size_t r = 0; r < places.size(); ++r) {
    Value* x = splat(b_, scalar_operand(0, batch, places[r], k), lanes);
    for (size_t v = 0; v < y.size(); ++v) next.push_back(multiply_add(b_, x, y[v], sums[r * y.size() + v]));
  }
  llvm::BasicBlock* latch = b_.GetInsertBlock();
  Value* following = b_.CreateAdd(k, kernel_.i64(1));
  k->addIncoming(following, latch);
  for (size_t c = 0; c < sums.size(); ++c) sums[c]->addIncoming(next[c], latch);
  b_.CreateCondBr(b_.CreateICmpSLT(following, last), loop, after);
  b_.SetInsertPoint(after);
  for (size_t c = 0; c < sums.size(); ++c) {
    llvm::PHINode* sum = b_.CreatePHI(vector_, 2);
    sum->addIncoming(zero, before);
    sum->addIncoming(next[c], latch);
    sums[c] = sum;
  }
  for (size_t c = 0; c < sums.size(); ++c)
    b_.CreateAlignedStore(sums[c], b_.CreateGEP(vector_, tile, kernel_.i64(static_cast<int64_t>(c))), vector_align());
}

}  // namespace tenon::codegen
