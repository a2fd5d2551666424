// Slopes of index arithmetic. A guess for orders, which takes i / 8 for constant, and an exact account of aligned runs.
#include "tenon/ir/kernel/access.h"

#include <algorithm>

namespace tenon::ir {
namespace {

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

// A value while the argument goes through an aligned run: base + step * t, t below the run's length.
struct InRun {
  bool known = false;
  int64_t step = 0;  // 0 or 1
  int64_t even = 1;  // a power of two that divides the base
  bool counts = false;  // made of arguments, literals that are not negative, +, * and %: not negative itself
};

constexpr int64_t most_even = int64_t{1} << 40;

int64_t power_in(int64_t value) { return value == 0 ? most_even : std::min(most_even, value & -value); }

InRun in_run(const Kernel& kernel, ScalarId v, ScalarId argument, int64_t count, int depth = 0);

InRun scalar_in_run(const Kernel& kernel, const Instruction& i, ScalarId argument, int64_t count, int depth) {
  std::vector<InRun> parts;
  bool still = true, counts = true;
  for (ScalarId operand : i.operands) {
    parts.push_back(in_run(kernel, operand, argument, count, depth + 1));
    if (!parts.back().known) return {};
    still &= parts.back().step == 0;
    counts &= parts.back().counts;
  }
  const auto divisor = [&] { return number_of(kernel, i.operands[1]); };
  switch (i.op) {
    case Op::add:
      if (parts[0].step + parts[1].step > 1) return {};
      return {true, parts[0].step + parts[1].step, std::min(parts[0].even, parts[1].even), counts};
    case Op::mul:
      if (!still) return {};
      return {true, 0, std::min(most_even, parts[0].even * std::min<int64_t>(parts[1].even, 1 << 20)), counts};
    case Op::div:
      if (still) return {true, 0, 1, counts};
      if (!counts || parts[0].even < count || divisor() <= 0 || divisor() % count != 0) return {};
      return {true, 0, 1, counts};
    case Op::rem:
      if (still) return {true, 0, std::min(parts[0].even, parts[1].even), counts};
      if (!counts || parts[0].even < count || divisor() <= 0 || divisor() % count != 0) return {};
      return {true, 1, std::min(parts[0].even, power_in(divisor())), counts};
    default: return {still, 0, 1, false};
  }
}

InRun in_run(const Kernel& kernel, ScalarId v, ScalarId argument, int64_t count, int depth) {
  if (v == argument) return {true, 1, most_even, true};
  if (depth > 16) return {};
  const Instruction* i = definition(kernel, v);
  if (!i) return {true, 0, 1, true};  // indices of loops are not negative
  switch (i->kind) {
    case KernelOp::literal: {
      const int64_t value = static_cast<int64_t>(i->immediate);
      return {true, 0, power_in(value), value >= 0};
    }
    case KernelOp::extent: return {true, 0, i->dim.is_number() ? power_in(i->dim.number()) : 1, true};
    case KernelOp::scalar: return scalar_in_run(kernel, *i, argument, count, depth);
    case KernelOp::load:
      if (kernel.buffers[index(i->buffer)].space != Space::input) return {};
      for (ScalarId operand : i->operands)
        if (const InRun part = in_run(kernel, operand, argument, count, depth + 1); !part.known || part.step != 0)
          return {};
      return {true, 0, 1, false};
    default: return {};
  }
}

}  // namespace

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

int64_t most_of(const Kernel& kernel, ScalarId v) {
  const Instruction* i = definition(kernel, v);
  if (i && i->kind == KernelOp::scalar && i->op == Op::min) {  // of a tile's room and what is left
    int64_t least = unknown_extent;
    for (ScalarId operand : i->operands)
      if (const int64_t most = number_of(kernel, operand); most >= 0 && (least < 0 || most < least)) least = most;
    return least;
  }
  if (!i || i->kind != KernelOp::extent || i->dim.is_number()) return number_of(kernel, v);
  const int64_t upper = (*kernel.symbols)[i->dim.index()].upper;
  return upper < INT64_MAX ? upper : unknown_extent;
}

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

int64_t load_step(const Kernel& kernel, const Instruction& load, ScalarId argument) {
  const Shape& shape = kernel.buffers[index(load.buffer)].shape;
  int64_t step = 0, below = 1;  // elements of one step of the axis
  for (size_t d = shape.size(); d-- > 0;) {
    if (const int64_t moves = slope(kernel, load.operands[d], argument); moves != 0) {
      if (below == unknown_extent) return unknown_extent;
      step += moves * below;
    }
    if (!shape[d].is_number() || (below != unknown_extent && __builtin_mul_overflow(below, shape[d].number(), &below)))
      below = unknown_extent;
  }
  return step;
}

bool loads_runs(const Kernel& kernel, const Instruction& load, ScalarId argument, int64_t count) {
  const Shape& shape = kernel.buffers[index(load.buffer)].shape;
  const size_t rank = shape.size();
  if (rank == 0 || load.operands.size() != rank) return false;  // masked
  for (size_t d = 0; d + 1 < rank; ++d)
    if (const InRun part = in_run(kernel, load.operands[d], argument, count); !part.known || part.step != 0)
      return false;
  const InRun last = in_run(kernel, load.operands[rank - 1], argument, count);
  if (!last.known || last.step != 1 || last.even < count) return false;
  return rank == 1 || (shape[rank - 1].is_number() && shape[rank - 1].number() % count == 0);
}

}  // namespace tenon::ir
