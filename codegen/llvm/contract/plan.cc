// Tile and block sizes computed as in the analytical model of BLIS, with one difference: the accumulators fill the registers,
// a panel of the right operand takes a quarter of L2 and stays there, and the left block, of which the tall panel needs one
// byte per cycle, streams past it from L3. Deep blocks matter most: sums that wait for the next block of k cost twice.
#include "tenon/codegen/llvm/contract/plan.h"

#include <algorithm>
#include <bit>

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::Kernel;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;

namespace {

int64_t ceil_divide(int64_t x, int64_t by) { return (x + by - 1) / by; }
int64_t round_up(int64_t x, int64_t to) { return ceil_divide(x, to) * to; }

// At most `most` a tile, as few tiles as that needs, evenly filled.
int64_t even_tile(int64_t extent, int64_t most) {
  if (extent <= 0) return most;
  return ceil_divide(extent, ceil_divide(extent, most));
}

const Instruction* definition(const Kernel& kernel, ScalarId v) {
  const uint32_t number = kernel.scalars[index(v)].instruction;
  return number == UINT32_MAX ? nullptr : &kernel.instructions[number];
}

int64_t number_of(const Kernel& kernel, ScalarId v) {
  const Instruction* i = definition(kernel, v);
  if (i && i->kind == KernelOp::literal) return static_cast<int64_t>(i->immediate);
  if (i && i->kind == KernelOp::extent && i->dim.is_number()) return i->dim.number();
  return unknown_extent;
}

// The largest that an extent can be: a number is known, a symbol has bounds.
int64_t most_of(const Kernel& kernel, ScalarId v) {
  const Instruction* i = definition(kernel, v);
  if (!i || i->kind != KernelOp::extent || i->dim.is_number()) return number_of(kernel, v);
  const int64_t upper = (*kernel.symbols)[i->dim.index()].upper;
  return upper < INT64_MAX ? upper : unknown_extent;
}

// x * y * z, where all are known and that fits.
int64_t product(int64_t x, int64_t y, int64_t z) {
  int64_t r = 0;
  const bool known = x >= 0 && y >= 0 && z >= 0;
  return known && !__builtin_mul_overflow(x, y, &r) && !__builtin_mul_overflow(r, z, &r) ? r : unknown_extent;
}

// How much an index moves with the argument: a number, or `other`. Divisions move rarely, remainders like their dividend.
constexpr int64_t other = INT64_MIN;
int64_t slope(const Kernel& kernel, ScalarId v, ScalarId argument, int depth = 0) {
  if (v == argument) return 1;
  const Instruction* i = definition(kernel, v);
  if (!i || i->kind == KernelOp::literal || i->kind == KernelOp::extent) return 0;
  if (i->kind != KernelOp::scalar || depth > 16) return other;
  const int64_t left = slope(kernel, i->operands[0], argument, depth + 1);
  const int64_t right = i->operands.size() > 1 ? slope(kernel, i->operands[1], argument, depth + 1) : 0;
  if (left == 0 && right == 0 && i->operands.size() <= 2) return 0;
  if (left == other || right == other || i->operands.size() != 2) return other;
  switch (i->op) {
    case Op::add: return left + right;
    case Op::sub: return left - right;
    case Op::mul: {
      const int64_t factor = right == 0 ? number_of(kernel, i->operands[1]) : number_of(kernel, i->operands[0]);
      return factor == unknown_extent || (left != 0 && right != 0) ? other : factor * (left + right);
    }
    case Op::div: return right == 0 ? 0 : other;
    case Op::rem: return right == 0 ? left : other;
    default: return other;
  }
}

void direct_tile(ContractPlan& p, int64_t size, const CpuTarget& cpu) {
  p.width = 16;
  const int64_t parts = std::max<int64_t>(1, p.width * size / cpu.vector_bytes);  // registers per logical vector
  const int64_t room = std::max<int64_t>(1, cpu.vector_registers * 3 / 4 / parts);
  p.rows = even_tile(p.most_m, std::min(room, cpu.contract.rows));
  const int64_t vectors = p.most_n >= 0 ? ceil_divide(p.most_n, p.width) : cpu.contract.vectors;
  p.vectors = even_tile(vectors, std::clamp<int64_t>(room / p.rows, 1, cpu.contract.vectors));
}

// How much of the operands lies packed at once, and how.
void cut_blocks(ContractPlan& p, int64_t size, const CpuTarget& cpu) {
  const int64_t fits =
      static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(cpu.l2_bytes / 4 / (p.columns() * size))));
  const int64_t cap = std::clamp<int64_t>(fits, 128, cpu.contract.depth);
  p.depth = cap;
  if (p.k >= 0 && p.k <= contract_segment) {
    const int64_t blocks = std::max<int64_t>(1, ceil_divide(p.k, cap));
    p.depth = round_up(std::max<int64_t>(1, ceil_divide(p.k, blocks)), 16);
  } else if (p.most_k >= 0 && p.most_k <= cap) {
    p.depth = round_up(std::max<int64_t>(1, p.most_k), 16);
  }
  const int64_t most_rows = std::max(p.rows, round_up(2 * cpu.l2_bytes / (cap * size), p.rows));
  p.block_rows = most_rows;
  if (p.most_m >= 0) {
    const int64_t blocks = p.m >= 0 ? std::max<int64_t>(1, ceil_divide(p.m, most_rows)) : 1;
    p.block_rows = std::min(most_rows, round_up(std::max<int64_t>(1, ceil_divide(p.most_m, blocks)), p.rows));
  }
  // Strides depend on the machine alone, so that contractions of one machine share their micro-kernels.
  p.row_stride = p.lhs_along_k ? cap + cpu.contract.padding : 1;
  p.k_stride = p.lhs_along_k ? 1 : p.rows;
  p.tile_stride = p.lhs_along_k ? p.rows * p.row_stride : cap * p.rows + cpu.contract.padding;
  // A micro-kernel for the edge costs compile time; padding up to a fiftieth of the work is cheaper.
  if (p.m >= 0 && (p.rows - p.m % p.rows) * 50 > p.m) p.edge_rows = p.m % p.rows;
  p.resumes = p.most_k < 0 || p.most_k > p.depth;
}

// Where what a worker packs and sums lies in its slot.
void lay_out_slot(ContractPlan& p, int64_t size, const CpuTarget& cpu) {
  const int64_t row_tiles = p.block_rows / p.rows;
  const int64_t panels =
      p.most_n >= 0 ? std::max<int64_t>(1, std::min<int64_t>(8, ceil_divide(p.most_n, p.columns()))) : 8;
  p.tiles = p.resumes ? row_tiles * panels : 1;
  // Room for the sums that wait in the tree of segments.
  if (p.most_k < 0 || p.most_k > contract_segment) p.tiles = std::max<int64_t>(p.tiles, 64);
  const int64_t left = p.block_rows / p.rows * p.tile_stride + cpu.contract.padding;
  p.panel_offset = round_up(left * size, 4096);
  p.turn_offset = p.panel_offset + round_up(p.depth * p.columns() * size, 64);
  p.tile_offset = p.turn_offset + (p.rhs_along_k ? 16 * 16 * size : 0);
  p.slot_bytes = round_up(p.tile_offset + p.tiles * p.rows * p.columns() * size, 4096);
}

}  // namespace

int64_t unit_loads(const Kernel& kernel, BlockId block, size_t argument) {
  const ScalarId moving = kernel.blocks[index(block)].arguments[argument];
  int64_t count = 0;
  for (uint32_t number : kernel.blocks[index(block)].instructions) {
    const Instruction& i = kernel.instructions[number];
    const size_t rank = i.kind == KernelOp::load ? kernel.buffers[index(i.buffer)].shape.size() : 0;
    if (rank == 0) continue;
    bool unit = slope(kernel, i.operands[rank - 1], moving) == 1;
    for (size_t d = 0; d + 1 < rank; ++d) unit &= slope(kernel, i.operands[d], moving) == 0;
    count += unit;
  }
  return count;
}

ContractPlan plan_contract(const Kernel& kernel, const Instruction& contract, const Target& target, bool shared) {
  const CpuTarget& cpu = target.cpu();
  ContractPlan p;
  p.claim = cpu.contract.claim;
  p.batch = number_of(kernel, contract.operands[0]);
  p.m = number_of(kernel, contract.operands[1]);
  p.n = number_of(kernel, contract.operands[2]);
  p.k = number_of(kernel, contract.operands[3]);
  p.most_m = most_of(kernel, contract.operands[1]);
  p.most_n = most_of(kernel, contract.operands[2]);
  p.most_k = most_of(kernel, contract.operands[3]);
  const int64_t size = bytes(contract.dtype), most_work = product(p.most_m, p.most_n, p.most_k);

  p.width = std::min<int64_t>(16, cpu.vector_bytes / size);
  // Columns of a tile are at least one logical vector, because the epilogue runs over those.
  p.vectors = std::max<int64_t>(cpu.vector_registers >= 32 ? cpu.contract.vectors : 2, 16 / p.width);
  p.rows = std::clamp<int64_t>((cpu.vector_registers - p.vectors - 2) / p.vectors, 1, cpu.contract.rows);
  p.lhs_along_k = unit_loads(kernel, contract.blocks[0], 2) >= unit_loads(kernel, contract.blocks[0], 1);
  p.rhs_along_k = unit_loads(kernel, contract.blocks[1], 1) > unit_loads(kernel, contract.blocks[1], 2);

  const bool small = most_work >= 0 && most_work <= cpu.contract.small_work;
  const bool few_rows =
      p.most_m >= 0 && p.most_m <= p.rows && !p.rhs_along_k;  // every element of the right operand is used once
  p.packed = shared && !small && !few_rows;
  if (!p.packed) {
    direct_tile(p, size, cpu);
    return p;
  }
  p.rows = even_tile(p.m, p.rows);
  cut_blocks(p, size, cpu);
  lay_out_slot(p, size, cpu);
  p.workers = target.cores > 1 ? std::min<int64_t>(target.cores, 64) : cpu.contract.unknown_workers;
  // A launch takes no more workers than its work is worth (ContractEmitter::packed_total), nor slots for them.
  const int64_t batch = most_of(kernel, contract.operands[0]);
  if (p.m < 0 || p.n < 0 || p.k < 0)
    if (const int64_t work = product(batch, most_work, 1); work >= 0)
      p.workers = std::clamp<int64_t>(work / p.claim, 1, p.workers);
  return p;
}

}  // namespace tenon::codegen
