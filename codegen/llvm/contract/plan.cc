// Tile and block sizes computed as in the analytical model of BLIS, with one difference: the accumulators fill the registers,
// a panel of the right operand takes a quarter of L2 and stays there, and the left block, of which the tall panel needs one
// byte per cycle, streams past it from L3. Deep blocks matter most: sums that wait for the next block of k cost twice.
#include "tenon/codegen/llvm/contract/plan.h"

#include <algorithm>
#include <bit>

namespace tenon::codegen {

using ir::Instruction;
using ir::Kernel;
using ir::most_of;
using ir::number_of;
using ir::unit_loads;

namespace {

int64_t ceil_divide(int64_t x, int64_t by) { return (x + by - 1) / by; }
int64_t round_up(int64_t x, int64_t to) { return ceil_divide(x, to) * to; }

// At most `most` a tile, as few tiles as that needs, evenly filled.
int64_t even_tile(int64_t extent, int64_t most) {
  if (extent <= 0) return most;
  return ceil_divide(extent, ceil_divide(extent, most));
}

// x * y * z, where all are known and that fits.
int64_t product(int64_t x, int64_t y, int64_t z) {
  int64_t r = 0;
  const bool known = x >= 0 && y >= 0 && z >= 0;
  return known && !__builtin_mul_overflow(x, y, &r) && !__builtin_mul_overflow(r, z, &r) ? r : unknown_extent;
}

// Multiply-adds whose operands lie in L2 as they are: read along their rows, packing them gains nothing. Operands that are computed,
// or whose places are, are packed: a tile would compute them again.
constexpr int64_t near_work = 4 << 20;
// More of them gain nothing from packing either while the right operand takes no more than half of L2, in rows of whole cache lines
// that are not so far apart that they share sets of the first cache; the tiles of the first rows ask for it ahead. So with the
// left operand where its rows are not along k. Measured: even with packing at 256 columns, 8 to 15 % behind it from 384 on; rows of 500
// numbers lose 15 %, a left operand with 4 KiB from one k to the next 40 %.
constexpr int64_t line_bytes = 64, most_near_row = 1024, most_left_row = 1024;

// The one load that a block is; null where it computes anything, places included: what is read several times is not computed
// several times.
const Instruction* plain_load(const Kernel& kernel, ir::BlockId block) {
  const Instruction* i = ir::definition(kernel, kernel.blocks[index(block)].yields[0]);
  if (i == nullptr || i->kind != ir::KernelOp::load) return nullptr;
  for (ir::ScalarId place : i->operands) {
    const Instruction* made = ir::definition(kernel, place);
    const bool computed = made != nullptr && made->kind != ir::KernelOp::literal && made->kind != ir::KernelOp::extent;
    if (computed && kernel.scalars[index(place)].block == block) return nullptr;
  }
  return i;
}

// Elements that an operand's load moves by with argument 0, 1 or 2 of its block.
int64_t step_of(const Kernel& kernel, const Instruction& contract, int side, const Instruction& load, size_t argument) {
  return ir::load_step(kernel, load, kernel.blocks[index(contract.blocks[side])].arguments[argument]);
}

// The rows of a left operand that stands in memory along k need no packing but where a tile has fewer of them.
int64_t place_stride(const ContractPlan& p, const Kernel& kernel, const Instruction& contract,
                     const Instruction* left) {
  if (!p.lhs_along_k || left == nullptr || left->dtype != contract.dtype) return 0;
  return step_of(kernel, contract, 0, *left, 2) == 1 ? std::max<int64_t>(0, step_of(kernel, contract, 0, *left, 1)) : 0;
}

bool is_near(const ContractPlan& p, const Kernel& kernel, const Instruction& contract, const CpuTarget& cpu, bool few,
             const Instruction* left, const Instruction* right) {
  if (left == nullptr || right == nullptr || p.rhs_along_k) return false;
  if (few) return true;
  if (p.n <= 0 || p.most_k <= 0) return false;
  const auto step = [&](int side, const Instruction& load, size_t argument) {
    return step_of(kernel, contract, side, load, argument);
  };
  const int64_t size = bytes(contract.dtype), row = step(1, *right, 1) * size;
  const bool along_rows = step(1, *right, 2) == 1 && row > 0 && row <= most_near_row && row % line_bytes == 0;
  const int64_t across = step(0, *left, 2);
  const bool beside = across == 1 || (step(0, *left, 1) == 1 && across > 0 && across * size <= most_left_row);
  return along_rows && beside && p.most_k <= cpu.l2_bytes / 2 / size / p.n;
}

constexpr int64_t most_turned = 8;  // columns up to which rows are lanes

// The tile that wastes least: sums and a row of the right operand stay in registers, what a step of k takes is the longest of its
// multiply-adds, its loads (two of each a cycle) and the wait of a sum for itself, which nothing meets exactly. Unknown extents are many. `once`: the right operand
// comes from afar, so that all rows are one tile. finishing: what a tile takes beside its steps, in parts of one, where k is short.
void direct_tile(ContractPlan& p, int64_t size, const CpuTarget& cpu, bool once, double finishing) {
  p.width = 16;
  const int64_t parts = std::max<int64_t>(1, p.width * size / cpu.vector_bytes);  // registers per logical vector
  const int64_t m = p.most_m >= 0 ? std::max<int64_t>(p.most_m, 1) : 1 << 16;
  const int64_t across = p.most_n >= 0 ? std::max<int64_t>(ceil_divide(p.most_n, p.width), 1) : 1 << 16;
  double least = 0;
  const int64_t most_rows =
      once ? m : std::min<int64_t>(m, 8);  // more lines of the left operand may share a set of the first cache
  for (int64_t rows = once ? m : 1; rows <= most_rows; ++rows)
    for (int64_t vectors = 1; vectors <= std::min<int64_t>(across, 8); ++vectors) {
      if (rows * vectors > 1 && (rows + 1) * vectors * parts > cpu.vector_registers - 1) break;
      const int64_t sums = rows * vectors * parts, loads = rows + vectors * parts;
      const double step = static_cast<double>(std::max<int64_t>({sums, loads, 10}));
      const double cost = static_cast<double>(ceil_divide(m, rows)) *
                          static_cast<double>(ceil_divide(across, vectors)) *
                          (step + 0.25 * static_cast<double>(loads) + finishing);
      if (least != 0 && cost >= least) continue;
      least = cost, p.rows = rows, p.vectors = vectors;
    }
}

// Rows up to which an element of the right operand is used so seldom that packing it must cost nothing: a panel stays in L1 from
// the loads that fill it to the tiles that read it.
constexpr int64_t shallow_rows = 128;
bool is_shallow(const ContractPlan& p) { return p.most_m >= 0 && p.most_m <= shallow_rows; }

// How much of the operands lies packed at once, and how.
void cut_blocks(ContractPlan& p, int64_t size, const CpuTarget& cpu) {
  const int64_t room = is_shallow(p) ? cpu.l1_bytes / 2 : cpu.l2_bytes / 4, least = is_shallow(p) ? 64 : 128;
  const int64_t fits = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(room / (p.columns() * size))));
  const int64_t cap = std::clamp<int64_t>(fits, least, std::max(least, cpu.contract.depth));
  p.depth = cap;
  if (p.most_k >= 0 && p.most_k <= contract_segment) {
    const int64_t blocks = std::max<int64_t>(1, ceil_divide(p.most_k, cap));
    p.depth = round_up(std::max<int64_t>(1, ceil_divide(p.most_k, blocks)), 16);
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
  // As many columns of panels share a pass over k, and what it packs of the left operand.
  const int64_t most = std::max<int64_t>(8, 512 / p.columns()),
                panels = p.most_n >= 0 ? std::clamp<int64_t>(ceil_divide(p.most_n, p.columns()), 1, most) : most;
  p.tiles = p.resumes ? row_tiles * panels : 1;
  // Room for the sums that wait in the tree of segments.
  if (p.most_k < 0 || p.most_k > contract_segment) p.tiles = std::max<int64_t>(p.tiles, 64);
  const int64_t left = p.block_rows / p.rows * p.tile_stride + cpu.contract.padding;  // also where few of it are packed
  p.panel_offset = round_up(left * size, 4096);
  p.turn_offset = round_up(p.depth * p.columns() * size, 64);
  p.panel_bytes = p.turn_offset + (p.rhs_along_k ? 16 * 16 * size : 0);
  p.group = is_shallow(p) ? 1 : std::clamp<int64_t>(cpu.l2_bytes / 2 / p.panel_bytes, 1, panels);
  p.tile_offset = p.panel_offset + p.group * p.panel_bytes;
  p.slot_bytes = round_up(p.tile_offset + p.tiles * p.rows * p.columns() * size, 4096);
}

int64_t workers_of(const Target& target) {
  return target.cores > 1 ? std::min<int64_t>(target.cores, 64) : target.cpu().contract.unknown_workers;
}

// Few rows past a right operand from afar: as much of its rows at a time as a thread's part is wide, within what of sums, and of
// those that wait in the tree of segments, lies in L1. Packed, each of its elements would be written and read again for a few
// multiply-adds; in tiles of registers, its rows would be read in runs so short that the processor does not see what comes next.
bool can_stream(const ContractPlan& p, int64_t size, const CpuTarget& cpu) {
  constexpr int64_t least = 8, most_depth = 16 * contract_segment, most_rows = 32;  // from there on packing is worth it
  const int64_t right = product(p.most_k, p.most_n, size);
  return right > cpu.l2_bytes / 2 && p.most_m > 0 && p.most_m <= most_rows && !p.rhs_along_k &&
         p.most_k <= most_depth && ceil_divide(p.most_n, 16) >= least;
}
void stream(ContractPlan& p, int64_t size, const Target& target) {
  const CpuTarget& cpu = target.cpu();
  const int64_t parts = std::max<int64_t>(1, 16 * size / cpu.vector_bytes);  // registers per logical vector
  const int64_t across = ceil_divide(p.most_n, 16), room = cpu.l1_bytes / (16 * size * p.most_m);
  p.streamed = true;
  p.width = 16, p.rows = p.most_m;  // as whole bands, below
  p.across = p.rows > 2 && parts == 1 ? 2 : 1;
  // Rows of a band wait for each other only where no other band is there to go on with: as many as waste least.
  const int64_t most = std::min<int64_t>(8, (cpu.vector_registers - 2) / (p.across * parts) - 1);
  for (int64_t band = 1, least = 0; band <= most; ++band)
    if (const int64_t cost = ceil_divide(p.rows, band) * (2 * band + 1); least == 0 || cost <= least)
      least = cost, p.band = band;
  p.vectors =
      even_tile(across, std::clamp<int64_t>(ceil_divide(across, workers_of(target)), 8, std::max<int64_t>(8, room)));
  p.vectors = round_up(p.vectors, p.across);
  p.rows = round_up(p.rows, p.band);
}

}  // namespace

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
  const bool few_rows = p.most_m >= 0 && p.most_m <= std::max<int64_t>(p.rows, 12) &&
                        !p.rhs_along_k;  // every element of the right operand is used once
  const bool few_columns =  // or of the left one
      p.most_n >= 0 && p.most_n <= 16 && p.lhs_along_k && (p.n == 1 || !p.rhs_along_k);
  const Instruction *left = plain_load(kernel, contract.blocks[0]), *right = plain_load(kernel, contract.blocks[1]);
  const bool few = most_work >= 0 && most_work <= near_work, near = is_near(p, kernel, contract, cpu, few, left, right);
  if (!small && can_stream(p, size, cpu) && (p.most_m <= 2 || (left && right && shared))) {
    stream(p, size, target);
    return p;
  }
  p.packed = shared && !small && !near && !few_rows && !few_columns;
  if (!p.packed) {
    const int64_t taken = product(p.most_k, p.most_n, size);
    p.far = few_rows && !small && (taken < 0 || taken > cpu.l2_bytes / 2);
    direct_tile(p, size, cpu, p.far, shared ? 0 : 2);
    p.far |= near && !small && !few;
    const int64_t width = std::min<int64_t>(16, cpu.vector_bytes / size);
    if (p.n >= 1 && p.n <= most_turned && p.lhs_along_k && width > 1 && (p.most_m < 0 || p.most_m >= width) &&
        (p.most_k < 0 || p.most_k >= 2 * width))
      p.turned = true, p.rows = width, p.vectors = 1;
    if (!shared && !p.turned && p.m > p.rows) p.edge_rows = p.m % p.rows;  // these are run many times
    return p;
  }
  p.rows = even_tile(p.m, p.rows);
  cut_blocks(p, size, cpu);
  p.place_stride = place_stride(p, kernel, contract, left);
  lay_out_slot(p, size, cpu);
  p.workers = workers_of(target);
  // A launch takes no more workers than its work is worth (ContractEmitter::packed_total), nor slots for them.
  const int64_t batch = most_of(kernel, contract.operands[0]);
  if (p.m < 0 || p.n < 0 || p.k < 0)
    if (const int64_t work = product(batch, most_work, 1); work >= 0)
      p.workers = std::clamp<int64_t>(work / p.claim, 1, p.workers);
  return p;
}

}  // namespace tenon::codegen
