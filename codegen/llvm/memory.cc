// Loads and stores. What a vector loop touches element after element is one vector access, under a mask at the edges; one
// element for all lanes is read once; everything else goes lane by lane, inactive lanes being sent to spare memory so that
// no branch is needed and nothing outside a buffer is touched. Refuses to guess: contiguity is proved from affine indices.
#include "tenon/codegen/llvm/kernel.h"

#include <llvm/IR/Module.h>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::BufferId;
using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;
using llvm::Value;

namespace {

// The one lane that a constant mask lets through; -1 when there are more, none, or the mask is no constant.
int64_t only_lane(Value* mask) {
  auto* lanes = llvm::dyn_cast<llvm::Constant>(mask);
  int64_t found = -1;
  const unsigned width = llvm::cast<llvm::FixedVectorType>(mask->getType())->getNumElements();
  for (unsigned l = 0; lanes && l < width; ++l) {
    llvm::Constant* lane = lanes->getAggregateElement(l);
    if (lane == nullptr || !llvm::isa<llvm::ConstantInt>(lane)) return -1;
    if (lane->isNullValue()) continue;
    if (found >= 0) return -1;
    found = l;
  }
  return found;
}

constexpr int64_t most_apart = 8;  // elements that lanes lie apart, for the vectors between them to be loaded whole
constexpr int64_t stack_limit = 1 << 20;  // of one kernel's scratch memory

}  // namespace

void KernelEmitter::declare_scratch(BufferId buffer) {
  Value*& pointer = pointers_[index(buffer)];
  if (pointer) return;
  const ir::KernelBuffer& b = kernel_.buffers[index(buffer)];
  llvm::Type* type = memory_type(context_, b.dtype);
  if (b.shape.is_static()) {
    if (b.shape.numel() * bytes(b.dtype) > stack_limit)
      throw InternalError("kernel @" + kernel_.name + ": scratch memory of more than 1 MiB");
    pointer = entry_slot(type, static_cast<uint64_t>(std::max<int64_t>(1, b.shape.numel())), 64);
    return;
  }
  Value* count = entry_.getInt64(1);
  for (Dim d : b.shape) count = entry_.CreateMul(count, extent_value(d));
  llvm::AllocaInst* slot = entry_.CreateAlloca(type, count);
  slot->setAlignment(llvm::Align(64));
  pointer = slot;
}

Value* KernelEmitter::spare() {
  if (!spare_) {
    spare_ = entry_slot(b_.getInt64Ty(), 1, 8);
    entry_.CreateStore(entry_.getInt64(0), spare_);
  }
  return spare_;
}

Value* KernelEmitter::buffer_stride(BufferId buffer, size_t dimension) {
  const Shape& shape = kernel_.buffers[index(buffer)].shape;
  Value* stride = i64(1);
  for (size_t d = dimension + 1; d < shape.size(); ++d) {
    Value* extent = extent_value(shape[d]);
    if (known(stride) == 1)
      stride = extent;
    else if (known(extent) != 1)
      stride = entry_.CreateMul(stride, extent);
  }
  return stride;
}

// (x / d, x rem d) over a dimension of extent d is x itself; so is (x / (c d), (x / c) rem d) for x / c.
bool KernelEmitter::same_divisor(ScalarId row, ScalarId column, Dim extent, ScalarId& flat) const {
  const auto definition = [&](ScalarId v) -> const Instruction* {
    const uint32_t number = kernel_.scalars[index(v)].instruction;
    return number == UINT32_MAX ? nullptr : &kernel_.instructions[number];
  };
  const auto value = [&](ScalarId v) -> int64_t {
    const Instruction* i = definition(v);
    return i && i->kind == KernelOp::literal ? static_cast<int64_t>(i->immediate) : 0;
  };
  const Instruction *r = definition(row), *c = definition(column);
  if (!r || !c || r->kind != KernelOp::scalar || c->kind != KernelOp::scalar) return false;
  if (r->op != ir::Op::div || c->op != ir::Op::rem) return false;
  const Instruction* d = definition(c->operands[1]);
  if (!d) return false;
  const bool fits = extent.is_number()
                        ? d->kind == KernelOp::literal && static_cast<int64_t>(d->immediate) == extent.number()
                        : d->kind == KernelOp::extent && d->dim == extent;
  if (!fits) return false;
  flat = c->operands[0];
  if (r->operands[0] == flat && r->operands[1] == c->operands[1]) return true;
  const Instruction* inner = definition(flat);
  return extent.is_number() && inner && inner->kind == KernelOp::scalar && inner->op == ir::Op::div &&
         inner->operands[0] == r->operands[0] && value(inner->operands[1]) > 0 && extent.number() > 0 &&
         value(r->operands[1]) % extent.number() == 0 &&
         value(r->operands[1]) / extent.number() == value(inner->operands[1]);
}

KernelEmitter::Address KernelEmitter::address(BufferId buffer, llvm::ArrayRef<ScalarId> indices) {
  const ir::KernelBuffer& target = kernel_.buffers[index(buffer)];
  Value *base = i64(0), *step = i64(0), *offsets = nullptr;
  for (size_t d = 0; d < indices.size(); ++d) {
    ScalarId v = indices[d], flat{};
    while (d + 1 < indices.size() && same_divisor(v, indices[d + 1], target.shape[d + 1], flat)) v = flat, ++d;
    const Lowered& x = values_[index(v)];
    Value* stride = buffer_stride(buffer, d);
    if (x.kind == Lowered::vector) {
      Value* part = x.value;
      if (known(stride) != 1) part = b_.CreateMul(part, splat(b_, stride, lanes_.width));
      offsets = offsets ? b_.CreateAdd(offsets, part) : part;
    } else {
      base = plus(base, times(x.value, stride));
      if (x.kind == Lowered::affine) step = plus(step, times(x.step, stride));
    }
  }
  llvm::Type* type = memory_type(context_, target.dtype);
  Value* pointer = pointers_[index(buffer)];
  if (known(base) != 0) pointer = b_.CreateGEP(type, pointer, base);
  Address a;
  if (known(step) != 0) pointer = b_.CreateGEP(type, pointer, times(step, lanes_.position));
  if (offsets) {
    if (known(step) != 0) {
      Value* numbers = lane_numbers(b_.getInt64Ty(), lanes_.width);
      offsets =
          b_.CreateAdd(offsets, known(step) == 1 ? numbers : b_.CreateMul(numbers, splat(b_, step, lanes_.width)));
    }
    a.kind = Lowered::vector;
    a.pointer = b_.CreateGEP(type, splat(b_, pointer, lanes_.width), offsets);
    return a;
  }
  a.kind = known(step) == 0 || lanes_.width == 1 ? Lowered::uniform : Lowered::affine;
  a.pointer = pointer;
  a.step = step;
  a.contiguous = a.kind == Lowered::affine && known(step) == 1;
  return a;
}

// One pointer per lane; lanes outside the mask point to spare memory.
Values KernelEmitter::lane_pointers(const Address& a, Value* mask) {
  Values result;
  llvm::Type* byte = b_.getInt8Ty();
  Value* pointers = a.pointer;  // `step` of an affine address arrives here in bytes
  if (mask && !pointers->getType()->isVectorTy()) {
    pointers = splat(b_, a.pointer, lanes_.width);
    if (a.kind == Lowered::affine)
      pointers = b_.CreateGEP(
          byte, pointers, b_.CreateMul(lane_numbers(b_.getInt64Ty(), lanes_.width), splat(b_, a.step, lanes_.width)));
  }
  if (mask) pointers = b_.CreateSelect(mask, pointers, splat(b_, spare(), lanes_.width));
  for (unsigned l = 0; l < lanes_.width; ++l) {
    if (pointers->getType()->isVectorTy())
      result.push_back(b_.CreateExtractElement(pointers, l));
    else if (a.kind == Lowered::affine)
      result.push_back(b_.CreateGEP(byte, pointers, times(a.step, i64(l))));
    else
      result.push_back(pointers);
  }
  return result;
}

// Every `step`-th element, at most as many apart as there are lanes: of that many vectors, the last of which ends where the last
// element does.
Value* KernelEmitter::load_apart(Value* pointer, llvm::Type* type, unsigned step, llvm::Align align) {
  const unsigned width = lanes_.width;
  const auto part = [&](unsigned begin) {
    return b_.CreateAlignedLoad(widened(type, width), b_.CreateGEP(type, pointer, i64(begin)), align);
  };
  Value* loaded = part(0);
  for (unsigned v = 1; v < step; ++v) {
    const unsigned begin = v + 1 < step ? v * width : (width - 1) * step + 1 - width, before = v * width;
    llvm::SmallVector<int> lanes;
    for (unsigned l = 0; l < width; ++l) {
      const unsigned at = l * step;  // lanes before are in their places from the second round on
      lanes.push_back(static_cast<int>(at < before ? (v == 1 ? at : l) : at < begin + width ? width + at - begin : l));
    }
    loaded = b_.CreateShuffleVector(loaded, part(begin), lanes);
  }
  return loaded;
}

// Lanes that are masked are 0. Behind a fence, since LLVM 22 makes a masked load and the masked operation that alone uses it one
// instruction, and takes that apart into one that loads all lanes (TwoAddressInstructionPass): they may lie outside the buffer.
Value* KernelEmitter::load_masked(Value* pointer, llvm::Type* type, llvm::Align align, Value* mask) {
  Value* loaded = b_.CreateMaskedLoad(type, pointer, align, mask, llvm::Constant::getNullValue(type));
  const unsigned bits = type->getScalarSizeInBits() * lanes_.width;
  if (bits % 32 != 0) return loaded;
  llvm::Type* const numbers = widened(b_.getFloatTy(), bits / 32);  // what fences are for
  return b_.CreateBitCast(call(b_, llvm::Intrinsic::arithmetic_fence, {numbers}, {b_.CreateBitCast(loaded, numbers)}),
                          type);
}

void KernelEmitter::emit_load(const Instruction& i) {
  const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
  Address a = address(i.buffer, llvm::ArrayRef(i.operands).take_front(rank));
  const auto decided = i.operands.size() > rank ? known(values_[index(i.operands[rank])].value) : std::nullopt;
  if (decided && *decided == 0) {
    values_[index(i.first_result)] = values_[index(i.operands[rank + 1])];
    return;
  }
  const bool masked = i.operands.size() > rank && !decided;
  llvm::Type* type = memory_type(context_, i.dtype);
  const llvm::Align align(static_cast<uint64_t>(bytes(i.dtype)));
  const unsigned width = lanes_.width;
  const auto as_register = [&](Value* v) {
    return i.dtype == DType::boolean ? b_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType())) : v;
  };
  const Lowered condition = masked ? values_[index(i.operands[rank])] : Lowered{};

  if (turned_.contains(&i)) return define(i.first_result, as_register(load_turned(i, type)));
  if (a.kind == Lowered::uniform) {
    if (!masked) return define(i.first_result, as_register(b_.CreateAlignedLoad(type, a.pointer, align)));
    Value* chosen = condition.value;
    Value* needed = chosen;
    if (condition.kind != Lowered::uniform) {
      chosen = wide(condition);
      needed = any(b_, lanes_.mask ? b_.CreateAnd(chosen, lanes_.mask) : chosen);
    }
    Value* loaded = as_register(b_.CreateAlignedLoad(type, b_.CreateSelect(needed, a.pointer, spare()), align));
    const bool all_uniform =
        condition.kind == Lowered::uniform && values_[index(i.operands[rank + 1])].kind == Lowered::uniform;
    Value* other = all_uniform ? uniform(i.operands[rank + 1]) : wide(i.operands[rank + 1]);
    return define(i.first_result, b_.CreateSelect(chosen, all_uniform ? loaded : splat(b_, loaded, width), other));
  }

  if (!masked && load_short_row(i, a, type)) return;
  Value* chosen = masked ? wide(condition) : nullptr;
  Value* mask = lanes_.mask;
  if (chosen) mask = mask ? b_.CreateAnd(mask, chosen) : chosen;
  llvm::Type* wide_type = widened(type, width);
  Value* loaded = nullptr;
  if (a.contiguous) {
    loaded = mask ? load_masked(a.pointer, wide_type, align, mask) : b_.CreateAlignedLoad(wide_type, a.pointer, align);
    auto* other = chosen ? llvm::dyn_cast<llvm::Constant>(wide(i.operands[rank + 1])) : nullptr;
    if (other && other->isNullValue()) chosen = nullptr;  // lanes that are masked have read 0 already
    if (nontemporal_) fetch_ahead(a.pointer, width * bytes(i.dtype));
  } else if (a.kind == Lowered::affine && known(a.step) == -1 && !mask) {
    loaded =
        b_.CreateAlignedLoad(wide_type, b_.CreateGEP(type, a.pointer, i64(1 - static_cast<int64_t>(width))), align);
    loaded = b_.CreateVectorReverse(loaded);
  } else if (const auto step = a.kind == Lowered::affine ? known(a.step) : std::nullopt;
             step && *step >= 2 && *step <= std::min<int64_t>(most_apart, width) && !mask) {
    loaded = load_apart(a.pointer, type, static_cast<unsigned>(*step), align);
  } else {
    if (a.step) a.step = times(a.step, i64(bytes(i.dtype)));
    loaded = llvm::PoisonValue::get(wide_type);
    const Values pointers = lane_pointers(a, mask);
    for (unsigned l = 0; l < width; ++l)
      loaded = b_.CreateInsertElement(loaded, b_.CreateAlignedLoad(type, pointers[l], align), l);
  }
  loaded = as_register(loaded);
  if (chosen) loaded = b_.CreateSelect(chosen, loaded, wide(i.operands[rank + 1]));
  define(i.first_result, loaded);
}

void KernelEmitter::emit_store(const Instruction& i) {
  const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
  Address a = address(i.buffer, llvm::ArrayRef(i.operands).take_front(rank));
  const bool masked = i.operands.size() > rank + 1;
  llvm::Type* type = memory_type(context_, i.dtype);
  const llvm::Align align(static_cast<uint64_t>(bytes(i.dtype)));
  const unsigned width = lanes_.width;
  const auto in_memory = [&](Value* v) {
    return i.dtype == DType::boolean ? b_.CreateZExt(v, as_wide(type, v->getType())) : v;
  };
  const Lowered& value = values_[index(i.operands[rank])];
  const Lowered condition = masked ? values_[index(i.operands[rank + 1])] : Lowered{};

  if (a.kind == Lowered::uniform && value.kind == Lowered::uniform && condition.kind != Lowered::vector) {
    Value* pointer = masked ? b_.CreateSelect(condition.value, a.pointer, spare()) : a.pointer;
    b_.CreateAlignedStore(in_memory(value.value), pointer, align);
    return;
  }
  Value* mask = lanes_.mask;
  if (masked) mask = mask ? b_.CreateAnd(mask, wide(condition)) : wide(condition);
  Value* data = in_memory(wide(value));
  if (!masked && store_short_row(i, a, type, data)) return;
  if (const int64_t lane = mask && a.contiguous ? only_lane(mask) : -1; lane >= 0) {
    // With AVX-512, LLVM 22 turns a masked store of truncated lanes whose constant mask has one lane into a store as wide
    // as the lane was before (LLVM issue 179489): past the buffer's end.
    b_.CreateAlignedStore(b_.CreateExtractElement(data, i64(lane)), b_.CreateGEP(type, a.pointer, i64(lane)), align);
  } else if (a.contiguous && mask) {
    b_.CreateMaskedStore(data, a.pointer, align, mask);
  } else if (a.contiguous) {
    llvm::StoreInst* store = b_.CreateAlignedStore(data, a.pointer, align);
    const bool whole =
        nontemporal_ && std::find(aligned_stores_.begin(), aligned_stores_.end(), &i) != aligned_stores_.end();
    if (whole) {
      const uint64_t size = static_cast<uint64_t>(bytes(i.dtype)) * width;
      store->setAlignment(llvm::Align(std::min<uint64_t>(64, size)));
      store->setMetadata(llvm::LLVMContext::MD_nontemporal,
                         llvm::MDNode::get(context_, llvm::ConstantAsMetadata::get(b_.getInt32(1))));
      nontemporal_used_ = true;
    }
  } else {  // ascending, so that the last lane wins where several write one element
    if (a.step) a.step = times(a.step, i64(bytes(i.dtype)));
    const Values pointers = lane_pointers(a, mask);
    for (unsigned l = 0; l < width; ++l)
      b_.CreateAlignedStore(width == 1 ? data : b_.CreateExtractElement(data, l), pointers[l], align);
  }
}

}  // namespace tenon::codegen
