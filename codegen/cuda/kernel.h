// Renders one kernel as CUDA C++ on top of the prelude (codegen/cuda/prelude.h). Three ways to use a grid, found from the
// kernel's shape:
//
//   elements   the body holds one loop, with no cooperation inside: iterations are dealt to all threads of the grid. A
//              parallel loop around nothing but a vector loop is one such loop over the product of both extents
//   rows       the body holds one parallel loop with reductions, vector loops or scratch inside: a block takes an iteration;
//              what stands between vector loops is computed by every thread alike and stored by the first
//   block      anything else: one block runs the whole body as it would run a row
//   tiles      the body holds one contraction and nothing else with an effect: its tiles are dealt to the blocks
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/contract_plan.h"

namespace tenon::codegen {

class CudaKernel {
 public:
  CudaKernel(const ir::Kernel& kernel, const Target& target, std::span<const int64_t> alignment);
  CudaSource emit();

 private:
  // Who runs a piece of code: all threads of a block alike, or one thread on its own.
  enum class Team : uint8_t { block, thread };

  // cuda/kernel.cc: frame, names, blocks, single instructions
  CudaSource refuse(const std::string& reason) const;
  std::string head() const;
  void use_symbol(Dim d);
  std::string dim(Dim d) const;
  std::string type(ir::ScalarId v) const;
  std::string buffer(ir::BufferId b) const;
  std::string define(ir::ScalarId v);  // its new name
  std::string use(ir::ScalarId v) const;  // its name, or what it is spelled as
  static ir::ScalarId result(const ir::Instruction& i, size_t k) {
    return ir::ScalarId{ir::index(i.first_result) + static_cast<uint32_t>(k)};
  }
  void line(const std::string& text);
  void open(const std::string& text);
  void close(const std::string& end = "}");
  void emit_block(ir::BlockId block, Team team);
  void emit_pure(ir::BlockId block, Team team);  // the instructions without effect alone
  void emit_instruction(const ir::Instruction& i, Team team);
  void emit_scalar(const ir::Instruction& i);
  void emit_rare(const ir::Instruction& i, Team team);
  bool contains(ir::BlockId block, const std::function<bool(const ir::Instruction&)>& test) const;

  // cuda/loop.cc: grids and loops
  void emit_body();
  void emit_grid(const ir::Instruction& loop);
  void open_elements(const std::string& v, const std::string& extent);
  void emit_loop(const ir::Instruction& i, Team team);
  bool cooperates(ir::BlockId block) const;
  const ir::Instruction* only_lane_loop(ir::BlockId block) const;

  // cuda/memory.cc: loads, stores, scratch memory, barriers
  std::string element(const ir::Instruction& i) const;
  void emit_load(const ir::Instruction& i);
  void emit_store(const ir::Instruction& i, Team team);
  void declare_scratch(const ir::Instruction& i, Team team);
  void barrier() { line("__syncthreads();"); }
  bool shares_memory(ir::BlockId block) const;
  std::string element_count(const Shape& shape) const;

  // cuda/reduce.cc: reductions in the contract's order
  struct Parts {  // how a running result is spelled
    std::string type, declaration, identity, empty, join;
  };
  void emit_reduce(const ir::Instruction& i, Team team);
  Parts parts_of(const ir::Instruction& i, const std::string& index) const;

  // cuda/contract.cc: contractions
  void emit_contract_grid(const ir::Instruction& i);
  void emit_contract(const ir::Instruction& i, Team team);
  void contract_lambdas(const ir::Instruction& i, const CudaContractPlan& p);
  void contract_lambda(const std::string& name, ir::BlockId block, ir::ScalarId result,
                       const ir::Instruction* address_of);
  std::optional<Dim> extent_of(ir::ScalarId v) const;

  const ir::Kernel& kernel_;
  CudaTarget target_;
  int processors_ = 132;  // of the device
  std::span<const int64_t> alignment_;
  std::string launch_bounds_ = "threads";
  CudaSource source_;
  std::string text_;
  size_t depth_ = 1;
  uint32_t next_ = 0;
  int64_t shared_bytes_ = 0;
  std::vector<uint32_t> numbers_;  // per scalar: of its name
  std::set<ir::BufferId> read_back_;  // buffers that are loaded and may be stored to
};

}  // namespace tenon::codegen
