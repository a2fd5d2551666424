// The micro-kernel of a packed contraction: rows x (vectors x width) accumulators in registers, one fused multiply-add
// each per step of k. One function per shape, shared by the contractions of a module; edges are other shapes or padding,
// never masks. Refuses loops other than k: LLVM's code generator keeps this one at the machine's peak as it stands.
//
//   void tile(ptr left, ptr right, i64 depth, ptr sums, i1 resume)
#include <llvm/IR/Module.h>

#include "tenon/codegen/llvm_contract.h"

namespace tenon::codegen {

using llvm::Value;

llvm::Function* ContractEmitter::tile_function(int64_t rows, int64_t vectors) {
  const int64_t columns = plan_.columns();  // of the panel and of the tile in memory, whatever part is computed
  const std::string symbol = "tile_" + std::string(name(contract_.dtype)) + "_" + std::to_string(rows) + "x" +
                             std::to_string(vectors * plan_.width) + "_of_" + std::to_string(columns) + "_strides_" +
                             std::to_string(plan_.row_stride) + "_" + std::to_string(plan_.k_stride) +
                             (plan_.resumes ? "_on" : "");
  if (llvm::Function* known = kernel_.module_.getFunction(symbol)) return known;
  llvm::LLVMContext& context = kernel_.context_;
  Builder b(context);
  auto* type = llvm::FunctionType::get(
      b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getInt64Ty(), b.getPtrTy(), b.getInt1Ty()}, false);
  auto* tile = llvm::Function::Create(type, llvm::Function::InternalLinkage, symbol, kernel_.module_);
  tile->addFnAttr(llvm::Attribute::NoUnwind);
  tile->addFnAttr(llvm::Attribute::NoInline);
  for (const char* attribute : {"prefer-vector-width", "min-legal-vector-width"})
    tile->addFnAttr(kernel_.function_->getFnAttribute(attribute));
  Value *left = tile->getArg(0), *right = tile->getArg(1), *depth = tile->getArg(2), *sums = tile->getArg(3);

  auto* vector = llvm::FixedVectorType::get(element_, static_cast<unsigned>(plan_.width));
  const auto block = [&](const char* label) { return llvm::BasicBlock::Create(context, label, tile); };
  auto* entry = block("entry");
  auto* load = plan_.resumes ? block("resume") : nullptr;
  auto *loop = block("loop"), *done = block("done");
  const llvm::Align aligned(static_cast<uint64_t>(plan_.width * size_));
  const auto place = [&](int64_t r, int64_t v) {
    return b.CreateConstInBoundsGEP1_64(element_, sums, static_cast<uint64_t>(r * columns + v * plan_.width));
  };
  b.SetInsertPoint(entry);
  std::vector<Value*> resumed;
  if (load) {
    b.CreateCondBr(tile->getArg(4), load, loop);
    b.SetInsertPoint(load);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v) resumed.push_back(b.CreateAlignedLoad(vector, place(r, v), aligned));
    // The next tile follows in memory, and its sums will be wanted before this core has anything else to do.
    for (int64_t line = 0; line < rows * columns * size_; line += 64)
      codegen::call(b, llvm::Intrinsic::prefetch, {b.getPtrTy()},
                    {b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), sums,
                                                  static_cast<uint64_t>(plan_.rows * columns * size_ + line)),
                     b.getInt32(1), b.getInt32(3), b.getInt32(1)});
  }
  b.CreateBr(loop);
  b.SetInsertPoint(loop);
  const auto moving = [&](Value* start) {
    llvm::PHINode* p = b.CreatePHI(start->getType(), 3);
    p->addIncoming(start, entry);
    if (load) p->addIncoming(start, load);
    return p;
  };
  llvm::PHINode *a = moving(left), *row = moving(right), *rest = moving(depth);
  std::vector<llvm::PHINode*> chain;
  for (int64_t c = 0; c < rows * vectors; ++c) {
    chain.push_back(b.CreatePHI(vector, 3));
    chain.back()->addIncoming(llvm::Constant::getNullValue(vector), entry);
    if (load) chain.back()->addIncoming(resumed[static_cast<size_t>(c)], load);
  }
  std::vector<Value*> y, next;
  for (int64_t v = 0; v < vectors; ++v)
    y.push_back(b.CreateAlignedLoad(
        vector, b.CreateConstInBoundsGEP1_64(element_, row, static_cast<uint64_t>(v * plan_.width)), aligned));
  for (int64_t r = 0; r < rows; ++r) {
    Value* x = b.CreateAlignedLoad(
        element_, b.CreateConstInBoundsGEP1_64(element_, a, static_cast<uint64_t>(r * plan_.row_stride)),
        llvm::Align(static_cast<uint64_t>(size_)));
    x = b.CreateVectorSplat(static_cast<unsigned>(plan_.width), x);
    for (int64_t v = 0; v < vectors; ++v)
      next.push_back(multiply_add(b, x, y[static_cast<size_t>(v)], chain[static_cast<size_t>(r * vectors + v)]));
  }
  a->addIncoming(b.CreateConstInBoundsGEP1_64(element_, a, static_cast<uint64_t>(plan_.k_stride)), loop);
  row->addIncoming(b.CreateConstInBoundsGEP1_64(element_, row, static_cast<uint64_t>(columns)), loop);
  Value* left_over = b.CreateSub(rest, b.getInt64(1));
  rest->addIncoming(left_over, loop);
  for (size_t c = 0; c < chain.size(); ++c) chain[c]->addIncoming(next[c], loop);
  b.CreateCondBr(b.CreateICmpNE(left_over, b.getInt64(0)), loop, done);

  b.SetInsertPoint(done);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v)
      b.CreateAlignedStore(next[static_cast<size_t>(r * vectors + v)], place(r, v), aligned);
  b.CreateRetVoid();
  return tile;
}

// Runs the micro-kernel over one tile: whole, or vector by vector where the panel is narrower, with fewer rows at the edge.
void ContractEmitter::run_tile(Value* left, Value* right, Value* depth, Value* sums, Value* resume, Value* rows,
                               Value* columns) {
  const auto with_rows = [&](int64_t count) {
    const auto all = [&] { b_.CreateCall(tile_function(count, plan_.vectors), {left, right, depth, sums, resume}); };
    const auto some = [&] {
      llvm::Function* one = tile_function(count, 1);
      kernel_.count(kernel_.i64(0), columns, plan_.width, [&](Value* c) {
        b_.CreateCall(one, {left, b_.CreateGEP(element_, right, c), depth, b_.CreateGEP(element_, sums, c), resume});
      });
    };
    const int64_t narrow = plan_.columns() - plan_.width, edge = plan_.n % plan_.columns();
    if (plan_.n > 0 && (edge == 0 || edge > narrow)) return all();  // no panel is narrower than that
    if (plan_.n >= 0 && plan_.n <= narrow) return some();
    branch(b_.CreateICmpSGT(columns, kernel_.i64(narrow)), all, some);
  };
  const int64_t edge = plan_.edge_rows;
  if (edge == 0) return with_rows(plan_.rows);
  branch(b_.CreateICmpEQ(rows, kernel_.i64(edge)), [&] { with_rows(edge); }, [&] { with_rows(plan_.rows); });
}

}  // namespace tenon::codegen
