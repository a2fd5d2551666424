// What a packed contraction evaluates of its kernel: blocks of the left operand, panels of the right one, and the epilogue of a
// tile, each a function that the driver calls (codegen/llvm/contract/shared.h). Refuses to choose what is packed when.
#include <llvm/IR/Module.h>

#include <array>

#include "tenon/codegen/llvm/contract/contract.h"
#include "tenon/codegen/llvm/contract/shared.h"
#include "tenon/codegen/llvm/turned.h"

namespace tenon::codegen {

using llvm::Value;

namespace {

constexpr std::array<const char*, frame_functions> suffixes = {"_left", "_right", "_fetch", "_epilogue", "_place"};

}  // namespace

// Workers that find nothing to claim return at once, so an estimate will do.
Value* ContractEmitter::packed_total() {
  Value* work = b_.CreateMul(b_.CreateMul(batches_, m_), b_.CreateMul(n_, larger(k_, i64(1))));
  return smaller(larger(b_.CreateSDiv(work, i64(plan_.claim)), i64(1)), i64(plan_.workers));
}

// The frame, after its functions: the kernel's context, then each scalar of its body that is no constant, and each pointer to
// its own memory, in 8 bytes.
void ContractEmitter::emit_packed(Value* worker) {
  Values kept;
  const size_t first_buffer = kernel_.values_.size();
  for (size_t k = 0; k < first_buffer; ++k)
    kept.push_back(kernel_.kernel_.scalars[k].block == ir::BlockId{0} ? kernel_.values_[k].value : nullptr);
  for (size_t k = 0; k < kernel_.pointers_.size(); ++k)
    kept.push_back(kernel_.kernel_.buffers[k].space == ir::Space::scratch ? kernel_.pointers_[k] : nullptr);
  const auto in_frame = [&](Value* v) { return v && !llvm::isa<llvm::Constant>(v); };

  const auto slot = [](Builder& b, Value* frame, uint64_t number) {
    return b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), frame, number);
  };
  Value* frame = kernel_.entry_slot(b_.getInt64Ty(), frame_functions + 1 + kept.size(), 16);
  b_.CreateStore(kernel_.function_->getArg(0), slot(b_, frame, frame_functions));
  uint64_t number = frame_functions;
  for (Value* v : kept)
    if (in_frame(v)) b_.CreateStore(v, slot(b_, frame, ++number));

  const auto put = [&](FrameFunction which, llvm::function_ref<void(ContractEmitter&, ValueRefs)> body) {
    auto* function =
        llvm::Function::Create(frame_function_type(kernel_.context_, which), llvm::Function::InternalLinkage,
                               kernel_.function_->getName() + suffixes[static_cast<size_t>(which)], kernel_.module_);
    KernelEmitter inner(kernel_.module_, kernel_.kernel_, kernel_.target_);
    inner.open(function);
    Builder& b = inner.entry_;
    Value* of_caller = function->getArg(0);
    inner.load_context(b.CreateLoad(b.getPtrTy(), slot(b, of_caller, frame_functions)));
    uint64_t next = frame_functions;
    const auto take = [&](Value* v) -> Value* {
      return in_frame(v) ? b.CreateLoad(v->getType(), slot(b, of_caller, ++next)) : v;
    };
    for (size_t k = 0; k < first_buffer; ++k)
      if (kept[k]) inner.define(ir::ScalarId{static_cast<uint32_t>(k)}, take(kept[k]));
    for (size_t k = first_buffer; k < kept.size(); ++k)
      if (kept[k]) inner.pointers_[k - first_buffer] = take(kept[k]);
    ContractEmitter part(inner, contract_);
    Values arguments;
    for (llvm::Argument& a : llvm::drop_begin(function->args())) arguments.push_back(&a);
    if (plan_.batch == 1) arguments[0] = i64(0);
    body(part, arguments);
    if (which != FrameFunction::place) inner.b_.CreateRetVoid();
    kernel_.nontemporal_used_ |= inner.nontemporal_used_;
    b_.CreateStore(function, slot(b_, frame, static_cast<uint64_t>(which)));
  };
  const bool one_block = plan_.k >= 0 && plan_.k <= plan_.depth, one_panel = plan_.n >= 0 && plan_.n <= plan_.columns();
  Value *from = one_block ? i64(0) : nullptr, *depth = one_block ? i64(plan_.k) : nullptr;
  Value* column = one_panel ? i64(0) : nullptr;
  Value* columns = one_panel ? i64(plan_.n) : nullptr;
  if (plan_.n > 0 && plan_.n % plan_.columns() == 0) columns = i64(plan_.columns());
  const auto or_else = [](Value* x, Value* y) { return x ? x : y; };
  put(FrameFunction::left, [&](ContractEmitter& e, ValueRefs a) {
    e.pack_left(a[0], a[1], a[2], or_else(from, a[3]), or_else(depth, a[4]), a[5]);
  });
  put(FrameFunction::right, [&](ContractEmitter& e, ValueRefs a) {
    e.pack_right(a[0], or_else(from, a[1]), or_else(depth, a[2]), or_else(column, a[3]), or_else(columns, a[4]), a[5]);
  });
  if (const auto ahead = accesses_ahead(contract_.blocks[2], 1, 2); ahead.empty())
    b_.CreateStore(llvm::ConstantPointerNull::get(b_.getPtrTy()),
                   slot(b_, frame, static_cast<uint64_t>(FrameFunction::fetch)));
  else
    put(FrameFunction::fetch,
        [&](ContractEmitter& e, ValueRefs a) { e.fetch_ahead(ahead, a[0], a[1], a[2], or_else(column, a[3])); });
  put(FrameFunction::epilogue, [&](ContractEmitter& e, ValueRefs a) {
    e.epilogue(a[0], a[1], a[2], or_else(column, a[3]), or_else(columns, a[4]), a[5], plan_.columns());
  });
  if (plan_.place_stride > 0)
    put(FrameFunction::place,
        [&](ContractEmitter& e, ValueRefs a) { e.b_.CreateRet(e.left_place(a[0], a[1], or_else(from, a[2]))); });
  for (auto attribute : {llvm::Attribute::NoInline, llvm::Attribute::OptimizeNone})  // it runs once a worker
    kernel_.function_->addFnAttr(attribute);
  b_.CreateCall(driver_function(kernel_.module_, plan_, dtype_, kernel_.target_.cpu()),
                {frame, kernel_.scratch_, worker, batches_, m_, n_, k_});
}

// Where element (row, k) of the left operand stands.
Value* ContractEmitter::left_place(Value* batch, Value* row, Value* k) {
  const ir::BlockId block = contract_.blocks[0];
  const ir::Instruction& load = *ir::definition(kernel_.kernel_, kernel_.kernel_.blocks[index(block)].yields[0]);
  kernel_.lanes_ = {};
  bind(block, {batch, row, k}, -1);
  const size_t rank = kernel_.kernel_.buffers[index(load.buffer)].shape.size();
  return kernel_.address(load.buffer, llvm::ArrayRef(load.operands).take_front(rank)).pointer;
}

// The left block as its loads have it: rows of k; or, where i is contiguous in memory, the rows of a tile side by side.
void ContractEmitter::pack_left(Value* batch, Value* row, Value* rows, Value* from, Value* depth, Value* block) {
  const llvm::Align align(static_cast<uint64_t>(size_));
  if (plan_.lhs_along_k) {
    repeat(rows, [&](Value* r) {
      Value* line = element(block, b_.CreateMul(r, i64(plan_.row_stride)));
      Value* i = b_.CreateAdd(row, r);
      steps(depth, lanes, [&](Value* q) {
        Value* k = b_.CreateAdd(from, q);
        b_.CreateAlignedStore(vector_operand(0, batch, i, k, 2, mask_below(k, k_)), element(line, q), align);
      });
    });
    return;
  }
  // A vector reaches past the rows of its tile; what it writes too much, the next k or the padding takes.
  steps(depth, 1, [&](Value* q) {
    Value* k = b_.CreateAdd(from, q);
    Value* line = element(block, b_.CreateMul(q, i64(plan_.k_stride)));
    repeat(divide_up(rows, plan_.rows), [&](Value* t) {
      Value* i = b_.CreateAdd(row, b_.CreateMul(t, i64(plan_.rows)));
      Value* few = smaller(b_.CreateSub(m_, i), i64(plan_.rows));
      b_.CreateAlignedStore(vector_operand(0, batch, i, k, 1, lane_mask(few)),
                            element(line, b_.CreateMul(t, i64(plan_.tile_stride))), align);
    });
  });
}

// A panel of the right operand: row after row of its columns. Only panels known to be whole are unrolled: a second copy of
// the block would cost compile time, and what this loop waits for are loads from far away.
void ContractEmitter::pack_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns, Value* panel) {
  if (plan_.rhs_along_k) return turn_right(batch, from, depth, column, columns, panel);
  const auto accesses = accesses_ahead(contract_.blocks[1], 1, 2);
  steps(depth, 1, [&](Value* q) {
    Value* line = element(panel, b_.CreateMul(q, i64(plan_.columns())));
    Value* k = b_.CreateAdd(from, q);
    if (!accesses.empty()) fetch(accesses, contract_.blocks[1], {batch, b_.CreateAdd(k, i64(rows_ahead)), column});
    const auto put = [&](Value* c) {
      Value* j = b_.CreateAdd(column, c);
      b_.CreateAlignedStore(vector_operand(1, batch, k, j, 2, mask_below(j, n_)), element(line, c), vector_align());
    };
    const auto whole = known(columns);
    if (!whole) return steps(columns, lanes, put);
    for (int64_t c = 0; c < *whole; c += lanes) put(i64(c));
  });
}

// Squares of 16 x 16 are read along k, kept in L1, and written back turned, a machine register's width at a time.
void ContractEmitter::turn_right(Value* batch, Value* from, Value* depth, Value* column, Value* columns, Value* panel) {
  Value* turn = at(panel, i64(plan_.turn_offset));
  const int64_t width = plan_.width;
  steps(columns, lanes, [&](Value* c) {
    Value* count = smaller(b_.CreateSub(columns, c), i64(lanes));
    Value* first = b_.CreateAdd(column, c);
    steps(depth, lanes, [&](Value* q) {
      Value* k = b_.CreateAdd(from, q);
      repeat(count, [&](Value* r) {
        Value* v = vector_operand(1, batch, k, b_.CreateAdd(first, r), 1, mask_below(k, k_));
        b_.CreateAlignedStore(v, element(turn, b_.CreateMul(r, i64(lanes))), vector_align());
      });
      const auto square = [&](Value* r, Value* s) {  // rows r.. of columns s.. of the square
        Value* row = b_.CreateAdd(b_.CreateMul(b_.CreateAdd(q, s), i64(plan_.columns())), b_.CreateAdd(c, r));
        turn_square(element(turn, b_.CreateAdd(b_.CreateMul(r, i64(lanes)), s)), element(panel, row));
      };
      if (width == lanes) return square(i64(0), i64(0));
      steps(i64(lanes), width, [&](Value* r) { steps(i64(lanes), width, [&](Value* s) { square(r, s); }); });
    });
  });
}

void ContractEmitter::turn_square(Value* source, Value* target) {
  const unsigned width = static_cast<unsigned>(plan_.width);
  const llvm::Align align(static_cast<uint64_t>(width * size_));
  auto* type = llvm::FixedVectorType::get(element_, width);
  Values x;
  for (unsigned l = 0; l < width; ++l) x.push_back(b_.CreateAlignedLoad(type, element(source, i64(l * lanes)), align));
  codegen::turn_square(b_, x);
  for (unsigned l = 0; l < width; ++l) b_.CreateAlignedStore(x[l], element(target, i64(l * plan_.columns())), align);
}

}  // namespace tenon::codegen
