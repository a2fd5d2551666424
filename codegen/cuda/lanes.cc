// Kernels whose vector loops stand inside serial ones, as those of scatter_add do: when every element that is stored belongs to one
// lane, lanes need not wait for each other. A thread then runs the whole nest for its lane.
#include <algorithm>
#include <bit>

#include "tenon/codegen/cuda/plan.h"
#include "tenon/ir/kernel/walk.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;

bool CudaPlanner::plan_lanes(CudaPlan& plan) const {
  // Vector loops, none inside another, all of one extent that is known outside, or of no iteration instead.
  std::vector<const Instruction*> loops;
  bool fits = true;
  ScalarId extent = ir::no_scalar;
  const auto root = [&](ScalarId v) {
    const uint32_t number = kernel_.scalars[index(v)].instruction;
    if (number == UINT32_MAX || kernel_.instructions[number].op != ir::Op::select ||
        kernel_.instructions[number].kind != KernelOp::scalar)
      return v;
    const Interval none = index_.interval(kernel_.instructions[number].operands[2]);
    return none.low == 0 && none.high == 0 ? kernel_.instructions[number].operands[1] : v;
  };
  ir::contains(kernel_, plan.outer->blocks[0], [&](const Instruction& i) {
    if (i.kind == KernelOp::reduce || i.kind == KernelOp::scratch || i.kind == KernelOp::contract) fits = false;
    if (!is_lane_loop(i)) return false;
    fits = fits && i.operands.size() == 1 && (loops.empty() || root(i.operands[0]) == extent);
    extent = root(i.operands[0]);
    loops.push_back(&i);
    return false;
  });
  if (!fits || loops.empty()) return false;
  const uint32_t number = kernel_.scalars[index(extent)].instruction;
  if (kernel_.scalars[index(extent)].block != BlockId{0} || number == UINT32_MAX) return false;
  size_t inside = 0, all = 0;
  const auto touches = [&](const Instruction& i) {
    return (i.kind == KernelOp::load || i.kind == KernelOp::store) && is_stored(i.buffer);
  };
  for (const Instruction* loop : loops) {
    const ScalarId lane = kernel_.blocks[index(loop->blocks[0])].arguments[0];
    ir::contains(kernel_, loop->blocks[0], [&](const Instruction& i) {
      if (is_lane_loop(i)) fits = false;
      if (!touches(i)) return false;
      const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
      fits = fits && rank > 0 && i.operands[rank - 1] == lane;
      ++inside;
      return false;
    });
  }
  ir::contains(kernel_, plan.outer->blocks[0], [&](const Instruction& i) {
    all += touches(i);
    return false;
  });
  if (!fits || inside != all) return false;
  plan.way = CudaPlan::Way::lanes;
  plan.inner = loops[0];
  return true;
}

}  // namespace tenon::codegen
