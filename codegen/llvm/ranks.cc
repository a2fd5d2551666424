// What a program asks of the other ranks, as code of the entry: a description on the stack, and calls of the table that the
// environment brings. Refuses to know engines.
#include "tenon/codegen/llvm/entry.h"
#include "tenon/ir/kernel/collectives.h"

namespace tenon::codegen {

using ir::RanksStep;
using ir::Step;
using llvm::Value;

// The description, in the entry's memory.
Value* EntryEmitter::collective(const Step& step) {
  const RanksStep& s = step.ranks;
  const ir::CollectiveNumbers n = ir::numbers_of(s);
  Value* record = stack(b_.getInt8Ty(), collective_bytes, 8);
  const auto put = [&](uint64_t offset, Value* v) {
    b_.CreateStore(v, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), record, offset));
  };
  const auto number = [&](uint64_t offset, int64_t v) { put(offset, b_.getInt32(static_cast<uint32_t>(v))); };
  const auto data = [&](llvm::Constant* constant) {
    return add_data(module_, name_ + "_ranks_" + std::to_string(formats_++), constant);
  };
  put(collective_size, i64(collective_bytes));
  number(collective_kind, static_cast<int64_t>(n.kind));
  number(collective_combine, static_cast<int64_t>(n.combine));
  number(collective_dtype, static_cast<int64_t>(s.block.dtype));
  number(collective_group, s.size);
  number(collective_stride, s.stride);
  number(collective_root, n.root);
  number(collective_to, n.to);
  number(collective_from, n.from);
  Value* count = i64(s.op == ir::Op::rank_barrier ? 0 : 1);
  for (Dim d : s.block.shape.dims()) count = b_.CreateMul(count, value(d));
  put(collective_count, count);
  std::vector<uint32_t> pairs(s.numbers.begin(), s.numbers.end());
  const bool listed = n.has_pairs && !pairs.empty();
  put(collective_pairs, listed ? static_cast<Value*>(data(llvm::ConstantDataArray::get(context_, pairs)))
                               : llvm::ConstantPointerNull::get(b_.getPtrTy()));
  put(collective_pair_count, i64(listed ? static_cast<int64_t>(pairs.size() / 2) : 0));
  put(collective_digest, i64(0));
  put(collective_where, data(llvm::ConstantDataArray::getString(context_, step.place, true)));
  return record;
}

void EntryEmitter::emit_rank_index(const Step& step) {
  Value* rank =
      b_.CreateSExt(field(field(env_, env_ranks, b_.getPtrTy()), ranks_rank, b_.getInt32Ty()), b_.getInt64Ty());
  Value* number = b_.CreateURem(b_.CreateUDiv(rank, i64(step.ranks.stride)), i64(step.ranks.size));
  b_.CreateStore(number, pointer(step.operands.at(0)));
}

void EntryEmitter::emit_ranks(const Step& step) {
  if (step.ranks.op == ir::Op::rank_index) return emit_rank_index(step);
  llvm::Type *pointer = b_.getPtrTy(), *code = b_.getInt32Ty();
  Value* ranks = field(env_, env_ranks, pointer);
  Value* world = field(ranks, ranks_world, pointer);
  if (pending_.size() <= step.ranks.pending) pending_.resize(step.ranks.pending + 1);
  Value*& pending = pending_[step.ranks.pending];
  if (pending == nullptr) pending = stack(pointer, 1, 8);
  const auto call = [&](uint64_t function, llvm::ArrayRef<Value*> arguments) {
    llvm::SmallVector<llvm::Type*> types;
    for (Value* v : arguments) types.push_back(v->getType());
    Value* result =
        b_.CreateCall(llvm::FunctionType::get(code, types, false), field(ranks, function, pointer), arguments);
    fail_if(b_.CreateICmpNE(result, b_.getInt32(0)), result, step.origin);
  };
  Value* nothing = llvm::ConstantPointerNull::get(b_.getPtrTy());
  if (step.ranks.phase == RanksStep::Phase::start) ++started_;
  if (step.ranks.phase == RanksStep::Phase::finish) --started_;
  if (step.ranks.phase != RanksStep::Phase::finish) {
    const bool has_data = !step.operands.empty();
    call(ranks_start, {world, collective(step), has_data ? this->pointer(step.operands.at(0)) : nothing,
                       has_data ? this->pointer(step.operands.at(1)) : nothing, pending});
  }
  if (step.ranks.phase != RanksStep::Phase::start) call(ranks_finish, {world, b_.CreateLoad(pointer, pending)});
}

// Between kernels, where something travels.
void EntryEmitter::emit_progress() {
  if (started_ == 0) return;
  llvm::Type* pointer = b_.getPtrTy();
  Value* ranks = field(env_, env_ranks, pointer);
  Value* progress = field(ranks, ranks_progress, pointer);
  when(b_, "progress", b_.CreateIsNotNull(progress), [&] {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {pointer}, false);
    b_.CreateCall(type, progress, {field(ranks, ranks_world, pointer)});
  });
}

}  // namespace tenon::codegen
