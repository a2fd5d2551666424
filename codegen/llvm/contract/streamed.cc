// The chains of few rows whose right operand comes from afar. Columns that fit into registers are short runs of memory, which is
// read at half its speed: here a tile is as wide as a thread's part, eight rows of the right operand are read side by side from one end to
// the other, and sums wait in the first cache between them, some rows of them at a time in registers. A chain that waits in memory
// is the same chain. Refuses many rows: their sums would not lie that near.
#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

// Of the tile's rows over k in [first, last), from +0, into the tile.
void ContractEmitter::streamed_chains(const Place& at, Value* first, Value* last, Value* tile) {
  Value* columns = smaller(b_.CreateSub(n_, at.column), i64(plan_.columns()));
  for (int64_t r = 0; r < plan_.rows; ++r)
    steps(columns, lanes * plan_.across, [&](Value* c) {
      for (int64_t v = 0; v < plan_.across; ++v)
        b_.CreateAlignedStore(llvm::Constant::getNullValue(vector_), streamed_sum(tile, i64(r), c, v), vector_align());
    });
  Value* whole = b_.CreateAdd(first, b_.CreateAnd(b_.CreateSub(last, first), i64(-streamed_rows)));
  counted_loop(b_, "streamed", {first, whole, streamed_rows},
               [&](Value* k) { stream(at, k, streamed_rows, columns, tile); });
  counted_loop(b_, "streamed.rest", {whole, last, 1}, [&](Value* k) { stream(at, k, 1, columns, tile); });
}

Value* ContractEmitter::streamed_sum(Value* tile, Value* row, Value* column, int64_t v) {
  Value* place = b_.CreateAdd(b_.CreateMul(row, i64(plan_.columns())), column);
  return element(tile, b_.CreateAdd(place, i64(v * lanes)));
}

// Some steps of k, for all columns. What one or two rows have of the left operand stays in registers meanwhile.
void ContractEmitter::stream(const Place& at, Value* k, int64_t count, Value* columns, Value* tile) {
  const auto step = [&](int64_t s) { return b_.CreateAdd(k, i64(s)); };
  const auto left = [&](Value* row, int64_t s) {
    Value* place = b_.CreateAdd(at.row, row);
    if (plan_.m < 0 || plan_.m % plan_.band != 0) place = smaller(place, b_.CreateSub(m_, i64(1)));
    return splat(b_, scalar_operand(0, at.batch, place, step(s)), lanes);
  };
  const auto mask = [&](Value* column) {  // the last vectors may lie behind the edge
    const bool whole = plan_.n > 0 && plan_.n % (plan_.across * lanes) == 0;
    return whole ? nullptr : lane_mask(b_.CreateSub(n_, column));
  };
  const bool kept = plan_.rows <= 2;
  Values x;
  for (int64_t r = 0; kept && r < plan_.rows; ++r)
    for (int64_t s = 0; s < count; ++s) x.push_back(left(i64(r), s));
  steps(columns, lanes * plan_.across, [&](Value* c) {
    rounds(i64(plan_.rows), plan_.band, [&](Value* first) {
      Values sums, y(static_cast<size_t>(plan_.across));
      const auto each = [&](auto&& body) {
        for (int64_t r = 0; r < plan_.band; ++r)
          for (int64_t v = 0; v < plan_.across; ++v) body(r, v, streamed_sum(tile, b_.CreateAdd(first, i64(r)), c, v));
      };
      each([&](int64_t, int64_t, Value* p) { sums.push_back(b_.CreateAlignedLoad(vector_, p, vector_align())); });
      for (int64_t s = 0; s < count; ++s) {
        for (int64_t v = 0; v < plan_.across; ++v) {
          Value* column = b_.CreateAdd(b_.CreateAdd(at.column, c), i64(v * lanes));
          y[static_cast<size_t>(v)] = vector_operand(1, at.batch, step(s), column, 2, mask(column));
        }
        auto sum = sums.begin();
        for (int64_t r = 0; r < plan_.band; ++r) {
          Value* one = kept ? x[static_cast<size_t>(r * count + s)] : left(b_.CreateAdd(first, i64(r)), s);
          for (Value* v : y) *sum = multiply_add(b_, dtype_, one, v, *sum), ++sum;
        }
      }
      auto sum = sums.begin();
      each([&](int64_t, int64_t, Value* p) { b_.CreateAlignedStore(*sum++, p, vector_align()); });
    });
  });
}

}  // namespace tenon::codegen
