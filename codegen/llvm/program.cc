// The entry point: checks the call, computes extents and addresses, runs the steps. Everything is straight code over
// pointers in registers or on the stack; a launch costs a few stores and a call. A custom call is the C function
// `int32_t NAME(const void* const* inputs, void* const* outputs)`; zero is success.
// Refuses to allocate, and to know what kernels compute.
#include <algorithm>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/entry.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::Home;
using ir::ProgramBuffer;
using llvm::Value;

namespace {

// Behind the planned buffers: launches run one after the other, so they share it.
int64_t scratch_bytes(const ir::Program& program, const Target& target) {
  int64_t most = 0;
  for (const ir::Kernel& k : program.kernels) most = std::max(most, kernel_scratch_bytes(k, target));
  return most;
}

int64_t planned_bytes(const ir::Program& program) {
  return (program.arena_bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
}

}  // namespace

int64_t emitter::arena_bytes(const ir::Program& program, const Target& target) {
  return planned_bytes(program) + scratch_bytes(program, target);
}

std::string kernel_symbol(const std::string& entry, size_t k) { return entry + "_kernel_" + std::to_string(k); }

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
Values EntryEmitter::symbol_values(Value* dims) {
  const Symbols& table = *program_.symbols;
  Values all;
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

Value* EntryEmitter::checked_bytes(const ProgramBuffer& buffer) {
  if (buffer.shape.is_static()) return buffer_bytes(buffer);
  Value* total = i64(bytes(buffer.dtype));
  for (Dim d : buffer.shape) total = checked(llvm::Intrinsic::smul_with_overflow, total, value(d));
  return total;
}

// Symbolic programs: slots in order, each as large as the largest buffer in it.
Value* EntryEmitter::arena_offsets() {
  if (program_.is_static) return i64(planned_bytes(program_));
  uint32_t slots = 0;
  for (const ProgramBuffer& buffer : program_.buffers)
    if (buffer.home == Home::arena && buffer.arena_slot != UINT32_MAX) slots = std::max(slots, buffer.arena_slot + 1);
  Values sizes(slots, i64(0));
  for (const ProgramBuffer& buffer : program_.buffers) {
    if (buffer.home != Home::arena || buffer.arena_slot == UINT32_MAX) continue;
    Value*& size = sizes[buffer.arena_slot];
    size = emit_op(b_, ir::Op::max, DType::i64, DType::i64, {size, checked_bytes(buffer)});
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

EntryEmitter::Arena EntryEmitter::arena_bytes() {
  Value* planned = arena_offsets();
  for (const ProgramBuffer& buffer : program_.buffers)
    if (buffer.home == Home::input || buffer.home == Home::output) static_cast<void>(checked_bytes(buffer));
  if (program_.is_static) return {planned, b_.CreateAdd(planned, i64(scratch_bytes(program_, target_)))};
  return {planned, checked(llvm::Intrinsic::sadd_with_overflow, planned, i64(scratch_bytes(program_, target_)))};
}

// The size, or why no call with these extents can be right.
void EntryEmitter::emit_arena_bytes() {
  start(name_ + "_arena_bytes", b_.getInt64Ty());
  const auto refuse_if = [&](Value* condition, int32_t code) {
    if (known(condition) == 0) return;
    auto *refused = block("refused"), *next = block("next");
    b_.CreateCondBr(condition, refused, next);
    b_.SetInsertPoint(refused);
    b_.CreateRet(i64(code));
    b_.SetInsertPoint(next);
  };
  if (!program_.symbols->free_symbols().empty()) refuse_if(b_.CreateIsNull(function_->getArg(0)), bad_call);
  if (!program_.is_static) symbols_ = symbol_values(function_->getArg(0));
  const Arena arena = arena_bytes();
  refuse_if(outside_, bad_extent);
  b_.CreateRet(arena.whole);
}

Value* EntryEmitter::constant_data(const ProgramBuffer& buffer) {
  const std::string name = name_ + "_constant_" + std::to_string(buffer.slot);
  if (llvm::GlobalVariable* known = module_.getNamedGlobal(name)) return known;
  const std::string& raw = program_.constants.at(buffer.slot);
  auto* global = add_data(module_, name, llvm::ConstantDataArray::getString(context_, raw, false));
  global->setAlignment(llvm::Align(64));
  return global;
}

// Inputs that lie beside the code: one placeholder stands for the section that put_constants fills.
Value* EntryEmitter::stored_data(const ProgramBuffer& buffer) {
  const std::string name = name_ + "_constants";
  llvm::GlobalVariable* all = module_.getNamedGlobal(name);
  if (!all) {
    all = add_data(module_, name, llvm::ConstantAggregateZero::get(llvm::ArrayType::get(b_.getInt8Ty(), 64)));
    all->setAlignment(llvm::Align(64));
    all->setSection(constants_section);
  }
  const size_t first = program_.inputs.size() - options_.stored.size();
  return b_.CreatePtrAdd(all, i64(options_.stored.at(buffer.slot - first)));
}

Value* EntryEmitter::misaligned(Value* pointer, int64_t alignment) {
  if (alignment == 1) return b_.getFalse();
  return b_.CreateICmpNE(b_.CreateAnd(b_.CreatePtrToInt(pointer, b_.getInt64Ty()), i64(alignment - 1)), i64(0));
}

void EntryEmitter::bind_buffers(Value* request) {
  Value* inputs = inputs_ = field(request, call_inputs, b_.getPtrTy());
  Value* outputs = outputs_ = field(request, call_outputs, b_.getPtrTy());
  Value* arena = arena_ = field(request, call_arena, b_.getPtrTy());
  Value* code = b_.getInt32(static_cast<uint32_t>(bad_call));
  const Arena size = arena_bytes();
  fail_if(outside_, b_.getInt32(static_cast<uint32_t>(bad_extent)));
  scratch_ = b_.CreateGEP(b_.getInt8Ty(), arena, size.planned);
  const auto null = [&](Value* p) { return b_.CreateIsNull(p); };
  Value* bad = b_.CreateAnd(null(arena), b_.CreateICmpSGT(size.whole, i64(0)));
  bad = b_.CreateOr(bad, misaligned(arena, arena_alignment));
  if (program_.inputs.size() > options_.stored.size()) bad = b_.CreateOr(bad, null(inputs));
  if (!program_.outputs.empty()) bad = b_.CreateOr(bad, null(outputs));
  fail_if(bad, code);
  const bool listed = program_.inputs.size() + program_.outputs.size() > listed_from;
  bad = listed ? b_.CreateOr(some_missing(inputs, Home::input), some_missing(outputs, Home::output)) : b_.getFalse();
  for (const ProgramBuffer& buffer : program_.buffers) {
    Value* p = nullptr;
    switch (buffer.home) {
      case Home::input:
      case Home::output:
        if (is_stored(buffer)) {
          p = stored_data(buffer);
          break;
        }
        if (listed && buffer.shape.is_static()) break;
        p = field(buffer.home == Home::input ? inputs : outputs, 8 * uint64_t{buffer.slot}, b_.getPtrTy());
        bad = b_.CreateOr(bad, b_.CreateAnd(null(p), b_.CreateICmpSGT(buffer_bytes(buffer), i64(0))));
        bad = b_.CreateOr(bad, misaligned(p, bytes(buffer.dtype)));
        break;
      case Home::arena: {
        Value* offset =
            program_.is_static || buffer.arena_slot == UINT32_MAX ? i64(buffer.offset) : offsets_[buffer.arena_slot];
        if (program_.is_static) ensure(buffer.offset >= 0, "an arena buffer has no offset");
        p = b_.CreateGEP(b_.getInt8Ty(), arena, offset);
        break;
      }
      case Home::constant: p = constant_data(buffer); break;
    }
    pointers_.push_back(p);
  }
  fail_if(bad, code);
}

// All failures leave by one block, whose PHIs collect their codes, the node and what its function returned.
void EntryEmitter::fail_if(Value* condition, Value* code, uint32_t node, Value* value) {
  if (known(condition) == 0) return;
  auto* next = block("next");
  failure_->addIncoming(code, b_.GetInsertBlock());
  if (failed_node_) {
    failed_node_->addIncoming(b_.getInt32(node), b_.GetInsertBlock());
    failed_value_->addIncoming(value ? value : i64(0), b_.GetInsertBlock());
  }
  b_.CreateCondBr(condition, failed_, next);
  b_.SetInsertPoint(next);
}

void EntryEmitter::write_error(Value* request) {
  Value* error = field(request, call_error, b_.getPtrTy());
  const auto put = [&](uint64_t offset, Value* v) {
    b_.CreateStore(v, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), error, offset));
  };
  when(b_, "record", b_.CreateIsNotNull(error), [&] {
    put(error_code, failure_);
    put(error_node, failed_node_ ? failed_node_ : static_cast<Value*>(b_.getInt32(UINT32_MAX)));
    put(error_values, failed_value_ ? failed_value_ : i64(0));
  });
}

// No call, or one from an older header: without an environment, and without a place for the error.
void EntryEmitter::refuse_strangers(Value* request) {
  auto *present = block("present"), *refused = block("refused"), *sized = block("sized");
  b_.CreateCondBr(b_.CreateIsNull(request), refused, present);
  b_.SetInsertPoint(refused);
  b_.CreateRet(b_.getInt32(static_cast<uint32_t>(bad_call)));
  b_.SetInsertPoint(present);
  Value* size = field(request, call_size, b_.getInt64Ty());
  b_.CreateCondBr(b_.CreateICmpULT(size, i64(call_bytes)), refused, sized);
  b_.SetInsertPoint(sized);
}

namespace {

// What steps ask of the environment, beside its pool.
struct Needs {
  bool print_line = false, call_custom = false;
};
Needs needs_of(const std::vector<ir::Step>& steps) {
  Needs needs;
  std::vector<const std::vector<ir::Step>*> open = {&steps};
  while (!open.empty()) {
    const std::vector<ir::Step>& list = *open.back();
    open.pop_back();
    for (const ir::Step& s : list) {
      needs.print_line |= s.kind == ir::StepKind::custom && s.host == ir::Host::print;
      needs.call_custom |= s.kind == ir::StepKind::custom && s.host == ir::Host::function;
      for (const auto* inner : {&s.condition, &s.body, &s.otherwise}) open.push_back(inner);
    }
  }
  return needs;
}

}  // namespace

// The pool, and how custom functions are called where the environment is new enough to say so.
void EntryEmitter::bind_environment(Value* request) {
  Value* bad = b_.getInt32(static_cast<uint32_t>(bad_call));
  llvm::Type* pointer = b_.getPtrTy();
  env_ = field(request, call_env, pointer);
  fail_if(b_.CreateIsNull(env_), bad);
  Value* size = field(env_, env_size, b_.getInt64Ty());
  fail_if(b_.CreateICmpULT(size, i64(env_bytes)), bad);
  threads_ = field(env_, env_threads, b_.getInt32Ty());
  Value* no_pool = b_.CreateIsNull(field(env_, env_parallel_for, pointer));
  fail_if(b_.CreateAnd(no_pool, b_.CreateICmpSGT(threads_, b_.getInt32(1))), bad);
  const Needs needs = needs_of(program_.steps);
  if (needs.print_line) {
    Value* old = b_.CreateICmpULT(size, i64(env_print_bytes));
    fail_if(old, bad);
    fail_if(b_.CreateIsNull(field(env_, env_print_line, pointer)), bad);
  }
  if (ir::fewest_ranks(program_) > 0) {
    fail_if(b_.CreateICmpULT(size, i64(env_ranks_bytes)), bad);
    fail_if(b_.CreateIsNull(field(env_, env_ranks, pointer)), bad);
  }
  if (!needs.call_custom) return;
  Value* null = llvm::ConstantPointerNull::get(b_.getPtrTy());
  const Values hook = when(b_, "hook", b_.CreateICmpUGE(size, i64(env_custom_bytes)), {null, null}, [&] {
    return Values{field(env_, env_call_custom, pointer), field(env_, env_custom_context, pointer)};
  });
  call_custom_ = hook[0];
  custom_context_ = hook[1];
}

void EntryEmitter::emit() {
  start(name_, b_.getInt32Ty());
  Value* request = function_->getArg(0);
  failed_ = block("failed");
  failure_ = llvm::PHINode::Create(b_.getInt32Ty(), 4, "code", failed_);
  if (!failing_steps_.empty()) {
    failed_node_ = llvm::PHINode::Create(b_.getInt32Ty(), 4, "node", failed_);
    failed_value_ = llvm::PHINode::Create(b_.getInt64Ty(), 4, "value", failed_);
  }
  refuse_strangers(request);
  const Machine machine = machine_of(target_.cpu());
  // First, so that every way out restores it.
  const ControlWord saved = set_control_word(b_, machine, [&](llvm::Type* type) { return stack(type, 1, 8); });

  Value* bad = b_.getInt32(static_cast<uint32_t>(bad_call));
  bind_environment(request);
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

  restore_control_word(b_, machine, saved);
  b_.CreateRet(b_.getInt32(0));

  b_.SetInsertPoint(failed_);
  restore_control_word(b_, machine, saved);
  write_error(request);
  b_.CreateRet(failure_);
}

void emit_entry(llvm::Module& module, const ir::Program& program, const Target& target, const Options& options) {
  EntryEmitter emitter(module, program, target, options);
  emitter.emit_arena_bytes();
  emitter.emit();
}

}  // namespace tenon::codegen
