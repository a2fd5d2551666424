// The steps of a program as straight code of its entry: launches, copies, loops, branches, custom calls.
// Refuses to plan: order, buffers and carries are the program's.
#include <algorithm>

#include "tenon/codegen/llvm_entry.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

using ir::Step;
using ir::StepKind;
using llvm::Value;

Value* EntryEmitter::pointer(uint32_t buffer) { return pointers_.at(buffer); }

Value* EntryEmitter::pointer(const ir::Operand& operand) {
  Value* base = pointer(operand.buffer);
  if (operand.loop < 0) return base;
  const Loop& loop = loops_.at(static_cast<size_t>(operand.loop));
  Value* index = loop.index;
  if (operand.reversed) {
    check(loop.trips != nullptr, "a reversed operand needs a counted loop");
    index = b_.CreateSub(b_.CreateSub(loop.trips, i64(1)), index);
  }
  Value* size = b_.CreateMul(value(operand.stride), i64(bytes(program_.buffers.at(operand.buffer).dtype)));
  return b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(index, size));
}

// Where every output of a kernel is empty, its loops go round nothing, however often they do.
Value* EntryEmitter::writes_something(const ir::Kernel& kernel) {
  Value* any = b_.getFalse();
  for (const ir::KernelBuffer& b : kernel.buffers) {
    if (b.space != ir::Space::output && b.space != ir::Space::inout) continue;
    Value* count = i64(1);
    for (Dim d : b.shape)
      if (d.is_number() ? d == 0 : (*program_.symbols)[d.index()].lower < 1) count = b_.CreateMul(count, value(d));
    any = b_.CreateOr(any, b_.CreateICmpNE(count, i64(0)));
  }
  return any;
}

void EntryEmitter::emit_launch(const Step& step) {
  const ir::Kernel& kernel = program_.kernels.at(step.kernel);
  llvm::BasicBlock* skipped = nullptr;
  if (Value* something = writes_something(kernel); !llvm::isa<llvm::ConstantInt>(something)) {
    auto* launched = block("launch");
    skipped = block("launch.skipped");
    b_.CreateCondBr(something, launched, skipped);
    b_.SetInsertPoint(launched);
  } else if (llvm::cast<llvm::ConstantInt>(something)->isZero()) {
    return;
  }
  size_t expected = 0;
  for (const ir::KernelBuffer& b : kernel.buffers) expected += b.space != ir::Space::scratch;
  check(expected == step.operands.size(), "a launch has another number of operands than its kernel has buffers");
  check(kernel.symbols->size() <= program_.symbols->size(), "a kernel has symbols that its program lacks");
  uint64_t slot = 0;
  const auto put = [&](Value* p) {
    b_.CreateStore(p, b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), launch_slots_, slot++));
  };
  for (const ir::Operand& operand : step.operands) put(pointer(operand));
  put(symbol_array_);
  if (kernel_scratch_bytes(kernel, target_) > 0) {
    b_.CreateStore(i64(0), scratch_);
    put(scratch_);
  }

  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
  const std::string symbol = kernel_symbol(name_, step.kernel);
  llvm::Function* callee = module_.getFunction(symbol);
  if (!callee) {
    callee = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module_);
    callee->setVisibility(llvm::GlobalValue::HiddenVisibility);
    callee->setDSOLocal(true);
  }
  const KernelRange range = kernel_range(kernel);
  Value* total = KernelEmitter(module_, kernel, target_).emit_total(b_, symbol_array_);
  const auto direct = [&] { return b_.CreateCall(callee, {launch_slots_, i64(0), total}); };
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(total);
  Value* code = nullptr;
  if (!range.shared || (known && known->getSExtValue() <= range.grain)) {
    code = direct();
  } else {
    Value* alone = b_.CreateOr(b_.CreateICmpSLE(total, i64(range.grain)), b_.CreateICmpSLE(threads_, b_.getInt32(1)));
    auto *here = block("launch.here"), *shared = block("launch.shared"), *after = block("launch.end");
    b_.CreateCondBr(alone, here, shared);
    b_.SetInsertPoint(here);
    Value* here_code = direct();
    b_.CreateBr(after);
    b_.SetInsertPoint(shared);
    auto* loop_type = llvm::FunctionType::get(
        b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty(), b_.getPtrTy(), b_.getPtrTy()}, false);
    Value* shared_code =
        b_.CreateCall(loop_type, field(env_, env_parallel_for, b_.getPtrTy()),
                      {field(env_, env_pool, b_.getPtrTy()), total, i64(range.grain), callee, launch_slots_});
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    llvm::PHINode* both = b_.CreatePHI(b_.getInt32Ty(), 2);
    both->addIncoming(here_code, here);
    both->addIncoming(shared_code, shared);
    code = both;
  }
  fail_if(b_.CreateICmpNE(code, b_.getInt32(0)), code);
  if (skipped) {
    b_.CreateBr(skipped);
    b_.SetInsertPoint(skipped);
  }
}

void EntryEmitter::emit_custom(const Step& step) {
  Value* slots = stack(b_.getPtrTy(), std::max<size_t>(1, step.operands.size()), 8);
  for (size_t k = 0; k < step.operands.size(); ++k)
    b_.CreateStore(pointer(step.operands[k]), b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), slots, k));
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getPtrTy()}, false);
  llvm::FunctionCallee callee = module_.getOrInsertFunction(step.custom, type);
  Value* outputs = b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), slots, step.operands.size() - step.outputs);
  Value* code = b_.CreateCall(callee, {slots, outputs});
  fail_if(b_.CreateICmpNE(code, b_.getInt32(0)), code);
}

void EntryEmitter::emit_branch(const Step& step) {
  Value* taken = b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), pointer(step.operands.at(0))), b_.getInt8(0));
  auto *then = block("then"), *otherwise = block("otherwise"), *after = block("branch.end");
  b_.CreateCondBr(taken, then, otherwise);
  b_.SetInsertPoint(then);
  emit_steps(step.body);
  b_.CreateBr(after);
  b_.SetInsertPoint(otherwise);
  emit_steps(step.otherwise);
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void EntryEmitter::copy(Value* to, Value* from, Value* bytes) {
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(bytes);
  const uint64_t size = known ? known->getZExtValue() : 0;
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    b_.CreateMemCpy(to, llvm::MaybeAlign(1), from, llvm::MaybeAlign(1), bytes);
    return;
  }
  llvm::Type* type = b_.getIntNTy(static_cast<unsigned>(8 * size));  // one number: a carry of a scalar loop
  b_.CreateAlignedStore(b_.CreateAlignedLoad(type, from, llvm::Align(1)), to, llvm::Align(1));
}

// next becomes current. A buffer that one carry writes and another still reads is read first.
void EntryEmitter::emit_carries(const Step& step) {
  std::vector<Step::Carry> left;
  for (const Step::Carry& c : step.carries)
    if (c.current != c.next) left.push_back(c);
  while (!left.empty()) {
    const auto free = std::find_if(left.begin(), left.end(), [&](const Step::Carry& c) {
      return std::none_of(left.begin(), left.end(),
                          [&](const Step::Carry& other) { return &other != &c && other.next == c.current; });
    });
    check(free != left.end(), "loop carries form a cycle: the buffer plan must break it");
    copy(pointer(free->current), pointer(free->next), buffer_bytes(program_.buffers.at(free->current)));
    left.erase(free);
  }
}

void EntryEmitter::emit_loop(const Step& step) {
  const bool counted = step.operands.empty();
  Value* trips = counted ? value(step.trip_count) : nullptr;
  auto *head = block("loop"), *body = block("loop.body"), *after = block("loop.end");
  llvm::BasicBlock* before = b_.GetInsertBlock();
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  llvm::PHINode* index = b_.CreatePHI(b_.getInt64Ty(), 2);
  index->addIncoming(i64(0), before);
  loops_.push_back({index, trips});
  Value* go = nullptr;
  if (counted) {
    go = b_.CreateICmpSLT(index, trips);
  } else {
    emit_steps(step.condition);
    go = b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), pointer(step.operands[0])), b_.getInt8(0));
  }
  b_.CreateCondBr(go, body, after);
  b_.SetInsertPoint(body);
  emit_steps(step.body);
  emit_carries(step);
  index->addIncoming(b_.CreateAdd(index, i64(1)), b_.GetInsertBlock());
  b_.CreateBr(head);
  b_.SetInsertPoint(after);
  loops_.pop_back();
}

void EntryEmitter::emit_steps(const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    switch (step.kind) {
      case StepKind::launch: emit_launch(step); break;
      case StepKind::copy:
        copy(pointer(step.operands.at(1)), pointer(step.operands.at(0)),
             buffer_bytes(program_.buffers.at(step.operands[1].buffer)));
        break;
      case StepKind::loop: emit_loop(step); break;
      case StepKind::branch: emit_branch(step); break;
      case StepKind::custom: emit_custom(step); break;
    }
  }
}

}  // namespace tenon::codegen
