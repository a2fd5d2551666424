// The micro-kernel of a packed contraction: rows x (vectors x width) accumulators in registers, one fused multiply-add
// each per step of k. One function per shape; edges are other shapes or padding, never masks. Refuses loops other than k:
// LLVM's code generator keeps this one at the machine's peak as it stands.
#include <llvm/IR/Module.h>

#include "tenon/codegen/llvm/contract/code.h"
#include "tenon/codegen/llvm/contract/shared.h"
#include "tenon/codegen/llvm/target.h"

namespace tenon::codegen {

using llvm::Value;

TileShape tile_shape(const ContractPlan& p, DType dtype, int64_t rows, int64_t vectors) {
  return {dtype,
          rows,
          vectors,
          p.width,
          p.columns(),
          p.resumes ? p.rows : 0,
          p.place_stride > 0 ? 0 : p.row_stride,
          p.k_stride,
          p.resumes};
}

namespace {

struct Tile {
  const TileShape& t;
  Builder& b;
  Value* stride;
  llvm::Type* element = register_type(b.getContext(), t.dtype);
  llvm::FixedVectorType* vector = llvm::FixedVectorType::get(element, static_cast<unsigned>(t.width));
  llvm::Align one_align{static_cast<uint64_t>(bytes(t.dtype))};
  llvm::Align vector_align{static_cast<uint64_t>(t.width * bytes(t.dtype))};

  Value* ahead(Value* pointer, int64_t elements) {
    return b.CreateConstInBoundsGEP1_64(element, pointer, static_cast<uint64_t>(elements));
  }

  // The rows of the left operand. Where their distance is an argument, where each one starts is hidden from LLVM, which would
  // else find one out of another in every step, by additions that take the ports of multiply-adds.
  Values rows(Value* left) {
    Values starts;
    for (int64_t r = 0; r < t.rows; ++r)
      starts.push_back(t.row_stride != 0 ? ahead(left, r * t.row_stride) : hidden(left, r));
    return starts;
  }
  Value* hidden(Value* left, int64_t r) {
    Value* start = b.CreateGEP(element, left, b.CreateMul(stride, b.getInt64(static_cast<uint64_t>(r))));
    return call(b, llvm::Intrinsic::launder_invariant_group, {b.getPtrTy()}, {start});
  }

  // One step of k. Carried: how far along the rows it is, where the right operand stands, and the chains.
  Round step(ValueRefs starts, Value* end, ValueRefs carried) {
    Value *along = carried[0], *right = carried[1];
    ValueRefs chains = carried.drop_front(2);
    Values y, next;
    for (int64_t v = 0; v < t.vectors; ++v)
      y.push_back(b.CreateAlignedLoad(vector, ahead(right, v * t.width), vector_align));
    for (Value* start : starts) {
      Value* one = b.CreateAlignedLoad(element, b.CreateGEP(element, start, along), one_align);
      Value* x = b.CreateVectorSplat(static_cast<unsigned>(t.width), one);
      for (Value* v : y) next.push_back(multiply_add(b, t.dtype, x, v, chains[next.size()]));
    }
    along = b.CreateAdd(along, b.getInt64(static_cast<uint64_t>(t.k_stride)));
    right = ahead(right, t.columns);
    next.insert(next.begin(), {along, right});
    return {next, b.CreateICmpNE(along, end)};
  }
};

}  // namespace

void define_tile(llvm::Module& module, const TileShape& t, const CpuTarget& target) {
  llvm::Function* function = tile_function(module, t, target);
  set_attributes(*function, target);
  Builder b(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  Tile tile{t, b, function->getArg(5)};
  const auto place = [&](int64_t r, int64_t c) { return tile.ahead(function->getArg(3), r * t.columns + c); };
  Values chains;
  for (int64_t c = 0; c < t.rows * t.vectors; ++c) chains.push_back(llvm::Constant::getNullValue(tile.vector));
  if (t.resumes)
    chains = when(b, "resume", function->getArg(4), chains, [&] {
      Values waiting;
      for (int64_t r = 0; r < t.rows; ++r)
        for (int64_t v = 0; v < t.vectors; ++v)
          waiting.push_back(b.CreateAlignedLoad(tile.vector, place(r, v * t.width), tile.vector_align));
      // The next tile follows in memory, and its sums will be wanted before this core has anything else to do.
      for (int64_t e = 0; e < t.rows * t.columns; e += 64 / bytes(t.dtype))
        call(b, llvm::Intrinsic::prefetch, {b.getPtrTy()},
             {place(t.memory_rows, e), b.getInt32(1), b.getInt32(3), b.getInt32(1)});
      return waiting;
    });
  const Values rows = tile.rows(function->getArg(0));
  Value* end = b.CreateMul(function->getArg(2), b.getInt64(static_cast<uint64_t>(t.k_stride)));
  Values start{b.getInt64(0), function->getArg(1)};
  start.insert(start.end(), chains.begin(), chains.end());
  const Values last = do_loop(b, "loop", start, [&](ValueRefs x) { return tile.step(rows, end, x); });
  auto sum = last.begin() + 2;
  for (int64_t r = 0; r < t.rows; ++r)
    for (int64_t v = 0; v < t.vectors; ++v) b.CreateAlignedStore(*sum++, place(r, v * t.width), tile.vector_align);
  b.CreateRetVoid();
}

}  // namespace tenon::codegen
