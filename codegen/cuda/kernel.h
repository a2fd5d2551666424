// Renders one kernel as CUDA C++ on top of the prelude (codegen/cuda/prelude.h), the way that its plan says
// (codegen/cuda/plan.h), and contractions the way of theirs (codegen/cuda/contract_plan.h).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/contract_plan.h"
#include "tenon/codegen/cuda/plan.h"

namespace tenon::codegen {

class CudaKernel {
 public:
  CudaKernel(const ir::Kernel& kernel, const Target& target, std::span<const int64_t> alignment, bool lines)
      : kernel_(kernel),
        target_(target),
        alignment_(alignment),
        index_(kernel),
        planner_(kernel, index_, alignment),
        lines_(lines),
        numbers_(kernel.scalars.size(), 0) {}
  CudaSource emit();

 private:
  // Who runs a piece of code: all threads of a team alike, or one thread on its own.
  enum class Team : uint8_t { group, thread };

  // cuda/kernel.cc: frame, names, blocks, single instructions
  CudaSource refuse(const std::string& reason) const;
  std::string head() const;
  void use_symbol(Dim d);
  std::string dim(Dim d) const;
  std::string divisor(Dim d);
  std::string buffer(ir::BufferId b) const;
  std::string define(ir::ScalarId v);  // its new name
  void define_as(ir::ScalarId v, const std::string& value);  // a line of its own
  static ir::ScalarId result(const ir::Instruction& i, size_t k) {
    return ir::ScalarId{ir::index(i.first_result) + static_cast<uint32_t>(k)};
  }
  ir::ScalarId argument(const ir::Instruction& loop, size_t k = 0) const {
    return kernel_.blocks[ir::index(loop.blocks[0])].arguments[k];
  }
  void line(const std::string& text);
  void open(const std::string& text);
  void close(const std::string& end = "}");
  void emit_block(ir::BlockId block, Team team);
  void emit_pure(ir::BlockId block, Team team);  // the instructions without effect alone
  void emit_instruction(const ir::Instruction& i, Team team);
  void mark(const ir::Instruction& i);  // its node, where that is another one
  void emit_rare(const ir::Instruction& i, Team team);
  // What is defined in a block and needed for a scalar, as far as it is not done.
  void emit_needed(ir::ScalarId v, ir::BlockId block, std::set<const ir::Instruction*>& done);

  // cuda/scalar.cc: scalars, whole numbers of 32 bits
  const ir::Instruction* defining(ir::ScalarId v, ir::KernelOp kind) const;
  std::string type(ir::ScalarId v) const;  // that it is held in
  std::string use(ir::ScalarId v) const;  // its name, or what it is spelled as
  std::string wide(ir::ScalarId v) const;  // the same, as its dtype
  std::string divided(const ir::Instruction& i, bool narrow);
  std::string whole(const ir::Instruction& i);
  void emit_scalar(const ir::Instruction& i);

  // cuda/grid.cc: how the grid's threads are dealt to
  void emit_body();
  void emit_elements();
  void emit_columns();
  void emit_tile();
  void emit_lanes();
  void emit_rows();
  struct Count {  // of iterations that are dealt
    std::string text;  // without a sign
    bool narrow = true;
    int64_t known = -1;  // what it is, where it is a number
    std::string as() const { return narrow ? "u32" : "u64"; }
  };
  Count count(std::initializer_list<ir::ScalarId> extents) const;
  Count parts(const Count& count, int64_t each) const;  // rounded up
  void open_grid(const Count& count, int64_t per_block, const std::string& inside);
  void deal(const std::vector<std::pair<std::vector<ir::ScalarId>, int64_t>>& parts);
  void unflatten(const Count& count, ir::ScalarId by, int pack);  // `at` into the indices of both loops
  bool count_of(ir::ScalarId v, std::vector<CudaFactor>& factors) const;

  // cuda/loop.cc: loops inside teams and threads
  void emit_loop(const ir::Instruction& i, Team team);
  void emit_packed_loop(const ir::Instruction& i, const CudaPack& pack);
  void emit_packed(ir::BlockId block, const CudaPack& pack, const std::string& left,
                   const std::function<void()>& each = {});

  // cuda/memory.cc: loads, stores, scratch memory, barriers
  std::string offset(const ir::Instruction& i) const;
  std::string element(const ir::Instruction& i) const { return buffer(i.buffer) + "[" + offset(i) + "]"; }
  std::string address(const ir::Instruction& i) const { return buffer(i.buffer) + " + " + offset(i); }
  void emit_load(const ir::Instruction& i);
  void emit_store(const ir::Instruction& i, Team team);
  void declare_scratch(const ir::Instruction& i, Team team);
  void barrier();
  std::string rank() const { return plan_.team == plan_.threads ? "threadIdx.x" : "rank"; }
  bool shares_memory(ir::BlockId block) const;
  std::string element_count(const Shape& shape) const;

  // cuda/reduce.cc: reductions in the contract's order
  struct Parts {  // how a running result is spelled
    std::string type, declaration, identity, empty, join;
  };
  void emit_reduce(const ir::Instruction& i, Team team);
  std::string reduce_call(const ir::Instruction& i, Team team, int pack) const;
  Parts parts_of(const ir::Instruction& i, const std::string& index) const;
  std::string yielded(const ir::Instruction& i, const Parts& p) const;

  // cuda/contract.cc: contractions
  const ir::Instruction* only_contract() const;
  void emit_contract_grid(const ir::Instruction& i);
  void emit_contract(const ir::Instruction& i, Team team);
  void contract_lambdas(const ir::Instruction& i, const CudaContractPlan& p);
  void contract_lambda(const std::string& name, ir::BlockId block, ir::ScalarId result,
                       const ir::Instruction* address_of);

  const ir::Kernel& kernel_;
  const Target& target_;
  const std::span<const int64_t> alignment_;
  const CudaIndex index_;
  const CudaPlanner planner_;
  const bool lines_;
  uint32_t marked_ = UINT32_MAX;
  CudaPlan plan_;
  CudaSource source_;
  std::string text_;
  size_t depth_ = 1;
  uint32_t next_ = 0;
  int64_t shared_bytes_ = 0;
  std::vector<uint32_t> numbers_;  // per scalar: of its name
  std::set<ir::BufferId> read_back_;  // buffers that are loaded and may be stored to
  std::map<const ir::Instruction*, std::string> loaded_;  // where the value of a load stands that was made earlier
  std::string blocks_at_once_;  // in the launch bounds, behind the threads
  std::string only_if_;  // what holds where a single element of a pack exists; empty: always
  std::string stores_if_;  // what holds where a thread's stores are made
};

}  // namespace tenon::codegen
