// Loops. A vector loop has a wide main part without masks and one masked part of 16 lanes, which serves the tail and, for
// non-temporal stores, the head up to the first aligned element. Loops that cannot be vectorised (carried values, lanes
// that would leave an inner loop at different times, scratch memory of their own) run lane by lane, with equal results.
#include <bit>

#include "tenon/codegen/llvm/kernel.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;
using ir::ScalarId;
using llvm::Value;

namespace {

// Above this many instructions a second copy of the body for the tail costs more compile time than masks cost run time.
constexpr int64_t masked_weight = 96;
// Up to this many, the main part runs two vectors at once.
constexpr int64_t paired_weight = 24;

bool is_flat(const ir::Kernel& kernel, BlockId block) {  // straight code, rare parts aside
  for (uint32_t number : kernel.blocks[index(block)].instructions) {
    const KernelOp kind = kernel.instructions[number].kind;
    if (kind == KernelOp::loop || kind == KernelOp::reduce || kind == KernelOp::contract || kind == KernelOp::scratch)
      return false;
  }
  return true;
}

}  // namespace

void KernelEmitter::emit_loop(const Instruction& i, Value* begin, Value* end) {
  const bool lanes_free = lanes_.width == 1;
  bool vector = i.loop == LoopKind::vector || i.loop == LoopKind::thread;
  // Independent iterations of straight code are a vector loop by another name.
  if (i.loop == LoopKind::parallel || i.loop == LoopKind::block) vector = is_flat(kernel_, i.blocks[0]);
  if (vector && lanes_free && i.operands.size() == 1 && can_vectorise(i))
    emit_vector(i, begin, end);
  else
    emit_serial(i, begin, end);
}

void KernelEmitter::emit_serial(const Instruction& i, Value* begin, Value* end) {
  const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
  const size_t carries = i.operands.size() - 1;
  Values initial;
  for (size_t k = 0; k < carries; ++k) {
    const bool many = lanes_.width > 1 && varies(body.arguments[k + 1]);
    initial.push_back(many ? wide(i.operands[k + 1]) : uniform(i.operands[k + 1]));
  }
  const auto round = [&](Value* position, ValueRefs carried) {
    define(body.arguments[0], position);
    for (size_t k = 0; k < carries; ++k) define(body.arguments[k + 1], carried[k]);
    emit_block(i.blocks[0]);
    Values next;
    for (size_t k = 0; k < carries; ++k)
      next.push_back(carried[k]->getType()->isVectorTy() ? wide(body.yields[k]) : uniform(body.yields[k]));
    return next;
  };
  if (i.loop == LoopKind::repeat) return emit_repeat(i, begin, initial, round);
  emit_turned(i);
  const Values last = carried_loop(b_, "loop", {begin, end}, initial, round);
  if (is_square(i)) turned_.clear();
  for (size_t k = 0; k < carries; ++k) define(result(i, k), last[k]);
}

// Where lanes differ, they have refused the loop (can_vectorise).
void KernelEmitter::emit_repeat(const Instruction& i, Value* begin, Values initial,
                                llvm::function_ref<Values(Value*, ValueRefs)> round) {
  initial.insert(initial.begin(), begin);
  const auto goes_on = [&](ValueRefs carried) { return b_.CreateIsNotNull(carried[1]); };
  const Values last = while_loop(b_, "repeat", initial, goes_on, [&](ValueRefs carried) {
    Values next = round(carried[0], carried.drop_front());
    next.insert(next.begin(), b_.CreateAdd(carried[0], i64(1)));
    return next;
  });
  for (size_t k = 1; k < last.size(); ++k) define(result(i, k - 1), last[k]);
}

// ---- vector loops -----------------------------------------------------------------------------------------------------

void KernelEmitter::emit_vector(const Instruction& i, Value* begin, Value* end) {
  if (emit_pieces(i, begin, end)) return;
  find_short_rows(i.blocks[0]);
  const auto extent = known(b_.CreateSub(end, begin));
  if (extent && *extent > 1 && *extent < target_.lanes && std::has_single_bit(static_cast<uint64_t>(*extent)))
    return emit_lanes_at(i, begin, *extent, false);  // a narrower vector: no masks
  if (Value* aligned = peel(i, begin, end)) return emit_aligned(i, begin, aligned, end);
  const auto multiple_of = [&](int64_t width) { return known(begin) && *known(begin) % width == 0; };
  const auto tail_at = [&](Value* position) { emit_tail_at(i, position, end, multiple_of(target_.lanes)); };
  const bool turns = contains_square(i.blocks[0]);
  if (weight(i.blocks[0]) > masked_weight && !turns) {  // the masked part alone
    if (extent && *extent > 0 && *extent % target_.lanes == 0)  // no tail: no masks
      return counted_loop(b_, "vector", {begin, end, target_.lanes}, [&](Value* position) {
        emit_lanes_at(i, position, target_.lanes, multiple_of(target_.lanes));
      });
    if (extent && *extent >= 1 && *extent <= target_.lanes) return tail_at(begin);
    return counted_loop(b_, "edge", {begin, end, target_.lanes}, tail_at);
  }
  int64_t width = turns ? target_.lanes : main_lanes(i);
  const auto whole = [&] { return b_.CreateAnd(b_.CreateSub(end, begin), i64(-width)); };
  Value* full = whole();
  if (known(full) == 0 && width > target_.lanes) {  // a short static loop: no main part wider than it
    width = target_.lanes;
    full = whole();
  }
  Value* last = b_.CreateAdd(begin, full);
  if (known(b_.CreateICmpSLT(begin, last)) != 0)
    counted_loop(b_, "vector", {begin, last, width},
                 [&](Value* position) { emit_lanes_at(i, position, width, multiple_of(width)); });
  if (width == target_.lanes)  // at most one tail
    when(b_, "edge", b_.CreateICmpSLT(last, end), [&] { tail_at(last); });
  else
    counted_loop(b_, "edge", {last, end, target_.lanes}, tail_at);
}

// Lanes that the main part runs at once.
int64_t KernelEmitter::main_lanes(const Instruction& i) const {
  if (weight(i.blocks[0]) > paired_weight || !short_rows_.empty()) return target_.lanes;
  const bool has_chains = contains(i.blocks[0], [](const Instruction& x) { return x.kind == KernelOp::reduce; });
  // Several chains hide each other's latency; so do the registers of one logical vector where they are many.
  return (has_chains ? 4 : target_.cpu().vector_bytes < 32 ? 1 : 2) * target_.lanes;
}

void KernelEmitter::emit_lanes_at(const Instruction& i, Value* position, int64_t width, bool aligned, Value* mask) {
  lanes_ = {static_cast<unsigned>(width), position, mask, aligned};
  for (const auto& [access, row] : short_rows_) row->values.clear();
  define_index(kernel_.blocks[index(i.blocks[0])].arguments[0]);
  emit_block(i.blocks[0]);
  lanes_ = {};
}

// The lanes from `position` on that lie below `end`: one at least. A number of them that is known gives a constant mask, which
// `emit_store` looks into.
void KernelEmitter::emit_tail_at(const Instruction& i, Value* position, Value* end, bool aligned) {
  const unsigned width = static_cast<unsigned>(target_.lanes);
  Value* remaining = b_.CreateSub(end, position);
  Value* mask = nullptr;
  if (const auto number = known(remaining)) {
    llvm::SmallVector<llvm::Constant*> lanes;
    for (unsigned l = 0; l < width; ++l) lanes.push_back(b_.getInt1(l < *number));
    mask = llvm::ConstantVector::get(lanes);
  } else {
    Value* few = call(b_, llvm::Intrinsic::umin, {b_.getInt64Ty()}, {remaining, i64(width)});
    llvm::Type* lane = b_.getInt32Ty();
    mask = b_.CreateICmpULT(lane_numbers(lane, width), splat(b_, b_.CreateTrunc(few, lane), width));
  }
  emit_lanes_at(i, position, width, aligned, mask);
}

// ---- what differs between lanes --------------------------------------------------------------------------------------

bool KernelEmitter::can_vectorise(const Instruction& i) {
  const auto private_memory = [](const Instruction& x) {
    return x.kind == KernelOp::scratch || x.kind == KernelOp::contract ||
           (x.kind == KernelOp::loop && x.loop == LoopKind::repeat);
  };
  if (contains(i.blocks[0], private_memory)) return false;
  mark_varying(i.blocks[0], kernel_.blocks[index(i.blocks[0])].arguments[0]);
  // Inner loops must run equally long in all lanes.
  std::vector<BlockId> open{i.blocks[0]};
  while (!open.empty()) {
    const BlockId block = open.back();
    open.pop_back();
    for (uint32_t number : kernel_.blocks[index(block)].instructions) {
      const Instruction& x = kernel_.instructions[number];
      if ((x.kind == KernelOp::loop || x.kind == KernelOp::reduce) && varies(x.operands[0])) return false;
      open.insert(open.end(), x.blocks.begin(), x.blocks.end());
    }
  }
  return true;
}

void KernelEmitter::mark_varying(BlockId block, ScalarId argument) {
  std::fill(varying_.begin(), varying_.end(), 0);
  varying_[index(argument)] = 1;
  while (mark_block(block)) {
  }
}

bool KernelEmitter::mark_block(BlockId block) {
  bool changed = false;
  const auto mark = [&](ScalarId v) {
    changed |= varying_[index(v)] == 0;
    varying_[index(v)] = 1;
  };
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    bool vary = i.kind == KernelOp::rare || i.kind == KernelOp::reduce;
    if (i.kind != KernelOp::loop)
      for (ScalarId v : i.operands) vary |= varies(v);
    // What an iteration wrote, it may read back.
    if (i.kind == KernelOp::load && kernel_.buffers[index(i.buffer)].space != ir::Space::input) vary = true;
    for (BlockId inner : i.blocks) changed |= mark_block(inner);
    if (i.kind == KernelOp::loop) {
      const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
      for (size_t k = 0; k + 1 < i.operands.size(); ++k)
        if (varies(i.operands[k + 1]) || varies(body.yields[k])) {
          mark(body.arguments[k + 1]);
          mark(result(i, k));
        }
    } else if (vary) {
      for (uint32_t k = 0; k < i.result_count; ++k) mark(result(i, k));
    }
  }
  return changed;
}

}  // namespace tenon::codegen
