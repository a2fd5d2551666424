// The packed way of a contraction. A worker claims runs of panels of C; for each block of k it evaluates a block of the
// left operand and, panel by panel, of the right one into its scratch memory, runs the micro-kernel over the tiles, joins
// segments, and hands finished tiles to the epilogue while they are in L1. Prologues run once per packed element.
// Refuses to share packed memory between workers: a panel costs less to pack again than to wait for.
#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

namespace {
constexpr int64_t claims_per_worker = 4;
}  // namespace

// Row blocks, panels and units (a panel of a row block of a batch element) at run time.
ContractEmitter::Grid ContractEmitter::grid() {
  Grid g;
  const auto number = [&](int64_t v) { return i64(v); };
  g.depth = number(plan_.depth);
  Value* one = number(1);
  if (plan_.k < 0) {  // blocks of k of even size; whole segments once there are several
    Value* blocks = larger(divide_up(k_, plan_.depth), one);
    Value* even = b_.CreateAnd(b_.CreateAdd(divide_up(k_, blocks), number(15)), number(-16));
    g.depth =
        b_.CreateSelect(b_.CreateICmpSGT(k_, number(contract_segment)), number(plan_.depth), larger(even, number(16)));
  }
  g.k_blocks = larger(divide_up(k_, g.depth), one);
  g.segments = larger(divide_up(k_, contract_segment), one);
  Value* most = number(plan_.block_rows);
  g.levels = one;
  if (join_levels()) {
    // As many levels as the tree needs, and the tile at hand.
    Value* several = b_.CreateICmpSGT(g.segments, one);
    Value* zeros =
        codegen::call(b_, llvm::Intrinsic::ctlz, {b_.getInt64Ty()}, {b_.CreateSub(g.segments, one), b_.getFalse()});
    g.levels = b_.CreateSelect(several, b_.CreateSub(number(65), zeros), one);
    Value* rows = b_.CreateMul(b_.CreateSDiv(number(plan_.tiles), g.levels), number(plan_.rows));
    most = b_.CreateSelect(several, smaller(most, rows), most);
  }
  g.panels = divide_up(n_, plan_.columns());
  // Few panels and many rows: each worker gets rows of its own, if they are worth it.
  Value* line =
      b_.CreateMul(larger(k_, one), smaller(larger(n_, one), number(plan_.columns())));  // work of a row of a panel
  Value* across = larger(b_.CreateMul(batches_, g.panels), one);
  Value* worth = b_.CreateSDiv(b_.CreateMul(m_, line), number(plan_.claim));
  Value* wanted = smaller(divide_up(number(plan_.workers), across), worth);
  g.row_blocks = larger(larger(divide_up(m_, most), wanted), one);
  g.block_rows = b_.CreateMul(divide_up(larger(divide_up(m_, g.row_blocks), one), plan_.rows), number(plan_.rows));
  g.row_blocks = divide_up(m_, g.block_rows);
  g.units = b_.CreateMul(batches_, b_.CreateMul(g.row_blocks, g.panels));
  Value* least = divide_up(number(plan_.claim), b_.CreateMul(g.block_rows, line));
  Value* even = divide_up(g.units, number(claims_per_worker * plan_.workers));
  g.claim = larger(larger(least, even), one);
  // A slot keeps one tile at hand when k is one block, else the tiles of the whole run.
  g.alone = b_.CreateICmpEQ(g.k_blocks, one);
  g.row_tiles = b_.CreateSDiv(g.block_rows, number(plan_.rows));
  Value* room = larger(b_.CreateSDiv(number(plan_.tiles), b_.CreateMul(larger(g.row_tiles, one), g.levels)), one);
  g.run = b_.CreateSelect(g.alone, larger(g.panels, one), room);
  return g;
}

// Workers that find nothing to claim return at once, so an estimate will do.
Value* ContractEmitter::packed_total() {
  Value* work = b_.CreateMul(b_.CreateMul(batches_, m_), b_.CreateMul(n_, larger(k_, i64(1))));
  return smaller(larger(b_.CreateSDiv(work, i64(plan_.claim)), i64(1)), i64(plan_.workers));
}

void ContractEmitter::emit_packed(Value* begin) {
  grid_ = grid();
  Value* scratch = kernel_.scratch_;
  Value* slot = at(scratch, b_.CreateAdd(i64(contract_header_bytes), b_.CreateMul(begin, i64(plan_.slot_bytes))));
  left_ = slot;
  panel_ = at(slot, i64(plan_.panel_offset));
  turn_ = at(slot, i64(plan_.turn_offset));
  tiles_ = at(slot, i64(plan_.tile_offset));
  packed_ = kernel_.entry_slot(b_.getInt64Ty(), 1, 8);
  b_.CreateStore(i64(-1), packed_);

  Value* first = nullptr;
  const auto claim = [&](ValueRefs) {
    first = b_.CreateAtomicRMW(llvm::AtomicRMWInst::Add, scratch, grid_.claim, llvm::MaybeAlign(8),
                               llvm::AtomicOrdering::Monotonic);
    return b_.CreateICmpSLT(first, grid_.units);
  };
  while_loop(b_, "claim", {}, claim, [&](ValueRefs) {
    Value* last = smaller(b_.CreateAdd(first, grid_.claim), grid_.units);
    do_loop(b_, "run", first, [&](ValueRefs unit) {
      Value* panel = b_.CreateSRem(unit[0], grid_.panels);
      Value* block = b_.CreateSDiv(unit[0], grid_.panels);
      Value* panels = smaller(smaller(b_.CreateSub(last, unit[0]), b_.CreateSub(grid_.panels, panel)), grid_.run);
      run_panels(block, panel, panels);
      Value* next = b_.CreateAdd(unit[0], panels);
      return Round{{next}, b_.CreateICmpSLT(next, last)};
    });
    return Values{};
  });
}

void ContractEmitter::run_panels(Value* block, Value* panel, Value* panels) {
  Piece x{};
  x.batch = b_.CreateSDiv(block, grid_.row_blocks);
  x.row = b_.CreateMul(b_.CreateSRem(block, grid_.row_blocks), grid_.block_rows);
  x.rows = smaller(b_.CreateSub(m_, x.row), grid_.block_rows);
  Value* row_tiles = divide_up(x.rows, plan_.rows);
  repeat(grid_.k_blocks, [&](Value* k_block) {
    x.from = b_.CreateMul(k_block, grid_.depth);
    x.to = smaller(b_.CreateAdd(x.from, grid_.depth), k_);
    x.depth = b_.CreateSub(x.to, x.from);
    x.ends = plan_.resumes ? b_.CreateICmpEQ(x.to, k_) : b_.getTrue();
    // A claim often goes on in the row block that the last one left.
    Value* key = b_.CreateAdd(b_.CreateMul(block, grid_.k_blocks), k_block);
    when(b_, "pack", b_.CreateICmpNE(b_.CreateLoad(b_.getInt64Ty(), packed_), key), [&] {
      pack_left(x.batch, x.row, x.rows, x.from, x.depth);
      b_.CreateStore(key, packed_);
    });
    repeat(panels, [&](Value* p) {
      x.column = b_.CreateMul(b_.CreateAdd(panel, p), i64(plan_.columns()));
      x.columns = i64(plan_.columns());
      if (plan_.n < 0 || plan_.n % plan_.columns()) x.columns = smaller(b_.CreateSub(n_, x.column), x.columns);
      pack_right(x.batch, x.from, x.depth, x.column, x.columns);
      repeat(row_tiles, [&](Value* t) {
        Value* number = b_.CreateSelect(grid_.alone, i64(0), b_.CreateAdd(b_.CreateMul(p, grid_.row_tiles), t));
        advance_tile(x, t, element(tiles_, b_.CreateMul(number, i64(plan_.rows * plan_.columns()))));
      });
    });
  });
}

// Takes tile `t` of the row block through one block of k, and hands it on when that was the last one.
void ContractEmitter::advance_tile(const Piece& x, Value* t, Value* tile) {
  const int64_t elements = plan_.rows * plan_.columns();
  Value* offset = b_.CreateMul(t, i64(plan_.rows));
  Value* left = element(left_, b_.CreateMul(t, i64(plan_.tile_stride)));
  Value* rows = smaller(b_.CreateSub(x.rows, offset), i64(plan_.rows));
  when(b_, "fetch", x.ends, [&] { fetch_ahead(x.batch, b_.CreateAdd(x.row, offset), rows, x.column); });
  branch(
      b_, "tile", b_.CreateICmpSGT(plan_.k > 0 ? k_ : x.depth, i64(0)),
      [&] {
        // Integers have one sum over all segments.
        Value* behind = join_levels() ? b_.CreateAnd(x.from, i64(contract_segment - 1)) : x.from;
        run_tile(left, panel_, x.depth, tile, b_.CreateICmpNE(behind, i64(0)), rows, x.columns);
      },
      [&] {  // an empty sum is +0
        b_.CreateMemSet(tile, b_.getInt8(0), i64(elements * size_), llvm::MaybeAlign(64));
      });
  if (join_levels()) {
    Value* whole = b_.CreateICmpEQ(b_.CreateAnd(x.to, i64(contract_segment - 1)), i64(0));
    Value* finished = b_.CreateOr(whole, x.ends);
    when(b_, "segment", b_.CreateAnd(b_.CreateICmpSGT(grid_.segments, i64(1)), finished), [&] {
      Value* step = b_.CreateMul(b_.CreateSDiv(i64(plan_.tiles), grid_.levels), i64(elements * size_));
      Value* number = b_.CreateSDiv(x.from, i64(contract_segment));
      join(tile, at(tile, step), step, number, grid_.segments, elements);
    });
  }
  when(b_, "epilogue", x.ends,
       [&] { epilogue(x.batch, b_.CreateAdd(x.row, offset), rows, x.column, x.columns, tile, plan_.columns()); });
}

// The left block as its loads have it: rows of k; or, where i is contiguous in memory, the rows of a tile side by side.
void ContractEmitter::pack_left(Value* batch, Value* row, Value* rows, Value* from, Value* depth) {
  const llvm::Align align(static_cast<uint64_t>(size_));
  if (plan_.lhs_along_k) {
    repeat(rows, [&](Value* r) {
      Value* line = element(left_, b_.CreateMul(r, i64(plan_.row_stride)));
      Value* i = b_.CreateAdd(row, r);
      steps(depth, lanes, [&](Value* q) {
        Value* k = b_.CreateAdd(from, q);
        b_.CreateAlignedStore(vector_operand(0, batch, i, k, 2, mask_below(k, k_)), element(line, q), align);
      });
    });
    return;
  }
  // A vector reaches past the rows of its tile; what it writes too much, the next k or the padding takes.
  steps(depth, 1, [&](Value* q) {
    Value* k = b_.CreateAdd(from, q);
    Value* line = element(left_, b_.CreateMul(q, i64(plan_.k_stride)));
    repeat(divide_up(rows, plan_.rows), [&](Value* t) {
      Value* i = b_.CreateAdd(row, b_.CreateMul(t, i64(plan_.rows)));
      Value* few = smaller(b_.CreateSub(m_, i), i64(plan_.rows));
      b_.CreateAlignedStore(vector_operand(0, batch, i, k, 1, lane_mask(few)),
                            element(line, b_.CreateMul(t, i64(plan_.tile_stride))), align);
    });
  });
}

// A panel of the right operand: row after row of its columns. Only panels known to be whole are unrolled: a second copy of
// the block would cost compile time, and what this loop waits for are loads from far away.
void ContractEmitter::pack_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns) {
  if (plan_.rhs_along_k) return turn_right(batch, from, depth, column, columns);
  steps(depth, 1, [&](Value* q) {
    Value* line = element(panel_, b_.CreateMul(q, i64(plan_.columns())));
    Value* k = b_.CreateAdd(from, q);
    const auto put = [&](Value* c) {
      Value* j = b_.CreateAdd(column, c);
      b_.CreateAlignedStore(vector_operand(1, batch, k, j, 2, mask_below(j, n_)), element(line, c), vector_align());
    };
    const auto whole = known(columns);
    if (!whole) return steps(columns, lanes, put);
    for (int64_t c = 0; c < *whole; c += lanes) put(i64(c));
  });
}

// Squares of 16 x 16 are read along k, kept in L1, and written back turned, a machine register's width at a time.
void ContractEmitter::turn_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns) {
  const int64_t width = plan_.width;
  steps(columns, lanes, [&](Value* c) {
    Value* count = smaller(b_.CreateSub(columns, c), i64(lanes));
    Value* first = b_.CreateAdd(column, c);
    steps(depth, lanes, [&](Value* q) {
      Value* k = b_.CreateAdd(from, q);
      repeat(count, [&](Value* r) {
        Value* v = vector_operand(1, batch, k, b_.CreateAdd(first, r), 1, mask_below(k, k_));
        b_.CreateAlignedStore(v, element(turn_, b_.CreateMul(r, i64(lanes))), vector_align());
      });
      const auto square = [&](Value* r, Value* s) {  // rows r.. of columns s.. of the square
        Value* row = b_.CreateAdd(b_.CreateMul(b_.CreateAdd(q, s), i64(plan_.columns())), b_.CreateAdd(c, r));
        turn_square(element(turn_, b_.CreateAdd(b_.CreateMul(r, i64(lanes)), s)), element(panel_, row));
      };
      if (width == lanes) return square(i64(0), i64(0));
      steps(i64(lanes), width, [&](Value* r) { steps(i64(lanes), width, [&](Value* s) { square(r, s); }); });
    });
  });
}

void ContractEmitter::turn_square(Value* source, Value* target) {
  const unsigned width = static_cast<unsigned>(plan_.width);
  const llvm::Align align(static_cast<uint64_t>(width * size_));
  auto* type = llvm::FixedVectorType::get(element_, width);
  Values x;
  for (unsigned l = 0; l < width; ++l) x.push_back(b_.CreateAlignedLoad(type, element(source, i64(l * lanes)), align));
  for (unsigned distance = 1; distance < width; distance *= 2) {  // exchanges ever larger squares across the diagonal
    std::vector<int> low, high;
    for (unsigned l = 0; l < width; ++l) {
      low.push_back(static_cast<int>(l & distance ? width + l - distance : l));
      high.push_back(static_cast<int>(l & distance ? width + l : l + distance));
    }
    for (unsigned l = 0; l < width; ++l) {
      if (l & distance) continue;
      Value *&upper = x[l], *&lower = x[l + distance];
      Value* turned = b_.CreateShuffleVector(upper, lower, low);
      lower = b_.CreateShuffleVector(upper, lower, high);
      upper = turned;
    }
    // LLVM looks through all rounds of shuffles for fewer of them, in vain and for a third of the kernel's compile time.
    if (element_->isFloatTy() || element_->isDoubleTy())
      for (Value*& v : x) v = call(b_, llvm::Intrinsic::arithmetic_fence, {type}, {v});
  }
  for (unsigned l = 0; l < width; ++l) b_.CreateAlignedStore(x[l], element(target, i64(l * plan_.columns())), align);
}

}  // namespace tenon::codegen
