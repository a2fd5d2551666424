// The packed way of a contraction. A worker claims runs of panels of C; for each block of k it evaluates a block of the
// left operand and, panel by panel, of the right one into its scratch memory, runs the micro-kernel over the tiles, joins
// segments, and hands finished tiles to the epilogue while they are in L1. Prologues run once per packed element.
// Refuses to share packed memory between workers: a panel costs less to pack again than to wait for.
#include "tenon/codegen/llvm_contract.h"

namespace tenon::codegen {

using llvm::Value;

namespace {
constexpr int64_t claims_per_worker = 4;
}  // namespace

// Row blocks, panels and units (a panel of a row block of a batch element) at run time.
ContractEmitter::Grid ContractEmitter::grid() {
  Grid g;
  const auto number = [&](int64_t v) { return kernel_.i64(v); };
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
  Value* worth = b_.CreateSDiv(b_.CreateMul(m_, line), number(contract_claim));
  Value* wanted = smaller(divide_up(number(plan_.workers), across), worth);
  g.row_blocks = larger(larger(divide_up(m_, most), wanted), one);
  g.block_rows = b_.CreateMul(divide_up(larger(divide_up(m_, g.row_blocks), one), plan_.rows), number(plan_.rows));
  g.row_blocks = divide_up(m_, g.block_rows);
  g.units = b_.CreateMul(batches_, b_.CreateMul(g.row_blocks, g.panels));
  Value* least = divide_up(number(contract_claim), b_.CreateMul(g.block_rows, line));
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
  Value* work = b_.CreateMul(b_.CreateMul(batches_, m_), b_.CreateMul(n_, larger(k_, kernel_.i64(1))));
  return smaller(larger(b_.CreateSDiv(work, kernel_.i64(contract_claim)), kernel_.i64(1)), kernel_.i64(plan_.workers));
}

void ContractEmitter::emit_packed(Value* begin) {
  grid_ = grid();
  Value* scratch = kernel_.scratch_;
  Value* slot =
      at(scratch, b_.CreateAdd(kernel_.i64(contract_header_bytes), b_.CreateMul(begin, kernel_.i64(plan_.slot_bytes))));
  left_ = slot;
  panel_ = at(slot, kernel_.i64(plan_.panel_offset));
  turn_ = at(slot, kernel_.i64(plan_.turn_offset));
  tiles_ = at(slot, kernel_.i64(plan_.tile_offset));
  packed_ = kernel_.entry_slot(b_.getInt64Ty(), 1, 8);
  b_.CreateStore(kernel_.i64(-1), packed_);

  auto *claim = kernel_.new_block("claim"), *work = kernel_.new_block("work"), *run = kernel_.new_block("run");
  auto* done = kernel_.new_block("work.end");
  b_.CreateBr(claim);
  b_.SetInsertPoint(claim);
  Value* first = b_.CreateAtomicRMW(llvm::AtomicRMWInst::Add, scratch, grid_.claim, llvm::MaybeAlign(8),
                                    llvm::AtomicOrdering::Monotonic);
  b_.CreateCondBr(b_.CreateICmpSLT(first, grid_.units), work, done);
  b_.SetInsertPoint(work);
  Value* last = smaller(b_.CreateAdd(first, grid_.claim), grid_.units);
  b_.CreateBr(run);
  b_.SetInsertPoint(run);
  llvm::PHINode* unit = b_.CreatePHI(b_.getInt64Ty(), 2);
  unit->addIncoming(first, work);
  Value* panel = b_.CreateSRem(unit, grid_.panels);
  Value* block = b_.CreateSDiv(unit, grid_.panels);
  Value* panels = smaller(smaller(b_.CreateSub(last, unit), b_.CreateSub(grid_.panels, panel)), grid_.run);
  run_panels(block, panel, panels);
  Value* next = b_.CreateAdd(unit, panels);
  unit->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, last), run, claim);
  b_.SetInsertPoint(done);
}

void ContractEmitter::run_panels(Value* block, Value* panel, Value* panels) {
  Value* batch = b_.CreateSDiv(block, grid_.row_blocks);
  Value* row = b_.CreateMul(b_.CreateSRem(block, grid_.row_blocks), grid_.block_rows);
  Value* rows = smaller(b_.CreateSub(m_, row), grid_.block_rows);
  Value* row_tiles = divide_up(rows, plan_.rows);
  const int64_t tile_elements = plan_.rows * plan_.columns();
  repeat(grid_.k_blocks, [&](Value* k_block) {
    Value* from = b_.CreateMul(k_block, grid_.depth);
    Value* to = smaller(b_.CreateAdd(from, grid_.depth), k_);
    Value* depth = b_.CreateSub(to, from);
    Value* ends = plan_.resumes ? b_.CreateICmpEQ(to, k_) : b_.getTrue();
    // A claim often goes on in the row block that the last one left.
    Value* key = b_.CreateAdd(b_.CreateMul(block, grid_.k_blocks), k_block);
    when(b_.CreateICmpNE(b_.CreateLoad(b_.getInt64Ty(), packed_), key), [&] {
      pack_left(batch, row, rows, from, depth);
      b_.CreateStore(key, packed_);
    });
    repeat(panels, [&](Value* p) {
      Value* column = b_.CreateMul(b_.CreateAdd(panel, p), kernel_.i64(plan_.columns()));
      Value* columns = kernel_.i64(plan_.columns());
      if (plan_.n < 0 || plan_.n % plan_.columns()) columns = smaller(b_.CreateSub(n_, column), columns);
      pack_right(batch, from, depth, column, columns);
      repeat(row_tiles, [&](Value* t) {
        Value* number = b_.CreateSelect(grid_.alone, kernel_.i64(0), b_.CreateAdd(b_.CreateMul(p, grid_.row_tiles), t));
        Value* tile = element(tiles_, b_.CreateMul(number, kernel_.i64(tile_elements)));
        Value* tile_row = b_.CreateMul(t, kernel_.i64(plan_.rows));
        Value* left = element(left_, b_.CreateMul(t, kernel_.i64(plan_.tile_stride)));
        Value* valid = smaller(b_.CreateSub(rows, tile_row), kernel_.i64(plan_.rows));
        when(ends, [&] { fetch_ahead(batch, b_.CreateAdd(row, tile_row), valid, column); });
        branch(
            b_.CreateICmpSGT(plan_.k > 0 ? k_ : depth, kernel_.i64(0)),
            [&] {
              // Integers have one sum over all segments.
              Value* behind = join_levels() ? b_.CreateAnd(from, kernel_.i64(contract_segment - 1)) : from;
              Value* resume = b_.CreateICmpNE(behind, kernel_.i64(0));
              run_tile(left, panel_, depth, tile, resume, valid, columns);
            },
            [&] {  // an empty sum is +0
              b_.CreateMemSet(tile, b_.getInt8(0), kernel_.i64(tile_elements * size_), llvm::MaybeAlign(64));
            });
        if (join_levels()) {
          Value* whole = b_.CreateICmpEQ(b_.CreateAnd(to, kernel_.i64(contract_segment - 1)), kernel_.i64(0));
          when(b_.CreateAnd(b_.CreateICmpSGT(grid_.segments, kernel_.i64(1)), b_.CreateOr(whole, ends)), [&] {
            Value* step =
                b_.CreateMul(b_.CreateSDiv(kernel_.i64(plan_.tiles), grid_.levels), kernel_.i64(tile_elements * size_));
            join(tile, at(tile, step), step, b_.CreateSDiv(from, kernel_.i64(contract_segment)), grid_.segments,
                 tile_elements);
          });
        }
        when(ends,
             [&] { epilogue(batch, b_.CreateAdd(row, tile_row), valid, column, columns, tile, plan_.columns()); });
      });
    });
  });
}

// The left block as its loads have it: rows of k; or, where i is contiguous in memory, the rows of a tile side by side.
void ContractEmitter::pack_left(Value* batch, Value* row, Value* rows, Value* from, Value* depth) {
  const llvm::Align align(static_cast<uint64_t>(size_));
  if (plan_.lhs_along_k) {
    repeat(rows, [&](Value* r) {
      Value* line = element(left_, b_.CreateMul(r, kernel_.i64(plan_.row_stride)));
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
    Value* line = element(left_, b_.CreateMul(q, kernel_.i64(plan_.k_stride)));
    repeat(divide_up(rows, plan_.rows), [&](Value* t) {
      Value* i = b_.CreateAdd(row, b_.CreateMul(t, kernel_.i64(plan_.rows)));
      Value* few = smaller(b_.CreateSub(m_, i), kernel_.i64(plan_.rows));
      b_.CreateAlignedStore(vector_operand(0, batch, i, k, 1, lane_mask(few)),
                            element(line, b_.CreateMul(t, kernel_.i64(plan_.tile_stride))), align);
    });
  });
}

// A panel of the right operand: row after row of its columns. Only panels known to be whole are unrolled: a second copy of
// the block would cost compile time, and what this loop waits for are loads from far away.
void ContractEmitter::pack_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns) {
  if (plan_.rhs_along_k) return turn_right(batch, from, depth, column, columns);
  steps(depth, 1, [&](Value* q) {
    Value* line = element(panel_, b_.CreateMul(q, kernel_.i64(plan_.columns())));
    Value* k = b_.CreateAdd(from, q);
    const auto put = [&](Value* c) {
      Value* j = b_.CreateAdd(column, c);
      b_.CreateAlignedStore(vector_operand(1, batch, k, j, 2, mask_below(j, n_)), element(line, c), vector_align());
    };
    int64_t whole = 0;
    if (!known(columns, whole)) return steps(columns, lanes, put);
    for (int64_t c = 0; c < whole; c += lanes) put(kernel_.i64(c));
  });
}

// Squares of 16 x 16 are read along k, kept in L1, and written back turned, a machine register's width at a time.
void ContractEmitter::turn_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns) {
  const int64_t width = plan_.width;
  steps(columns, lanes, [&](Value* c) {
    Value* count = smaller(b_.CreateSub(columns, c), kernel_.i64(lanes));
    Value* first = b_.CreateAdd(column, c);
    steps(depth, lanes, [&](Value* q) {
      Value* k = b_.CreateAdd(from, q);
      repeat(count, [&](Value* r) {
        Value* v = vector_operand(1, batch, k, b_.CreateAdd(first, r), 1, mask_below(k, k_));
        b_.CreateAlignedStore(v, element(turn_, b_.CreateMul(r, kernel_.i64(lanes))), vector_align());
      });
      const auto square = [&](Value* r, Value* s) {  // rows r.. of columns s.. of the square
        Value* row = b_.CreateAdd(b_.CreateMul(b_.CreateAdd(q, s), kernel_.i64(plan_.columns())), b_.CreateAdd(c, r));
        turn_square(element(turn_, b_.CreateAdd(b_.CreateMul(r, kernel_.i64(lanes)), s)), element(panel_, row));
      };
      if (width == lanes) return square(kernel_.i64(0), kernel_.i64(0));
      steps(kernel_.i64(lanes), width,
            [&](Value* r) { steps(kernel_.i64(lanes), width, [&](Value* s) { square(r, s); }); });
    });
  });
}

void ContractEmitter::turn_square(Value* source, Value* target) {
  const int64_t width = plan_.width;
  const llvm::Align align(static_cast<uint64_t>(width * size_));
  auto* type = llvm::FixedVectorType::get(element_, static_cast<unsigned>(width));
  std::vector<Value*> x;
  for (int64_t l = 0; l < width; ++l)
    x.push_back(b_.CreateAlignedLoad(type, element(source, kernel_.i64(l * lanes)), align));
  for (int64_t distance = 1; distance < width; distance *= 2) {  // exchanges ever larger squares across the diagonal
    std::vector<int> low, high;
    for (int64_t l = 0; l < width; ++l) {
      low.push_back(static_cast<int>(l & distance ? width + l - distance : l));
      high.push_back(static_cast<int>(l & distance ? width + l : l + distance));
    }
    for (int64_t l = 0; l < width; ++l) {
      if (l & distance) continue;
      Value *&upper = x[static_cast<size_t>(l)], *&lower = x[static_cast<size_t>(l + distance)];
      Value* turned = b_.CreateShuffleVector(upper, lower, low);
      lower = b_.CreateShuffleVector(upper, lower, high);
      upper = turned;
    }
    // LLVM looks through all rounds of shuffles for fewer of them, in vain and for a third of the kernel's compile time.
    if (element_->isFloatTy() || element_->isDoubleTy())
      for (Value*& v : x) v = call(b_, llvm::Intrinsic::arithmetic_fence, {type}, {v});
  }
  for (int64_t l = 0; l < width; ++l)
    b_.CreateAlignedStore(x[static_cast<size_t>(l)], element(target, kernel_.i64(l * plan_.columns())), align);
}

}  // namespace tenon::codegen
