// The entry point: checks the call, computes extents and addresses, runs the steps. Everything is straight code over
// pointers in registers or on the stack; a launch costs a few stores and a call. A custom call is the C function
// `int32_t NAME(const void* const* inputs, void* const* outputs)`; zero is success.
// Refuses to allocate, and to know what kernels compute.
#include "tenon/codegen/llvm_program.h"

#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <algorithm>

#include "tenon/codegen/llvm_kernel.h"
#include "tenon/ir/error.h"

namespace tenon::codegen {

using ir::Home;
using ir::ProgramBuffer;
using ir::Step;
using ir::StepKind;
using llvm::Value;

std::string kernel_symbol(const std::string& entry, size_t k) { return entry + "_kernel_" + std::to_string(k); }

namespace {

// Results and offsets of the C interface (runtime/tenon_runtime.h; tests/llvm_program_test.cc holds them against it).
constexpr int32_t bad_call = -1, bad_extent = -3;
enum CallField : uint64_t {
  call_size = 0,
  call_inputs = 8,
  call_outputs = 16,
  call_arena = 24,
  call_dims = 32,
  call_env = 40,
  call_error = 48
};
constexpr uint64_t call_bytes = 56;
enum EnvField : uint64_t { env_size = 0, env_pool = 8, env_parallel_for = 16, env_threads = 32 };
constexpr uint64_t env_bytes = 40;
constexpr uint32_t default_mxcsr = 0x1f80, mxcsr_control = 0xffc0;
constexpr int64_t arena_alignment = 64;

class EntryEmitter {
 public:
  EntryEmitter(llvm::Module& module, const ir::Program& program, const Target& target, const std::string& entry)
      : module_(module),
        program_(program),
        target_(target),
        name_(entry),
        context_(module.getContext()),
        b_(context_) {}
  void emit_arena_bytes();
  void emit();

 private:
  Value* i64(int64_t v) { return b_.getInt64(static_cast<uint64_t>(v)); }
  llvm::BasicBlock* block(const char* name) { return llvm::BasicBlock::Create(context_, name, function_); }
  Value* field(Value* record, uint64_t offset, llvm::Type* type) {
    return b_.CreateLoad(type, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), record, offset));
  }
  Value* stack(llvm::Type* type, uint64_t count, uint64_t alignment);
  void start(const std::string& name, llvm::Type* result);
  Value* checked(llvm::Intrinsic::ID operation, Value* a, Value* b);
  std::vector<Value*> symbol_values(Value* dims);
  Value* value(Dim d) { return d.is_number() ? i64(d.number()) : symbols_[d.index()]; }
  Value* buffer_bytes(const ProgramBuffer& buffer);
  Value* arena_offsets();  // fills offsets_, gives the bytes of the planned buffers
  int64_t scratch_bytes() const;
  void bind_buffers(Value* request);
  Value* constant_data(const ProgramBuffer& buffer);
  Value* pointer(uint32_t buffer);
  Value* pointer(const ir::Operand& operand);
  void fail_if(Value* condition, Value* code);
  void emit_steps(const std::vector<Step>& steps);
  void emit_launch(const Step& step);
  Value* writes_something(const ir::Kernel& kernel);
  void emit_loop(const Step& step);
  void emit_branch(const Step& step);
  void emit_custom(const Step& step);
  void emit_carries(const Step& step);
  void copy(Value* to, Value* from, Value* bytes);

  struct Loop {
    Value* index = nullptr;
    Value* trips = nullptr;  // null for a conditional loop
  };
  llvm::Module& module_;
  const ir::Program& program_;
  const Target& target_;
  const std::string& name_;
  llvm::LLVMContext& context_;
  Builder b_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  llvm::BasicBlock* failed_ = nullptr;
  llvm::PHINode* failure_ = nullptr;
  std::vector<Value*> symbols_, offsets_, pointers_;
  Value* outside_ = nullptr;  // whether the extents lie outside their bounds, or what follows from them does
  Value* symbol_array_ = nullptr;
  Value* launch_slots_ = nullptr;
  Value* scratch_ = nullptr;
  Value* env_ = nullptr;
  Value* threads_ = nullptr;
  std::vector<Loop> loops_;
};

void EntryEmitter::start(const std::string& name, llvm::Type* result) {
  auto* type = llvm::FunctionType::get(result, {b_.getPtrTy()}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  // Straight code around launches: optimising it doubles the compile time of small programs and saves no nanosecond.
  function_->addFnAttr(llvm::Attribute::OptimizeNone);
  function_->addFnAttr(llvm::Attribute::NoInline);
  entry_ = block("entry");
  auto* body = block("body");
  b_.SetInsertPoint(entry_);
  b_.CreateBr(body);
  b_.SetInsertPoint(body);
  outside_ = b_.getFalse();
  symbols_.clear();
  offsets_.clear();
}

Value* EntryEmitter::stack(llvm::Type* type, uint64_t count, uint64_t alignment) {
  Builder at(entry_->getTerminator());
  llvm::AllocaInst* slot = at.CreateAlloca(type, at.getInt64(count));
  slot->setAlignment(llvm::Align(alignment));
  return slot;
}

// a + b or a * b; notes in outside_ that the result does not fit.
Value* EntryEmitter::checked(llvm::Intrinsic::ID operation, Value* a, Value* b) {
  Value* pair = call(b_, operation, {b_.getInt64Ty()}, {a, b});
  outside_ = b_.CreateOr(outside_, b_.CreateExtractValue(pair, 1));
  return b_.CreateExtractValue(pair, 0);
}

// Extents outside their bounds, negative differences and what does not fit into 63 bits are noted in outside_.
std::vector<Value*> EntryEmitter::symbol_values(Value* dims) {
  const Symbols& table = *program_.symbols;
  std::vector<Value*> all;
  uint64_t free = 0;
  for (size_t k = 0; k < table.size(); ++k) {
    const Symbol& s = table[k];
    const auto part = [&](Dim d) { return d.is_number() ? i64(d.number()) : all[d.index()]; };
    switch (s.kind) {
      case SymbolKind::free:
        all.push_back(field(dims, 8 * free++, b_.getInt64Ty()));
        outside_ = b_.CreateOr(outside_, b_.CreateICmpSLT(all.back(), i64(s.lower)));
        outside_ = b_.CreateOr(outside_, b_.CreateICmpSGT(all.back(), i64(s.upper)));
        break;
      case SymbolKind::sum:
        all.push_back(checked(llvm::Intrinsic::sadd_with_overflow, part(s.left), part(s.right)));
        break;
      case SymbolKind::difference:
        all.push_back(b_.CreateSub(part(s.left), part(s.right)));
        outside_ = b_.CreateOr(outside_, b_.CreateICmpSLT(all.back(), i64(0)));
        break;
      case SymbolKind::product:
        all.push_back(checked(llvm::Intrinsic::smul_with_overflow, part(s.left), part(s.right)));
        break;
      case SymbolKind::quotient:
        all.push_back(emit_op(b_, ir::Op::div, DType::i64, DType::i64, {part(s.left), part(s.right)}));
        break;
      case SymbolKind::maximum:
        all.push_back(emit_op(b_, ir::Op::max, DType::i64, DType::i64, {part(s.left), part(s.right)}));
        break;
    }
  }
  return all;
}

Value* EntryEmitter::buffer_bytes(const ProgramBuffer& buffer) {
  Value* total = i64(bytes(buffer.dtype));
  for (Dim d : buffer.shape) total = b_.CreateMul(total, value(d));
  return total;
}

// Symbolic programs: slots in order, each as large as the largest buffer in it.
Value* EntryEmitter::arena_offsets() {
  if (program_.is_static) return i64((program_.arena_bytes + arena_alignment - 1) / arena_alignment * arena_alignment);
  uint32_t slots = 0;
  for (const ProgramBuffer& buffer : program_.buffers)
    if (buffer.home == Home::arena && buffer.arena_slot != UINT32_MAX) slots = std::max(slots, buffer.arena_slot + 1);
  std::vector<Value*> sizes(slots, i64(0));
  for (const ProgramBuffer& buffer : program_.buffers) {
    if (buffer.home != Home::arena || buffer.arena_slot == UINT32_MAX) continue;
    Value*& size = sizes[buffer.arena_slot];
    Value* own = i64(bytes(buffer.dtype));
    for (Dim d : buffer.shape) own = checked(llvm::Intrinsic::smul_with_overflow, own, value(d));
    size = emit_op(b_, ir::Op::max, DType::i64, DType::i64, {size, own});
  }
  Value* offset = i64(0);
  for (Value* size : sizes) {
    offsets_.push_back(offset);
    Value* rounded = b_.CreateAnd(checked(llvm::Intrinsic::sadd_with_overflow, size, i64(arena_alignment - 1)),
                                  i64(-arena_alignment));
    offset = checked(llvm::Intrinsic::sadd_with_overflow, offset, rounded);
  }
  return offset;
}

void EntryEmitter::emit_arena_bytes() {
  start(name_ + "_arena_bytes", b_.getInt64Ty());
  if (!program_.is_static) symbols_ = symbol_values(function_->getArg(0));
  Value* total = b_.CreateAdd(arena_offsets(), i64(scratch_bytes()));
  b_.CreateRet(b_.CreateSelect(outside_, i64(-1), total));  // no arena is large enough
}

// Behind the planned buffers: launches run one after the other, so they share it.
int64_t EntryEmitter::scratch_bytes() const {
  int64_t most = 0;
  for (const ir::Kernel& k : program_.kernels) most = std::max(most, kernel_scratch_bytes(k, target_));
  return most;
}

Value* EntryEmitter::constant_data(const ProgramBuffer& buffer) {
  const std::string name = name_ + "_constant_" + std::to_string(buffer.slot);
  if (llvm::GlobalVariable* known = module_.getNamedGlobal(name)) return known;
  const std::string& raw = program_.constants.at(buffer.slot);
  auto* data = llvm::ConstantDataArray::getString(context_, raw, false);
  auto* global =
      new llvm::GlobalVariable(module_, data->getType(), true, llvm::GlobalValue::InternalLinkage, data, name);
  global->setAlignment(llvm::Align(64));
  return global;
}

void EntryEmitter::bind_buffers(Value* request) {
  Value* inputs = field(request, call_inputs, b_.getPtrTy());
  Value* outputs = field(request, call_outputs, b_.getPtrTy());
  Value* arena = field(request, call_arena, b_.getPtrTy());
  Value* bad = b_.getFalse();
  Value* planned = arena_offsets();
  Value* total = b_.CreateAdd(planned, i64(scratch_bytes()));
  fail_if(outside_, b_.getInt32(static_cast<uint32_t>(bad_extent)));
  scratch_ = b_.CreateGEP(b_.getInt8Ty(), arena, planned);
  const auto null = [&](Value* p) { return b_.CreateIsNull(p); };
  bad = b_.CreateOr(bad, b_.CreateAnd(null(arena), b_.CreateICmpSGT(total, i64(0))));
  const bool has_inputs = !program_.inputs.empty(), has_outputs = !program_.outputs.empty();
  if (has_inputs) bad = b_.CreateOr(bad, null(inputs));
  if (has_outputs) bad = b_.CreateOr(bad, null(outputs));
  fail_if(bad, b_.getInt32(static_cast<uint32_t>(bad_call)));
  bad = b_.getFalse();
  for (const ProgramBuffer& buffer : program_.buffers) {
    Value* p = nullptr;
    switch (buffer.home) {
      case Home::input:
      case Home::output:
        p = field(buffer.home == Home::input ? inputs : outputs, 8 * uint64_t{buffer.slot}, b_.getPtrTy());
        bad = b_.CreateOr(bad, b_.CreateAnd(null(p), b_.CreateICmpSGT(buffer_bytes(buffer), i64(0))));
        break;
      case Home::arena: {
        Value* offset =
            program_.is_static || buffer.arena_slot == UINT32_MAX ? i64(buffer.offset) : offsets_[buffer.arena_slot];
        if (program_.is_static) check(buffer.offset >= 0, "an arena buffer has no offset");
        p = b_.CreateGEP(b_.getInt8Ty(), arena, offset);
        break;
      }
      case Home::constant: p = constant_data(buffer); break;
    }
    pointers_.push_back(p);
  }
  fail_if(bad, b_.getInt32(static_cast<uint32_t>(bad_call)));
}

void EntryEmitter::fail_if(Value* condition, Value* code) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition); known && known->isZero()) return;
  auto* next = block("next");
  failure_->addIncoming(code, b_.GetInsertBlock());
  b_.CreateCondBr(condition, failed_, next);
  b_.SetInsertPoint(next);
}

void EntryEmitter::emit() {
  start(name_, b_.getInt32Ty());
  Value* request = function_->getArg(0);
  failed_ = block("failed");
  failure_ = llvm::PHINode::Create(b_.getInt32Ty(), 4, "code", failed_);
  Value* no_call = b_.CreateIsNull(request);
  auto* present = block("present");
  auto* refused = block("refused");
  b_.CreateCondBr(no_call, refused, present);
  b_.SetInsertPoint(refused);
  b_.CreateRet(b_.getInt32(static_cast<uint32_t>(bad_call)));
  b_.SetInsertPoint(present);
  Value* size = field(request, call_size, b_.getInt64Ty());
  auto* sized = block("sized");
  b_.CreateCondBr(b_.CreateICmpULT(size, i64(call_bytes)), refused, sized);
  b_.SetInsertPoint(sized);

  // The floating-point control word first, so that every way out restores it.
  Value* saved = stack(b_.getInt32Ty(), 1, 4);
  Value* standard = stack(b_.getInt32Ty(), 1, 4);
  call(b_, llvm::Intrinsic::x86_sse_stmxcsr, {}, {saved});
  auto* set = block("mxcsr.set");
  auto* ready = block("mxcsr.ready");
  Value* control = b_.CreateAnd(b_.CreateLoad(b_.getInt32Ty(), saved), b_.getInt32(mxcsr_control));
  b_.CreateCondBr(b_.CreateICmpEQ(control, b_.getInt32(default_mxcsr)), ready, set);
  b_.SetInsertPoint(set);
  b_.CreateStore(b_.getInt32(default_mxcsr), standard);
  call(b_, llvm::Intrinsic::x86_sse_ldmxcsr, {}, {standard});
  b_.CreateBr(ready);
  b_.SetInsertPoint(ready);

  Value* bad = b_.getInt32(static_cast<uint32_t>(bad_call));
  env_ = field(request, call_env, b_.getPtrTy());
  fail_if(b_.CreateIsNull(env_), bad);
  fail_if(b_.CreateICmpULT(field(env_, env_size, b_.getInt64Ty()), i64(env_bytes)), bad);
  threads_ = field(env_, env_threads, b_.getInt32Ty());
  Value* dims = field(request, call_dims, b_.getPtrTy());
  const Symbols& table = *program_.symbols;
  if (!table.free_symbols().empty()) fail_if(b_.CreateIsNull(dims), bad);
  symbols_ = symbol_values(dims);
  fail_if(outside_, b_.getInt32(static_cast<uint32_t>(bad_extent)));
  symbol_array_ = stack(b_.getInt64Ty(), std::max<size_t>(1, symbols_.size()), 8);
  for (size_t k = 0; k < symbols_.size(); ++k)
    b_.CreateStore(symbols_[k], b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), symbol_array_, k));

  size_t slots = 1;
  for (const ir::Kernel& k : program_.kernels) slots = std::max(slots, k.buffers.size() + 2);
  launch_slots_ = stack(b_.getPtrTy(), slots, 8);
  bind_buffers(request);
  emit_steps(program_.steps);

  call(b_, llvm::Intrinsic::x86_sse_ldmxcsr, {}, {saved});
  b_.CreateRet(b_.getInt32(0));

  b_.SetInsertPoint(failed_);
  call(b_, llvm::Intrinsic::x86_sse_ldmxcsr, {}, {saved});
  Value* error = field(request, call_error, b_.getPtrTy());
  auto* record = block("record");
  auto* leave = block("leave");
  b_.CreateCondBr(b_.CreateIsNull(error), leave, record);
  b_.SetInsertPoint(record);
  b_.CreateStore(failure_, error);
  b_.CreateStore(b_.getInt32(UINT32_MAX), b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), error, 4));
  b_.CreateBr(leave);
  b_.SetInsertPoint(leave);
  b_.CreateRet(failure_);
}

// ---- steps ------------------------------------------------------------------------------------------------------------

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

}  // namespace

void emit_entry(llvm::Module& module, const ir::Program& program, const Target& target, const std::string& entry) {
  EntryEmitter emitter(module, program, target, entry);
  emitter.emit_arena_bytes();
  emitter.emit();
}

}  // namespace tenon::codegen
