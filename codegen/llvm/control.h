// Loops and branches as functions of their bodies: what is carried goes in and comes out as a list of values, and basic
// blocks and PHIs stay in here. NAME is the block of the body, NAME.end what follows; a loop that tests first has NAME.body,
// a branch NAME.else. Where a branch's condition is known now, only the code that is taken is emitted.
// Refuses loops with a second way in or out: those are built where they stand.
#pragma once

#include <llvm/ADT/STLFunctionalExtras.h>

#include <vector>

#include "tenon/codegen/llvm/scalar.h"

namespace tenon::codegen {

using Values = std::vector<llvm::Value*>;
using ValueRefs = llvm::ArrayRef<llvm::Value*>;

// Positions begin, begin + step ... below end.
struct Range {
  llvm::Value *begin = nullptr, *end = nullptr;
  int64_t step = 1;
};
// body(position, carried) gives what the next round carries. Gives what the last one gave; `initial` where there was none.
Values carried_loop(Builder& b, const char* name, const Range& range, ValueRefs initial,
                    llvm::function_ref<Values(llvm::Value*, ValueRefs)> body);
void counted_loop(Builder& b, const char* name, const Range& range, llvm::function_ref<void(llvm::Value*)> body);

// Goes round as long as condition(carried) holds; gives what was carried when it no longer did.
Values while_loop(Builder& b, const char* name, ValueRefs initial,
                  llvm::function_ref<llvm::Value*(ValueRefs)> condition, llvm::function_ref<Values(ValueRefs)> body);

// Goes round once, and again where the body says so.
struct Round {
  Values next;
  llvm::Value* again = nullptr;
};
Values do_loop(Builder& b, const char* name, ValueRefs initial, llvm::function_ref<Round(ValueRefs)> body);

void when(Builder& b, const char* name, llvm::Value* condition, llvm::function_ref<void()> then);
// What `then` gives where the condition holds, else `otherwise`.
Values when(Builder& b, const char* name, llvm::Value* condition, ValueRefs otherwise,
            llvm::function_ref<Values()> then);
void branch(Builder& b, const char* name, llvm::Value* condition, llvm::function_ref<void()> then,
            llvm::function_ref<void()> otherwise);
// A branch that gives values.
Values choice(Builder& b, const char* name, llvm::Value* condition, llvm::function_ref<Values()> then,
              llvm::function_ref<Values()> otherwise);

}  // namespace tenon::codegen
