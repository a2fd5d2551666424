// Basic blocks and PHIs of loops and branches.
#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

using llvm::BasicBlock;
using llvm::Value;

namespace {

BasicBlock* block(Builder& b, const char* name, const char* part = "") {
  return BasicBlock::Create(b.getContext(), llvm::Twine(name) + part, b.GetInsertBlock()->getParent());
}

void arrive(ValueRefs phis, ValueRefs values, BasicBlock* from) {
  for (auto [phi, value] : llvm::zip_equal(phis, values)) llvm::cast<llvm::PHINode>(phi)->addIncoming(value, from);
}

// One PHI for each of the values that come from `from`.
Values join(Builder& b, ValueRefs values, BasicBlock* from) {
  Values phis;
  for (Value* v : values) phis.push_back(b.CreatePHI(v->getType(), 2));
  arrive(phis, values, from);
  return phis;
}

// Goes round in `loop`, which the insertion point leads into; gives the values and the block of the last round.
std::pair<Values, BasicBlock*> rounds(Builder& b, BasicBlock* loop, BasicBlock* after, ValueRefs initial,
                                      llvm::function_ref<Round(ValueRefs)> body) {
  BasicBlock* before = b.GetInsertBlock();
  b.SetInsertPoint(loop);
  const Values carried = join(b, initial, before);
  const Round last = body(carried);
  BasicBlock* latch = b.GetInsertBlock();
  arrive(carried, last.next, latch);
  b.CreateCondBr(last.again, loop, after);
  b.SetInsertPoint(after);
  return {last.next, latch};
}

}  // namespace

Values do_loop(Builder& b, const char* name, ValueRefs initial, llvm::function_ref<Round(ValueRefs)> body) {
  BasicBlock *loop = block(b, name), *after = block(b, name, ".end");
  b.CreateBr(loop);
  return rounds(b, loop, after, initial, body).first;
}

Values carried_loop(Builder& b, const char* name, const Range& range, ValueRefs initial,
                    llvm::function_ref<Values(Value*, ValueRefs)> body) {
  BasicBlock *before = b.GetInsertBlock(), *loop = block(b, name), *after = block(b, name, ".end");
  b.CreateCondBr(b.CreateICmpSLT(range.begin, range.end), loop, after);
  Values start{range.begin};
  start.insert(start.end(), initial.begin(), initial.end());
  const auto [last, latch] = rounds(b, loop, after, start, [&](ValueRefs carried) {
    Values next = body(carried[0], carried.drop_front());
    Value* position = b.CreateAdd(carried[0], b.getInt64(static_cast<uint64_t>(range.step)));
    next.insert(next.begin(), position);
    return Round{std::move(next), b.CreateICmpSLT(position, range.end)};
  });
  const Values results = join(b, initial, before);
  arrive(results, ValueRefs(last).drop_front(), latch);
  return results;
}

void counted_loop(Builder& b, const char* name, const Range& range, llvm::function_ref<void(Value*)> body) {
  carried_loop(b, name, range, {}, [&](Value* position, ValueRefs) {
    body(position);
    return Values{};
  });
}

Values while_loop(Builder& b, const char* name, ValueRefs initial, llvm::function_ref<Value*(ValueRefs)> condition,
                  llvm::function_ref<Values(ValueRefs)> body) {
  BasicBlock *before = b.GetInsertBlock(), *head = block(b, name), *inside = block(b, name, ".body");
  BasicBlock* after = block(b, name, ".end");
  b.CreateBr(head);
  b.SetInsertPoint(head);
  const Values carried = join(b, initial, before);
  b.CreateCondBr(condition(carried), inside, after);
  b.SetInsertPoint(inside);
  const Values next = body(carried);
  arrive(carried, next, b.GetInsertBlock());
  b.CreateBr(head);
  b.SetInsertPoint(after);
  return carried;
}

Values when(Builder& b, const char* name, Value* condition, ValueRefs otherwise, llvm::function_ref<Values()> then) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition)) return known->isOne() ? then() : otherwise.vec();
  BasicBlock *before = b.GetInsertBlock(), *yes = block(b, name), *after = block(b, name, ".end");
  b.CreateCondBr(condition, yes, after);
  b.SetInsertPoint(yes);
  const Values values = then();
  BasicBlock* from = b.GetInsertBlock();
  b.CreateBr(after);
  b.SetInsertPoint(after);
  const Values results = join(b, otherwise, before);
  arrive(results, values, from);
  return results;
}

void when(Builder& b, const char* name, Value* condition, llvm::function_ref<void()> then) {
  when(b, name, condition, {}, [&] { return then(), Values{}; });
}

Values choice(Builder& b, const char* name, Value* condition, llvm::function_ref<Values()> then,
              llvm::function_ref<Values()> otherwise) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition)) return known->isOne() ? then() : otherwise();
  BasicBlock *yes = block(b, name), *no = block(b, name, ".else"), *after = block(b, name, ".end");
  b.CreateCondBr(condition, yes, no);
  b.SetInsertPoint(yes);
  const Values values = then();
  yes = b.GetInsertBlock();
  b.CreateBr(after);
  b.SetInsertPoint(no);
  const Values others = otherwise();
  no = b.GetInsertBlock();
  b.CreateBr(after);
  b.SetInsertPoint(after);
  const Values results = join(b, values, yes);
  arrive(results, others, no);
  return results;
}

void branch(Builder& b, const char* name, Value* condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise) {
  choice(b, name, condition, [&] { return then(), Values{}; }, [&] { return otherwise(), Values{}; });
}

}  // namespace tenon::codegen
