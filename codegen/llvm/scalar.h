// The exact scalar ops of the kernel IR as LLVM instructions, for single values and vectors alike: the operands' type
// decides. Registers hold bool as i1 and the halves as their bits (i16); memory holds bool as a byte.
// Refuses to know kernels, loops and buffers.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>

#include <optional>

#include "tenon/ir/op.h"

namespace tenon::codegen {

using Builder = llvm::IRBuilder<>;

llvm::Type* register_type(llvm::LLVMContext& context, DType t);
llvm::Type* memory_type(llvm::LLVMContext& context, DType t);
inline unsigned lanes_of(llvm::Type* t) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(t);
  return vector ? vector->getNumElements() : 1;
}
// `element`, or a vector of as many of it as `like` has.
inline llvm::Type* as_wide(llvm::Type* element, llvm::Type* like) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(like);
  return vector ? llvm::FixedVectorType::get(element, vector->getNumElements()) : element;
}
inline llvm::Type* widened(llvm::Type* element, unsigned lanes) {
  return lanes == 1 ? element : llvm::FixedVectorType::get(element, lanes);
}
llvm::Value* splat(Builder& b, llvm::Value* scalar, unsigned lanes);
llvm::Constant* lane_numbers(llvm::Type* element, unsigned lanes);  // 0, 1 ...
llvm::Constant* literal(llvm::LLVMContext& context, DType t, uint64_t bits);
llvm::Constant* identity(llvm::LLVMContext& context, ir::Op combine, DType t);  // of a reduction

inline llvm::Value* call(Builder& b, llvm::Intrinsic::ID id, llvm::ArrayRef<llvm::Type*> types,
                         llvm::ArrayRef<llvm::Value*> operands) {
  return b.CreateIntrinsic(id, types, operands);
}
// An integer that is known while code is emitted; true is -1.
inline std::optional<int64_t> known(llvm::Value* v) {
  auto* constant = llvm::dyn_cast_or_null<llvm::ConstantInt>(v);
  return constant ? std::optional(constant->getSExtValue()) : std::nullopt;
}
// Of functions for machines where lanes of conditions are registers of their own (AVX-512).
inline constexpr const char* has_masks_attribute = "tenon-has-masks";
bool has_masks(const Builder& b);  // whether it writes such a function
// Elsewhere (AVX2, AArch64) LLVM packs 16 conditions into bytes before it joins them, and unpacks what it then selects by; as numbers
// as wide as what was compared they stay where they are. The type of such numbers: null where the machine has registers, or the two
// do not come from comparisons of one width.
llvm::Type* type_of_masks(Builder& b, llvm::Value* x, llvm::Value* y);
// Whether any lane of a condition holds.
llvm::Value* any(Builder& b, llvm::Value* condition);

// `type` is the dtype of the data operands, `to` of the result.
llvm::Value* emit_op(Builder& b, ir::Op op, DType type, DType to, llvm::ArrayRef<llvm::Value*> operands);
llvm::Value* emit_cast(Builder& b, llvm::Value* x, DType from, DType to);
// C's fmod, exact, for f32 and f64.
llvm::Value* emit_float_remainder(Builder& b, llvm::Value* x, llvm::Value* y);

}  // namespace tenon::codegen
