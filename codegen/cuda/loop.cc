// How a kernel uses a grid, and loops inside blocks and threads.
#include "tenon/codegen/cuda/kernel.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;

namespace {

bool is_lane_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::vector || i.loop == LoopKind::thread);
}
bool is_grid_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::parallel || i.loop == LoopKind::block);
}
bool is_pure(const Instruction& i) {
  return i.kind == KernelOp::literal || i.kind == KernelOp::extent || i.kind == KernelOp::scalar ||
         i.kind == KernelOp::load;
}

}  // namespace

void CudaKernel::emit_body() {
  const Instruction* loop = nullptr;
  bool simple = true;
  for (uint32_t number : kernel_.body().instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (is_pure(i)) continue;
    simple = simple && !loop && (is_grid_loop(i) || is_lane_loop(i) || i.kind == KernelOp::contract);
    loop = &i;
  }
  if (!simple || !loop) {
    line("if (blockIdx.x != 0) return;");
    emit_block(BlockId{0}, Team::block);
    return;
  }
  emit_pure(BlockId{0}, Team::block);
  if (loop->kind == KernelOp::contract)
    emit_contract_grid(*loop);
  else
    emit_grid(*loop);
}

void CudaKernel::emit_pure(BlockId block, Team team) {
  for (uint32_t number : kernel_.blocks[index(block)].instructions)
    if (is_pure(kernel_.instructions[number])) emit_instruction(kernel_.instructions[number], team);
}

void CudaKernel::emit_grid(const Instruction& loop) {
  const BlockId inside = loop.blocks[0];
  const ir::ScalarId argument = kernel_.blocks[index(inside)].arguments[0];
  const std::string extent = use(loop.operands[0]);
  if (is_lane_loop(loop) || !cooperates(inside)) {
    open_elements(define(argument), extent);
    emit_block(inside, Team::thread);
  } else if (const Instruction* inner = only_lane_loop(inside)) {
    const std::string both = "v" + std::to_string(next_++), columns = use(inner->operands[0]);
    open_elements(both, extent + " * " + columns);
    line("const i64 " + define(argument) + " = " + both + " / " + columns + ";");
    line("const i64 " + define(kernel_.blocks[index(inner->blocks[0])].arguments[0]) + " = " + both + " % " + columns +
         ";");
    emit_pure(inside, Team::thread);
    emit_block(inner->blocks[0], Team::thread);
  } else {
    const std::string v = define(argument);
    open("for (i64 " + v + " = blockIdx.x; " + v + " < " + extent + "; " + v + " += gridDim.x)");
    emit_block(inside, Team::block);
  }
  close();
}

void CudaKernel::open_elements(const std::string& v, const std::string& extent) {
  open("for (i64 " + v + " = i64(blockIdx.x) * threads + threadIdx.x; " + v + " < " + extent + "; " + v +
       " += i64(gridDim.x) * threads)");
}

bool CudaKernel::cooperates(BlockId block) const {
  return contains(block, [](const Instruction& i) {
    return is_lane_loop(i) || i.kind == KernelOp::reduce || i.kind == KernelOp::scratch || i.kind == KernelOp::contract;
  });
}

// The vector loop of a block that holds nothing else with an effect, if its extent is known outside.
const Instruction* CudaKernel::only_lane_loop(BlockId block) const {
  const Instruction* found = nullptr;
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (is_pure(i)) continue;
    if (found || !is_lane_loop(i) || kernel_.scalars[index(i.operands[0])].block == block) return nullptr;
    found = &i;
  }
  return found;
}

void CudaKernel::emit_loop(const Instruction& i, Team team) {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  const bool dealt = team == Team::block && is_lane_loop(i);
  const std::string extent = use(i.operands[0]);
  std::vector<std::string> initial, carried;
  for (size_t k = 1; k < i.operands.size(); ++k) initial.push_back(use(i.operands[k]));
  for (size_t k = 0; k < initial.size(); ++k) {
    carried.push_back(define(result(i, k)));
    line(type(result(i, k)) + " " + carried[k] + " = " + initial[k] + ";");
  }
  const bool shares = dealt && shares_memory(i.blocks[0]);
  if (shares) barrier();
  const std::string v = define(b.arguments[0]);
  open("for (i64 " + v + (dealt ? " = threadIdx.x; " : " = 0; ") + v + " < " + extent + "; " +
       (dealt ? v + " += threads" : "++" + v) + ")");
  // The arguments are copies, so that the next carries can be assigned one by one.
  for (size_t k = 0; k < carried.size(); ++k)
    line("const " + type(b.arguments[k + 1]) + " " + define(b.arguments[k + 1]) + " = " + carried[k] + ";");
  emit_block(i.blocks[0], dealt ? Team::thread : team);
  for (size_t k = 0; k < carried.size(); ++k) line(carried[k] + " = " + use(b.yields[k]) + ";");
  close();
  if (shares) barrier();
}

}  // namespace tenon::codegen
