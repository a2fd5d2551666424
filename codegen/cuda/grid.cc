// How the threads of a grid come by their iterations, one function for each way of codegen/cuda/plan.h. The grid goes round: `at`
// counts what a thread or block takes, so any grid is right.
#include <algorithm>

#include "tenon/codegen/cuda/kernel.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;

void CudaKernel::emit_body() {
  if (const Instruction* contract = only_contract()) {
    emit_pure(BlockId{0}, Team::group);
    return emit_contract_grid(*contract);
  }
  plan_ = planner_.plan();
  source_.threads = plan_.threads;
  if (plan_.way == CudaPlan::Way::block) {
    source_.grid = {CudaFactor{}};
    line("if (blockIdx.x != 0) return;");
    return emit_block(BlockId{0}, Team::group);
  }
  for (const Instruction* loop : {plan_.outer, plan_.inner})
    if (loop && index_.interval(loop->operands[0]).high <= 0 && defining(loop->operands[0], KernelOp::literal)) {
      source_.grid = {CudaFactor{{0}, 1}};
      return;  // nothing to do
    }
  emit_pure(BlockId{0}, Team::group);
  switch (plan_.way) {
    case CudaPlan::Way::elements: emit_elements(); break;
    case CudaPlan::Way::columns: emit_columns(); break;
    case CudaPlan::Way::tile: emit_tile(); break;
    case CudaPlan::Way::lanes: emit_lanes(); break;
    case CudaPlan::Way::rows: emit_rows(); break;
    case CudaPlan::Way::block: break;
  }
  close();
}

// ---- counts -----------------------------------------------------------------------------------------------------------

// The product of extents, in 32 bits where that is narrow: then a step past it stays below 2^32.
CudaKernel::Count CudaKernel::count(std::initializer_list<ScalarId> extents) const {
  Count result;
  int64_t most = 1, numbers = 1;
  for (ScalarId e : extents) {
    const Interval extent = index_.interval(e);
    result.narrow =
        result.narrow && extent.high <= most_narrow && most * std::max<int64_t>(extent.high, 1) <= most_narrow;
    if (result.narrow) most *= std::max<int64_t>(extent.high, 1);
  }
  for (ScalarId e : extents) {
    const Interval extent = index_.interval(e);
    if (result.narrow && extent.low == extent.high && extent.low >= 0)
      numbers *= extent.low;
    else
      result.text += (result.text.empty() ? "" : " * ") + result.as() + "(" + use(e) + ")";
  }
  if (result.text.empty())
    result.known = numbers, result.text = std::to_string(numbers) + "u";
  else if (numbers != 1)
    result.text += " * " + std::to_string(numbers) + "u";
  return result;
}

CudaKernel::Count CudaKernel::parts(const Count& count, int64_t each) const {
  Count result = count;
  result.known = count.known < 0 ? -1 : (count.known + each - 1) / each;
  result.text = count.known < 0
                    ? "((" + count.text + " + " + std::to_string(each - 1) + ") / " + std::to_string(each) + ")"
                    : std::to_string(result.known) + "u";
  return result;
}

// A count as the product of factors; the first takes what is not rounded by itself.
bool CudaKernel::count_of(ScalarId v, std::vector<CudaFactor>& factors) const {
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

// What the launch is told of the grid, as far as it can be said.
void CudaKernel::deal(const std::vector<std::pair<std::vector<ScalarId>, int64_t>>& parts) {
  std::vector<CudaFactor> all;
  for (const auto& [extents, each] : parts) {
    std::vector<CudaFactor> factors{{{}, each}};
    for (ScalarId e : extents)
      if (!count_of(e, factors)) return;
    all.insert(all.end(), factors.begin(), factors.end());
  }
  source_.grid = std::move(all);
}

void CudaKernel::open_grid(const Count& count, int64_t per_block, const std::string& inside) {
  const std::string times = per_block == 1 ? "" : " * " + std::to_string(per_block);
  const auto word = [&](const std::string& w) { return count.narrow ? w : "u64(" + w + ")"; };
  open("for (" + count.as() + " at = " + word("blockIdx.x") + times + (inside.empty() ? "" : " + " + inside) +
       "; at < " + count.text + "; at += " + word("gridDim.x") + times + ")");
}

// ---- ways -------------------------------------------------------------------------------------------------------------

// `at` counts packs of the inner index, row by row.
void CudaKernel::unflatten(const Count& total, ScalarId by, int pack) {
  const ScalarId row = argument(*plan_.outer), column = argument(*plan_.inner);
  const Instruction* extent = defining(by, KernelOp::extent);
  const std::string times = pack == 1 ? "" : " * " + std::to_string(pack);
  if (pack == 1 && total.narrow && extent) {
    const std::string by_what = divisor(extent->dim);
    define_as(row, "quotient(at, " + by_what + ")");
    define_as(column, "remainder(at, " + use(by) + ", " + by_what + ")");
    return;
  }
  const Interval n = index_.interval(by);
  const std::string packs = n.low == n.high
                                ? std::to_string(n.low / pack) + "u"
                                : total.as() + "(" + use(by) + ")" + (pack == 1 ? "" : " / " + std::to_string(pack));
  const std::string divided_by = pack == 1 || n.low == n.high ? packs : "(" + packs + ")";
  define_as(row, type(row) + "(at / " + divided_by + ")");
  define_as(column, type(column) + "(at % " + divided_by + times + ")");
}

void CudaKernel::emit_elements() {
  const Instruction& inner = *plan_.inner;
  const int pack = plan_.pack.width;
  const ScalarId extent = inner.operands[0], column = argument(inner);
  Count total = plan_.outer ? count({plan_.outer->operands[0], extent}) : count({extent});
  const Stride size = CudaStrides(kernel_, index_, column).of(extent);
  const bool tail = pack > 1 && (!size.is_fixed() || size.rest % pack != 0);
  if (plan_.outer)
    deal({{{plan_.outer->operands[0], extent}, int64_t{plan_.threads} * pack}});
  else
    deal({{{extent}, int64_t{plan_.threads} * pack}});
  if (pack > 1 && tail)
    total = parts(total, pack);
  else if (pack > 1)
    total.text = total.known < 0 ? total.text + " / " + std::to_string(pack) : std::to_string(total.known / pack) + "u";
  open_grid(total, plan_.threads, "threadIdx.x");
  if (plan_.outer) {
    unflatten(total, extent, pack);
    emit_pure(plan_.outer->blocks[0], Team::thread);
  } else {
    define_as(column, type(column) + "(at" + (pack == 1 ? "" : " * " + std::to_string(pack)) + ")");
  }
  if (pack == 1) return emit_block(inner.blocks[0], Team::thread);
  if (tail) line("const " + type(column) + " left = " + use(extent) + " - " + use(column) + ";");
  emit_packed(inner.blocks[0], plan_.pack, tail ? "left" : "");
}

// A block has neighbouring columns side by side, as many threads for each as there is room; past the last column they work on it
// again and store nothing.
void CudaKernel::emit_columns() {
  const Instruction& inner = *plan_.inner;
  const ScalarId column = argument(inner), extent = inner.operands[0];
  const std::string side = std::to_string(plan_.columns);
  if (plan_.outer)
    deal({{{plan_.outer->operands[0]}, 1}, {{extent}, plan_.columns}});
  else
    deal({{{extent}, plan_.columns}});
  const Interval n = index_.interval(extent);
  Count total = plan_.outer ? count({plan_.outer->operands[0], extent}) : count({extent});
  const std::string tiles = parts(count({extent}), plan_.columns).text;
  total.text = (total.narrow ? "" : "u64(1) * ") +
               (plan_.outer ? count({plan_.outer->operands[0]}).text + " * " + tiles : tiles);
  open_grid(total, 1, "");
  if (plan_.outer) {
    define_as(argument(*plan_.outer), type(argument(*plan_.outer)) + "(at / " + tiles + ")");
    emit_pure(plan_.outer->blocks[0], Team::thread);
  }
  const std::string own =
      type(column) + "(" + (plan_.outer ? "at % " + tiles : "at") + " * " + side + " + threadIdx.x % " + side + ")";
  if (n.low == n.high && n.low % plan_.columns == 0) {
    define_as(column, own);
    stores_if_ = "threadIdx.x < " + side;
  } else {
    line("const " + type(column) + " own = " + own + ";");
    define_as(column, "own < " + use(extent) + " ? own : " + type(column) + "(" + use(extent) + " - 1)");
    stores_if_ = "threadIdx.x < " + side + " && own < " + use(extent);
  }
  emit_block(inner.blocks[0], Team::thread);
}

void CudaKernel::emit_lanes() {
  const ScalarId rows = plan_.outer->operands[0];
  ScalarId extent = plan_.inner->operands[0];
  if (const Instruction* s = defining(extent, KernelOp::scalar); s && s->op == ir::Op::select) extent = s->operands[1];
  deal({{{rows, extent}, plan_.threads}});
  const Count total = count({rows, extent}), side = count({extent});
  open_grid(total, plan_.threads, "threadIdx.x");
  define_as(argument(*plan_.outer), type(argument(*plan_.outer)) + "(at / " + side.text + ")");
  line(std::string("const ") + (side.narrow ? "i32" : "i64") + " lane = at % " + side.text + ";");
  emit_block(plan_.outer->blocks[0], Team::thread);
}

void CudaKernel::emit_rows() {
  const Instruction& loop = *plan_.outer;
  const int side = plan_.threads / plan_.team;
  const Count total = count({loop.operands[0]});
  deal({{{loop.operands[0]}, side}});
  const std::string team = std::to_string(plan_.team);
  if (side > 1) line("const u32 rank = threadIdx.x % " + team + ";");
  open_grid(total, side, side > 1 ? "threadIdx.x / " + team : "");
  define_as(argument(loop), type(argument(loop)) + "(at)");
  emit_block(loop.blocks[0], Team::group);
}

}  // namespace tenon::codegen
