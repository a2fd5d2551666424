// Vector loops in pieces: where what guards a load is whether the loop has come to some place, as in concatenations and borders, the
// loop ends there and goes on as another, and in neither are there masks.
//
//   vector %i < n { %c = lt %i, 512  store %y[%i], load %x[%i] if %c else .. }
//     ->  positions 0 .. 512 with %c true, 512 .. n with %c false
//
// Refuses loops of many instructions, which would be there several times, and conditions of which the order is not known now.
#include <algorithm>

#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;
using llvm::Value;

namespace {

constexpr int64_t most_weight = 16;  // instructions of a loop that may be there several times
constexpr size_t most_places = 3;
constexpr int64_t least_extent = 64;  // elements: of fewer, masks cost less than loops

}  // namespace

// `comparison` as one of the loop's index with a place that is known before the loop; whether it is one.
bool KernelEmitter::find_guard(ScalarId comparison, ir::BlockId body, std::vector<Guard>& guards) const {
  const uint32_t number = kernel_.scalars[index(comparison)].instruction;
  if (number == UINT32_MAX) return false;
  const Instruction& i = kernel_.instructions[number];
  if (i.kind != KernelOp::scalar || kernel_.dtype(i.operands[0]) != DType::i64) return false;
  if (i.op != Op::lt && i.op != Op::ge) return false;
  const ScalarId argument = kernel_.blocks[index(body)].arguments[0];
  const auto is_known = [&](ScalarId v) {
    return values_[index(v)].kind == Lowered::uniform && kernel_.scalars[index(v)].block != body;
  };
  Guard g{&i, i.operands[1], ir::no_scalar, i.op == Op::lt};
  if (!is_known(g.bound)) return false;
  if (i.operands[0] != argument) {
    const uint32_t by = kernel_.scalars[index(i.operands[0])].instruction;
    if (by == UINT32_MAX) return false;
    const Instruction& sum = kernel_.instructions[by];
    if (sum.kind != KernelOp::scalar || sum.op != Op::add) return false;
    const size_t moving = sum.operands[0] == argument ? 0 : 1;
    g.offset = sum.operands[1 - moving];
    if (sum.operands[moving] != argument || !is_known(g.offset)) return false;
  }
  guards.push_back(g);
  return true;
}

// The conditions of the loads in a loop: comparisons, or several of them together.
std::vector<KernelEmitter::Guard> KernelEmitter::guards_of(ir::BlockId body) const {
  std::vector<Guard> guards;
  for (uint32_t number : kernel_.blocks[index(body)].instructions) {
    const Instruction& load = kernel_.instructions[number];
    if (load.kind != KernelOp::load) continue;
    const size_t rank = kernel_.buffers[index(load.buffer)].shape.size();
    if (load.operands.size() == rank) continue;
    std::vector<ScalarId> open{load.operands[rank]};
    while (!open.empty()) {
      const ScalarId v = open.back();
      open.pop_back();
      if (find_guard(v, body, guards)) continue;
      const uint32_t by = kernel_.scalars[index(v)].instruction;
      if (by == UINT32_MAX) continue;
      const Instruction& i = kernel_.instructions[by];
      if (i.kind == KernelOp::scalar && i.op == Op::bit_and)
        open.insert(open.end(), i.operands.begin(), i.operands.end());
    }
  }
  return guards;
}

// Whether it was emitted.
bool KernelEmitter::emit_pieces(const Instruction& loop, Value* begin, Value* end) {
  if (!decided_.empty() || weight(loop.blocks[0]) > most_weight || contains_square(loop.blocks[0])) return false;
  if (const auto extent = known(b_.CreateSub(end, begin)); extent && *extent < least_extent) return false;
  std::vector<Guard> guards = guards_of(loop.blocks[0]);
  if (guards.empty()) return false;
  const auto is_one = [&](const Guard& g) { return g.bound == guards[0].bound && g.offset == guards[0].offset; };
  const bool one = std::all_of(guards.begin(), guards.end(), is_one);
  Values places;  // of each guard: the first position at which it differs from what it was
  for (const Guard& g : guards) {
    Value* place = one && !places.empty() ? places[0] : uniform(g.bound);
    if ((places.empty() || !one) && g.offset != ir::no_scalar) place = b_.CreateSub(place, uniform(g.offset));
    if (!one && !known(place)) return false;
    places.push_back(place);
  }
  Values borders{places[0]};
  for (Value* p : places)
    if (!one && std::none_of(borders.begin(), borders.end(), [&](Value* x) { return known(x) == known(p); }))
      borders.push_back(p);
  if (borders.size() > most_places) return false;
  if (!one) std::sort(borders.begin(), borders.end(), [](Value* x, Value* y) { return *known(x) < *known(y); });

  const auto limited = [&](Value* place, Value* from, Value* to) -> Value* {
    const auto p = known(place), low = known(from), high = known(to);
    if (p && low && high) return i64(std::max(*low, std::min(*p, *high)));
    const auto of = [&](llvm::Intrinsic::ID id, Value* x, Value* y) { return call(b_, id, {b_.getInt64Ty()}, {x, y}); };
    return of(llvm::Intrinsic::smax, from, of(llvm::Intrinsic::smin, place, to));
  };
  Value* first = begin;
  for (size_t piece = 0; piece <= borders.size(); ++piece) {
    Value* last = piece < borders.size() ? limited(borders[piece], first, end) : end;
    for (size_t g = 0; g < guards.size(); ++g) {
      const bool passed = one ? piece > 0 : piece > 0 && *known(places[g]) <= *known(borders[piece - 1]);
      decided_[guards[g].comparison] = guards[g].before != passed;
    }
    if (known(b_.CreateICmpSLT(first, last)) != 0) emit_vector(loop, first, last);
    decided_.clear();
    first = last;
  }
  return true;
}

}  // namespace tenon::codegen
