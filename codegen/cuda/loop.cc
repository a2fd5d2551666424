// Loops inside teams and threads, and packs: pieces of code that a thread runs for several neighbours at once.
#include "tenon/codegen/cuda/kernel.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;

void CudaKernel::emit_loop(const Instruction& i, Team team) {
  const ir::Block& b = kernel_.blocks[index(i.blocks[0])];
  if (plan_.way == CudaPlan::Way::lanes && is_lane_loop(i)) {
    define_as(b.arguments[0], "lane");
    open("if (lane < " + use(i.operands[0]) + ")");
    emit_block(i.blocks[0], Team::thread);
    return close();
  }
  const bool dealt = team == Team::group && is_lane_loop(i);
  const bool shares = dealt && shares_memory(i.blocks[0]);
  if (dealt && i.operands.size() == 1)
    if (const CudaPack pack = planner_.pack(i.blocks[0], i.operands[0], true); pack.width > 1) {
      if (shares) barrier();
      emit_packed_loop(i, pack);
      if (shares) barrier();
      return;
    }
  const std::string extent = use(i.operands[0]);
  std::vector<std::string> initial, carried;
  for (size_t k = 1; k < i.operands.size(); ++k) initial.push_back(use(i.operands[k]));
  for (size_t k = 0; k < initial.size(); ++k) {
    carried.push_back(define(result(i, k)));
    line(type(result(i, k)) + " " + carried[k] + " = " + initial[k] + ";");
  }
  if (shares) barrier();
  const std::string v = define(b.arguments[0]);
  const std::string goes_on = i.loop == ir::LoopKind::repeat ? " && " + carried[0] : "";
  open("for (" + type(b.arguments[0]) + " " + v + " = " + (dealt ? rank() : "0") + "; " + v + " < " + extent + goes_on +
       "; " + (dealt ? v + " += " + std::to_string(plan_.team) : "++" + v) + ")");
  // The arguments are copies, so that the next carries can be assigned one by one.
  for (size_t k = 0; k < carried.size(); ++k) define_as(b.arguments[k + 1], carried[k]);
  emit_block(i.blocks[0], dealt ? Team::thread : team);
  for (size_t k = 0; k < carried.size(); ++k) line(carried[k] + " = " + use(b.yields[k]) + ";");
  close();
  if (shares) barrier();
}

// A team's loop over packs, whose extent is a multiple of one.
void CudaKernel::emit_packed_loop(const Instruction& i, const CudaPack& pack) {
  const ScalarId v = argument(i);
  const std::string width = std::to_string(pack.width), name = define(v);
  open("for (" + type(v) + " " + name + " = " + rank() + " * " + width + "; " + name + " < " + use(i.operands[0]) +
       "; " + name + " += " + std::to_string(plan_.team * pack.width) + ")");
  emit_packed(i.blocks[0], pack, "");
  close();
}

// The code of a block for the neighbours from its first argument on, which is defined. left: how many there are, where that may be
// fewer than a pack; what is past them is computed of zeros. each: what else is done for each.
void CudaKernel::emit_packed(BlockId block, const CudaPack& pack, const std::string& left,
                             const std::function<void()>& each) {
  const ir::Block& b = kernel_.blocks[index(block)];
  const ScalarId along = b.arguments[0];
  const std::string first = use(along), width = std::to_string(pack.width), rest = left.empty() ? "" : ", " + left;
  const CudaStrides strides(kernel_, index_, along);
  std::set<const Instruction*> shared;  // what is the same for all
  for (uint32_t number : b.instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (!is_pure(i) || i.kind == KernelOp::literal || i.kind == KernelOp::extent) continue;
    bool fixed = true;
    for (ScalarId o : i.operands) fixed = fixed && strides.of(o).is_fixed();
    if (fixed) emit_needed(i.first_result, block, shared);
  }
  std::set<const Instruction*> placed = shared;
  std::vector<std::string> stores;
  std::map<const Instruction*, std::string> names;
  for (const Instruction* a : pack.accesses) {
    const ir::KernelBuffer& held = kernel_.buffers[index(a->buffer)];
    const size_t rank = held.shape.size();
    if (held.space != ir::Space::scratch && pack.width * bytes(held.dtype) == 16)
      ++(a->kind == KernelOp::load ? source_.wide_loads : source_.wide_stores);
    for (size_t d = 0; d < rank; ++d) emit_needed(a->operands[d], block, placed);
    const std::string name = names[a] = "p" + std::to_string(next_++),
                      type = "Pack<" + std::string(tenon::name(held.dtype)) + ", " + width + "> ";
    mark(*a);
    if (a->kind == KernelOp::load) {
      line("const " + type + name + " = load_pack<" + width + ">(" + address(*a) + rest + ");");
      loaded_[a] = name + ".at[k]";
    } else {
      line(type + name + ";");
      stores.push_back("store_pack<" + width + ">(" + address(*a) + ", " + name + rest + ");");
    }
  }
  line("#pragma unroll");
  open("for (int k = 0; k < " + width + "; ++k)");
  define_as(along, first + " + k");
  only_if_ = left.empty() ? "" : "k < " + left;
  for (uint32_t number : b.instructions) {
    const Instruction& i = kernel_.instructions[number];
    if (shared.count(&i)) continue;
    mark(i);
    if (i.kind == KernelOp::store)
      line(names.at(&i) + ".at[k] = " + use(i.operands[kernel_.buffers[index(i.buffer)].shape.size()]) + ";");
    else
      emit_instruction(i, Team::thread);
  }
  if (each) each();
  only_if_.clear();
  close();
  for (const std::string& s : stores) line(s);
  loaded_.clear();
}

}  // namespace tenon::codegen
