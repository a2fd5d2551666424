// The chains of a row or two whose right operand comes from afar. Columns that fit into registers are short runs of memory, which is
// read at half its speed: here a tile is as wide as a thread's part, eight rows of the right operand are read side by side from one end to
// the other, and sums wait in the first cache between them. A chain that waits in memory is the same chain. Refuses many rows:
// their sums would not lie that near.
#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

// Of the tile's rows over k in [first, last), from +0, into the tile.
void ContractEmitter::streamed_chains(const Place& at, Value* first, Value* last, Value* tile) {
  Value* columns = smaller(b_.CreateSub(n_, at.column), i64(plan_.columns()));
  for (int64_t r = 0; r < plan_.rows; ++r)
    steps(columns, lanes, [&](Value* c) {
      b_.CreateAlignedStore(llvm::Constant::getNullValue(vector_), streamed_sum(tile, r, c), vector_align());
    });
  Value* whole = b_.CreateAdd(first, b_.CreateAnd(b_.CreateSub(last, first), i64(-streamed_rows)));
  counted_loop(b_, "streamed", {first, whole, streamed_rows},
               [&](Value* k) { stream(at, k, streamed_rows, columns, tile); });
  counted_loop(b_, "streamed.rest", {whole, last, 1}, [&](Value* k) { stream(at, k, 1, columns, tile); });
}

Value* ContractEmitter::streamed_sum(Value* tile, int64_t row, Value* column) {
  return element(tile, b_.CreateAdd(column, i64(row * plan_.columns())));
}

// Some steps of k, for all columns.
void ContractEmitter::stream(const Place& at, Value* k, int64_t count, Value* columns, Value* tile) {
  const auto step = [&](int64_t s) { return b_.CreateAdd(k, i64(s)); };
  Values x;
  for (int64_t r = 0; r < plan_.rows; ++r) {
    Value* place = smaller(b_.CreateAdd(at.row, i64(r)), b_.CreateSub(m_, i64(1)));
    for (int64_t s = 0; s < count; ++s) x.push_back(splat(b_, scalar_operand(0, at.batch, place, step(s)), lanes));
  }
  steps(columns, lanes, [&](Value* c) {
    Value* column = b_.CreateAdd(at.column, c);
    Value* mask = mask_below(column, n_);
    Values sums;
    for (int64_t r = 0; r < plan_.rows; ++r)
      sums.push_back(b_.CreateAlignedLoad(vector_, streamed_sum(tile, r, c), vector_align()));
    for (int64_t s = 0; s < count; ++s) {
      Value* y = vector_operand(1, at.batch, step(s), column, 2, mask);
      for (int64_t r = 0; r < plan_.rows; ++r) {
        Value*& sum = sums[static_cast<size_t>(r)];
        sum = multiply_add(b_, dtype_, x[static_cast<size_t>(r * count + s)], y, sum);
      }
    }
    for (int64_t r = 0; r < plan_.rows; ++r)
      b_.CreateAlignedStore(sums[static_cast<size_t>(r)], streamed_sum(tile, r, c), vector_align());
  });
}

}  // namespace tenon::codegen
