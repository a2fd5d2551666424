// Contractions: acc[b, i, j] = sum over k of lhs(b, i, k) * rhs(b, k, j), each sum one chain of fused multiply-adds from +0,
// ascending over k inside segments of 4096, segments joined by the pairwise tree. Tiles, blocks and threads only choose
// which chains advance together; a chain that must wait is stored and resumed, so no choice here touches a bit.
//
// Two ways, chosen by codegen/llvm/contract/plan.h. Direct: operands are read in the inner loop. Packed: blocks of the operands
// are evaluated once into scratch memory, and a micro-kernel runs over them. Either way a finished tile lies in memory, in
// L1, when the epilogue takes it. Refuses to know what the three blocks compute: they are emitted where they are needed.
#pragma once

#include "tenon/codegen/llvm/contract/plan.h"
#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

class ContractEmitter {
 public:
  ContractEmitter(KernelEmitter& kernel, const ir::Instruction& i);
  // Units of work [begin, end). Packed: the worker of number `begin`, which claims its work itself.
  void emit(llvm::Value* begin, llvm::Value* end);
  llvm::Value* total();  // how many units there are; packed: how many workers the work is worth

 private:
  using Value = llvm::Value;
  static constexpr unsigned lanes = 16;

  // llvm/contract/contract.cc: the three blocks, edges, segments
  Value* scalar_operand(int side, Value* batch, Value* outer, Value* inner);  // lhs (0): (i, k); rhs (1): (k, j)
  // The argument `along` (1: the outer, 2: the inner) runs over lanes from its given position.
  Value* vector_operand(int side, Value* batch, Value* outer, Value* inner, int along, Value* mask);
  void bind(ir::BlockId block, llvm::ArrayRef<Value*> arguments, int along);
  // Hands a finished tile in memory to the epilogue; `column` is a multiple of the lanes.
  void epilogue(Value* batch, Value* row, Value* rows, Value* column, Value* columns, Value* tile,
                int64_t tile_columns);
  void fetch_ahead(Value* batch, Value* row, Value* rows, Value* column);
  // After segment `number` of `segments` of a tile of `elements`: joins what the pairwise tree joins now.
  void join(Value* tile, Value* levels, Value* level_bytes, Value* number, Value* segments, int64_t elements);
  int64_t join_levels() const;
  Value* multiply_add(Builder& b, Value* x, Value* y, Value* sum);
  Value* mask_below(Value* position,
                    Value* end);  // lanes below `end`, from a multiple of the lanes on; null when all are
  Value* lane_mask(Value* count);
  llvm::Align vector_align() const { return llvm::Align(static_cast<uint64_t>(std::min<int64_t>(64, lanes * size_))); }
  Value* i64(int64_t v) { return kernel_.i64(v); }
  Value* smaller(Value* x, Value* y);
  Value* larger(Value* x, Value* y);
  Value* divide_up(Value* x, Value* by);
  Value* divide_up(Value* x, int64_t by) { return divide_up(x, i64(by)); }
  Value* at(Value* pointer, Value* bytes) { return b_.CreateGEP(b_.getInt8Ty(), pointer, bytes); }
  Value* element(Value* pointer, Value* number) { return b_.CreateGEP(element_, pointer, number); }
  // body(0), body(step) ... below `end`: steps may be none, repeat knows that there is at least one.
  using Body = llvm::function_ref<void(Value*)>;
  void steps(Value* end, int64_t step, Body body);
  void repeat(Value* end, Body body) { rounds(end, 1, body); }
  void rounds(Value* end, int64_t step, Body body);

  // llvm/contract/direct.cc
  struct Tiles {
    Value *rows, *columns, *all;  // how many down, across, and over the whole batch
    Value* share;  // how many of them make a unit of work
  };
  Tiles direct_tiles();
  Value* direct_total();
  void emit_direct(Value* begin, Value* end);
  void direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels);
  void direct_chains(Value* batch, Value* row, Value* column, Value* first, Value* last, Value* tile);

  // llvm/contract/pack.cc
  struct Grid {  // the problem cut into blocks, at run time
    Value *depth, *k_blocks;  // of k
    Value *segments, *levels;  // of the tree
    Value *row_blocks, *block_rows, *row_tiles;
    Value *panels, *units;  // a unit: one panel of one row block of one batch element
    Value *claim, *run;  // units claimed at once; panels that one pass over k serves at most
    Value* alone;  // k is one block: a tile is finished at once
  };
  Grid grid();
  Value* packed_total();
  void emit_packed(Value* begin);
  struct Piece {  // one panel of one row block over one block of k
    Value *batch, *row, *rows;
    Value *from, *to, *depth;  // of k
    Value* ends;  // the last block of k
    Value *column, *columns;
  };
  void advance_tile(const Piece& piece, Value* number, Value* tile);
  void run_panels(Value* block, Value* panel, Value* panels);
  void pack_left(Value* batch, Value* row, Value* rows, Value* from, Value* depth);
  void pack_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns);
  void turn_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns);
  void turn_square(Value* source, Value* target);

  // llvm/contract/tile.cc
  llvm::Function* tile_function(int64_t rows, int64_t vectors);
  Round tile_step(Builder& b, ValueRefs carried, int64_t rows, int64_t vectors);
  Value* ahead(Builder& b, Value* pointer, int64_t elements) {
    return b.CreateConstInBoundsGEP1_64(element_, pointer, static_cast<uint64_t>(elements));
  }
  void run_tile(Value* left, Value* right, Value* depth, Value* sums, Value* resume, Value* rows, Value* columns);

  KernelEmitter& kernel_;
  const ir::Instruction& contract_;
  const ContractPlan plan_;
  Builder& b_;
  llvm::Type* element_;  // of the accumulators
  llvm::Type* vector_;  // of `lanes` of them
  int64_t size_;  // bytes of an accumulator
  Value *batches_, *m_, *n_, *k_;
  Grid grid_{};
  Value *left_ = nullptr, *panel_ = nullptr, *turn_ = nullptr, *tiles_ = nullptr;  // the worker's scratch memory
  Value* packed_ = nullptr;  // which left block lies there
};

}  // namespace tenon::codegen
