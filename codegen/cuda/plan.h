// How a kernel uses a grid, decided before it is rendered. Found from the kernel's shape alone, so the same kernel is always run the
// same way:
//
//   elements   one loop, or a parallel loop around nothing but a vector loop, with no cooperation inside: iterations are dealt to
//              all threads of the grid, a pack of neighbours to each where accesses allow it (Pack)
//   columns    the same around reductions: a block has `columns` iterations side by side, several threads for each
//   tile       the same around loads that run along the outer index: they go through 32 x 32 elements of shared memory
//   lanes      a parallel loop around vector loops whose iterations never touch each other's elements, whatever stands between: a
//              thread owns a lane
//   rows       a parallel loop with reductions, vector loops or scratch inside: a team of threads takes an iteration; what stands
//              between vector loops is computed by every thread alike and stored by the first
//   block      anything else: one block runs the whole body as a team runs a row
//
// Nothing here can change a bit: the trees of reductions are the contract's in every way. Refuses contractions: a kernel that is
// one has a plan of its own (codegen/cuda/contract_plan.h); others are walked where they stand, by a row's team or by a block.
#pragma once

#include <span>
#include <vector>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/strides.h"

namespace tenon::codegen {

// Neighbours along an index that one thread handles, and the accesses that move them at once.
struct CudaPack {
  int width = 1;
  std::vector<const ir::Instruction*> accesses;
  bool has(const ir::Instruction& i) const {
    for (const ir::Instruction* a : accesses)
      if (a == &i) return true;
    return false;
  }
};

struct CudaPlan {
  enum class Way : uint8_t { elements, columns, tile, lanes, rows, block };
  Way way = Way::block;
  const ir::Instruction *outer = nullptr,
                        *inner = nullptr;  // loops that are dealt; one of them alone is `inner`, a row's `outer`
  int threads = 256;  // of a block
  int team = 256;  // threads of a row
  int columns = 32;  // side by side in a block
  CudaPack pack;  // elements: along the inner index
  std::vector<const ir::Instruction*> tiled;  // loads that go through a tile
};

class CudaPlanner {
 public:
  CudaPlanner(const ir::Kernel& kernel, const CudaIndex& index, std::span<const int64_t> alignment)
      : kernel_(kernel), index_(index), alignment_(alignment) {}
  CudaPlan plan() const;
  // The pack along the first argument of a block, whose index goes up to `extent`. whole: only if that is a multiple.
  CudaPack pack(ir::BlockId block, ir::ScalarId extent, bool whole) const;
  // Of a reduction that a team of a row does: as many lanes of the tree as a thread has.
  CudaPack reduce_pack(const ir::Instruction& reduce) const;
  bool cooperates(ir::BlockId block) const;

 private:
  void plan_elements(CudaPlan& plan) const;
  bool plan_columns(CudaPlan& plan) const;
  bool plan_tile(CudaPlan& plan) const;
  bool plan_lanes(CudaPlan& plan) const;
  void plan_rows(CudaPlan& plan) const;
  const ir::Instruction* only_lane_loop(ir::BlockId block) const;
  int64_t aligned(ir::BufferId b) const;
  bool is_stored(ir::BufferId b) const;

  const ir::Kernel& kernel_;
  const CudaIndex& index_;
  const std::span<const int64_t> alignment_;
};

bool is_lane_loop(const ir::Instruction& i);
bool is_grid_loop(const ir::Instruction& i);
bool is_pure(const ir::Instruction& i);

}  // namespace tenon::codegen
