// The choice between the ways of codegen/cuda/plan.h, and their numbers.
#include "tenon/codegen/cuda/plan.h"

#include <algorithm>
#include <bit>

#include "tenon/ir/kernel/walk.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::LoopKind;
using ir::ScalarId;

bool is_lane_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::vector || i.loop == LoopKind::thread);
}
bool is_grid_loop(const Instruction& i) {
  return i.kind == KernelOp::loop && (i.loop == LoopKind::parallel || i.loop == LoopKind::block);
}
bool is_pure(const Instruction& i) {
  return i.kind == KernelOp::literal || i.kind == KernelOp::extent || i.kind == KernelOp::scalar ||
         i.kind == KernelOp::scaled || i.kind == KernelOp::load;
}

namespace {

constexpr int64_t static_shared_limit = 40 << 10;  // bytes; below the 48 KiB that need no opt-in
constexpr int64_t fewest_tiled = 8;  // iterations along an axis that are worth a tile
constexpr size_t most_tiled = 4;  // loads
constexpr int64_t enough_blocks = 264;  // to keep a large device busy

int64_t power_above(int64_t n) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(n, 1, int64_t{1} << 40))));
}
int64_t blocks_of(int64_t extent, int64_t block) { return extent <= 0 ? 0 : (extent - 1) / block + 1; }

}  // namespace

bool CudaPlanner::cooperates(BlockId block) const {
  return ir::contains(kernel_, block, [](const Instruction& i) {
    return is_lane_loop(i) || i.kind == KernelOp::reduce || i.kind == KernelOp::scratch || i.kind == KernelOp::contract;
  });
}

bool CudaPlanner::is_stored(ir::BufferId b) const {
  return std::any_of(kernel_.instructions.begin(), kernel_.instructions.end(),
                     [&](const Instruction& i) { return i.kind == KernelOp::store && i.buffer == b; });
}

// The vector loop of a block that holds nothing else with an effect, if its extent is known outside.
const Instruction* CudaPlanner::only_lane_loop(BlockId block) const {
  const Instruction* found = nullptr;
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (is_pure(i)) continue;
    if (found || !is_lane_loop(i) || kernel_.scalars[index(i.operands[0])].block == block) return nullptr;
    found = &i;
  }
  return found;
}

CudaPlan CudaPlanner::plan() const {
  CudaPlan plan;
  const Instruction* loop = nullptr;
  bool simple = true;
  for (uint32_t number : kernel_.body().instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (is_pure(i)) continue;
    simple = simple && !loop && (is_grid_loop(i) || is_lane_loop(i));
    loop = &i;
  }
  if (!simple || !loop) {
    plan_rows(plan);
    return plan;
  }
  plan.inner = loop;
  if (!is_lane_loop(*loop) && cooperates(loop->blocks[0])) {
    plan.outer = loop;
    plan.inner = only_lane_loop(loop->blocks[0]);
  }
  if (plan.inner)
    plan_elements(plan);
  else if (!plan_lanes(plan))
    plan.way = CudaPlan::Way::rows, plan_rows(plan);
  return plan;
}

void CudaPlanner::plan_elements(CudaPlan& plan) const {
  if (plan_columns(plan) || plan_tile(plan)) return;
  plan.way = CudaPlan::Way::elements;
  plan.pack = pack(plan.inner->blocks[0], plan.inner->operands[0], plan.outer != nullptr);
}

// Where a reduction is longer than one thread should walk alone.
bool CudaPlanner::plan_columns(CudaPlan& plan) const {
  int64_t most = 0;  // blocks of the tree
  for (uint32_t number : kernel_.blocks[index(plan.inner->blocks[0])].instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (i.kind == KernelOp::store || is_pure(i)) {
      if (i.kind == KernelOp::load && is_stored(i.buffer)) return false;
      continue;
    }
    const auto is_busy = [](const Instruction& inner) {
      return inner.kind == KernelOp::store || inner.kind == KernelOp::loop || inner.kind == KernelOp::reduce ||
             inner.kind == KernelOp::scratch;
    };
    for (BlockId inside : i.blocks)
      if (ir::contains(kernel_, inside, is_busy)) return false;
    if (i.kind == KernelOp::reduce)
      most = std::max(most, blocks_of(index_.interval(i.operands[0]).high, i.tree.block));
    else if (i.kind != KernelOp::rare)
      return false;
  }
  if (most < 2) return false;
  plan.way = CudaPlan::Way::columns;
  // Fewer columns beside each other where there would be too few blocks, as long as they fill what memory moves at once.
  const Interval columns = index_.interval(plan.inner->operands[0]);
  const int64_t rows = plan.outer ? std::max<int64_t>(index_.interval(plan.outer->operands[0]).high, 1) : 1;
  plan.columns = static_cast<int>(std::min<int64_t>(32, power_above(columns.high)));
  while (plan.columns > 8 && columns.high / plan.columns < enough_blocks / std::min(rows, enough_blocks))
    plan.columns /= 2;
  plan.threads =
      static_cast<int>(std::clamp<int64_t>(plan.columns * power_above(std::min<int64_t>(most, 256)), 32, 256));
  return true;
}

bool CudaPlanner::plan_tile(CudaPlan& plan) const {
  if (!plan.outer) return false;
  for (const Instruction* loop : {plan.outer, plan.inner})
    if (index_.interval(loop->operands[0]).high < fewest_tiled) return false;
  const BlockId inside = plan.inner->blocks[0];
  const CudaStrides rows(kernel_, index_, kernel_.blocks[index(plan.outer->blocks[0])].arguments[0], true),
      columns(kernel_, index_, kernel_.blocks[index(inside)].arguments[0], true);
  for (uint32_t number : kernel_.blocks[index(inside)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (!is_pure(i) && i.kind != KernelOp::store && i.kind != KernelOp::rare) return false;
    if (i.kind == KernelOp::store && columns.of(i).factor != 1) return false;
    if (i.kind != KernelOp::load) continue;
    if (is_stored(i.buffer)) return false;
    const Stride along = columns.of(i), across = rows.of(i);
    const bool strided = !along.known || along.factor > 1 || along.factor < -1;
    if (strided && across.known && std::abs(across.factor) == 1 &&
        i.operands.size() == kernel_.buffers[index(i.buffer)].shape.size())
      plan.tiled.push_back(&i);
  }
  if (plan.tiled.empty() || plan.tiled.size() > most_tiled) {
    plan.tiled.clear();
    return false;
  }
  plan.way = CudaPlan::Way::tile;
  return true;
}

// A team has a thread for every lane of the tree, or the block that the row is given goes round; the longest vector loop decides
// where nothing is reduced.
void CudaPlanner::plan_rows(CudaPlan& plan) const {
  int64_t wanted = 4, scratch = 0;
  for (const ir::KernelBuffer& b : kernel_.buffers)
    if (b.space == ir::Space::scratch)
      scratch += b.shape.is_static() ? b.shape.numel() * bytes(b.dtype) + 16 : INT32_MAX;
  bool reduces = false;
  ir::contains(kernel_, BlockId{0}, [&](const Instruction& i) {
    if (i.kind != KernelOp::reduce) return false;
    const int64_t lanes = i.tree.lanes / reduce_pack(i).width;
    const int64_t blocks = std::min<int64_t>(blocks_of(index_.interval(i.operands[0]).high, i.tree.block), 1 << 20);
    wanted = std::max(wanted, power_above(blocks) * lanes);
    reduces = true;
    return false;
  });
  ir::contains(kernel_, BlockId{0}, [&](const Instruction& i) {
    if (i.kind == KernelOp::contract) wanted = std::max<int64_t>(wanted, 256);
    if (is_lane_loop(i) && !reduces)
      wanted = std::max(wanted, power_above(std::min<int64_t>(index_.interval(i.operands[0]).high, 1 << 20)));
    return false;
  });
  const bool one = plan.way == CudaPlan::Way::block;
  // A row that fills a core's shared memory leaves no room for another block beside it.
  const int64_t most = scratch > (64 << 10) && scratch<INT32_MAX ? 1024 : scratch>(28 << 10) ? 512 : 256;
  plan.team = static_cast<int>(std::min(wanted, most));
  if (one || plan.team > 32 || scratch > static_shared_limit) {
    plan.threads = plan.team = std::max(plan.team, 32);
    return;
  }
  plan.threads = 256;
  if (const Interval rows = index_.interval(plan.outer->operands[0]); rows.high < 256 / plan.team)
    plan.threads = static_cast<int>(std::max<int64_t>(32, power_above(rows.high) * plan.team));
  while (plan.threads > 32 && plan.threads / plan.team * scratch > static_shared_limit) plan.threads /= 2;
  if (plan.threads / plan.team * scratch > static_shared_limit) plan.team = plan.threads;  // one, with what is dynamic
}

}  // namespace tenon::codegen
