// Launches that follow each other and touch nothing of each other's run as one: their iterations, laid end to end, are what the pool
// deals out. A step of an optimizer over a tree of parameters is many kernels over little each; one after the other, every one of them
// would wait for its slowest thread, and few of them have work for all.
//
//   launch @k0(%p0, %g0, %q0)  launch @k1(%p1, %g1, %q1)     ->     for k0 and k1 together: iterations [begin, end) of both
//
// How it is cut can change no bit, as in each alone. Refuses kernels with memory of their own, which launches share, and products, which
// pack for all of their threads.
#include <algorithm>

#include "tenon/codegen/llvm/entry.h"

namespace tenon::codegen {

using ir::Home;
using ir::Instruction;
using ir::KernelOp;
using ir::Space;
using ir::Step;
using ir::StepKind;
using llvm::Value;

namespace {

// Work is counted in parts of what a thread takes at least, the kernel's grain, so that kernels can be added up.
constexpr int64_t units_of_grain = 64;
constexpr size_t most_together = 64;  // launches
constexpr size_t most_slots = 1024;  // of all of them, on the stack

// A line of the table that says what runs together.
enum Column : uint64_t { function, context, first, units, weight, per, total, columns };

// Iteration i begins at unit i * weight / per, one of which is 1.
struct Rate {
  int64_t weight = 1, per = 1;
};
Rate rate_of(const KernelRange& range) {
  if (range.grain >= units_of_grain) return {1, range.grain / units_of_grain};
  return {(units_of_grain + range.grain - 1) / range.grain, 1};
}

// A stretch of memory as far as it is known now: of an input or output all of it.
struct Stretch {
  Home home = Home::arena;
  int64_t begin = 0, end = 1;
  bool meets(const Stretch& other) const { return home == other.home && begin < other.end && other.begin < end; }
};

bool is_simple(const ir::Kernel& kernel, const Target& target) {
  if (kernel_scratch_bytes(kernel, target) > 0) return false;
  const bool loops = std::any_of(kernel.instructions.begin(), kernel.instructions.end(), [](const Instruction& i) {
    return i.kind == KernelOp::loop || i.kind == KernelOp::reduce;
  });
  return std::none_of(kernel.instructions.begin(), kernel.instructions.end(),
                      [](const Instruction& i) { return i.kind == KernelOp::contract; }) &&
         (kernel_range(kernel).shared || !loops);
}

}  // namespace

// What the steps so far write, and what they touch.
struct EntryEmitter::Touched {
  std::vector<Stretch> writes, reads;
  // Whether it is apart from all of them; then it is one of them.
  bool add(const Touched& step) {
    const auto meet = [](const std::vector<Stretch>& a, const std::vector<Stretch>& b) {
      return std::any_of(a.begin(), a.end(), [&](const Stretch& x) {
        return std::any_of(b.begin(), b.end(), [&](const Stretch& y) { return x.meets(y); });
      });
    };
    if (meet(step.writes, writes) || meet(step.writes, reads) || meet(step.reads, writes)) return false;
    writes.insert(writes.end(), step.writes.begin(), step.writes.end());
    reads.insert(reads.end(), step.reads.begin(), step.reads.end());
    return true;
  }
};

EntryEmitter::Touched EntryEmitter::touched(const Step& step) const {
  Touched result;
  const ir::Kernel& kernel = program_.kernels.at(step.kernel);
  size_t next = 0;
  for (const ir::KernelBuffer& b : kernel.buffers) {
    if (b.space == Space::scratch) continue;
    const ir::ProgramBuffer& held = program_.buffers.at(step.operands.at(next++).buffer);
    Stretch s{held.home, held.slot, int64_t{held.slot} + 1};
    if (held.home == Home::arena) {
      s.begin = program_.is_static ? held.offset : held.arena_slot;
      s.end = s.begin + (program_.is_static ? held.shape.numel() * bytes(held.dtype) : 1);
    }
    for (const auto& [input, output] : program_.aliases)  // one memory, of which the output stands for both
      if (held.home == Home::input && held.slot == input) s = {Home::output, output, int64_t{output} + 1};
    (b.space == Space::input ? result.reads : result.writes).push_back(s);
    if (b.space == Space::inout) result.reads.push_back(s);
  }
  return result;
}

// How many steps from `from` on run together; 0 where one runs alone, or all of them come to no more than one thread's work.
size_t EntryEmitter::together(const std::vector<Step>& steps, size_t from) const {
  if (!loops_.empty() || started_ > 0) return 0;
  Touched all;
  size_t count = 0, slots = 0;
  int64_t units = 0;  // at least
  while (from + count < steps.size() && count < most_together) {
    const Step& step = steps[from + count];
    if (step.kind != StepKind::launch) break;
    const ir::Kernel& kernel = program_.kernels.at(step.kernel);
    slots += kernel.buffers.size() + 2;
    if (slots > most_slots || !is_simple(kernel, target_) || !all.add(touched(step))) break;
    units += known_units(kernel);
    ++count;
  }
  return count > 1 && units > units_of_grain ? count : 0;
}

// Of a kernel whose extent is a number; one that is free may be as large as it likes.
int64_t EntryEmitter::known_units(const ir::Kernel& kernel) const {
  const KernelRange range = kernel_range(kernel);
  if (!range.shared) return 1;
  for (const ir::KernelBuffer& b : kernel.buffers)
    if (!b.shape.is_static()) return units_of_grain + 1;
  const ir::ScalarId extent = kernel.instructions[range.instruction].operands[0];
  const uint32_t by = kernel.scalars[index(extent)].instruction;
  if (by == UINT32_MAX || kernel.instructions[by].kind != KernelOp::literal) return units_of_grain + 1;
  const auto total = static_cast<int64_t>(std::min(kernel.instructions[by].immediate, uint64_t{1} << 40));
  const Rate rate = rate_of(range);
  return (total * rate.weight + rate.per - 1) / rate.per;
}

// For all: iterations of what lies in [begin, end), whole ones, each in the piece in which it begins.
llvm::Function* EntryEmitter::beside_function() {
  const char* const what = "_beside";
  if (llvm::Function* known = module_.getFunction(name_ + what)) return known;
  return chunk_function(what, [&](Value* table, Value* begin, Value* end) {
    const auto number = [&](Value* row, Column c) { return field(row, 8 * c, b_.getInt64Ty()); };
    Value* lines = b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), table, 8);
    counted_loop(b_, "beside", {i64(0), field(table, 0, b_.getInt64Ty())}, [&](Value* k) {
      Value* row = b_.CreateGEP(b_.getInt8Ty(), lines, b_.CreateMul(k, i64(8 * columns)));
      Value* origin = number(row, first);
      const auto inside = [&](Value* place) {
        Value* p = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, b_.CreateSub(place, origin), i64(0));
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, p, number(row, units));
      };
      const auto iteration = [&](Value* place) {
        Value* by = number(row, weight);
        Value* up = b_.CreateAdd(b_.CreateMul(inside(place), number(row, per)), b_.CreateSub(by, i64(1)));
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateSDiv(up, by), number(row, total));
      };
      Value *low = iteration(begin), *high = iteration(end);
      // A kernel without a loop runs whatever it is told, so it is not called for nothing.
      when(b_, "part", b_.CreateICmpSLT(low, high), [&] {
        auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
        b_.CreateCall(type, field(row, 8 * function, b_.getPtrTy()),
                      {field(row, 8 * context, b_.getPtrTy()), low, high});
      });
    });
  });
}

void EntryEmitter::emit_together(std::span<const Step> steps) {
  if (beside_ == nullptr) beside_ = stack(b_.getInt64Ty(), 1 + columns * most_together + most_slots, 64);
  Value* table = beside_;
  uint64_t next = 1 + columns * most_together;
  b_.CreateStore(i64(static_cast<int64_t>(steps.size())), table);
  Value* so_far = i64(0);
  for (size_t k = 0; k < steps.size(); ++k) {
    const ir::Kernel& kernel = program_.kernels.at(steps[k].kernel);
    const KernelRange range = kernel_range(kernel);
    const Rate rate = rate_of(range);
    Value* slots = b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), table, next);
    next += kernel.buffers.size() + 2;
    fill_slots(steps[k], kernel, slots);
    Value* iterations = KernelEmitter(module_, kernel, target_).emit_total(b_, symbol_array_);
    iterations = b_.CreateSelect(writes_something(kernel), iterations, i64(0));
    Value* size = b_.CreateMul(iterations, i64(rate.weight));
    if (rate.per > 1) size = b_.CreateUDiv(b_.CreateAdd(size, i64(rate.per - 1)), i64(rate.per));
    Value* const line[] = {
        kernel_function(steps[k].kernel), slots, so_far, size, i64(rate.weight), i64(rate.per), iterations};
    for (uint64_t c = 0; c < columns; ++c)
      b_.CreateStore(line[c], b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), table, 1 + columns * k + c));
    so_far = b_.CreateAdd(so_far, size);
  }
  Value* code = run_shared(beside_function(), table, so_far, i64(units_of_grain));
  fail_if(b_.CreateICmpNE(code, b_.getInt32(0)), code);
}

}  // namespace tenon::codegen
