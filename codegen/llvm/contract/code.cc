// Edges, counted steps and segments. Refuses to choose tiles.
#include "tenon/codegen/llvm/contract/code.h"

#include <bit>

namespace tenon::codegen {

using llvm::Value;

ContractCode::ContractCode(Builder& b, const ContractPlan& plan, DType dtype)
    : b_(b),
      plan_(plan),
      dtype_(dtype),
      element_(register_type(b.getContext(), dtype)),
      vector_(llvm::FixedVectorType::get(element_, lanes)),
      size_(bytes(dtype)) {}

Value* multiply_add(Builder& b, DType dtype, Value* x, Value* y, Value* sum) {
  if (is_floating(dtype)) return codegen::call(b, llvm::Intrinsic::fma, {sum->getType()}, {x, y, sum});
  return b.CreateAdd(b.CreateMul(x, y), sum);
}

Value* ContractCode::lane_mask(Value* count) {
  llvm::Type* lane = b_.getInt32Ty();
  Value* few = b_.CreateTrunc(smaller(count, i64(lanes)), lane);
  return b_.CreateICmpSLT(lane_numbers(lane, lanes), splat(b_, few, lanes));
}

Value* ContractCode::smaller(Value* x, Value* y) {
  const auto left = known(x), right = known(y);
  if (left && right) return *left < *right ? x : y;
  return codegen::call(b_, llvm::Intrinsic::smin, {x->getType()}, {x, y});
}

Value* ContractCode::larger(Value* x, Value* y) {
  const auto left = known(x), right = known(y);
  if (left && right) return *left > *right ? x : y;
  return codegen::call(b_, llvm::Intrinsic::smax, {x->getType()}, {x, y});
}

Value* ContractCode::divide_up(Value* x, Value* by) {
  return b_.CreateSDiv(b_.CreateAdd(x, b_.CreateSub(by, i64(1))), by);
}

void ContractCode::steps(Value* end, int64_t step, Body body) {
  when(b_, "steps", b_.CreateICmpSGT(end, i64(0)), [&] { rounds(end, step, body); });
}

void ContractCode::rounds(Value* end, int64_t step, Body body) {
  if (const auto number = known(end); number && *number <= step) return body(i64(0));
  do_loop(b_, "count", i64(0), [&](ValueRefs position) {
    body(position[0]);
    Value* next = b_.CreateAdd(position[0], i64(step));
    return Round{{next}, b_.CreateICmpSLT(next, end)};
  });
}

// Waiting partial sums at most: one for each bit of a segment's number. Integers sum to the same in any order.
int64_t ContractCode::join_levels() const {
  if (!is_floating(dtype_)) return 0;
  const int64_t extent = plan_.most_k >= 0 ? plan_.most_k : int64_t{1} << 48;
  const int64_t segments = (extent + contract_segment - 1) / contract_segment;
  return segments <= 1 ? 0 : std::bit_width(static_cast<uint64_t>(segments - 1));
}

// The tree over neighbours, the odd last one moving up, as a binary counter: level l holds the sum of 2^l whole segments.
// A finished segment joins the levels that its number's trailing ones name; the last one joins every level left.
void ContractCode::join(Value* tile, Value* levels, Value* level_bytes, Value* number, Value* segments,
                        int64_t elements) {
  Value* last = b_.CreateICmpEQ(number, b_.CreateSub(segments, i64(1)));
  Value* odd = nullptr;
  const auto more = [&](ValueRefs carried) {
    odd = b_.CreateTrunc(carried[0], b_.getInt1Ty());
    return b_.CreateSelect(last, b_.CreateICmpNE(carried[0], i64(0)), odd);
  };
  const Values left = while_loop(b_, "join", {number, levels}, more, [&](ValueRefs carried) {
    when(b_, "join.add", odd, [&] {
      steps(i64(elements), lanes, [&](Value* e) {
        Value* here = element(tile, e);
        Value* older = b_.CreateAlignedLoad(vector_, element(carried[1], e), vector_align());
        Value* newer = b_.CreateAlignedLoad(vector_, here, vector_align());
        b_.CreateAlignedStore(b_.CreateFAdd(older, newer), here, vector_align());
      });
    });
    Value* bits = b_.CreateLShr(carried[0], i64(1));
    return Values{bits, at(carried[1], level_bytes)};
  });
  when(b_, "join.store", b_.CreateNot(last), [&] {
    steps(i64(elements), lanes, [&](Value* e) {
      Value* sum = b_.CreateAlignedLoad(vector_, element(tile, e), vector_align());
      b_.CreateAlignedStore(sum, element(left[1], e), vector_align());
    });
  });
}

}  // namespace tenon::codegen
