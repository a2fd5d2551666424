// How a kernel uses a grid, and loops inside blocks and threads.
#include "tenon/codegen/cuda/kernel.h"

#include <algorithm>
#include <optional>

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
    simple = simple && !loop && (is_grid_loop(i) || is_lane_loop(i));
    loop = &i;
  }
  if (!simple || !loop) {
    source_.grid = {CudaFactor{}};
    line("if (blockIdx.x != 0) return;");
    emit_block(BlockId{0}, Team::block);
    return;
  }
  emit_pure(BlockId{0}, Team::block);
  emit_grid(*loop);
}

void CudaKernel::emit_pure(BlockId block, Team team) {
  for (uint32_t number : kernel_.blocks[index(block)].instructions)
    if (is_pure(kernel_.instructions[number])) emit_instruction(kernel_.instructions[number], team);
}

void CudaKernel::emit_grid(const Instruction& loop) {
  const BlockId inside = loop.blocks[0];
  const ir::ScalarId argument = kernel_.blocks[index(inside)].arguments[0];
  if (is_lane_loop(loop) || !cooperates(inside)) {
    open_grid({loop.operands[0]}, source_.threads, "blockIdx.x * threads + threadIdx.x", "gridDim.x * threads");
    line("const " + type(argument) + " " + define(argument) + " = at;");
    emit_block(inside, Team::thread);
  } else if (const Instruction* inner = only_lane_loop(inside)) {
    const ir::ScalarId column = kernel_.blocks[index(inner->blocks[0])].arguments[0], columns = inner->operands[0];
    const bool narrow = open_grid({loop.operands[0], columns}, source_.threads, "blockIdx.x * threads + threadIdx.x",
                                  "gridDim.x * threads");
    const Instruction* extent = defining(columns, KernelOp::extent);
    const std::string as = narrow ? "u32(" : "u64(";
    if (narrow && extent) {
      const std::string by = divisor(extent->dim);
      line("const i32 " + define(argument) + " = quotient(at, " + by + ");");
      line("const i32 " + define(column) + " = remainder(at, " + use(columns) + ", " + by + ");");
    } else {
      line("const " + type(argument) + " " + define(argument) + " = at / " + as + use(columns) + ");");
      line("const " + type(column) + " " + define(column) + " = at % " + as + use(columns) + ");");
    }
    emit_pure(inside, Team::thread);
    emit_block(inner->blocks[0], Team::thread);
  } else {
    open_grid({loop.operands[0]}, 1, "blockIdx.x", "gridDim.x");
    line("const " + type(argument) + " " + define(argument) + " = at;");
    emit_block(inside, Team::block);
  }
  close();
}

// The loop that deals iterations to the grid: `at` goes through the product of the extents. In 32 bits where that is narrow; a
// step past it stays below 2^32, for no grid is larger than the work.
bool CudaKernel::open_grid(const std::vector<ir::ScalarId>& extents, int64_t each, const std::string& first,
                           const std::string& step) {
  Interval count{1, 1};
  std::string text;
  std::optional<std::vector<CudaFactor>> factors{{CudaFactor{{}, each}}};
  bool narrow = true;
  for (ir::ScalarId e : extents) {
    const Interval extent = index_.interval(e);
    narrow = narrow && extent.within(INT64_MIN, most_narrow) &&
             count.high * std::max<int64_t>(extent.high, 1) <= most_narrow;
    if (narrow) count.high *= std::max<int64_t>(extent.high, 1);
    if (factors && !count_of(e, *factors)) factors.reset();
  }
  const std::string as = narrow ? "u32" : "i64";
  for (ir::ScalarId e : extents) text += (text.empty() ? "" : " * ") + as + "(" + use(e) + ")";
  if (factors) source_.grid = *factors;
  const auto wide = [&](const std::string& t) {
    return narrow ? t
                  : "i64(" + t.substr(0, t.find(' ')) + ")" +
                        (t.find(' ') == std::string::npos ? "" : t.substr(t.find(' ')));
  };
  open("for (" + as + " at = " + wide(first) + "; at < " + text + "; at += " + wide(step) + ")");
  return narrow;
}

// A count as the product of factors; the first takes what is not rounded by itself.
bool CudaKernel::count_of(ir::ScalarId v, std::vector<CudaFactor>& factors) const {
  if (const Instruction* i = defining(v, KernelOp::literal)) {
    const auto value = static_cast<int64_t>(i->immediate);
    if (value != 1) factors[0].extents.push_back(std::max<int64_t>(value, 0));
    return true;
  }
  if (const Instruction* i = defining(v, KernelOp::extent)) {
    factors[0].extents.push_back(i->dim);
    return true;
  }
  const Instruction* i = defining(v, KernelOp::scalar);
  if (!i) return false;
  if (i->op == ir::Op::mul) return count_of(i->operands[0], factors) && count_of(i->operands[1], factors);
  // (n + c - 1) / c
  const Instruction* by = i->op == ir::Op::div ? defining(i->operands[1], KernelOp::literal) : nullptr;
  const Instruction* sum = by ? defining(i->operands[0], KernelOp::scalar) : nullptr;
  if (!sum || sum->op != ir::Op::add) return false;
  const Instruction* n = defining(sum->operands[0], KernelOp::extent);
  const Instruction* up = defining(sum->operands[1], KernelOp::literal);
  if (!n || !up || up->immediate + 1 != by->immediate) return false;
  factors.push_back({{n->dim}, static_cast<int64_t>(by->immediate)});
  return true;
}

bool CudaKernel::cooperates(BlockId block) const {
  return contains(block, [](const Instruction& i) {
    return is_lane_loop(i) || i.kind == KernelOp::reduce || i.kind == KernelOp::scratch;
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
  open("for (" + type(b.arguments[0]) + " " + v + (dealt ? " = threadIdx.x; " : " = 0; ") + v + " < " + extent + "; " +
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
