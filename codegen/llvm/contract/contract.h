// Contractions: acc[b, i, j] = sum over k of lhs(b, i, k) * rhs(b, k, j), each sum one chain of fused multiply-adds from +0,
// ascending over k inside segments of 4096, segments joined by the pairwise tree. Tiles, blocks and threads only choose
// which chains advance together; a chain that must wait is stored and resumed, so no choice here touches a bit.
//
// Two ways, chosen by codegen/llvm/contract/plan.h. Direct: operands are read in the inner loop, for a few columns in squares that
// are turned, so that rows are lanes. Packed: blocks of the operands
// are evaluated once into scratch memory, and a micro-kernel runs over them. Either way a finished tile lies in memory, in
// L1, when the epilogue takes it. Refuses to know what the three blocks compute: they are emitted where they are needed.
#pragma once

#include "tenon/codegen/llvm/contract/code.h"
#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

class ContractEmitter : ContractCode {
 public:
  ContractEmitter(KernelEmitter& kernel, const ir::Instruction& i);
  // Units of work [begin, end). Packed: the worker of number `begin`, which claims its work itself.
  void emit(llvm::Value* begin, llvm::Value* end);
  llvm::Value* total();  // how many units there are; packed: how many workers the work is worth

 private:
  // llvm/contract/contract.cc: the three blocks
  Value* scalar_operand(int side, Value* batch, Value* outer, Value* inner);  // lhs (0): (i, k); rhs (1): (k, j)
  // The argument `along` (1: the outer, 2: the inner) runs over lanes from its given position.
  Value* vector_operand(int side, Value* batch, Value* outer, Value* inner, int along, Value* mask,
                        unsigned width = lanes);
  void bind(ir::BlockId block, llvm::ArrayRef<Value*> arguments, int along);
  // Hands a finished tile in memory to the epilogue; `column` is a multiple of the lanes.
  void epilogue(Value* batch, Value* row, Value* rows, Value* column, Value* columns, Value* tile,
                int64_t tile_columns);
  // Hands one vector of a finished row to the epilogue.
  void finish(Value* batch, Value* row, Value* column, Value* mask, Value* sum);
  std::vector<const ir::Instruction*> accesses_ahead(ir::BlockId block, size_t row, size_t column) const;
  void fetch(const std::vector<const ir::Instruction*>& accesses, ir::BlockId block, llvm::ArrayRef<Value*> arguments);
  void fetch_ahead(const std::vector<const ir::Instruction*>& accesses, Value* batch, Value* row, Value* rows,
                   Value* column);
  Value* mask_below(Value* position,
                    Value* end);  // lanes below `end`, from a multiple of the lanes on; null when all are

  // llvm/contract/direct.cc
  struct Tiles {
    Value *rows, *columns, *all;  // how many down, across, and over the whole batch
    Value* share;  // how many of them make a unit of work
  };
  Tiles direct_tiles();
  Value* direct_total();
  void emit_direct(Value* begin, Value* end);
  void direct_tile(Value* batch, Value* row, Value* column, Value* tile, Value* levels);
  Values chains(Value* batch, Value* row, Value* column, Value* first, Value* last);
  Values direct_chains(Value* batch, Value* row, Value* column, Value* first, Value* last);
  void keep(const Values& sums, Value* tile);
  void keep_chains(Value* batch, Value* row, Value* column, Value* first, Value* last, Value* tile);
  void hand_on(Value* batch, Value* row, Value* column, const Values& sums);
  Value* column_mask(Value* column, int64_t vector);

  // llvm/contract/streamed.cc
  struct Place {
    Value *batch, *row, *column;
  };
  void streamed_chains(const Place& at, Value* first, Value* last, Value* tile);
  Value* streamed_sum(Value* tile, Value* row, Value* column, int64_t v);
  void stream(const Place& at, Value* k, int64_t count, Value* columns, Value* tile);

  // llvm/contract/turned_chains.cc
  Values turned_chains(Value* batch, Value* row, Value* first, Value* last);
  Values turned_rows(Value* batch, Value* row, Value* k, Value* mask);
  void keep_turned(const Values& sums, Value* tile);

  // llvm/contract/pack.cc
  Value* packed_total();
  void emit_packed(Value* worker);
  Value* left_place(Value* batch, Value* row, Value* k);
  void pack_left(Value* batch, Value* row, Value* rows, Value* from, Value* depth, Value* block);
  void pack_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns, Value* panel);
  void turn_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns, Value* panel);
  void turn_square(Value* source, Value* target);

  KernelEmitter& kernel_;
  const ir::Instruction& contract_;
  Value *batches_, *m_, *n_, *k_;
  int64_t rows_ = plan_.rows;  // of the direct tile at hand
};

}  // namespace tenon::codegen
