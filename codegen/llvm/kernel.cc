// The frame of a kernel's function, and the instructions that are neither loops nor memory. A scalar stays one value as
// long as no lane can differ, and indices stay affine, so that loads and stores see what is contiguous.
#include "tenon/codegen/llvm/kernel.h"

#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include "tenon/codegen/llvm/target.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/kernel/walk.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;
using ir::Op;
using ir::ScalarId;
using llvm::Value;

KernelRange kernel_range(const ir::Kernel& kernel) {
  KernelRange range;
  std::vector<char> pure(kernel.scalars.size(), 0);
  const auto are_pure = [&](const std::vector<ScalarId>& operands, size_t count) {
    for (size_t k = 0; k < count; ++k)
      if (!pure[index(operands[k])]) return false;
    return true;
  };
  int effects = 0;
  for (uint32_t number : kernel.body().instructions) {
    const Instruction& i = kernel.instructions[number];
    switch (i.kind) {
      case KernelOp::literal:
      case KernelOp::extent: pure[index(i.first_result)] = 1; break;
      case KernelOp::scaled:
      case KernelOp::scalar: pure[index(i.first_result)] = are_pure(i.operands, i.operands.size()); break;
      case KernelOp::load:
      case KernelOp::scratch: break;
      case KernelOp::loop:
        ++effects;
        range.shared = !in_order(i.loop) && i.operands.size() == 1 && are_pure(i.operands, 1);
        range.instruction = number;
        range.grain = std::max<int64_t>(1, i.grain);
        // A bare vector loop has no schedule: pieces of 64 KiB and more of f32.
        if (i.loop == LoopKind::vector || i.loop == LoopKind::thread)
          range.grain = std::max<int64_t>(range.grain, 1 << 14);
        break;
      case KernelOp::contract:
        ++effects;
        range.shared = are_pure(i.operands, 4);
        range.instruction = number;
        range.grain = 1;
        break;
      default: effects += 2; break;  // a reduction or store out here must not be repeated by every piece
    }
  }
  if (effects != 1) range = KernelRange{};
  if (!range.shared) range = KernelRange{};
  return range;
}

KernelEmitter::KernelEmitter(llvm::Module& module, const ir::Kernel& kernel, const Target& target)
    : module_(module), kernel_(kernel), target_(target), context_(module.getContext()), b_(context_), entry_(context_) {
  values_.resize(kernel.scalars.size());
  find_bounds();
  find_needed();
  varying_.resize(kernel.scalars.size());
  extents_.resize(kernel.symbols->size());
}

llvm::BasicBlock* KernelEmitter::new_block(const char* name) {
  return llvm::BasicBlock::Create(context_, name, function_);
}

// Begins the function that the emitter stands for.
void KernelEmitter::open(llvm::Function* function) {
  function_ = function;
  set_attributes(*function, target_.cpu());
  auto* entry = new_block("entry");
  auto* body = new_block("body");
  entry_.SetInsertPoint(llvm::BranchInst::Create(body, entry));
  b_.SetInsertPoint(body);
}

void KernelEmitter::load_context(Value* context) {
  llvm::Type* ptr = b_.getPtrTy();
  uint64_t slot = 0;
  for (const ir::KernelBuffer& buffer : kernel_.buffers) {
    Value* pointer = nullptr;
    if (buffer.space != ir::Space::scratch)
      pointer = entry_.CreateLoad(ptr, entry_.CreateConstInBoundsGEP1_64(ptr, context, slot++), buffer.name);
    pointers_.push_back(pointer);
  }
  symbols_ = entry_.CreateLoad(ptr, entry_.CreateConstInBoundsGEP1_64(ptr, context, slot++), "symbols");
  if (kernel_scratch_bytes(kernel_, target_) > 0)
    scratch_ = entry_.CreateLoad(ptr, entry_.CreateConstInBoundsGEP1_64(ptr, context, slot), "scratch");
}

llvm::Function* KernelEmitter::emit(const std::string& symbol) {
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
  llvm::Function* function = module_.getFunction(symbol);
  if (!function) function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module_);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  function->setDSOLocal(true);
  open(function);
  load_context(function->getArg(0));

  const KernelRange range = kernel_range(kernel_);
  for (uint32_t number : kernel_.body().instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (range.shared && number == range.instruction) {
      if (i.kind == KernelOp::contract)
        emit_contract(i, function_->getArg(1), function_->getArg(2));
      else
        emit_loop(i, function_->getArg(1), function_->getArg(2));
    } else {
      emit_instruction(i);
    }
  }
  // On AArch64 such stores are ordered as all others are: by whoever hands the results on.
  if (nontemporal_used_ && machine_of(target_.cpu()) == Machine::x86_64)
    call(b_, llvm::Intrinsic::x86_sse_sfence, {}, {});
  b_.CreateRet(b_.getInt32(0));
  return function_;
}

Value* KernelEmitter::emit_total(Builder& b, Value* symbol_values) {
  const KernelRange range = kernel_range(kernel_);
  if (!range.shared) return b.getInt64(1);
  // Only what the extents need; the rest of the prologue stays in the kernel.
  const Instruction& shared = kernel_.instructions[range.instruction];
  std::vector<char> needed(kernel_.scalars.size(), 0);
  for (ScalarId v : shared.operands) needed[index(v)] = 1;
  const auto& body = kernel_.body().instructions;
  for (auto it = body.rbegin(); it != body.rend(); ++it) {
    const Instruction& i = kernel_.instructions[*it];
    if (i.kind == KernelOp::scalar && needed[index(i.first_result)])
      for (ScalarId v : i.operands) needed[index(v)] = 1;
  }
  symbols_ = symbol_values;
  b_.SetInsertPoint(b.GetInsertBlock(), b.GetInsertPoint());
  entry_.SetInsertPoint(b.GetInsertBlock(), b.GetInsertPoint());
  function_ = b.GetInsertBlock()->getParent();
  for (uint32_t number : body) {
    const Instruction& i = kernel_.instructions[number];
    const bool pure = i.kind == KernelOp::literal || i.kind == KernelOp::extent || i.kind == KernelOp::scalar;
    if (pure && needed[index(i.first_result)]) emit_instruction(i);
  }
  Value* total = shared.kind == KernelOp::contract ? contract_total(shared) : uniform(shared.operands[0]);
  b.SetInsertPoint(b_.GetInsertBlock(), b_.GetInsertPoint());
  return total;
}

Value* KernelEmitter::plus(Value* x, Value* y) {
  if (known(x) == 0) return y;
  if (known(y) == 0) return x;
  return b_.CreateAdd(x, y);
}

Value* KernelEmitter::times(Value* x, Value* y) {
  for (auto [factor, other] : {std::pair(x, y), std::pair(y, x)}) {
    if (known(factor) == 0) return factor;
    if (known(factor) == 1) return other;
  }
  return b_.CreateMul(x, y);
}

Value* KernelEmitter::extent_value(Dim d) {
  if (d.is_number()) return i64(d.number());
  Value*& value = extents_[d.index()];
  if (!value)
    value = entry_.CreateLoad(entry_.getInt64Ty(),
                              entry_.CreateConstInBoundsGEP1_64(entry_.getInt64Ty(), symbols_, d.index()));
  return value;
}

Value* KernelEmitter::entry_slot(llvm::Type* type, uint64_t count, uint64_t alignment) {
  llvm::AllocaInst* slot = entry_.CreateAlloca(type, entry_.getInt64(count));
  slot->setAlignment(llvm::Align(alignment));
  return slot;
}

// ---- values ---------------------------------------------------------------------------------------------------------

Value* KernelEmitter::uniform(ScalarId v) {
  const Lowered& x = values_[index(v)];
  if (x.kind != Lowered::uniform)
    throw InternalError("kernel @" + kernel_.name + ": a value differs between lanes where it must not\n" +
                        kernel_.text());
  return x.value;
}

Value* KernelEmitter::wide(const Lowered& x) {
  if (x.kind == Lowered::uniform) return splat(b_, x.value, lanes_.width);
  if (x.kind != Lowered::affine) return x.value;
  Value* first = plus(x.value, times(x.step, lanes_.position));
  Value* numbers = lane_numbers(b_.getInt64Ty(), lanes_.width);
  if (known(x.step) != 1) numbers = b_.CreateMul(numbers, splat(b_, x.step, lanes_.width));
  return b_.CreateAdd(splat(b_, first, lanes_.width), numbers);
}

Value* KernelEmitter::wide(ScalarId v) { return wide(values_[index(v)]); }

void KernelEmitter::define(ScalarId v, Value* value) {
  values_[index(v)] = {value->getType()->isVectorTy() ? Lowered::vector : Lowered::uniform, value, nullptr};
}

void KernelEmitter::define_index(ScalarId v) {
  if (lanes_.width == 1)
    values_[index(v)] = {Lowered::uniform, lanes_.position, nullptr};
  else
    values_[index(v)] = {Lowered::affine, i64(0), i64(1)};
}

void KernelEmitter::emit_scalar(const Instruction& i) {
  if (const auto it = decided_.find(&i); it != decided_.end()) return define(i.first_result, b_.getInt1(it->second));
  bool all_uniform = true, any_vector = false;
  for (ScalarId v : i.operands) {
    all_uniform &= values_[index(v)].kind == Lowered::uniform;
    any_vector |= values_[index(v)].kind == Lowered::vector;
  }
  const DType type = kernel_.dtype(i.op == Op::select ? i.operands[1] : i.operands[0]);
  if (!all_uniform && !any_vector && i.dtype == DType::i64 && i.operands.size() == 2) {  // affine arithmetic
    const Lowered &x = values_[index(i.operands[0])], &y = values_[index(i.operands[1])];
    Value* x_step = x.kind == Lowered::affine ? x.step : i64(0);
    Value* y_step = y.kind == Lowered::affine ? y.step : i64(0);
    if (i.op == Op::add || i.op == Op::sub) {
      const bool add = i.op == Op::add;
      Value* base = add ? plus(x.value, y.value) : b_.CreateSub(x.value, y.value);
      Value* step = add ? plus(x_step, y_step) : b_.CreateSub(x_step, y_step);
      values_[index(i.first_result)] = {Lowered::affine, base, step};
      return;
    }
    if (i.op == Op::mul && (x.kind == Lowered::uniform || y.kind == Lowered::uniform)) {
      const Lowered &factor = x.kind == Lowered::uniform ? x : y, &moving = x.kind == Lowered::uniform ? y : x;
      values_[index(i.first_result)] = {Lowered::affine, times(moving.value, factor.value),
                                        times(moving.step, factor.value)};
      return;
    }
    if ((i.op == Op::div || i.op == Op::rem) && divide_index(i)) return;
  }
  std::vector<Value*> operands;
  for (ScalarId v : i.operands) operands.push_back(all_uniform ? values_[index(v)].value : wide(v));
  define(i.first_result, emit_op(b_, i.op, type, i.dtype, operands));
}

void KernelEmitter::emit_rare(const Instruction& i) {
  Value* condition = wide(i.operands[0]);
  Value* fast = wide(i.operands[1]);
  Value* needed = condition;
  if (lanes_.mask) needed = b_.CreateAnd(condition, lanes_.mask);
  const Values mixed = when(b_, "rare", any(b_, needed), fast, [&] {
    emit_block(i.blocks[0]);
    Value* slow = wide(kernel_.blocks[index(i.blocks[0])].yields[0]);
    return Values{b_.CreateSelect(condition, slow, fast)};
  });
  define(i.first_result, mixed[0]);
}

void KernelEmitter::emit_instruction(const Instruction& i) {
  if (!is_needed(i)) return;
  switch (i.kind) {
    case KernelOp::literal: define(i.first_result, literal(context_, i.dtype, i.immediate)); break;
    case KernelOp::extent: define(i.first_result, extent_value(i.dim)); break;
    case KernelOp::scalar: emit_scalar(i); break;
    case KernelOp::load: emit_load(i); break;
    case KernelOp::store: emit_store(i); break;
    case KernelOp::loop: emit_loop(i, i64(0), uniform(i.operands[0])); break;
    case KernelOp::reduce: emit_reduce(i); break;
    case KernelOp::contract: emit_contract(i, i64(0), contract_total(i)); break;
    case KernelOp::rare: emit_rare(i); break;
    case KernelOp::scaled: emit_scaled(i); break;
    case KernelOp::scratch: declare_scratch(i.buffer); break;
  }
}

void KernelEmitter::emit_block(BlockId block) {
  for (uint32_t number : kernel_.blocks[index(block)].instructions) emit_instruction(kernel_.instructions[number]);
}

int64_t KernelEmitter::weight(BlockId block) const {
  int64_t sum = 0;
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (i.kind != KernelOp::literal && i.kind != KernelOp::extent && is_needed(i)) ++sum;
    for (BlockId inner : i.blocks) sum += weight(inner);
  }
  return sum;
}

bool KernelEmitter::contains(BlockId block, bool (*test)(const Instruction&)) const {
  return ir::contains(kernel_, block, test);
}

}  // namespace tenon::codegen
