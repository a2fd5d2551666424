// The steps of a program as straight code of its entry: launches, copies, loops, branches. What asks the host for something stands
// in codegen/llvm/host.cc.
// Refuses to plan: order, buffers and carries are the program's.
#include <algorithm>
#include <bit>

#include "tenon/codegen/llvm/entry.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::ProgramBuffer;
using ir::Step;
using ir::StepKind;
using llvm::Value;

Value* EntryEmitter::pointer(uint32_t buffer) {
  if (Value* known = pointers_.at(buffer)) return known;
  const ProgramBuffer& b = program_.buffers[buffer];
  return field(b.home == ir::Home::input ? inputs_ : outputs_, 8 * uint64_t{b.slot}, b_.getPtrTy());
}

Value* EntryEmitter::pointer(const ir::Operand& operand) {
  Value* base = pointer(operand.buffer);
  if (operand.is_whole()) return base;
  const int64_t element = bytes(program_.buffers.at(operand.buffer).dtype);
  if (operand.part) base = b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(value(operand.start), i64(element)));
  if (operand.loop < 0) return base;
  const Loop& loop = loops_.at(static_cast<size_t>(operand.loop));
  Value* index = loop.index;
  if (operand.reversed) {
    ensure(loop.trips != nullptr, "a reversed operand needs a counted loop");
    index = b_.CreateSub(b_.CreateSub(loop.trips, i64(1)), index);
  }
  Value* size = b_.CreateMul(value(operand.stride), i64(element));
  return b_.CreateGEP(b_.getInt8Ty(), base, b_.CreateMul(index, size));
}

// The value of a boolean in memory.
Value* EntryEmitter::flag(const ir::Operand& operand) {
  return b_.CreateICmpNE(b_.CreateLoad(b_.getInt8Ty(), pointer(operand)), b_.getInt8(0));
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
  when(b_, "launch", writes_something(kernel), [&] {
    fill_slots(step, kernel, launch_slots_);
    llvm::Function* callee = kernel_function(step.kernel);
    Value* total = KernelEmitter(module_, kernel, target_).emit_total(b_, symbol_array_);
    Value* code = call_kernel(kernel_range(kernel), callee, total);
    fail_if(b_.CreateICmpNE(code, b_.getInt32(0)), code);
  });
}

// What the kernel finds behind its context: buffers, symbols, scratch memory.
void EntryEmitter::fill_slots(const Step& step, const ir::Kernel& kernel, Value* slots) {
  size_t expected = 0;
  for (const ir::KernelBuffer& b : kernel.buffers) expected += b.space != ir::Space::scratch;
  ensure(expected == step.operands.size(), "a launch has another number of operands than its kernel has buffers");
  ensure(kernel.symbols->size() <= program_.symbols->size(), "a kernel has symbols that its program lacks");
  uint64_t slot = 0;
  const auto put = [&](Value* p) { b_.CreateStore(p, b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), slots, slot++)); };
  for (const ir::Operand& operand : step.operands) put(pointer(operand));
  put(symbol_array_);
  if (kernel_scratch_bytes(kernel, target_) > 0) {
    b_.CreateStore(i64(0), scratch_);
    put(scratch_);
  }
}

llvm::Function* EntryEmitter::kernel_function(uint32_t number) {
  const std::string symbol = kernel_symbol(name_, number);
  if (llvm::Function* known = module_.getFunction(symbol)) return known;
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module_);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  function->setDSOLocal(true);
  return function;
}

// Runs all of a kernel's iterations: here, or shared among threads where there are some and the work is worth it.
Value* EntryEmitter::call_kernel(const KernelRange& range, llvm::Function* callee, Value* total) {
  if (!range.shared) return b_.CreateCall(callee, {launch_slots_, i64(0), total});
  return run_shared(callee, launch_slots_, total, i64(range.grain));
}

Value* EntryEmitter::run_shared(llvm::Function* callee, Value* context, Value* total, Value* grain) {
  const auto direct = [&] { return Values{b_.CreateCall(callee, {context, i64(0), total})}; };
  const auto iterations = known(total), together = known(grain);
  if (iterations && together && *iterations <= *together) return direct()[0];
  Value* alone = b_.CreateOr(b_.CreateICmpSLE(total, grain), b_.CreateICmpSLE(threads_, b_.getInt32(1)));
  const auto shared = [&] {
    llvm::Type *pointer = b_.getPtrTy(), *number = b_.getInt64Ty();
    auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {pointer, number, number, pointer, pointer}, false);
    return Values{b_.CreateCall(type, field(env_, env_parallel_for, pointer),
                                {field(env_, env_pool, pointer), total, grain, callee, context})};
  };
  return choice(b_, "launch.alone", alone, direct, shared)[0];
}

void EntryEmitter::emit_branch(const Step& step) {
  branch(b_, "branch", flag(step.operands.at(0)), [&] { emit_steps(step.body); }, [&] { emit_steps(step.otherwise); });
}

Value* EntryEmitter::copied_bytes(const Step& step) {
  const ProgramBuffer& to = program_.buffers.at(step.operands.at(1).buffer);
  return step.count ? b_.CreateMul(value(*step.count), i64(bytes(to.dtype))) : buffer_bytes(to);
}

void EntryEmitter::copy(Value* to, Value* from, Value* bytes) {
  constexpr int64_t most_in_registers = 128;
  const int64_t size = known(bytes).value_or(0);
  if (size < 1 || size > most_in_registers) {
    // The C library's by its name: the intrinsic would become a loop over bytes, for no pass here knows that library.
    auto* type = llvm::FunctionType::get(b_.getPtrTy(), {b_.getPtrTy(), b_.getPtrTy(), b_.getInt64Ty()}, false);
    b_.CreateCall(module_.getOrInsertFunction("memcpy", type), {to, from, bytes});
    return;
  }
  // One number, a carry of a scalar loop; or a short run, as two that share what they have in common.
  const auto width = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size)));
  llvm::Type* type = width <= 8 ? static_cast<llvm::Type*>(b_.getIntNTy(static_cast<unsigned>(8 * width)))
                                : llvm::FixedVectorType::get(b_.getInt8Ty(), static_cast<unsigned>(width));
  const auto at_end = [&](Value* base) { return b_.CreateGEP(b_.getInt8Ty(), base, i64(size - width)); };
  Value* first = b_.CreateAlignedLoad(type, from, llvm::Align(1));
  Value* last = width < size ? b_.CreateAlignedLoad(type, at_end(from), llvm::Align(1)) : nullptr;
  b_.CreateAlignedStore(first, to, llvm::Align(1));
  if (last) b_.CreateAlignedStore(last, at_end(to), llvm::Align(1));
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
    ensure(free != left.end(), "loop carries form a cycle: the buffer plan must break it");
    copy(pointer(free->current), pointer(free->next), buffer_bytes(program_.buffers.at(free->current)));
    left.erase(free);
  }
}

void EntryEmitter::emit_loop(const Step& step) {
  const bool counted = step.operands.empty();
  Value* trips = counted ? value(step.trip_count) : nullptr;
  const auto goes_on = [&](ValueRefs round) {
    loops_.push_back({round[0], trips});
    if (counted) return b_.CreateICmpSLT(round[0], trips);
    emit_steps(step.condition);
    return flag(step.operands[0]);
  };
  while_loop(b_, "loop", i64(0), goes_on, [&](ValueRefs round) {
    emit_steps(step.body);
    emit_carries(step);
    return Values{b_.CreateAdd(round[0], i64(1))};
  });
  loops_.pop_back();
}

void EntryEmitter::emit_steps(const std::vector<Step>& steps) {
  for (size_t n = 0; n < steps.size(); ++n) {
    const Step& step = steps[n];
    if (const size_t length = table_length(steps, n); length > 0) {
      emit_copy_table(std::span(steps).subspan(n, length));
      n += length - 1;
      continue;
    }
    if (const size_t count = together(steps, n); count > 0) {
      emit_together(std::span(steps).subspan(n, count));
      n += count - 1;
      continue;
    }
    switch (step.kind) {
      case StepKind::launch:
        emit_launch(step);
        emit_progress();
        break;
      case StepKind::copy:
        if (ir::copies_onto_itself(program_, step)) break;
        copy_shared(pointer(step.operands.at(1)), pointer(step.operands.at(0)), copied_bytes(step));
        break;
      case StepKind::loop: copies_rows(step) ? emit_rows(step) : emit_loop(step); break;
      case StepKind::branch: emit_branch(step); break;
      case StepKind::custom: emit_custom(step); break;
    }
  }
}

}  // namespace tenon::codegen
