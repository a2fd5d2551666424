// What both ways of a contraction evaluate of their kernel: operands at a place, and the epilogue over a finished tile.
// Refuses to choose tiles.
#include "tenon/codegen/llvm/contract/contract.h"

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using llvm::Value;

void KernelEmitter::emit_contract(const ir::Instruction& i, Value* begin, Value* end) {
  ContractEmitter(*this, i).emit(begin, end);
}

Value* KernelEmitter::contract_total(const ir::Instruction& i) { return ContractEmitter(*this, i).total(); }

int64_t kernel_scratch_bytes(const ir::Kernel& kernel, const Target& target) {
  const KernelRange range = kernel_range(kernel);
  const ir::Instruction* shared = range.shared ? &kernel.instructions[range.instruction] : nullptr;
  if (!shared || shared->kind != ir::KernelOp::contract) return 0;
  return plan_contract(kernel, *shared, target, true).scratch_bytes();
}

namespace {

bool is_shared(const ir::Kernel& kernel, const ir::Instruction& i) {
  const KernelRange range = kernel_range(kernel);
  return range.shared && &i == &kernel.instructions[range.instruction];
}

}  // namespace

ContractEmitter::ContractEmitter(KernelEmitter& kernel, const ir::Instruction& i)
    : ContractCode(kernel.b_, plan_contract(kernel.kernel_, i, kernel.target_, is_shared(kernel.kernel_, i)), i.dtype),
      kernel_(kernel),
      contract_(i) {
  batches_ = kernel.uniform(i.operands[0]);
  m_ = kernel.uniform(i.operands[1]);
  n_ = kernel.uniform(i.operands[2]);
  k_ = kernel.uniform(i.operands[3]);
}

Value* ContractEmitter::total() { return plan_.packed ? packed_total() : direct_total(); }

void ContractEmitter::emit(Value* begin, Value* end) {
  if (plan_.packed)
    emit_packed(begin);
  else
    emit_direct(begin, end);
}

// ---- the three blocks -----------------------------------------------------------------------------------------------

void ContractEmitter::bind(ir::BlockId block, llvm::ArrayRef<Value*> arguments, int along) {
  const auto& names = kernel_.kernel_.blocks[index(block)].arguments;
  std::fill(kernel_.varying_.begin(), kernel_.varying_.end(), 0);
  if (along >= 0) kernel_.mark_varying(block, names[along]);
  for (size_t a = 0; a < arguments.size(); ++a) {
    if (static_cast<int>(a) == along)
      kernel_.define_index(names[a]);
    else
      kernel_.define(names[a], arguments[a]);
  }
}

Value* ContractEmitter::scalar_operand(int side, Value* batch, Value* outer, Value* inner) {
  const ir::BlockId block = contract_.blocks[side];
  kernel_.lanes_ = {};
  bind(block, {batch, outer, inner}, -1);
  kernel_.emit_block(block);
  return kernel_.uniform(kernel_.kernel_.blocks[index(block)].yields[0]);
}

Value* ContractEmitter::vector_operand(int side, Value* batch, Value* outer, Value* inner, int along, Value* mask,
                                       unsigned width) {
  const ir::BlockId block = contract_.blocks[side];
  kernel_.lanes_ = {width, along == 1 ? outer : inner, mask};
  bind(block, {batch, outer, inner}, along);
  kernel_.emit_block(block);
  Value* result = kernel_.wide(kernel_.kernel_.blocks[index(block)].yields[0]);
  kernel_.lanes_ = {};
  return result;
}

void ContractEmitter::epilogue(Value* batch, Value* row, Value* rows, Value* column, Value* columns, Value* tile,
                               int64_t tile_columns) {
  repeat(rows, [&](Value* r) {
    Value* line = element(tile, b_.CreateMul(r, i64(tile_columns)));
    Value* i = b_.CreateAdd(row, r);
    steps(columns, lanes, [&](Value* c) {
      Value* sum = b_.CreateAlignedLoad(vector_, element(line, c), vector_align());
      Value* j = b_.CreateAdd(column, c);
      finish(batch, i, j, mask_below(j, n_), sum);
    });
  });
}

void ContractEmitter::finish(Value* batch, Value* row, Value* column, Value* mask, Value* sum) {
  const ir::BlockId block = contract_.blocks[2];
  const auto& names = kernel_.kernel_.blocks[index(block)].arguments;
  kernel_.lanes_ = {lanes, column, mask};
  bind(block, {batch, row, column}, 2);
  kernel_.define(names[3], sum);
  kernel_.varying_[index(names[3])] = 1;  // the accumulator differs between lanes as the column does
  while (kernel_.mark_block(block)) {
  }
  kernel_.emit_block(block);
  kernel_.lanes_ = {};
}

// The accesses of a block whose place is known before it runs, at its own column and with `row`, its argument of this number.
std::vector<const ir::Instruction*> ContractEmitter::accesses_ahead(ir::BlockId block, size_t row,
                                                                    size_t column) const {
  const ir::Kernel& kernel = kernel_.kernel_;
  const auto& names = kernel.blocks[index(block)].arguments;
  const auto is_argument = [&](ir::ScalarId v) {  // not the accumulator
    return std::find(names.begin(), names.begin() + 3, v) != names.begin() + 3;
  };
  std::vector<const ir::Instruction*> accesses;
  for (uint32_t number : kernel.blocks[index(block)].instructions) {
    const ir::Instruction& x = kernel.instructions[number];
    if (x.kind != ir::KernelOp::load && x.kind != ir::KernelOp::store) continue;
    const size_t rank = kernel.buffers[index(x.buffer)].shape.size();
    if (rank < 2 || x.operands[rank - 1] != names[column]) continue;
    bool known = true, by_row = false;
    for (size_t d = 0; d + 1 < rank; ++d) by_row |= x.operands[d] == names[row];
    for (size_t d = 0; d < rank; ++d)
      known = known && (kernel.scalars[index(x.operands[d])].block != block || is_argument(x.operands[d]));
    if (known && by_row) accesses.push_back(&x);
  }
  return accesses;
}

// Asks for what accesses touch from `column` on, where the block's arguments are these.
void ContractEmitter::fetch(const std::vector<const ir::Instruction*>& accesses, ir::BlockId block,
                            llvm::ArrayRef<Value*> arguments) {
  kernel_.lanes_ = {};
  bind(block, arguments, -1);
  for (const ir::Instruction* x : accesses) {
    const size_t rank = kernel_.kernel_.buffers[index(x->buffer)].shape.size();
    Value* first = kernel_.address(x->buffer, llvm::ArrayRef(x->operands).take_front(rank)).pointer;
    for (int64_t byte = 0; byte < plan_.columns() * bytes(x->dtype); byte += 64)
      codegen::call(b_, llvm::Intrinsic::prefetch, {b_.getPtrTy()},
                    {b_.CreateConstGEP1_64(b_.getInt8Ty(), first, static_cast<uint64_t>(byte)),
                     b_.getInt32(x->kind == ir::KernelOp::store), b_.getInt32(3), b_.getInt32(1)});
  }
}

// Asks for what the epilogue of a tile will read and write at the tile's own elements, so that it is on its way into the
// caches while the tile is summed: rows of 64 columns are too short for the processor to guess.
void ContractEmitter::fetch_ahead(const std::vector<const ir::Instruction*>& accesses, Value* batch, Value* row,
                                  Value* rows, Value* column) {
  repeat(rows, [&](Value* r) { fetch(accesses, contract_.blocks[2], {batch, b_.CreateAdd(row, r), column}); });
}

Value* ContractEmitter::mask_below(Value* position, Value* end) {
  if (const auto number = known(end); number && *number % lanes == 0) return nullptr;
  return lane_mask(b_.CreateSub(end, position));
}

}  // namespace tenon::codegen
