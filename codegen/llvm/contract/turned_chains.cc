// A few columns: lanes are rows. Squares of the left operand are read along k and turned in registers; each of their vectors then
// serves one step of k of all columns. Read along its rows instead, a lane of every multiply-add but `n` would be idle.
#include "tenon/codegen/llvm/contract/contract.h"
#include "tenon/codegen/llvm/turned.h"

namespace tenon::codegen {

using llvm::Value;

// Vectors over the rows from `row` on, of the steps of k from `k` on. Rows past the edge repeat the last one.
Values ContractEmitter::turned_rows(Value* batch, Value* row, Value* k, Value* mask) {
  Values square;
  for (int64_t r = 0; r < plan_.rows; ++r) {
    Value* i = smaller(b_.CreateAdd(row, i64(r)), b_.CreateSub(m_, i64(1)));
    square.push_back(vector_operand(0, batch, i, k, 2, mask, static_cast<unsigned>(plan_.rows)));
  }
  codegen::turn_square(b_, square);
  return square;
}

// By column, the chains of `rows` rows over k in [first, last), from +0.
Values ContractEmitter::turned_chains(Value* batch, Value* row, Value* first, Value* last) {
  const auto width = static_cast<unsigned>(plan_.rows);
  auto* type = llvm::FixedVectorType::get(element_, width);
  const llvm::Align align(static_cast<uint64_t>(width * size_));
  const auto accesses = accesses_ahead(contract_.blocks[0], 1, 2);
  const auto advance = [&](Value* x, Value* k, ValueRefs sums) {
    Values next;
    for (Value* sum : sums)
      next.push_back(
          multiply_add(b_, dtype_, x, splat(b_, scalar_operand(1, batch, k, i64(std::ssize(next))), width), sum));
    return next;
  };
  Values sums(static_cast<size_t>(plan_.n), llvm::Constant::getNullValue(type));
  Value* whole = b_.CreateAdd(first, b_.CreateAnd(b_.CreateSub(last, first), i64(-plan_.rows)));
  sums = carried_loop(b_, "squares", {first, whole, plan_.rows}, sums, [&](Value* k, ValueRefs chains) {
    for (int64_t r = 0; r < plan_.rows && !accesses.empty(); ++r)  // what comes next is not behind this in memory
      fetch(accesses, contract_.blocks[0], {batch, b_.CreateAdd(row, i64(plan_.rows + r)), k});
    Values next(chains.begin(), chains.end());
    const Values square = turned_rows(batch, row, k, nullptr);
    for (size_t q = 0; q < square.size(); ++q)
      next = advance(square[q], b_.CreateAdd(k, i64(static_cast<int64_t>(q))), next);
    return next;
  });
  Value* rest = b_.CreateSub(last, whole);
  Value* kept = kernel_.entry_slot(type, width, 64);
  return when(b_, "rest", b_.CreateICmpSGT(rest, i64(0)), sums, [&] {
    Value* few = b_.CreateTrunc(rest, b_.getInt32Ty());
    Value* mask = b_.CreateICmpSLT(lane_numbers(b_.getInt32Ty(), width), splat(b_, few, width));
    const Values square = turned_rows(batch, row, whole, mask);
    for (size_t q = 0; q < square.size(); ++q)
      b_.CreateAlignedStore(square[q], b_.CreateGEP(type, kept, i64(static_cast<int64_t>(q))), align);
    return carried_loop(b_, "steps", {i64(0), rest}, sums, [&](Value* q, ValueRefs chains) {
      Value* x = b_.CreateAlignedLoad(type, b_.CreateGEP(type, kept, q), align);
      return advance(x, b_.CreateAdd(whole, q), chains);
    });
  });
}

void ContractEmitter::keep_turned(const Values& sums, Value* tile) {
  for (int64_t r = 0; r < plan_.rows; ++r) {
    b_.CreateAlignedStore(llvm::Constant::getNullValue(vector_), element(tile, i64(r * plan_.columns())),
                          vector_align());
    for (size_t j = 0; j < sums.size(); ++j)
      b_.CreateAlignedStore(b_.CreateExtractElement(sums[j], static_cast<uint64_t>(r)),
                            element(tile, i64(r * plan_.columns() + static_cast<int64_t>(j))),
                            llvm::Align(static_cast<uint64_t>(size_)));
  }
}

}  // namespace tenon::codegen
