// What the code of a contraction is written with, in a kernel's function and in the functions that contractions share: extents
// of tiles, edges, counted steps, and the joining of segments. Refuses to know where operands come from and results go.
#pragma once

#include <algorithm>

#include "tenon/codegen/llvm/contract/plan.h"
#include "tenon/codegen/llvm/control.h"

namespace tenon::codegen {

class ContractCode {
 protected:
  using Value = llvm::Value;
  static constexpr unsigned lanes = 16;
  ContractCode(Builder& b, const ContractPlan& plan, DType dtype);

  // After segment `number` of `segments` of a tile of `elements`: joins what the pairwise tree joins now.
  void join(Value* tile, Value* levels, Value* level_bytes, Value* number, Value* segments, int64_t elements);
  int64_t join_levels() const;
  Value* lane_mask(Value* count);  // lanes below `count`
  llvm::Align vector_align() const { return llvm::Align(static_cast<uint64_t>(std::min<int64_t>(64, lanes * size_))); }
  Value* i64(int64_t v) { return b_.getInt64(static_cast<uint64_t>(v)); }
  Value* smaller(Value* x, Value* y);
  Value* larger(Value* x, Value* y);
  Value* divide_up(Value* x, Value* by);
  Value* divide_up(Value* x, int64_t by) { return divide_up(x, i64(by)); }
  Value* at(Value* pointer, Value* bytes) { return b_.CreateGEP(b_.getInt8Ty(), pointer, bytes); }
  Value* element(Value* pointer, Value* number) { return b_.CreateGEP(element_, pointer, number); }
  // body(0), body(step) ... below `end`: steps may be none, repeat knows that there is at least one.
  using Body = llvm::function_ref<void(Value*)>;
  void steps(Value* end, int64_t step, Body body);
  void repeat(Value* end, Body body) { rounds(end, 1, body); }
  void rounds(Value* end, int64_t step, Body body);

  Builder& b_;
  const ContractPlan plan_;
  const DType dtype_;  // of the accumulators
  llvm::Type* const element_;
  llvm::Type* const vector_;  // of `lanes` of them
  const int64_t size_;  // bytes of one
};

llvm::Value* multiply_add(Builder& b, DType dtype, llvm::Value* x, llvm::Value* y, llvm::Value* sum);

}  // namespace tenon::codegen
