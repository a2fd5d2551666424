// The direct way of a contraction: a tile of a few rows and vectors in registers, operands read in the inner loop. Needs no
// scratch memory, so it serves small problems, where packing would cost more than it saves, few rows, which use each
// element of the right operand once, and contractions inside other loops. Refuses cache blocking.
#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

ContractEmitter::Tiles ContractEmitter::direct_tiles() {
  Tiles t;
  t.rows = divide_up(m_, plan_.rows);
  t.columns = divide_up(n_, plan_.columns());
  t.all = b_.CreateMul(batches_, b_.CreateMul(t.rows, t.columns));
  Value* work = b_.CreateMul(larger(k_, i64(1)), i64(plan_.rows * plan_.columns()));
  t.share = divide_up(i64(plan_.claim), work);
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
  counted_loop(b_, "tiles", {b_.CreateMul(begin, t.share), last}, [&](Value* number) {
    // Rows inside: what they take of the right operand is read once.
    Value* stack = b_.CreateSDiv(number, t.rows);
    Value* row = b_.CreateMul(b_.CreateSRem(number, t.rows), i64(plan_.rows));
    Value* column = b_.CreateMul(b_.CreateSRem(stack, t.columns), i64(plan_.columns()));
    direct_tile(b_.CreateSDiv(stack, t.columns), row, column, tile, levels);
  });
}

void ContractEmitter::direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels) {
  if (levels) {
    // An empty sum still has one (empty) segment.
    Value* segments = larger(divide_up(k_, contract_segment), i64(1));
    const int64_t elements = plan_.rows * plan_.columns();
    repeat(segments, [&](Value* number) {
      Value* first = b_.CreateMul(number, i64(contract_segment));
      direct_chains(batch, row, column, first, smaller(b_.CreateAdd(first, i64(contract_segment)), k_), tile);
      join(tile, levels, i64(elements * size_), number, segments, elements);
    });
  } else {
    direct_chains(batch, row, column, i64(0), k_, tile);
  }
  Value* rows = smaller(b_.CreateSub(m_, row), i64(plan_.rows));
  Value* columns = smaller(b_.CreateSub(n_, column), i64(plan_.columns()));
  epilogue(batch, row, rows, column, columns, tile, plan_.columns());
}

// The chains of one tile over k in [first, last), from +0, stored to the tile.
void ContractEmitter::direct_chains(Value* batch, Value* row, Value* column, Value* first, Value* last, Value* tile) {
  Values places, masks;  // rows past the edge repeat the last one and are never handed on
  for (int64_t r = 0; r < plan_.rows; ++r)
    places.push_back(smaller(b_.CreateAdd(row, i64(r)), b_.CreateSub(m_, i64(1))));
  // The last tile may reach past the edge by whole vectors.
  const bool filled = plan_.n >= 0 && plan_.n % plan_.columns() == 0;
  for (int64_t v = 0; v < plan_.vectors; ++v)
    masks.push_back(filled ? nullptr : lane_mask(b_.CreateSub(n_, b_.CreateAdd(column, i64(v * lanes)))));

  const Values zeros(masks.size() * places.size(), llvm::Constant::getNullValue(vector_));
  const Values sums = carried_loop(b_, "chain", {first, last}, zeros, [&](Value* k, ValueRefs chains) {
    Values y, next;
    for (Value* mask : masks)
      y.push_back(vector_operand(1, batch, k, b_.CreateAdd(column, i64(int64_t{lanes} * std::ssize(y))), 2, mask));
    for (Value* place : places) {
      Value* x = splat(b_, scalar_operand(0, batch, place, k), lanes);
      for (Value* v : y) next.push_back(multiply_add(b_, dtype_, x, v, chains[next.size()]));
    }
    return next;
  });
  for (unsigned c = 0; c < sums.size(); ++c)
    b_.CreateAlignedStore(sums[c], b_.CreateGEP(vector_, tile, i64(c)), vector_align());
}

}  // namespace tenon::codegen
