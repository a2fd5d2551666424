// The pairwise tree over the blocks of a reduction, on a stack of partial results. Levels lie in the memory of the call, so
// that their number may depend on extents.
#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

using llvm::Value;

namespace {
constexpr uint64_t stack_levels = 48;  // of the pairwise tree: more blocks than memory holds
}  // namespace

Values KernelEmitter::partial_slots(const Partial& like, uint64_t count) {
  Values slots;
  for (Value* part : like) slots.push_back(entry_slot(part->getType(), count, 64));
  return slots;
}

void KernelEmitter::store_partial(ValueRefs slots, Value* number, const Partial& p) {
  for (size_t n = 0; n < p.size(); ++n) b_.CreateStore(p[n], b_.CreateGEP(p[n]->getType(), slots[n], number));
}

Partial KernelEmitter::load_partial(ValueRefs slots, Value* number, const Partial& like) {
  Partial p;
  for (size_t n = 0; n < like.size(); ++n) {
    llvm::Type* type = like[n]->getType();
    p.push_back(b_.CreateLoad(type, b_.CreateGEP(type, slots[n], number)));
  }
  return p;
}

KernelEmitter::Stack KernelEmitter::open_stack(const Combines& c, unsigned width) {
  Stack stack;
  const Partial nothing = identities(b_, c, width);
  stack.parts = partial_slots(nothing, stack_levels);
  stack.depth = entry_slot(b_.getInt64Ty(), 1, 8);
  stack.blocks = entry_slot(b_.getInt64Ty(), 1, 8);
  b_.CreateStore(i64(0), stack.depth);
  b_.CreateStore(i64(0), stack.blocks);
  store_partial(stack.parts, i64(0), nothing);  // the result of a reduction over nothing
  return stack;
}

// Joins a partial with the one below `level` on the stack; gives them as one, and then its level.
Values KernelEmitter::join_below(const Combines& c, const Stack& stack, const Partial& newer, Value* level) {
  Value* below = b_.CreateSub(level, i64(1));
  Values joined = combine(b_, c, load_partial(stack.parts, below, newer), newer);
  joined.push_back(below);
  return joined;
}

// Adds the partial of an aligned run of `blocks` blocks, a power of two.
void KernelEmitter::push(const Combines& c, const Stack& stack, const Partial& p, int64_t blocks) {
  Value* seen = b_.CreateLoad(b_.getInt64Ty(), stack.blocks);
  Value* runs = blocks == 1 ? seen : b_.CreateUDiv(seen, i64(blocks));
  Value* depth = b_.CreateLoad(b_.getInt64Ty(), stack.depth);
  b_.CreateStore(b_.CreateAdd(seen, i64(blocks)), stack.blocks);
  Values start = p;  // then the bits of the runs before this one, and the level to be written
  start.insert(start.end(), {runs, depth});
  const auto bits_of = [&](ValueRefs carried) { return carried[p.size()]; };
  const Values last = while_loop(
      b_, "push", start,
      [&](ValueRefs carried) { return b_.CreateICmpNE(b_.CreateAnd(bits_of(carried), i64(1)), i64(0)); },
      [&](ValueRefs carried) {
        Values next = join_below(c, stack, carried.take_front(p.size()), carried.back());
        next.insert(next.end() - 1, b_.CreateLShr(bits_of(carried), i64(1)));
        return next;
      });
  Value* level = last.back();
  store_partial(stack.parts, level, Partial(last.begin(), last.end() - 2));
  b_.CreateStore(b_.CreateAdd(level, i64(1)), stack.depth);
}

Partial KernelEmitter::collapse(const Combines& c, const Stack& stack, unsigned width) {
  Value* depth = b_.CreateLoad(b_.getInt64Ty(), stack.depth);
  Value* top = b_.CreateSub(call(b_, llvm::Intrinsic::umax, {b_.getInt64Ty()}, {depth, i64(1)}), i64(1));
  Values start = load_partial(stack.parts, top, identities(b_, c, width));
  start.push_back(top);
  Values last = while_loop(
      b_, "collapse", start, [&](ValueRefs carried) { return b_.CreateICmpSGT(carried.back(), i64(0)); },
      [&](ValueRefs carried) { return join_below(c, stack, carried.drop_back(), carried.back()); });
  last.pop_back();
  return last;
}

}  // namespace tenon::codegen
