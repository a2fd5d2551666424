// What a program asks of its host, as code of the entry: custom functions, checks, prints. A check is a comparison here; a print
// hands the environment its format and where its tensors lie.
// Refuses to know text: the environment makes it.
#include <algorithm>

#include "tenon/codegen/llvm/entry.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::Step;
using llvm::Value;

// The code of a step that failed.
Value* EntryEmitter::number_of(const Step& step) {
  const auto at = std::find(failing_steps_.begin(), failing_steps_.end(), &step);
  ensure(at != failing_steps_.end(), "a step that cannot fail has no number");
  return b_.getInt32(static_cast<uint32_t>(at - failing_steps_.begin() + 1));
}

void EntryEmitter::emit_call(const Step& step) {
  Value* slots = stack(b_.getPtrTy(), std::max<size_t>(1, step.operands.size()), 8);
  for (size_t k = 0; k < step.operands.size(); ++k)
    b_.CreateStore(pointer(step.operands[k]), b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), slots, k));
  llvm::Type *pointer = b_.getPtrTy(), *number = b_.getInt32Ty();
  auto* type = llvm::FunctionType::get(number, {pointer, pointer}, false);
  Value* callee = module_.getOrInsertFunction(step.custom, type).getCallee();
  Value* outputs = b_.CreateConstInBoundsGEP1_64(pointer, slots, step.operands.size() - step.outputs);
  const auto direct = [&] { return Values{b_.CreateCall(type, callee, {slots, outputs})}; };
  const auto hooked = [&] {
    auto* hook = llvm::FunctionType::get(number, {pointer, pointer, pointer, pointer}, false);
    return Values{b_.CreateCall(hook, call_custom_, {custom_context_, callee, slots, outputs})};
  };
  Value* result = choice(b_, "custom.direct", b_.CreateIsNull(call_custom_), direct, hooked)[0];
  fail_if(b_.CreateICmpNE(result, b_.getInt32(0)), number_of(step), step.origin,
          b_.CreateSExt(result, b_.getInt64Ty()));
}

void EntryEmitter::emit_check(const Step& step) {
  fail_if(b_.CreateNot(flag(step.operands.at(0))), number_of(step), step.origin);
}

// A tenon_printed for each operand, its extents beside it.
void EntryEmitter::emit_print(const Step& step) {
  llvm::Type *pointer = b_.getPtrTy(), *byte = b_.getInt8Ty(), *number = b_.getInt64Ty();
  const size_t count = step.operands.size();
  Value* list = stack(byte, std::max<uint64_t>(1, count) * printed_bytes, 8);
  for (size_t k = 0; k < count; ++k) {
    const ir::Type& type = step.types.at(k);
    Value* extents = stack(number, std::max<size_t>(1, type.shape.size()), 8);
    for (size_t d = 0; d < type.shape.size(); ++d)
      b_.CreateStore(value(type.shape[d]), b_.CreateConstInBoundsGEP1_64(number, extents, d));
    const auto put = [&](uint64_t offset, Value* v) {
      b_.CreateStore(v, b_.CreateConstInBoundsGEP1_64(byte, list, k * printed_bytes + offset));
    };
    put(printed_dtype, b_.getInt32(static_cast<uint32_t>(type.dtype)));
    put(printed_rank, b_.getInt32(static_cast<uint32_t>(type.shape.size())));
    put(printed_extents, extents);
    put(printed_data, this->pointer(step.operands[k]));
  }
  const std::string name = name_ + "_format_" + std::to_string(formats_++);
  auto* format = add_data(module_, name, llvm::ConstantDataArray::getString(context_, step.custom, true));
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {pointer, pointer, number, pointer, number}, false);
  Value* code = b_.CreateCall(
      type, field(env_, env_print_line, pointer),
      {env_, format, i64(static_cast<int64_t>(step.custom.size())), list, i64(static_cast<int64_t>(count))});
  fail_if(b_.CreateICmpNE(code, b_.getInt32(0)), code, step.origin);
}

void EntryEmitter::emit_custom(const Step& step) {
  switch (step.host) {
    case ir::Host::function: return emit_call(step);
    case ir::Host::check: return emit_check(step);
    case ir::Host::print: return emit_print(step);
    case ir::Host::ranks: return emit_ranks(step);
  }
}

}  // namespace tenon::codegen
