// Maps that read along the outer index what they write along the inner one, as transposes do: a block takes 32 x 32 iterations,
// reads the elements of such loads the one way into shared memory, waits, and computes the other way. A row of 33 there keeps
// threads that read a column out of each other's banks. Nothing is computed differently: any element is where its load says.
#include "tenon/codegen/cuda/kernel.h"

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::ScalarId;

void CudaKernel::emit_tile() {
  const ScalarId row = argument(*plan_.outer), column = argument(*plan_.inner), rows = plan_.outer->operands[0],
                 columns = plan_.inner->operands[0];
  const BlockId outside = plan_.outer->blocks[0], inside = plan_.inner->blocks[0];
  deal({{{rows}, 32}, {{columns}, 32}});
  Count total = count({rows, columns});
  const std::string across = parts(count({columns}), 32).text;
  total.text = (total.narrow ? "" : "u64(1) * ") + parts(count({rows}), 32).text + " * " + across;
  for (size_t n = 0; n < plan_.tiled.size(); ++n) {
    const ir::KernelBuffer& b = kernel_.buffers[index(plan_.tiled[n]->buffer)];
    line("__shared__ " + std::string(name(b.dtype)) + " tile" + std::to_string(n) + "[32][33];");
  }
  line("const u32 x = threadIdx.x % 32, y = threadIdx.x / 32;");
  open_grid(total, 1, "");
  line("const " + type(row) + " first_row = at / " + across + " * 32;");
  line("const " + type(column) + " first_column = at % " + across + " * 32;");
  const auto each = [&](const std::string& down, const std::string& along) {
    open("for (u32 step = y; step < 32; step += 8)");
    define_as(row, "first_row + " + type(row) + "(" + down + ")");
    define_as(column, "first_column + " + type(column) + "(" + along + ")");
    open("if (" + use(row) + " < " + use(rows) + " && " + use(column) + " < " + use(columns) + ")");
  };
  each("x", "step");
  std::set<const Instruction*> done;
  emit_pure(outside, Team::thread);
  for (size_t n = 0; n < plan_.tiled.size(); ++n) {
    const Instruction& load = *plan_.tiled[n];
    for (ScalarId o : load.operands) emit_needed(o, inside, done);
    line("tile" + std::to_string(n) + "[step][x] = " + element(load) + ";");
  }
  close();
  close();
  line("__syncthreads();");
  each("step", "x");
  for (size_t n = 0; n < plan_.tiled.size(); ++n) loaded_[plan_.tiled[n]] = "tile" + std::to_string(n) + "[x][step]";
  emit_pure(outside, Team::thread);
  emit_block(inside, Team::thread);
  loaded_.clear();
  close();
  close();
  line("__syncthreads();");
}

}  // namespace tenon::codegen
