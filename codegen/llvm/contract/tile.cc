// The micro-kernel of a packed contraction: rows x (vectors x width) accumulators in registers, one fused multiply-add
// each per step of k. One function per shape, shared by the contractions of a module; edges are other shapes or padding,
// never masks. Refuses loops other than k: LLVM's code generator keeps this one at the machine's peak as it stands.
//
//   void tile(ptr left, ptr right, i64 depth, ptr sums, i1 resume)
#include <llvm/IR/Module.h>

#include "tenon/codegen/llvm/contract/contract.h"

namespace tenon::codegen {

using llvm::Value;

llvm::Function* ContractEmitter::tile_function(int64_t rows, int64_t vectors) {
  const std::string symbol = "tile_" + std::string(name(contract_.dtype)) + "_" + std::to_string(rows) + "x" +
                             std::to_string(vectors * plan_.width) + "_of_" + std::to_string(plan_.columns()) +
                             "_strides_" + std::to_string(plan_.row_stride) + "_" + std::to_string(plan_.k_stride) +
                             (plan_.resumes ? "_on" : "");
  if (llvm::Function* known = kernel_.module_.getFunction(symbol)) return known;
  llvm::Type *pointer = b_.getPtrTy(), *number = b_.getInt64Ty();
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {pointer, pointer, number, pointer, b_.getInt1Ty()}, false);
  auto* tile = llvm::Function::Create(type, llvm::Function::InternalLinkage, symbol, kernel_.module_);
  tile->addFnAttr(llvm::Attribute::NoUnwind);
  tile->addFnAttr(llvm::Attribute::NoInline);
  for (const char* attribute : {"prefer-vector-width", "min-legal-vector-width"})
    tile->addFnAttr(kernel_.function_->getFnAttribute(attribute));

  Builder b(llvm::BasicBlock::Create(kernel_.context_, "entry", tile));
  auto* vector = llvm::FixedVectorType::get(element_, static_cast<unsigned>(plan_.width));
  const llvm::Align aligned(static_cast<uint64_t>(plan_.width * size_));
  const auto place = [&](int64_t r, int64_t c) { return ahead(b, tile->getArg(3), r * plan_.columns() + c); };
  Values chains;
  for (int64_t c = 0; c < rows * vectors; ++c) chains.push_back(llvm::Constant::getNullValue(vector));
  if (plan_.resumes)
    chains = when(b, "resume", tile->getArg(4), chains, [&] {
      Values waiting;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t v = 0; v < vectors; ++v)
          waiting.push_back(b.CreateAlignedLoad(vector, place(r, v * plan_.width), aligned));
      // The next tile follows in memory, and its sums will be wanted before this core has anything else to do.
      for (int64_t e = 0; e < rows * plan_.columns(); e += 64 / size_)
        codegen::call(b, llvm::Intrinsic::prefetch, {pointer},
                      {place(plan_.rows, e), b.getInt32(1), b.getInt32(3), b.getInt32(1)});
      return waiting;
    });
  Values start{tile->getArg(0), tile->getArg(1), tile->getArg(2)};
  start.insert(start.end(), chains.begin(), chains.end());
  const Values last = do_loop(b, "loop", start, [&](ValueRefs x) { return tile_step(b, x, rows, vectors); });
  auto sum = last.begin() + 3;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v) b.CreateAlignedStore(*sum++, place(r, v * plan_.width), aligned);
  b.CreateRetVoid();
  return tile;
}

// One step of k. Carried: where the left and the right operand stand, the steps left, and the chains.
Round ContractEmitter::tile_step(Builder& b, ValueRefs carried, int64_t rows, int64_t vectors) {
  Value *left = carried[0], *right = carried[1];
  ValueRefs chains = carried.drop_front(3);
  const unsigned width = static_cast<unsigned>(plan_.width);
  auto* vector = llvm::FixedVectorType::get(element_, width);
  const llvm::Align aligned(static_cast<uint64_t>(plan_.width * size_));
  Values y, next;
  for (int64_t v = 0; v < vectors; ++v)
    y.push_back(b.CreateAlignedLoad(vector, ahead(b, right, v * plan_.width), aligned));
  for (int64_t r = 0; r < rows; ++r) {
    Value* one =
        b.CreateAlignedLoad(element_, ahead(b, left, r * plan_.row_stride), llvm::Align(static_cast<uint64_t>(size_)));
    Value* x = b.CreateVectorSplat(width, one);
    for (Value* v : y) next.push_back(multiply_add(b, x, v, chains[next.size()]));
  }
  left = ahead(b, left, plan_.k_stride);
  right = ahead(b, right, plan_.columns());
  Value* steps = b.CreateSub(carried[2], b.getInt64(1));
  next.insert(next.begin(), {left, right, steps});
  return {next, b.CreateICmpNE(steps, b.getInt64(0))};
}

// Runs the micro-kernel over one tile: whole, or vector by vector where the panel is narrower, with fewer rows at the edge.
void ContractEmitter::run_tile(Value* left, Value* right, Value* depth, Value* sums, Value* resume, Value* rows,
                               Value* columns) {
  const auto with_rows = [&](int64_t count) {
    const auto all = [&] { b_.CreateCall(tile_function(count, plan_.vectors), {left, right, depth, sums, resume}); };
    const auto some = [&] {
      llvm::Function* one = tile_function(count, 1);
      counted_loop(b_, "vectors", {i64(0), columns, plan_.width}, [&](Value* c) {
        b_.CreateCall(one, {left, b_.CreateGEP(element_, right, c), depth, b_.CreateGEP(element_, sums, c), resume});
      });
    };
    const int64_t narrow = plan_.columns() - plan_.width, edge = plan_.n % plan_.columns();
    if (plan_.n > 0 && (edge == 0 || edge > narrow)) return all();  // no panel is narrower than that
    if (plan_.n >= 0 && plan_.n <= narrow) return some();
    branch(b_, "whole", b_.CreateICmpSGT(columns, i64(narrow)), all, some);
  };
  const int64_t edge = plan_.edge_rows;
  if (edge == 0) return with_rows(plan_.rows);
  branch(b_, "edge", b_.CreateICmpEQ(rows, i64(edge)), [&] { with_rows(edge); }, [&] { with_rows(plan_.rows); });
}

}  // namespace tenon::codegen
