// One kernel as one LLVM function: int32 NAME(ptr context, i64 begin, i64 end), where context points to the buffer
// pointers and, after them, to the values of the program's symbols and to the launch's scratch memory where it needs some.
// Kernels whose only statement with an effect is a parallel loop run its iterations [begin, end); every other kernel is
// called once with (0, 1).
//
// Logical vectors have 16 lanes of every dtype; the main part of a loop may run several of them at once as one wider
// vector, which LLVM splits into machine registers. Refuses to run LLVM passes and to know programs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tenon/codegen/llvm/partial.h"
#include "tenon/codegen/llvm/short_row.h"
#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/kernel.h"

namespace tenon::codegen {

// The dimension of a kernel that threads share. Without one the kernel runs once, as (0, 1).
struct KernelRange {
  bool shared = false;
  uint32_t instruction = 0;  // the loop or contraction
  int64_t grain = 1;
};
KernelRange kernel_range(const ir::Kernel& kernel);

// Scratch memory that a launch of the kernel needs; its first 8 bytes are zero when the launch begins.
int64_t kernel_scratch_bytes(const ir::Kernel& kernel, const Target& target);

class KernelEmitter {
 public:
  KernelEmitter(llvm::Module& module, const ir::Kernel& kernel, const Target& target);
  llvm::Function* emit(const std::string& symbol);
  // The number of iterations that threads share, computed at b's insertion point from the symbol values (an i64 array).
  llvm::Value* emit_total(Builder& b, llvm::Value* symbol_values);

 private:
  // A scalar of the kernel as the code at hand has it. While a vector loop is emitted, lane l stands for iteration
  // position + l; an affine value is base + step * (position + lane), an i64 whose lanes are not materialised.
  struct Lowered {
    enum Kind : uint8_t { none, uniform, affine, vector } kind = none;
    llvm::Value* value = nullptr;  // the value; an affine value's base
    llvm::Value* step = nullptr;
  };
  // Where a vector loop stands.
  struct Lanes {
    unsigned width = 1;
    llvm::Value* position = nullptr;
    llvm::Value* mask = nullptr;  // null: every lane is active
    bool aligned = false;  // the position is a multiple of the width
  };

  // llvm/kernel.cc: frame, blocks, single instructions
  void open(llvm::Function* function);
  void load_context(llvm::Value* context);  // the pointers to the buffers, the symbols and the scratch memory
  void emit_block(ir::BlockId block);
  void emit_instruction(const ir::Instruction& i);
  void emit_scalar(const ir::Instruction& i);
  void emit_rare(const ir::Instruction& i);
  llvm::Value* uniform(ir::ScalarId v);
  llvm::Value* wide(ir::ScalarId v);  // as a vector of lanes_.width, or a single value when that is 1
  llvm::Value* wide(const Lowered& v);
  void define(ir::ScalarId v, llvm::Value* value);
  static ir::ScalarId result(const ir::Instruction& i, size_t k) {
    return ir::ScalarId{ir::index(i.first_result) + static_cast<uint32_t>(k)};
  }
  void define_index(ir::ScalarId v);  // the index of the vector loop being emitted
  llvm::Value* extent_value(Dim d);
  llvm::Value* entry_slot(llvm::Type* type, uint64_t count, uint64_t alignment);  // stack memory of the whole call
  int64_t weight(ir::BlockId block) const;  // instructions inside, nested ones too
  bool contains(ir::BlockId block, bool (*test)(const ir::Instruction&)) const;
  llvm::BasicBlock* new_block(const char* name);
  llvm::Value* i64(int64_t v) { return b_.getInt64(static_cast<uint64_t>(v)); }
  llvm::Value* plus(llvm::Value* x, llvm::Value* y);  // i64, folding 0
  llvm::Value* times(llvm::Value* x, llvm::Value* y);  // i64, folding 0 and 1

  // llvm/scaled.cc: x 2^n, and what the code asks for at all
  bool has_scaling() const;  // whether the machine has an instruction for it
  bool has_masks() const;  // whether lanes of conditions are registers of their own
  void emit_scaled(const ir::Instruction& i);
  void find_needed();
  bool is_needed(const ir::Instruction& i) const;

  // llvm/index_division.cc: indices of a vector loop divided by a number
  void find_bounds();
  std::optional<int64_t> most_of(ir::ScalarId v, bool not_negative, int depth) const;
  bool divide_index(const ir::Instruction& i);  // whether it did

  // llvm/loop.cc: loops
  void emit_loop(const ir::Instruction& i, llvm::Value* begin, llvm::Value* end);
  void emit_serial(const ir::Instruction& i, llvm::Value* begin, llvm::Value* end);
  void emit_repeat(const ir::Instruction& i, llvm::Value* begin, Values initial,
                   llvm::function_ref<Values(llvm::Value*, ValueRefs)> round);
  void emit_vector(const ir::Instruction& i, llvm::Value* begin, llvm::Value* end);
  void emit_lanes_at(const ir::Instruction& i, llvm::Value* position, int64_t width, bool aligned,
                     llvm::Value* mask = nullptr);
  void emit_tail_at(const ir::Instruction& i, llvm::Value* position, llvm::Value* end, bool aligned);
  int64_t main_lanes(const ir::Instruction& i) const;
  bool can_vectorise(const ir::Instruction& i);
  void mark_varying(ir::BlockId block, ir::ScalarId index);
  bool mark_block(ir::BlockId block);
  bool varies(ir::ScalarId v) const { return varying_[ir::index(v)] != 0; }

  // llvm/pieces.cc: loops that end where what guards their loads changes
  struct Guard {
    const ir::Instruction* comparison;
    ir::ScalarId bound, offset;  // index + offset (none: no_scalar) compared with bound
    bool before;  // what it is before index + offset comes to bound
  };
  bool find_guard(ir::ScalarId comparison, ir::BlockId body, std::vector<Guard>& guards) const;
  std::vector<Guard> guards_of(ir::BlockId body) const;
  bool emit_pieces(const ir::Instruction& loop, llvm::Value* begin, llvm::Value* end);

  // llvm/memory.cc: loads and stores
  struct Address {
    Lowered::Kind kind = Lowered::uniform;  // uniform: one element; affine: step elements from lane to lane
    llvm::Value* pointer = nullptr;  // of lane 0, or a vector of pointers
    llvm::Value* step = nullptr;
    bool contiguous = false;
  };
  void emit_load(const ir::Instruction& i);
  llvm::Value* load_masked(llvm::Value* pointer, llvm::Type* type, llvm::Align align, llvm::Value* mask);
  llvm::Value* load_apart(llvm::Value* pointer, llvm::Type* type, unsigned step, llvm::Align align);

  // llvm/turned.cc: loads whose elements lie far apart from lane to lane, but side by side from round to round of the loop in it
  bool is_square(const ir::Instruction& loop) const;
  bool contains_square(ir::BlockId block) const;  // at its outermost level
  bool is_turned(const ir::Instruction& load, const ir::Instruction& loop) const;
  bool writes(ir::BlockId block, ir::BufferId buffer) const;
  void emit_turned(const ir::Instruction& loop);
  llvm::Value* load_turned(const ir::Instruction& load, llvm::Type* type);

  // llvm/short_row.cc: rows of a few elements whose numbers are lanes
  int64_t row_length(const ir::Instruction& i, int64_t& place) const;
  void find_short_rows(ir::BlockId block);
  llvm::Value* mask_of_run(int64_t t, int64_t length);
  bool load_short_row(const ir::Instruction& i, const Address& a, llvm::Type* type);
  bool store_short_row(const ir::Instruction& i, const Address& a, llvm::Type* type, llvm::Value* data);

  void emit_store(const ir::Instruction& i);
  Address address(ir::BufferId buffer, llvm::ArrayRef<ir::ScalarId> index);
  Values lane_pointers(const Address& a, llvm::Value* mask);
  bool same_divisor(ir::ScalarId row, ir::ScalarId column, Dim extent, ir::ScalarId& flat) const;
  llvm::Value* spare();
  llvm::Value* buffer_stride(ir::BufferId buffer, size_t dimension);
  void declare_scratch(ir::BufferId buffer);

  // llvm/nontemporal.cc: loops that write past the caches
  llvm::Value* peel(const ir::Instruction& loop, llvm::Value* begin, llvm::Value* end);
  void fetch_ahead(llvm::Value* pointer, int64_t count);  // bytes
  void emit_aligned(const ir::Instruction& i, llvm::Value* begin, llvm::Value* first, llvm::Value* end);

  // llvm/reduce.cc: reductions in the contract's order
  void emit_reduce(const ir::Instruction& i);
  void emit_row_reduce(const ir::Instruction& i);  // over 16 lanes
  void emit_chain_reduce(const ir::Instruction& i);  // one element after the other, in every lane of the enclosing loop
  Partial row_blocks(const ir::Instruction& i, llvm::Value* first, llvm::Value* count, unsigned blocks, bool edges);
  Partial row_element(const ir::Instruction& i, llvm::Value* position, llvm::Value* mask);
  Partial chain_block(const ir::Instruction& i, llvm::Value* first, llvm::Value* end);
  Partial chain_element(const ir::Instruction& i, llvm::Value* position, bool placed);
  Partial striped_block(const ir::Instruction& i, llvm::Value* first, llvm::Value* end);
  Combines combines_of(const ir::Instruction& i) const;
  Partial yielded(const ir::Instruction& i, bool placed);
  void finish_reduce(const ir::Instruction& i, const Partial& p, llvm::Value* extent);

  // llvm/reduce_tree.cc: partial results of aligned runs of blocks, as a binary counter: equals joining neighbours level by
  // level
  struct Stack {
    Values parts;  // memory of one partial per level
    llvm::Value *depth = nullptr, *blocks = nullptr;  // memory of two i64
  };
  Stack open_stack(const Combines& c, unsigned width);
  Values join_below(const Combines& c, const Stack& stack, const Partial& newer, llvm::Value* level);
  void push(const Combines& c, const Stack& stack, const Partial& p, int64_t blocks);
  Partial collapse(const Combines& c, const Stack& stack, unsigned width);
  Values partial_slots(const Partial& like, uint64_t count);  // memory of `count` partials
  Partial load_partial(ValueRefs slots, llvm::Value* number, const Partial& like);
  void store_partial(ValueRefs slots, llvm::Value* number, const Partial& p);

  // llvm/contract: contractions
  friend class ContractEmitter;
  void emit_contract(const ir::Instruction& i, llvm::Value* begin, llvm::Value* end);
  llvm::Value* contract_total(const ir::Instruction& i);

  llvm::Module& module_;
  const ir::Kernel& kernel_;
  const Target& target_;
  llvm::LLVMContext& context_;
  Builder b_;
  Builder entry_;  // writes into the entry block, before its branch
  llvm::Function* function_ = nullptr;
  llvm::Value* symbols_ = nullptr;
  llvm::Value* scratch_ = nullptr;  // memory shared by all pieces of a launch; null when there is none
  Values pointers_;  // per buffer
  Values extents_;  // per symbol, loaded once
  std::vector<Lowered> values_;  // per scalar
  std::vector<ir::ScalarId> bound_;  // per scalar: the extent that an index stays below
  std::vector<uint8_t> varying_;  // per scalar: differs between the lanes of the vector loop at hand
  Lanes lanes_;
  struct Turned {
    llvm::Value* memory = nullptr;  // what the load reads, round by round
    ir::ScalarId round{};
  };
  std::unordered_map<const ir::Instruction*, Turned> turned_;  // of the loop at hand
  std::unordered_map<const ir::Instruction*, std::shared_ptr<ShortRow>> short_rows_;  // of the vector loop at hand
  llvm::Value* spare_ = nullptr;  // memory that inactive lanes read and write
  bool nontemporal_used_ = false;
  bool nontemporal_ = false;  // inside the aligned main part of a loop
  std::vector<const ir::Instruction*>
      aligned_stores_;  // that the main part of the loop at hand may write past the caches
  std::vector<uint8_t> needed_;  // per scalar: something asks for it
  std::unordered_map<const ir::Instruction*, bool> decided_;  // comparisons whose result is known in the piece at hand
};

}  // namespace tenon::codegen
