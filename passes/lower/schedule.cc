// Decisions about time and caches that leave results alone: stores that bypass the caches, for outputs that are larger
// than the target's caches hold (Tiles::nontemporal_bytes) and not read again soon. Refuses to change what a kernel computes.
#include "tenon/passes/pass.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Bytes of a static buffer, else 0.
int64_t size_of(const ProgramBuffer& b) { return b.shape.is_static() ? b.shape.numel() * bytes(b.dtype) : 0; }

// How often each buffer is read, and by whom, is a question of the flat list of steps; inside loops nothing is marked.
bool read_later(const std::vector<Step>& steps, size_t from, uint32_t buffer) {
  for (size_t i = from; i < steps.size(); ++i) {
    for (const Operand& o : steps[i].operands)
      if (o.buffer == buffer) return true;
    if (read_later(steps[i].condition, 0, buffer) || read_later(steps[i].body, 0, buffer) ||
        read_later(steps[i].otherwise, 0, buffer))
      return true;
  }
  return false;
}

}  // namespace

Program schedule(Program program, const Target& target) {
  std::vector<int> launches(program.kernels.size(), 0);
  for (const Step& s : program.steps)
    if (s.kind == StepKind::launch) ++launches[s.kernel];
  for (size_t n = 0; n < program.steps.size(); ++n) {
    const Step& s = program.steps[n];
    if (s.kind != StepKind::launch || launches[s.kernel] != 1) continue;
    Kernel& kernel = program.kernels[s.kernel];
    size_t next = 0;
    for (uint32_t k = 0; k < kernel.buffers.size(); ++k) {
      if (kernel.buffers[k].space == Space::scratch) continue;
      const uint32_t buffer = s.operands[next++].buffer;
      if (kernel.buffers[k].space != Space::output ||
          size_of(program.buffers[buffer]) <= target.tiles.nontemporal_bytes)
        continue;
      if (read_later(program.steps, n + 1, buffer)) continue;
      for (Instruction& i : kernel.instructions)
        if (i.kind == KernelOp::store && index(i.buffer) == k) i.nontemporal = true;
    }
  }
  return program;
}

}  // namespace tenon::passes
