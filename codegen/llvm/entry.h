// The writer of a program's entry point: one object per entry, its state while it writes, and the C interface's layout.
// codegen/llvm/program.cc writes what stands around the steps, codegen/llvm/steps.cc the steps. Internal to codegen.
#pragma once

#include <llvm/IR/Module.h>

#include <span>
#include <string>
#include <vector>

#include "tenon/codegen/llvm/kernel.h"
#include "tenon/codegen/llvm/program.h"
#include "tenon/codegen/llvm/target.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

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
enum EnvField : uint64_t {
  env_size = 0,
  env_pool = 8,
  env_parallel_for = 16,
  env_threads = 32,
  env_call_custom = 40,
  env_custom_context = 48,
  env_print_line = 56,
  env_ranks = 64
};
constexpr uint64_t env_bytes = 40;  // at least
constexpr uint64_t env_custom_bytes = 56;  // of an environment that may call custom functions
constexpr uint64_t env_print_bytes = 64;  // of one that can print
enum PrintedField : uint64_t { printed_dtype = 0, printed_rank = 4, printed_extents = 8, printed_data = 16 };
constexpr uint64_t printed_bytes = 24;
constexpr uint64_t env_ranks_bytes = 72;  // of an environment that may know other ranks
enum RanksField : uint64_t {
  ranks_world = 8,
  ranks_rank = 16,
  ranks_start = 24,
  ranks_finish = 32,
  ranks_progress = 40
};  // tenon_ranks.h
enum CollectiveField : uint64_t {
  collective_size = 0,
  collective_kind = 8,
  collective_combine = 12,
  collective_dtype = 16,
  collective_group = 20,
  collective_stride = 24,
  collective_root = 28,
  collective_to = 32,
  collective_from = 36,
  collective_count = 40,
  collective_pairs = 48,
  collective_pair_count = 56,
  collective_digest = 64,
  collective_where = 72
};
constexpr uint64_t collective_bytes = 80;
enum ErrorField : uint64_t { error_code = 0, error_node = 4, error_values = 8 };
constexpr int64_t arena_alignment = 64;
constexpr size_t listed_from = 64;  // inputs and outputs: more are checked by a loop, and read where they are used

// Data of the module's own that nobody writes, under a name that is not taken.
inline llvm::GlobalVariable* add_data(llvm::Module& module, const std::string& name, llvm::Constant* data) {
  ensure(module.getNamedGlobal(name) == nullptr, "two pieces of data of one name");
  auto* global = llvm::cast<llvm::GlobalVariable>(module.getOrInsertGlobal(name, data->getType()));
  global->setInitializer(data);
  global->setConstant(true);
  global->setLinkage(llvm::GlobalValue::InternalLinkage);
  return global;
}

// The caller's floating-point environment: the default one is set, and what was found put back, flags included
// (codegen/llvm/control_word.cc).
struct ControlWord {
  llvm::Value *control = nullptr, *flags = nullptr;
};
ControlWord set_control_word(Builder& b, Machine machine, llvm::function_ref<llvm::Value*(llvm::Type*)> slot);
void restore_control_word(Builder& b, Machine machine, const ControlWord& saved);

class EntryEmitter {
 public:
  EntryEmitter(llvm::Module& module, const ir::Program& program, const Target& target, const Options& options)
      : module_(module),
        program_(program),
        target_(target),
        options_(options),
        name_(options.entry),
        context_(module.getContext()),
        b_(context_),
        failing_steps_(ir::failing_steps(program)) {}
  void emit_arena_bytes();
  void emit();

 private:
  llvm::Value* i64(int64_t v) { return b_.getInt64(static_cast<uint64_t>(v)); }
  llvm::BasicBlock* block(const char* name) { return llvm::BasicBlock::Create(context_, name, function_); }
  llvm::Value* field(llvm::Value* record, uint64_t offset, llvm::Type* type) {
    return b_.CreateLoad(type, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), record, offset));
  }
  llvm::Value* stack(llvm::Type* type, uint64_t count, uint64_t alignment);
  void start(const std::string& name, llvm::Type* result);
  llvm::Value* checked(llvm::Intrinsic::ID operation, llvm::Value* a, llvm::Value* b);
  Values symbol_values(llvm::Value* dims);
  llvm::Value* value(Dim d) { return d.is_number() ? i64(d.number()) : symbols_[d.index()]; }
  llvm::Value* buffer_bytes(const ir::ProgramBuffer& buffer);
  llvm::Value* checked_bytes(const ir::ProgramBuffer& buffer);  // notes in outside_ what does not fit into 63 bits
  llvm::Value* arena_offsets();  // fills offsets_, gives the bytes of the planned buffers
  struct Arena {
    llvm::Value *planned, *whole;  // bytes of the planned buffers, and of all that the caller must bring
  };
  Arena arena_bytes();  // notes in outside_ whether any buffer is too large
  void bind_buffers(llvm::Value* request);
  llvm::Value* misaligned(llvm::Value* pointer, int64_t alignment);
  bool is_stored(const ir::ProgramBuffer& buffer) const {
    return buffer.home == ir::Home::input && buffer.slot >= program_.inputs.size() - options_.stored.size();
  }
  llvm::Value* stored_data(const ir::ProgramBuffer& buffer);
  llvm::Value* constant_data(const ir::ProgramBuffer& buffer);
  llvm::Value* pointer(uint32_t buffer);
  llvm::Value* pointer(const ir::Operand& operand);
  llvm::Value* flag(const ir::Operand& operand);
  void refuse_strangers(llvm::Value* request);
  void bind_environment(llvm::Value* request);
  void fail_if(llvm::Value* condition, llvm::Value* code, uint32_t node = UINT32_MAX, llvm::Value* value = nullptr);
  void write_error(llvm::Value* request);
  void emit_steps(const std::vector<ir::Step>& steps);
  void emit_launch(const ir::Step& step);
  void fill_slots(const ir::Step& step, const ir::Kernel& kernel, llvm::Value* slots);
  struct Touched;  // codegen/llvm/beside.cc
  Touched touched(const ir::Step& step) const;
  int64_t known_units(const ir::Kernel& kernel) const;
  size_t together(const std::vector<ir::Step>& steps, size_t from) const;
  llvm::Function* beside_function();
  llvm::Value* beside_ = nullptr;  // the table of what runs together, and its slots
  void emit_together(std::span<const ir::Step> steps);
  llvm::Function* kernel_function(uint32_t number);
  llvm::Value* call_kernel(const KernelRange& range, llvm::Function* callee, llvm::Value* total);
  llvm::Value* run_shared(llvm::Function* callee, llvm::Value* context, llvm::Value* total, llvm::Value* grain);
  llvm::Value* writes_something(const ir::Kernel& kernel);
  void emit_loop(const ir::Step& step);
  void emit_branch(const ir::Step& step);
  void emit_custom(const ir::Step& step);  // codegen/llvm/host.cc
  void emit_call(const ir::Step& step);
  void emit_check(const ir::Step& step);
  void emit_print(const ir::Step& step);
  void emit_ranks(const ir::Step& step);  // codegen/llvm/ranks.cc
  void emit_rank_index(const ir::Step& step);
  llvm::Value* collective(const ir::Step& step);
  void emit_progress();
  size_t started_ = 0;  // collectives that are not finished
  std::vector<llvm::Value*> pending_;  // by number, where a collective that was started keeps what it waits for
  llvm::Value* number_of(const ir::Step& step);
  size_t formats_ = 0;  // of prints that there are
  void emit_carries(const ir::Step& step);
  llvm::Value* copied_bytes(const ir::Step& step);
  bool fits_table(const ir::Step& step) const;  // codegen/llvm/copies.cc
  size_t tables_ = 0, row_loops_ = 0;  // of copies that there are
  size_t table_length(const std::vector<ir::Step>& steps, size_t first) const;
  void emit_copy_table(std::span<const ir::Step> steps);
  llvm::Value* some_missing(llvm::Value* list, ir::Home home);
  void copy(llvm::Value* to, llvm::Value* from, llvm::Value* bytes);
  void copy_shared(llvm::Value* to, llvm::Value* from, llvm::Value* bytes);
  llvm::Function* chunk_function(const char* what,
                                 llvm::function_ref<void(llvm::Value*, llvm::Value*, llvm::Value*)> body);
  bool copies_rows(const ir::Step& loop) const;
  void emit_rows(const ir::Step& loop);

  struct Loop {
    llvm::Value* index = nullptr;
    llvm::Value* trips = nullptr;  // null for a conditional loop
  };
  llvm::Module& module_;
  const ir::Program& program_;
  const Target& target_;
  const Options& options_;
  const std::string& name_;
  llvm::LLVMContext& context_;
  Builder b_;
  const std::vector<const ir::Step*> failing_steps_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  llvm::BasicBlock* failed_ = nullptr;
  llvm::PHINode* failure_ = nullptr;
  llvm::PHINode *failed_node_ = nullptr, *failed_value_ = nullptr;  // of a step that failed; null where none can
  Values symbols_, offsets_, pointers_;  // no pointer to an input or output of long lists: it is read where it is used
  llvm::Value *inputs_ = nullptr, *outputs_ = nullptr, *arena_ = nullptr;
  llvm::Value* outside_ = nullptr;  // whether the extents lie outside their bounds, or what follows from them does
  llvm::Value* symbol_array_ = nullptr;
  llvm::Value* launch_slots_ = nullptr;
  llvm::Value* scratch_ = nullptr;
  llvm::Value* env_ = nullptr;
  llvm::Value* threads_ = nullptr;
  llvm::Value *call_custom_ = nullptr, *custom_context_ = nullptr;  // null where there is no custom call
  std::vector<Loop> loops_;
};

}  // namespace tenon::codegen
