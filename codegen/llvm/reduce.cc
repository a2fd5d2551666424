// Reductions in the contract's order (docs/numbers.md: blocks, lanes, halving, pairwise tree), so that every tiling and thread
// count gives the same bits. A row is reduced over 16 lanes, several independent blocks at once; a column is one chain in
// every lane of the loop around it.
#include <algorithm>

#include "tenon/codegen/llvm/kernel.h"
#include "tenon/codegen/llvm/turns.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

using ir::Instruction;
using llvm::Value;

namespace {
bool is_condition(Value* v) { return v->getType()->getScalarSizeInBits() == 1; }
}  // namespace

Combines KernelEmitter::combines_of(const Instruction& i) const {
  const auto& yields = kernel_.blocks[index(i.blocks[0])].yields;
  Combines c;
  for (size_t k = 0; k < i.combines.size(); ++k) {
    const DType type = kernel_.dtype(yields[k]);
    // Lanes of conditions that are carried from block to block are taken apart one by one where they are no registers.
    const bool numbers = type == DType::boolean && (!has_masks() || ir::def(i.combines[k]).positional);
    c.push_back({i.combines[k], numbers ? DType::u8 : type});
  }
  return c;
}

// What the body has just computed, as a running result of one element; places without positions where turns count them.
Partial KernelEmitter::yielded(const Instruction& i, bool placed) {
  Partial p;
  const ir::Block& body = kernel_.blocks[index(i.blocks[0])];
  const Combines c = combines_of(i);
  for (size_t k = 0; k < c.size(); ++k) {
    Value* position = placed && is_place(c[k]) ? wide(body.arguments[0]) : nullptr;
    Value* value = wide(body.yields[k]);
    if (is_condition(value) && c[k].type == DType::u8)
      value = b_.CreateZExt(value, as_wide(b_.getInt8Ty(), value->getType()));
    const Partial one = lift(b_, c[k], value, position);
    p.insert(p.end(), one.begin(), one.end());
  }
  return p;
}

void KernelEmitter::finish_reduce(const Instruction& i, const Partial& p, Value* extent) {
  const Combines c = combines_of(i);
  const Values results = settle(b_, c, p);
  for (size_t k = 0; k < c.size(); ++k) {
    Value* v = results[k];
    if (kernel_.dtype(result(i, k)) == DType::boolean && !is_condition(v))
      v = b_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType()));
    const bool sum = c[k].op == ir::Op::add && is_floating(c[k].type);
    if (sum || is_place(c[k]))  // an empty sum is +0, the place of an empty maximum 0
      v = b_.CreateSelect(b_.CreateICmpEQ(extent, i64(0)), llvm::Constant::getNullValue(v->getType()), v);
    define(result(i, k), v);
  }
}

void KernelEmitter::emit_reduce(const Instruction& i) {
  const bool row = i.tree.lanes == target_.lanes && lanes_.width == 1;
  if (row && can_vectorise(i))
    emit_row_reduce(i);
  else
    emit_chain_reduce(i);
}

// ---- rows -------------------------------------------------------------------------------------------------------------

Partial KernelEmitter::row_element(const Instruction& i, Value* position, Value* mask) {
  lanes_ = {static_cast<unsigned>(i.tree.lanes), position, mask, true};
  define_index(kernel_.blocks[index(i.blocks[0])].arguments[0]);
  emit_block(i.blocks[0]);
  Partial p = yielded(i, false);
  lanes_ = {};
  return p;
}

// `blocks` neighbouring blocks at once, joined as a tree; each has `count` elements, a multiple of 16 unless `edges`.
Partial KernelEmitter::row_blocks(const Instruction& i, Value* first, Value* count, unsigned blocks, bool edges) {
  const Combines c = combines_of(i);
  const unsigned lanes = static_cast<unsigned>(i.tree.lanes);
  const Partial nothing = begin_turns(b_, c, lanes);
  if (i.tree.block / i.tree.lanes > most_turns) throw InternalError("a reduction with long blocks");
  const auto part_of = [&](ValueRefs all, unsigned g) { return all.slice(g * nothing.size(), nothing.size()); };
  const auto turn_at = [&](Value* offset) { return b_.CreateAdd(b_.CreateUDiv(offset, i64(lanes)), i64(1)); };
  Values sums;
  for (unsigned g = 0; g < blocks; ++g) sums.insert(sums.end(), nothing.begin(), nothing.end());
  Value* full = edges ? b_.CreateAnd(count, i64(-i.tree.lanes)) : count;
  if (known(full) != 0)
    sums = carried_loop(b_, "row", {i64(0), full, i.tree.lanes}, sums, [&](Value* offset, ValueRefs running) {
      Values next;
      for (unsigned g = 0; g < blocks; ++g) {
        Value* position = b_.CreateAdd(b_.CreateAdd(first, offset), i64(g * i.tree.block));
        const Partial element = row_element(i, position, nullptr);
        const Partial joined = take_turn(b_, c, part_of(running, g), element, turn_at(offset), has_masks());
        next.insert(next.end(), joined.begin(), joined.end());
      }
      return next;
    });
  if (edges) {
    Value* rest = b_.CreateSub(count, full);
    sums = when(b_, "row.edge", b_.CreateICmpSGT(rest, i64(0)), sums, [&] {
      llvm::Type* lane = b_.getInt32Ty();
      Value* mask = b_.CreateICmpULT(lane_numbers(lane, lanes), splat(b_, b_.CreateTrunc(rest, lane), lanes));
      const Partial last = row_element(i, b_.CreateAdd(first, full), mask);
      return choose(b_, mask, take_turn(b_, c, sums, last, turn_at(full), has_masks()), sums);
    });
  }
  std::vector<Partial> joined;
  for (unsigned g = 0; g < blocks; ++g)
    joined.push_back(end_row(b_, c, part_of(sums, g), b_.CreateAdd(first, i64(g * i.tree.block)), count));
  for (unsigned step = 1; step < blocks; step *= 2)
    for (unsigned g = 0; g + step < blocks; g += 2 * step) joined[g] = combine(b_, c, joined[g], joined[g + step]);
  return joined[0];
}

void KernelEmitter::emit_row_reduce(const Instruction& i) {
  const Combines c = combines_of(i);
  Value* extent = uniform(i.operands[0]);
  const int64_t block = i.tree.block;
  const auto elements = known(extent);
  if (elements && *elements <= block) return finish_reduce(i, row_blocks(i, i64(0), extent, 1, true), extent);

  const int64_t size = weight(i.blocks[0]);
  unsigned group = size <= 12 ? 4 : size <= 32 ? 2 : 1;
  if (!has_masks() && std::any_of(c.begin(), c.end(), is_place))
    group = 1;  // three vectors a block: few registers hold one
  while (elements && group > 1 && *elements < 2 * group * block) group /= 2;
  const Stack stack = open_stack(c, 1);
  Value* grouped = i64(0);
  if (group > 1) {
    grouped = b_.CreateAnd(extent, i64(-(group * block)));
    counted_loop(b_, "rows", {i64(0), grouped, group * block},
                 [&](Value* first) { push(c, stack, row_blocks(i, first, i64(block), group, false), group); });
  }
  counted_loop(b_, "rows.rest", {grouped, extent, block}, [&](Value* first) {
    Value* left = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {b_.CreateSub(extent, first), i64(block)});
    push(c, stack, row_blocks(i, first, left, 1, true), 1);
  });
  finish_reduce(i, collapse(c, stack, 1), extent);
}

// ---- chains -----------------------------------------------------------------------------------------------------------

Partial KernelEmitter::chain_element(const Instruction& i, Value* position, bool placed) {
  define(kernel_.blocks[index(i.blocks[0])].arguments[0], position);
  emit_block(i.blocks[0]);
  return yielded(i, placed);
}

Partial KernelEmitter::chain_block(const Instruction& i, Value* first, Value* end) {
  const Combines c = combines_of(i);
  const unsigned width = lanes_.width;
  const Range range{first, end};
  if (width == 1 || i.tree.block == 1 || i.tree.block > most_turns || std::none_of(c.begin(), c.end(), is_place))
    return carried_loop(b_, "chain", range, identities(b_, c, width), [&](Value* position, ValueRefs running) {
      return combine(b_, c, running, chain_element(i, position, true));
    });
  const Partial last =
      carried_loop(b_, "chain", range, begin_turns(b_, c, width), [&](Value* position, ValueRefs running) {
        Value* turn = b_.CreateAdd(b_.CreateSub(position, first), i64(1));
        return take_turn(b_, c, running, chain_element(i, position, false), turn, has_masks());
      });
  return end_chains(b_, c, last, first);
}

// A tree of 16 lanes where lanes cannot be vector lanes: one running partial per lane in memory.
Partial KernelEmitter::striped_block(const Instruction& i, Value* first, Value* end) {
  const Combines c = combines_of(i);
  const Partial nothing = identities(b_, c, lanes_.width);
  const unsigned lanes = static_cast<unsigned>(i.tree.lanes);
  const Values stripes = partial_slots(nothing, lanes);
  for (unsigned l = 0; l < lanes; ++l) store_partial(stripes, i64(l), nothing);
  counted_loop(b_, "stripes", {first, end}, [&](Value* position) {
    const Partial element = chain_element(i, position, true);
    Value* lane = b_.CreateURem(b_.CreateSub(position, first), i64(i.tree.lanes));
    store_partial(stripes, lane, combine(b_, c, load_partial(stripes, lane, nothing), element));
  });
  std::vector<Partial> p;
  for (unsigned l = 0; l < lanes; ++l) p.push_back(load_partial(stripes, i64(l), nothing));
  for (unsigned half = lanes / 2; half >= 1; half /= 2)
    for (unsigned l = 0; l < half; ++l) p[l] = combine(b_, c, p[l], p[l + half]);
  return p[0];
}

void KernelEmitter::emit_chain_reduce(const Instruction& i) {
  const Combines c = combines_of(i);
  Value* extent = uniform(i.operands[0]);
  const auto block = [&](Value* first, Value* end) {
    return i.tree.lanes == 1 ? chain_block(i, first, end) : striped_block(i, first, end);
  };
  const auto elements = known(extent);
  if (elements && *elements <= i.tree.block) return finish_reduce(i, block(i64(0), extent), extent);
  const unsigned width = lanes_.width;
  const Stack stack = open_stack(c, width);
  counted_loop(b_, "chains", {i64(0), extent, i.tree.block}, [&](Value* first) {
    Value* end = call(b_, llvm::Intrinsic::smin, {b_.getInt64Ty()}, {extent, b_.CreateAdd(first, i64(i.tree.block))});
    push(c, stack, block(first, end), 1);
  });
  finish_reduce(i, collapse(c, stack, width), extent);
}

}  // namespace tenon::codegen
