// The choice among a few tiles: the one whose rounds over the device's processors take the least time, by its work, how well
// it keeps a processor busy, and how many of it a processor needs at once.
#include "tenon/codegen/cuda/contract_plan.h"

#include <algorithm>
#include <bit>

#include "tenon/codegen/cuda/index.h"
#include "tenon/ir/rules/reduction.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::Kernel;
using ir::KernelOp;
using ir::ScalarId;
using ir::unknown_extent;

namespace {

struct Tile {
  int rows, columns, depth, threads, lane_rows, thread_rows, thread_columns;
  int rate;  // work per time, in per cent of the best
  int together;  // blocks that a processor needs at once to reach it
  int resident;  // blocks that registers are rationed for
};
constexpr Tile exact_tiles[] = {
    {128, 128, 8, 256, 4, 8, 8, 100, 1, 2}, {64, 64, 16, 128, 4, 8, 4, 80, 2, 4}, {32, 32, 16, 64, 4, 4, 4, 50, 4, 8}};
constexpr Tile wide_tiles[] = {{64, 64, 16, 256, 4, 4, 4, 100, 1, 2}, {32, 32, 16, 64, 4, 4, 4, 60, 4, 6}};  // 8 bytes
// Of the tensor path: lane_rows is unused, thread_rows and thread_columns are a warp's.
constexpr Tile tensor_tiles[] = {{128, 128, 32, 256, 0, 64, 32, 100, 1, 2},
                                 {64, 64, 64, 128, 0, 32, 32, 70, 2, 3},
                                 {16, 64, 64, 128, 0, 16, 16, 25, 3, 4},
                                 {64, 16, 64, 128, 0, 16, 16, 25, 3, 4}};

constexpr int64_t few = 8;  // rows or columns that make a contraction a matter of memory alone
constexpr int most_levels = 8, levels_of_unknown = 5;

int64_t ceil_divide(int64_t x, int64_t by) { return (x + by - 1) / by; }

// About how long all tiles take, in any unit. The rate is of full tiles: what hangs over costs like the rest.
int64_t time_of(const CudaContractPlan& p, const Tile& t, int processors) {
  const int64_t batch = p.batch < 0 ? 1 : std::min<int64_t>(p.batch, 1 << 20);
  const int64_t across = std::min<int64_t>(ceil_divide(p.n, t.columns), 1 << 20);
  const int64_t down = std::min<int64_t>(ceil_divide(p.m, t.rows), 1 << 20);
  const int64_t rounds = std::max<int64_t>(ceil_divide(batch * down * across, processors), t.together);
  return rounds * (int64_t{100} * t.rows * t.columns / t.rate);
}

const Tile& choose(const CudaContractPlan& p, std::span<const Tile> tiles, int processors, const Tile& general) {
  if (p.m < 0 || p.n < 0) return general;
  const Tile* best = &tiles[0];
  for (const Tile& t : tiles)
    if (time_of(p, t, processors) < time_of(p, *best, processors)) best = &t;
  return *best;
}

void take(CudaContractPlan& p, const Tile& t) {
  p.rows = t.rows;
  p.columns = t.columns;
  p.depth = t.depth;
  p.threads = t.threads;
  p.lane_rows = t.lane_rows;
  (p.tensor ? p.warp_rows : p.thread_rows) = t.thread_rows;
  (p.tensor ? p.warp_columns : p.thread_columns) = t.thread_columns;
  p.blocks_per_processor = t.resident;
}

int power_above(int64_t value) {
  return static_cast<int>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(value, 1))));
}

// A few rows (or columns): every element of the long operand is used by one warp, so all threads copy, deep along k, and a
// warp per row sums.
void take_few(CudaContractPlan& p, int64_t size, bool rows) {
  p.rows = rows ? power_above(p.most_m) : 32;
  p.columns = rows ? 32 : power_above(p.most_n);
  p.depth = size <= 4 ? 128 : 64;
  if (p.most_k >= 0) p.depth = std::clamp(power_above(p.most_k), 16, p.depth);
  p.threads = 256;
  p.lane_rows = rows ? 1 : 32;
  p.thread_rows = p.thread_columns = 1;
  p.blocks_per_processor = 4;
}

void exact_sizes(CudaContractPlan& p, int64_t size, int processors) {
  if (p.most_m >= 0 && p.most_m <= few) return take_few(p, size, true);
  if (p.most_n >= 0 && p.most_n <= few) return take_few(p, size, false);
  if (size > 4)
    take(p, choose(p, wide_tiles, processors, wide_tiles[0]));
  else
    take(p, choose(p, exact_tiles, processors, exact_tiles[1]));
}

void tensor_sizes(CudaContractPlan& p, const CudaTarget& target, int processors) {
  if (p.most_m >= 0 && p.most_m <= 16)
    take(p, tensor_tiles[2]);
  else if (p.most_n >= 0 && p.most_n <= 16)
    take(p, tensor_tiles[3]);
  else
    take(p, choose(p, std::span(tensor_tiles).first(2), processors, tensor_tiles[1]));
  for (p.stages = 4; p.stages > 2 && p.blocks_per_processor * p.shared_bytes() > target.shared_bytes;) --p.stages;
}

// The most elements that can be copied at once from the operand's own buffer, at most `most`; `extent` is the argument's.
int run_of(const Kernel& kernel, BlockId block, size_t argument, int64_t extent, int64_t most,
           std::span<const int64_t> alignment) {
  const Instruction* load = bare_load(kernel, block);
  if (load == nullptr || kernel.buffers[index(load->buffer)].space != ir::Space::input) return 1;
  const int64_t size = bytes(kernel.buffers[index(load->buffer)].dtype);
  const int64_t aligned = alignment.empty() ? size : alignment[index(load->buffer)];
  const ScalarId moving = kernel.blocks[index(block)].arguments[argument];
  for (int64_t count = std::min(16 / size, most); count > 1; count /= 2)
    if (extent % count == 0 && aligned % (count * size) == 0 && ir::loads_runs(kernel, *load, moving, count))
      return static_cast<int>(count);
  return 1;
}

void choose_runs(const Kernel& kernel, const Instruction& contract, CudaContractPlan& p,
                 std::span<const int64_t> alignment) {
  const auto run = [&](int side, bool along_k, size_t argument, int64_t other, int64_t outer) {
    const int64_t extent = along_k ? p.k : other;
    if (extent < 0) return 1;
    const int64_t most = std::min<int64_t>(p.tensor ? 8 : 16 / bytes(contract.dtype), along_k ? p.depth : outer);
    const int count = run_of(kernel, contract.blocks[side], argument, extent, most, alignment);
    return p.tensor && count < 8 ? 1 : count;  // copies without registers are of 16 bytes
  };
  p.lhs_run = run(0, p.lhs_along_k, p.lhs_along_k ? 2 : 1, p.m, p.rows);
  p.rhs_run = run(1, p.rhs_along_k, p.rhs_along_k ? 1 : 2, p.n, p.columns);
}

// f16 or bf16 when both operands are that, cast to the f32 that is accumulated in.
bool multiplies_halves(const Kernel& kernel, const Instruction& contract, DType& halves) {
  if (contract.dtype != DType::f32) return false;
  const ScalarId left = before_cast(kernel, contract.blocks[0]), right = before_cast(kernel, contract.blocks[1]);
  if (left == ir::no_scalar || right == ir::no_scalar || kernel.dtype(left) != kernel.dtype(right)) return false;
  halves = kernel.dtype(left);
  return true;
}

void choose_levels(CudaContractPlan& p) {
  const int64_t segments = p.most_k < 0 ? INT64_MAX : ceil_divide(p.most_k, ir::rules::contraction_segment);
  const int needed = segments <= 1 ? 0 : std::bit_width(static_cast<uint64_t>(segments - 1));
  p.levels = std::min(needed, p.most_k < 0 ? levels_of_unknown : most_levels);
  p.deep = p.levels < needed;
}

}  // namespace

int64_t CudaContractPlan::shared_bytes() const {
  if (!tensor) return 0;
  const int64_t left = lhs_along_k ? rows * (depth + 8) : depth * (rows + 8);
  const int64_t right = rhs_along_k ? columns * (depth + 8) : depth * (columns + 8);
  const int64_t band = threads / 32 * 16 * (warp_columns + 8) * 4;  // sums on their way to the epilogue
  return std::max(stages * (left + right) * 2, band);
}

ScalarId before_cast(const Kernel& kernel, BlockId block) {
  const Instruction* last = ir::definition(kernel, kernel.blocks[index(block)].yields[0]);
  if (!last || last->kind != KernelOp::scalar || last->op != ir::Op::cast) return ir::no_scalar;
  return is_half(kernel.dtype(last->operands[0])) ? last->operands[0] : ir::no_scalar;
}

const Instruction* bare_load(const Kernel& kernel, BlockId block) {
  const Instruction* last = ir::definition(kernel, kernel.blocks[index(block)].yields[0]);
  if (last && last->kind == KernelOp::scalar && last->op == ir::Op::cast)
    last = ir::definition(kernel, last->operands[0]);
  return last && last->kind == KernelOp::load ? last : nullptr;
}

CudaContractPlan plan_cuda_contract(const Kernel& kernel, const Instruction& contract, const CudaTarget& target,
                                    int processors, std::span<const int64_t> alignment) {
  CudaContractPlan p;
  p.batch = ir::number_of(kernel, contract.operands[0]);
  p.m = ir::number_of(kernel, contract.operands[1]);
  p.n = ir::number_of(kernel, contract.operands[2]);
  p.k = ir::number_of(kernel, contract.operands[3]);
  p.most_m = ir::most_of(kernel, contract.operands[1]);
  p.most_n = ir::most_of(kernel, contract.operands[2]);
  p.most_k = ir::most_of(kernel, contract.operands[3]);
  p.narrow = true;
  for (ScalarId extent : contract.operands) {
    const int64_t most = ir::most_of(kernel, extent);
    p.narrow &= most >= 0 && most <= most_narrow;
  }
  p.lhs_along_k = ir::unit_loads(kernel, contract.blocks[0], 2) >= ir::unit_loads(kernel, contract.blocks[0], 1);
  p.rhs_along_k = ir::unit_loads(kernel, contract.blocks[1], 1) > ir::unit_loads(kernel, contract.blocks[1], 2);
  p.tensor = target.tensor_cores && target.sm >= 80 && multiplies_halves(kernel, contract, p.halves);
  if (p.tensor)
    tensor_sizes(p, target, processors);
  else
    exact_sizes(p, bytes(contract.dtype), processors);
  choose_levels(p);
  // Wide indices and waiting sums take registers of their own.
  if (!p.narrow) p.blocks_per_processor = std::max(1, p.blocks_per_processor - 1);
  choose_runs(kernel, contract, p, alignment);
  return p;
}

}  // namespace tenon::codegen
