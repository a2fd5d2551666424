// Loads of a transposition. A vector loop whose lanes lie far apart in memory, with a loop of 16 rounds inside whose rounds lie side by
// side there, reads a square: 16 vectors along the rounds, which are turned in registers, so that each line of memory is read
// once and whole. Each round then finds its vector in L1. Refuses loops of another length, masks, and memory that the loop, or
// whoever knows the kernel's results, writes.
//
//   vector j { serial r < 16 { load %x[j, i + r] } }      ->      before the rounds: x[j + 0 ... 15, i ... i + 15], turned
#include "tenon/codegen/llvm/turned.h"

#include <unordered_set>

#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;
using ir::ScalarId;
using llvm::Value;

constexpr int64_t squares_ahead = 2;

void end_round(Builder& b, llvm::MutableArrayRef<Value*> vectors) {
  const llvm::Type* element = vectors[0]->getType()->getScalarType();
  if (element->isFloatTy() || element->isDoubleTy())
    for (Value*& v : vectors) v = call(b, llvm::Intrinsic::arithmetic_fence, {v->getType()}, {v});
}

void turn_square(Builder& b, llvm::MutableArrayRef<Value*> rows) {
  const auto width = static_cast<unsigned>(rows.size());
  for (unsigned distance = 1; distance < width; distance *= 2) {  // exchanges ever larger squares across the diagonal
    std::vector<int> low, high;
    for (unsigned l = 0; l < width; ++l) {
      low.push_back(static_cast<int>(l & distance ? width + l - distance : l));
      high.push_back(static_cast<int>(l & distance ? width + l : l + distance));
    }
    for (unsigned l = 0; l < width; ++l) {
      if (l & distance) continue;
      Value *&upper = rows[l], *&lower = rows[l + distance];
      Value* turned = b.CreateShuffleVector(upper, lower, low);
      lower = b.CreateShuffleVector(upper, lower, high);
      upper = turned;
    }
    end_round(b, rows);
  }
}

// A loop that may hold such loads: 16 rounds.
bool KernelEmitter::is_square(const Instruction& loop) const {
  if (loop.kind != KernelOp::loop || loop.loop != LoopKind::serial) return false;
  const uint32_t number = kernel_.scalars[index(loop.operands[0])].instruction;
  if (number == UINT32_MAX) return false;
  const Instruction& extent = kernel_.instructions[number];
  return extent.kind == KernelOp::literal && static_cast<int64_t>(extent.immediate) == target_.lanes;
}

bool KernelEmitter::contains_square(ir::BlockId block) const {
  const auto& numbers = kernel_.blocks[index(block)].instructions;
  return std::any_of(numbers.begin(), numbers.end(), [&](uint32_t n) {
    const Instruction& i = kernel_.instructions[n];
    if (!is_square(i)) return false;
    const auto& inside = kernel_.blocks[index(i.blocks[0])].instructions;
    return std::any_of(inside.begin(), inside.end(), [&](uint32_t m) { return is_turned(kernel_.instructions[m], i); });
  });
}

bool KernelEmitter::writes(ir::BlockId block, ir::BufferId buffer) const {
  const auto& numbers = kernel_.blocks[index(block)].instructions;
  return std::any_of(numbers.begin(), numbers.end(), [&](uint32_t n) {
    const Instruction& i = kernel_.instructions[n];
    const bool inside =
        std::any_of(i.blocks.begin(), i.blocks.end(), [&](ir::BlockId inner) { return writes(inner, buffer); });
    return inside || (i.kind == KernelOp::store && i.buffer == buffer);
  });
}

// Whether a load's elements lie side by side from round to round: its last index is the round and something, or its last indices are
// those of such a number taken apart, and no other index knows the round.
bool KernelEmitter::is_turned(const Instruction& load, const Instruction& loop) const {
  const ir::KernelBuffer& buffer = kernel_.buffers[index(load.buffer)];
  if (load.kind != KernelOp::load || load.operands.size() != buffer.shape.size() || load.operands.empty()) return false;
  const bool kept =
      buffer.space == ir::Space::input || (buffer.space == ir::Space::scratch && !writes(loop.blocks[0], load.buffer));
  if (!kept) return false;
  const ScalarId round = kernel_.blocks[index(loop.blocks[0])].arguments[0];
  const auto outside = [&](ScalarId v) { return kernel_.scalars[index(v)].block != loop.blocks[0] && v != round; };
  const auto& at = load.operands;
  size_t first = 0;  // of the indices that are one number
  while (first + 1 < at.size() && outside(at[first])) ++first;
  ScalarId last = at[first], flat{};
  for (size_t d = first; d + 1 < at.size(); ++d, last = flat)
    if (!same_divisor(last, at[d + 1], buffer.shape[d + 1], flat)) return false;
  if (last == round) return true;
  const uint32_t number = kernel_.scalars[index(last)].instruction;
  if (number == UINT32_MAX || outside(last)) return false;
  const Instruction& sum = kernel_.instructions[number];
  return sum.kind == KernelOp::scalar && sum.op == ir::Op::add &&
         ((sum.operands[0] == round && outside(sum.operands[1])) ||
          (sum.operands[1] == round && outside(sum.operands[0])));
}

void KernelEmitter::emit_turned(const Instruction& loop) {
  if (lanes_.width != static_cast<unsigned>(target_.lanes) || lanes_.mask || !is_square(loop)) return;
  const ScalarId round = kernel_.blocks[index(loop.blocks[0])].arguments[0];
  define(round, i64(0));
  std::unordered_set<uint32_t> known{index(round)};
  for (uint32_t number : kernel_.blocks[index(loop.blocks[0])].instructions) {
    const Instruction& load = kernel_.instructions[number];
    if (!is_needed(load)) continue;
    const auto is_known = [&](ScalarId v) {
      return kernel_.scalars[index(v)].block != loop.blocks[0] || known.contains(index(v));
    };
    if (load.kind == KernelOp::scalar && std::all_of(load.operands.begin(), load.operands.end(), is_known)) {
      emit_scalar(load);  // an index, as it is in the first round
      known.insert(index(load.first_result));
    }
    if (!is_turned(load, loop) || !std::all_of(load.operands.begin(), load.operands.end(), is_known)) continue;
    const Address a = address(load.buffer, load.operands);
    if (a.kind != Lowered::affine || a.contiguous) continue;

    llvm::Type* type = memory_type(context_, load.dtype);
    if (type->isIntegerTy(32)) type = b_.getFloatTy();  // as what turn_square fences
    if (type->isIntegerTy(64)) type = b_.getDoubleTy();
    const unsigned lanes = lanes_.width,
                   fitting = static_cast<unsigned>(target_.cpu().vector_bytes / bytes(load.dtype));
    const unsigned width = std::min(lanes, fitting);
    const llvm::Align align(static_cast<uint64_t>(bytes(load.dtype)));
    Value* slot = entry_slot(type, uint64_t{lanes} * lanes, 64);
    const auto element = [&](Value* base, Value* number) { return b_.CreateGEP(type, base, number); };
    // Lines of a square are far from each other, and so is the next one: the processor does not guess them.
    const bool is_near = kernel_.buffers[index(load.buffer)].space == ir::Space::scratch;
    for (unsigned l = 0; l < lanes && !is_near; ++l)
      call(b_, llvm::Intrinsic::prefetch, {b_.getPtrTy()},
           {element(a.pointer, times(a.step, i64(squares_ahead * lanes + l))), b_.getInt32(0), b_.getInt32(3),
            b_.getInt32(1)});
    for (unsigned r = 0; r < lanes; r += width)
      for (unsigned l = 0; l < lanes; l += width) {
        Values rows;
        for (unsigned k = 0; k < width; ++k) {
          Value* row = element(a.pointer, b_.CreateAdd(times(a.step, i64(l + k)), i64(r)));
          rows.push_back(b_.CreateAlignedLoad(llvm::FixedVectorType::get(type, width), row, align));
        }
        turn_square(b_, rows);
        for (unsigned k = 0; k < width; ++k)
          b_.CreateAlignedStore(rows[k], element(slot, i64((r + k) * lanes + l)),
                                llvm::Align(uint64_t{width} * align.value()));
      }
    turned_[&load] = {slot, round};
  }
}

Value* KernelEmitter::load_turned(const Instruction& load, llvm::Type* type) {
  const Turned& turned = turned_.at(&load);
  Value* row = b_.CreateGEP(type, turned.memory, b_.CreateMul(uniform(turned.round), i64(lanes_.width)));
  return b_.CreateAlignedLoad(llvm::FixedVectorType::get(type, lanes_.width), row, llvm::Align(16));
}

}  // namespace tenon::codegen
