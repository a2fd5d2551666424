// x 2^n rounded once: one instruction with AVX-512 (scalef), the kernel's own spelling of it elsewhere; and what of a kernel is
// needed at all, where one of the two is not. Refuses to know which functions ask for it (ir/math).
#include <llvm/IR/IntrinsicsX86.h>

#include "tenon/codegen/llvm/kernel.h"
#include "tenon/codegen/llvm/target.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;
using llvm::Value;

namespace {

bool is_pure(const Instruction& i) {
  return i.kind == KernelOp::literal || i.kind == KernelOp::extent || i.kind == KernelOp::scalar ||
         i.kind == KernelOp::scaled;
}

// One machine register, or one element.
Value* scale_register(Builder& b, Value* x, Value* n) {
  namespace in = llvm::Intrinsic;
  const bool single = x->getType()->getScalarType()->isFloatTy();
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  Value* round_as_set = b.getInt32(4);
  if (!vector) {
    auto* type = llvm::FixedVectorType::get(x->getType(), single ? 4 : 2);
    const auto first = [&](Value* v) {
      return b.CreateInsertElement(llvm::Constant::getNullValue(type), v, uint64_t{0});
    };
    Value* v = first(x);
    v = call(b, single ? in::x86_avx512_mask_scalef_ss : in::x86_avx512_mask_scalef_sd, {},
             {v, first(n), v, b.getInt8(1), round_as_set});
    return b.CreateExtractElement(v, uint64_t{0});
  }
  const unsigned bits = static_cast<unsigned>(vector->getPrimitiveSizeInBits().getFixedValue());
  Value* every_lane = b.getIntN(std::max(8u, vector->getNumElements()), UINT64_MAX >> (64 - vector->getNumElements()));
  Value* nothing = llvm::Constant::getNullValue(vector);
  if (bits == 512)
    return call(b, single ? in::x86_avx512_mask_scalef_ps_512 : in::x86_avx512_mask_scalef_pd_512, {},
                {x, n, nothing, every_lane, round_as_set});
  const auto id = bits == 256 ? (single ? in::x86_avx512_mask_scalef_ps_256 : in::x86_avx512_mask_scalef_pd_256)
                              : (single ? in::x86_avx512_mask_scalef_ps_128 : in::x86_avx512_mask_scalef_pd_128);
  return call(b, id, {}, {x, n, nothing, every_lane});
}

// Lanes [first, first + count).
Value* part(Builder& b, Value* x, unsigned first, unsigned count) {
  llvm::SmallVector<int> lanes;
  for (unsigned l = 0; l < count; ++l) lanes.push_back(static_cast<int>(first + l));
  return b.CreateShuffleVector(x, lanes);
}

// A vector of any power of two of lanes by halves, down to machine registers.
Value* scale(Builder& b, Value* x, Value* n, unsigned register_bits) {
  const unsigned lanes = lanes_of(x->getType()), bits = x->getType()->getScalarSizeInBits();
  if (lanes == 1 || (lanes * bits <= register_bits && lanes * bits >= 128)) return scale_register(b, x, n);
  const unsigned half = lanes / 2;
  if (half == 1) {
    Value* joined = llvm::PoisonValue::get(x->getType());
    for (uint64_t l = 0; l < 2; ++l)
      joined = b.CreateInsertElement(joined,
                                     scale_register(b, b.CreateExtractElement(x, l), b.CreateExtractElement(n, l)), l);
    return joined;
  }
  Value* low = scale(b, part(b, x, 0, half), part(b, n, 0, half), register_bits);
  Value* high = scale(b, part(b, x, half, half), part(b, n, half, half), register_bits);
  llvm::SmallVector<int> all;
  for (unsigned l = 0; l < lanes; ++l) all.push_back(static_cast<int>(l));
  return b.CreateShuffleVector(low, high, all);
}

}  // namespace

bool KernelEmitter::has_scaling() const { return has_masks(); }
bool KernelEmitter::has_masks() const { return codegen::has_masks(target_.cpu()); }

// Whatever has an effect or a block asks for its operands, and blocks for what they yield; of `scaled` one spelling is asked for.
void KernelEmitter::find_needed() {
  needed_.assign(kernel_.scalars.size(), 0);
  std::vector<ScalarId> open;
  const auto need = [&](ScalarId v) {
    if (needed_[index(v)]) return;
    needed_[index(v)] = 1;
    open.push_back(v);
  };
  for (const Instruction& i : kernel_.instructions)
    if (!is_pure(i))
      for (ScalarId v : i.operands) need(v);
  for (const ir::Block& block : kernel_.blocks)
    for (ScalarId v : block.yields) need(v);
  const bool scales = has_scaling();
  while (!open.empty()) {
    const uint32_t number = kernel_.scalars[index(open.back())].instruction;
    open.pop_back();
    if (number == UINT32_MAX || !is_pure(kernel_.instructions[number])) continue;
    const Instruction& i = kernel_.instructions[number];
    if (i.kind != KernelOp::scaled)
      for (ScalarId v : i.operands) need(v);
    else if (scales)
      need(i.operands[0]), need(i.operands[1]);
    else
      need(i.operands[2]);
  }
}

bool KernelEmitter::is_needed(const Instruction& i) const { return !is_pure(i) || needed_[index(i.first_result)]; }

void KernelEmitter::emit_scaled(const Instruction& i) {
  if (!has_scaling()) {
    values_[index(i.first_result)] = values_[index(i.operands[2])];
    return;
  }
  bool uniform = true;
  for (size_t k = 0; k < 2; ++k) uniform &= values_[index(i.operands[k])].kind == Lowered::uniform;
  Value* x = uniform ? values_[index(i.operands[0])].value : wide(i.operands[0]);
  Value* n = uniform ? values_[index(i.operands[1])].value : wide(i.operands[1]);
  if (!is_floating(kernel_.dtype(i.operands[1]))) n = b_.CreateSIToFP(n, x->getType());
  define(i.first_result, scale(b_, x, n, static_cast<unsigned>(8 * target_.cpu().vector_bytes)));
}

}  // namespace tenon::codegen
