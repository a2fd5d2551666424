// The floating-point environment of compiled code: round to nearest, subnormals kept, traps masked. On x86-64 one register
// holds control and flags; on AArch64 they are two. Refuses to write control registers that hold the default already: such a
// write stalls the processor.
#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "tenon/codegen/llvm/control.h"
#include "tenon/codegen/llvm/entry.h"

namespace tenon::codegen {

using llvm::Value;

namespace {

constexpr uint32_t default_mxcsr = 0x1f80, mxcsr_control = 0xffc0;

ControlWord set_mxcsr(Builder& b, llvm::function_ref<Value*(llvm::Type*)> slot) {
  Value *saved = slot(b.getInt32Ty()), *standard = slot(b.getInt32Ty());
  call(b, llvm::Intrinsic::x86_sse_stmxcsr, {}, {saved});
  Value* control = b.CreateAnd(b.CreateLoad(b.getInt32Ty(), saved), b.getInt32(mxcsr_control));
  when(b, "mxcsr", b.CreateICmpNE(control, b.getInt32(default_mxcsr)), [&] {
    b.CreateStore(b.getInt32(default_mxcsr), standard);
    call(b, llvm::Intrinsic::x86_sse_ldmxcsr, {}, {standard});
  });
  return {saved, nullptr};
}

void set_fpcr_unless_default(Builder& b, Value* control, Value* value) {
  when(b, "fpcr", b.CreateICmpNE(control, b.getInt64(0)),
       [&] { call(b, llvm::Intrinsic::aarch64_set_fpcr, {}, {value}); });
}

}  // namespace

ControlWord set_control_word(Builder& b, Machine machine, llvm::function_ref<Value*(llvm::Type*)> slot) {
  if (machine == Machine::x86_64) return set_mxcsr(b, slot);
  ControlWord saved{call(b, llvm::Intrinsic::aarch64_get_fpcr, {}, {}),
                    call(b, llvm::Intrinsic::aarch64_get_fpsr, {}, {})};
  set_fpcr_unless_default(b, saved.control, b.getInt64(0));
  return saved;
}

void restore_control_word(Builder& b, Machine machine, const ControlWord& saved) {
  if (machine == Machine::x86_64) {
    call(b, llvm::Intrinsic::x86_sse_ldmxcsr, {}, {saved.control});
    return;
  }
  call(b, llvm::Intrinsic::aarch64_set_fpsr, {}, {saved.flags});
  set_fpcr_unless_default(b, saved.control, saved.control);
}

}  // namespace tenon::codegen
