// The direct way of a contraction: a tile of a few rows and vectors in registers, operands read in the inner loop. Needs no
// scratch memory, so it serves small problems, where packing would cost more than it saves, few rows, which use each
// element of the right operand once, and contractions inside other loops. Refuses cache blocking.
#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

constexpr int64_t light_epilogue = 8;  // instructions up to which every vector of a tile has an epilogue of its own

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
  // One tile across: masks are constants, as LLVM would find them to be too late for `emit_store`.
  const bool one_across = plan_.n >= 0 && plan_.n <= plan_.columns();
  const Tiles t = direct_tiles();
  const auto column_of = [&](Value* stack) {
    return one_across ? i64(0) : b_.CreateMul(b_.CreateSRem(stack, t.columns), i64(plan_.columns()));
  };
  if (plan_.edge_rows > 0) {
    const int64_t whole = plan_.m / plan_.rows;
    counted_loop(b_, "stacks", {i64(0), b_.CreateMul(batches_, t.columns)}, [&](Value* stack) {
      Value *batch = b_.CreateSDiv(stack, t.columns), *column = column_of(stack);
      counted_loop(b_, "tiles", {i64(0), i64(whole)}, [&](Value* number) {
        direct_tile(batch, b_.CreateMul(number, i64(plan_.rows)), column, tile, levels);
      });
      rows_ = plan_.edge_rows;
      direct_tile(batch, i64(whole * plan_.rows), column, tile, levels);
      rows_ = plan_.rows;
    });
    return;
  }
  Value* last = smaller(b_.CreateMul(end, t.share), t.all);
  counted_loop(b_, "tiles", {b_.CreateMul(begin, t.share), last}, [&](Value* number) {
    // Rows inside: what they take of the right operand is read once.
    Value* stack = b_.CreateSDiv(number, t.rows);
    Value* row = b_.CreateMul(b_.CreateSRem(number, t.rows), i64(plan_.rows));
    direct_tile(b_.CreateSDiv(stack, t.columns), row, column_of(stack), tile, levels);
  });
}

void ContractEmitter::direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels) {
  if (levels) {
    // An empty sum still has one (empty) segment.
    Value* segments = larger(divide_up(k_, contract_segment), i64(1));
    const int64_t elements = rows_ * plan_.columns();
    repeat(segments, [&](Value* number) {
      Value* first = b_.CreateMul(number, i64(contract_segment));
      keep_chains(batch, row, column, first, smaller(b_.CreateAdd(first, i64(contract_segment)), k_), tile);
      join(tile, levels, i64(elements * size_), number, segments, elements);
    });
  } else if (plan_.streamed) {
    keep_chains(batch, row, column, i64(0), k_, tile);
  } else {
    const Values sums = chains(batch, row, column, i64(0), k_);
    if (!plan_.turned && kernel_.weight(contract_.blocks[2]) <= light_epilogue)
      return hand_on(batch, row, column, sums);
    keep(sums, tile);
  }
  Value* rows = smaller(b_.CreateSub(m_, row), i64(rows_));
  Value* columns = smaller(b_.CreateSub(n_, column), i64(plan_.columns()));
  epilogue(batch, row, rows, column, columns, tile, plan_.columns());
}

// The chains of one tile over k in [first, last), from +0.
Values ContractEmitter::chains(Value* batch, Value* row, Value* column, Value* first, Value* last) {
  return plan_.turned ? turned_chains(batch, row, first, last) : direct_chains(batch, row, column, first, last);
}

void ContractEmitter::keep_chains(Value* batch, Value* row, Value* column, Value* first, Value* last, Value* tile) {
  if (plan_.streamed) return streamed_chains({batch, row, column}, first, last, tile);
  keep(chains(batch, row, column, first, last), tile);
}

// Stores the sums to the tile.
void ContractEmitter::keep(const Values& sums, Value* tile) {
  if (plan_.turned) return keep_turned(sums, tile);
  for (unsigned c = 0; c < sums.size(); ++c)
    b_.CreateAlignedStore(sums[c], b_.CreateGEP(vector_, tile, i64(c)), vector_align());
}

// The epilogue out of registers: sums of few steps would wait for memory as long as they took.
void ContractEmitter::hand_on(Value* batch, Value* row, Value* column, const Values& sums) {
  const bool whole = plan_.m >= 0 && (plan_.m % plan_.rows == 0 || plan_.edge_rows > 0);
  for (int64_t r = 0; r < rows_; ++r) {
    Value* i = b_.CreateAdd(row, i64(r));
    const auto line = [&] {
      for (int64_t v = 0; v < plan_.vectors; ++v)
        finish(batch, i, b_.CreateAdd(column, i64(v * lanes)), column_mask(column, v),
               sums[static_cast<size_t>(r * plan_.vectors + v)]);
    };
    if (whole || r == 0)
      line();
    else
      when(b_, "row", b_.CreateICmpSLT(i, m_), line);
  }
}

// Lanes of vector v of a tile that are columns; null where all are. The last tile may reach past the edge by whole vectors.
Value* ContractEmitter::column_mask(Value* column, int64_t v) {
  const bool filled =
      plan_.n >= 0 && (plan_.n % plan_.columns() == 0 || (plan_.n <= plan_.columns() && (v + 1) * lanes <= plan_.n));
  return filled ? nullptr : lane_mask(b_.CreateSub(n_, b_.CreateAdd(column, i64(v * lanes))));
}

Values ContractEmitter::direct_chains(Value* batch, Value* row, Value* column, Value* first, Value* last) {
  Values places, masks;  // rows past the edge repeat the last one and are never handed on
  for (int64_t r = 0; r < rows_; ++r) places.push_back(smaller(b_.CreateAdd(row, i64(r)), b_.CreateSub(m_, i64(1))));
  for (int64_t v = 0; v < plan_.vectors; ++v) masks.push_back(column_mask(column, v));

  const Values zeros(masks.size() * places.size(), llvm::Constant::getNullValue(vector_));
  std::vector<const ir::Instruction*> accesses;
  if (plan_.far) accesses = accesses_ahead(contract_.blocks[1], 1, 2);
  return carried_loop(b_, "chain", {first, last}, zeros, [&](Value* k, ValueRefs sums) {
    Values y, next;
    if (!accesses.empty()) fetch(accesses, contract_.blocks[1], {batch, b_.CreateAdd(k, i64(rows_ahead)), column});
    for (Value* mask : masks)
      y.push_back(vector_operand(1, batch, k, b_.CreateAdd(column, i64(int64_t{lanes} * std::ssize(y))), 2, mask));
    for (Value* place : places) {
      Value* x = splat(b_, scalar_operand(0, batch, place, k), lanes);
      for (Value* v : y) next.push_back(multiply_add(b_, dtype_, x, v, sums[next.size()]));
    }
    return next;
  });
}

}  // namespace tenon::codegen
