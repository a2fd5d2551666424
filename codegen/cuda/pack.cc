// Which accesses of a piece of code move several neighbours at once: those that go up by one element as the index does, from an
// address that is a multiple of the access's size. What stays the same along the index is loaded once; other loads are made one by
// one, as long as there are not more of them. Everything that is stored is stored in packs, or nothing is.
#include <algorithm>

#include "tenon/codegen/cuda/plan.h"
#include "tenon/ir/kernel/walk.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::Space;

namespace {

constexpr int access_bytes = 16;
constexpr int64_t most_unrolled =
    640;  // scalar instructions that a thread's pack may come to: compile time outgrows length

// How a piece of code uses memory, before any index is looked at.
struct Region {
  std::vector<const Instruction*> loads, stores;
  int64_t scalars = 0;
  int widest = 1;  // bytes of an element
  bool simple = true;
};

}  // namespace

int64_t CudaPlanner::aligned(ir::BufferId b) const {
  const ir::KernelBuffer& held = kernel_.buffers[index(b)];
  if (held.space == Space::scratch) return access_bytes;
  const int64_t given = index(b) < alignment_.size() ? alignment_[index(b)] : 0;
  return std::max<int64_t>(given, bytes(held.dtype));
}

CudaPack CudaPlanner::pack(BlockId block, ir::ScalarId extent, bool whole) const {
  Region region;
  const ir::Block& body = kernel_.blocks[index(block)];
  for (uint32_t number : body.instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (i.kind == KernelOp::load) region.loads.push_back(&i);
    if (i.kind == KernelOp::store) region.stores.push_back(&i);
    if (i.kind == KernelOp::rare) {
      ir::contains(kernel_, i.blocks[0], [&](const Instruction& inner) {
        region.simple = region.simple && inner.kind != KernelOp::load && inner.kind != KernelOp::store &&
                        inner.kind != KernelOp::loop && inner.kind != KernelOp::reduce;
        ++region.scalars;
        return false;
      });
    }
    region.simple = region.simple && (is_pure(i) || i.kind == KernelOp::store || i.kind == KernelOp::rare);
    region.scalars += i.kind == KernelOp::scalar;
  }
  if (!region.simple || body.arguments.empty()) return {};
  const CudaStrides strides(kernel_, index_, body.arguments[0]);
  for (const Instruction* s : region.stores) {
    for (const Instruction* l : region.loads)
      if (l->buffer == s->buffer) return {};  // whose order would change
    for (const Instruction* t : region.stores)
      if (t != s && t->buffer == s->buffer) return {};
  }
  std::vector<const Instruction*> moving = region.stores;
  for (const Instruction* l : region.loads)
    if (!strides.of(*l).is_fixed() || !strides.is_masked_alike(*l)) moving.push_back(l);
  for (const Instruction* a : moving)
    region.widest = std::max(region.widest, bytes(kernel_.buffers[index(a->buffer)].dtype));
  const Stride count = strides.of(extent);
  for (int width = access_bytes / region.widest; width > 1; width /= 2) {
    if (region.scalars * width > most_unrolled || (whole && (!count.is_fixed() || count.rest % width != 0))) continue;
    CudaPack pack{width, {}};
    for (const Instruction* a : moving) {
      const Stride s = strides.of(*a);
      const int size = width * bytes(kernel_.buffers[index(a->buffer)].dtype);
      const size_t unmasked = kernel_.buffers[index(a->buffer)].shape.size() + (a->kind == KernelOp::store);
      if (a->operands.size() == unmasked && s.known && s.factor == 1 && s.rest % width == 0 &&
          aligned(a->buffer) % size == 0)
        pack.accesses.push_back(a);
    }
    const auto packed_stores = static_cast<size_t>(
        std::count_if(pack.accesses.begin(), pack.accesses.end(), [](auto* a) { return a->kind == KernelOp::store; }));
    const size_t loads = pack.accesses.size() - packed_stores, others = moving.size() - pack.accesses.size();
    if (packed_stores == region.stores.size() && others <= loads && !pack.accesses.empty()) return pack;
  }
  return {};
}

// A pack of lanes that divides the tree's, in which nothing is loaded one by one. Where a row is kept on chip, a thread has one
// lane only: what it keeps would leave room for too few threads.
CudaPack CudaPlanner::reduce_pack(const Instruction& reduce) const {
  bool keeps = false;
  for (const ir::KernelBuffer& b : kernel_.buffers) keeps = keeps || b.space == Space::scratch;
  if (keeps || reduce.tree.lanes < 2) return {};
  CudaPack found = pack(reduce.blocks[0], reduce.operands[0], true);
  if (found.width > reduce.tree.lanes || reduce.tree.lanes % found.width != 0) return {};
  return found;
}

}  // namespace tenon::codegen
