// Contractions in CUDA C++: the three blocks as lambdas, handed to the templates of codegen/cuda/prelude_contract.h. A kernel
// that is nothing but a contraction deals its tiles to the grid; elsewhere a block's threads take a chain each. Refuses to
// choose tiles: codegen/cuda/contract_plan.h does.
#include "tenon/codegen/cuda/kernel.h"
#include "tenon/codegen/cuda/text.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::ScalarId;

namespace {

constexpr int usual_processors = 132;  // of a device
constexpr size_t short_epilogue = 24;  // instructions, up to which several elements are in flight in one thread

std::string field(const char* name, int64_t value) { return std::string(name) + " = " + std::to_string(value); }

}  // namespace

// The contraction of a kernel that holds nothing else with an effect.
const Instruction* CudaKernel::only_contract() const {
  const Instruction* found = nullptr;
  for (uint32_t number : kernel_.body().instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (is_pure(i)) continue;
    if (found || i.kind != ir::KernelOp::contract) return nullptr;
    found = &i;
  }
  return found;
}

// A block as a lambda of its arguments. address_of: it gives where that load reads, not a value.
void CudaKernel::contract_lambda(const std::string& name, BlockId block, ScalarId result,
                                 const Instruction* address_of) {
  const ir::Block& b = kernel_.blocks[index(block)];
  std::string arguments;
  for (ScalarId v : b.arguments) arguments += (arguments.empty() ? "" : ", ") + type(v) + " " + define(v);
  std::string returned;
  if (address_of)
    returned = " -> const " + std::string(tenon::name(address_of->dtype)) + "*";
  else if (result != ir::no_scalar)
    returned = " -> " + type(result);
  open("const auto " + name + " = [&](" + arguments + ")" + returned);
  for (uint32_t number : b.instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (&i != address_of) emit_instruction(i, Team::thread);
    if (&i == address_of) break;  // behind it stands its cast alone
  }
  if (address_of)
    line("return &" + element(*address_of) + ";");
  else if (result != ir::no_scalar)
    line("return " + use(result) + ";");
  close("};");
}

void CudaKernel::contract_lambdas(const Instruction& i, const CudaContractPlan& p) {
  const auto operand = [&](const char* name, int side, int run) {
    const ScalarId yielded = kernel_.blocks[index(i.blocks[side])].yields[0];
    const ScalarId result = p.tensor ? before_cast(kernel_, i.blocks[side]) : yielded;
    contract_lambda(name, i.blocks[side], result, run > 1 ? bare_load(kernel_, i.blocks[side]) : nullptr);
  };
  operand("lhs", 0, p.lhs_run);
  operand("rhs", 1, p.rhs_run);
  contract_lambda("epilogue", i.blocks[2], ir::no_scalar, nullptr);
}

void CudaKernel::emit_contract_grid(const Instruction& i) {
  const bool known = target_.kind() == TargetKind::cuda;
  const CudaContractPlan p = plan_cuda_contract(kernel_, i, known ? target_.cuda() : CudaTarget{},
                                                target_.cores > 1 ? target_.cores : usual_processors, alignment_);
  source_.threads = p.threads;
  source_.shared_bytes = p.shared_bytes();
  blocks_at_once_ = ", " + std::to_string(p.blocks_per_processor);
  deal({{{i.operands[0]}, 1}, {{i.operands[1]}, p.rows}, {{i.operands[2]}, p.columns}});
  const bool short_one = kernel_.blocks[index(i.blocks[2])].instructions.size() <= short_epilogue;
  std::string fields = field("rows", p.rows) + ", " + field("columns", p.columns) + ", " + field("depth", p.depth) +
                       ", " + field("threads", p.threads) + ", ";
  if (p.tensor)
    fields += field("warp_rows", p.warp_rows) + ", " + field("warp_columns", p.warp_columns) + ", " +
              field("stages", p.stages);
  else
    fields += field("lane_rows", p.lane_rows) + ", " + field("thread_rows", p.thread_rows) + ", " +
              field("thread_columns", p.thread_columns);
  line("struct Tile { enum { " + fields + ",");
  line("  " + field("lhs_along_k", p.lhs_along_k) + ", " + field("rhs_along_k", p.rhs_along_k) + ", " +
       field("lhs_run", p.lhs_run) + ", " + field("rhs_run", p.rhs_run) + ", " + field("levels", p.levels) + ", " +
       field("unroll", short_one ? 4 : 1) + " }; };");
  contract_lambdas(i, p);
  const std::string accumulate(name(i.dtype)), number = p.narrow ? "u32" : "i64";
  std::string all;
  for (ScalarId v : i.operands) all += use(v) + ", ";
  all += "lhs, rhs, epilogue);";
  if (p.deep) {
    open("if (" + use(i.operands[3]) + " > segment << Tile::levels)");  // longer than the sums that may wait
    line("contract_alone<" + accumulate +
         ">(i64(blockIdx.x) * Tile::threads + threadIdx.x, i64(gridDim.x) * Tile::threads, " + all);
    line("return;");
    close();
  }
  if (p.tensor)
    line("contract_tensor<Tile, " + std::string(name(p.halves)) + ", " + number + ">(tenon_shared, " + all);
  else
    line("contract_exact<Tile, " + accumulate + ", " + number + ">(" + all);
}

// Next to other statements, or inside a loop: a chain per thread.
void CudaKernel::emit_contract(const Instruction& i, Team team) {
  bool shares = false;
  for (BlockId block : i.blocks) shares |= team == Team::group && shares_memory(block);
  if (shares) barrier();
  open("");
  contract_lambdas(i, CudaContractPlan{});
  std::string all = team == Team::group ? rank() + ", " + std::to_string(plan_.team) + ", " : "0, 1, ";
  for (ScalarId v : i.operands) all += use(v) + ", ";
  line("contract_alone<" + std::string(name(i.dtype)) + ">(" + all + "lhs, rhs, epilogue);");
  close();
  if (shares) barrier();
}

}  // namespace tenon::codegen
