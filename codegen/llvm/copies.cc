// Copies that are more than one call each. Large ones are shared among threads: one thread reads memory at less than half the speed of
// all. Long lists in an entry point: copies one after the other as a table that one loop reads, inputs and outputs checked by a loop.
// Straight code for each of thousands would take longer to compile than all else. Tables refuse what is not known now: extents that
// are symbols, places that advance with a loop, constants, whose addresses no table may hold.
#include <algorithm>

#include "tenon/codegen/llvm/entry.h"
#include "tenon/codegen/llvm/target.h"

namespace tenon::codegen {

using ir::Home;
using ir::Operand;
using ir::ProgramBuffer;
using ir::Step;
using ir::StepKind;
using llvm::Value;

namespace {

constexpr size_t few = 8;  // up to here straight code is as short

// A line of the table: each side is a list of pointers (the inputs, the outputs, the arena alone), a place in it, and an offset.
enum Column : int64_t { from_list, from_slot, from_offset, to_list, to_slot, to_offset, size, columns };

}  // namespace

bool EntryEmitter::fits_table(const Step& step) const {
  const auto fits = [&](const Operand& o) {
    return o.loop < 0 && program_.buffers.at(o.buffer).home != Home::constant;
  };
  return step.kind == StepKind::copy && program_.is_static && !ir::copies_onto_itself(program_, step) &&
         std::all_of(step.operands.begin(), step.operands.end(), fits);
}

// How many steps from `first` on are copies for one table; 0 where they are few.
size_t EntryEmitter::table_length(const std::vector<Step>& steps, size_t first) const {
  size_t length = 0;
  while (first + length < steps.size() && fits_table(steps[first + length])) ++length;
  return length > few ? length : 0;
}

void EntryEmitter::emit_copy_table(std::span<const Step> steps) {
  std::vector<int64_t> table;
  const auto side = [&](const Operand& o) {
    const ProgramBuffer& b = program_.buffers[o.buffer];
    const bool arena = b.home == Home::arena;
    table.push_back(arena ? 2 : b.home == Home::output);
    table.push_back(arena ? 0 : b.slot);
    table.push_back((arena ? b.offset : 0) + o.start.number() * bytes(b.dtype));
  };
  for (const Step& step : steps) {
    const ProgramBuffer& to = program_.buffers[step.operands[1].buffer];
    side(step.operands[0]);
    side(step.operands[1]);
    table.push_back((step.count ? step.count->number() : to.shape.numel()) * bytes(to.dtype));
  }
  auto* global = add_data(module_, name_ + "_copies_" + std::to_string(tables_++),
                          llvm::ConstantDataArray::get(context_, llvm::ArrayRef(table)));
  Value* lists = stack(b_.getPtrTy(), 3, 8);
  Value* arena = stack(b_.getPtrTy(), 1, 8);
  b_.CreateStore(arena_, arena);
  Value* const each[] = {inputs_, outputs_, arena};
  for (uint64_t k = 0; k < 3; ++k) b_.CreateStore(each[k], b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), lists, k));
  counted_loop(b_, "copies", {i64(0), i64(static_cast<int64_t>(steps.size()))}, [&](Value* n) {
    Value* line = b_.CreateInBoundsGEP(b_.getInt64Ty(), global, b_.CreateMul(n, i64(columns)));
    const auto column = [&](int64_t c) { return field(line, 8 * static_cast<uint64_t>(c), b_.getInt64Ty()); };
    const auto entry = [&](Value* list, Value* k) {
      return b_.CreateLoad(b_.getPtrTy(), b_.CreateInBoundsGEP(b_.getPtrTy(), list, k));
    };
    const auto address = [&](Column first) {
      Value* base = entry(entry(lists, column(first)), column(first + 1));
      return b_.CreateGEP(b_.getInt8Ty(), base, column(first + 2));
    };
    copy(address(to_list), address(from_list), column(size));
  });
}

namespace {

constexpr int64_t shared_bytes = 64 << 10;  // that a thread copies at least
constexpr int64_t few_bytes = 256 << 10;  // up to here a copy is a call

}  // namespace

// A function for the pool's threads: body(context, begin, end).
llvm::Function* EntryEmitter::chunk_function(const char* what, llvm::function_ref<void(Value*, Value*, Value*)> body) {
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::InternalLinkage, name_ + what, module_);
  set_attributes(*function, target_.cpu());
  const llvm::IRBuilderBase::InsertPointGuard back(b_);
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function));
  body(function->getArg(0), function->getArg(1), function->getArg(2));
  b_.CreateRet(b_.getInt32(0));
  return function;
}

// In blocks, where it is large and there are threads.
void EntryEmitter::copy_shared(Value* to, Value* from, Value* bytes) {
  const auto size = known(bytes);
  if (!loops_.empty() || (size && *size <= few_bytes)) return copy(to, from, bytes);
  const std::string what = "_copy";
  llvm::Function* function = module_.getFunction(name_ + what);
  if (function == nullptr)
    function = chunk_function(what.c_str(), [&](Value* context, Value* begin, Value* end) {
      const auto at = [&](uint64_t place) {
        Value* offset = b_.CreateMul(begin, i64(shared_bytes));
        return b_.CreateGEP(b_.getInt8Ty(), field(context, place, b_.getPtrTy()), offset);
      };
      Value* all = field(context, 16, b_.getInt64Ty());
      Value* behind = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b_.CreateMul(end, i64(shared_bytes)), all);
      copy(at(0), at(8), b_.CreateSub(behind, b_.CreateMul(begin, i64(shared_bytes))));
    });
  Value* context = stack(b_.getInt64Ty(), 3, 64);
  Value* const each[] = {to, from, bytes};
  for (uint64_t k = 0; k < 3; ++k) b_.CreateStore(each[k], b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), context, k));
  const auto blocks = [&] {
    Value* count = b_.CreateUDiv(b_.CreateAdd(bytes, i64(shared_bytes - 1)), i64(shared_bytes));
    run_shared(function, context, count, i64(1));
  };
  branch(b_, "copy", b_.CreateICmpSGT(bytes, i64(few_bytes)), blocks, [&] { copy(to, from, bytes); });
}

// Whether a loop does nothing but copy a row of each of its operands.
bool EntryEmitter::copies_rows(const Step& loop) const {
  const auto advances = [&](const Operand& o) { return o.loop == static_cast<int>(loops_.size()) && !o.reversed; };
  return loop.operands.empty() && loop.carries.empty() && loops_.empty() &&
         std::all_of(loop.body.begin(), loop.body.end(), [&](const Step& s) {
           return s.kind == StepKind::copy && std::all_of(s.operands.begin(), s.operands.end(), advances);
         });
}

// The rows as a loop of a function, which the pool shares out. What is known now stands in its code, the rest in the context.
void EntryEmitter::emit_rows(const Step& loop) {
  Values all;  // of each copy: both sides' pointers and strides, bytes
  Value* row = i64(0);
  for (const Step& s : loop.body) {
    for (const size_t side : {size_t{1}, size_t{0}}) {
      Operand o = s.operands[side];
      const int64_t element = bytes(program_.buffers.at(o.buffer).dtype);
      all.push_back(b_.CreateMul(value(o.stride), i64(element)));
      o.loop = -1;
      all.push_back(pointer(o));
    }
    all.push_back(copied_bytes(s));
    row = b_.CreateAdd(row, all.back());
  }
  Value* context = stack(b_.getInt64Ty(), all.size() + 1, 64);
  for (size_t k = 0; k < all.size(); ++k)
    if (!known(all[k])) b_.CreateStore(all[k], b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), context, k));
  const std::string what = "_rows_" + std::to_string(row_loops_++);
  llvm::Function* function = chunk_function(what.c_str(), [&](Value* given, Value* begin, Value* end) {
    Values here = all;
    for (size_t k = 0; k < all.size(); ++k)
      if (!known(all[k])) here[k] = field(given, 8 * k, all[k]->getType());
    counted_loop(b_, "rows", {begin, end}, [&](Value* number) {
      const auto at = [&](size_t k) {
        return b_.CreateGEP(b_.getInt8Ty(), here[k + 1], b_.CreateMul(number, here[k]));
      };
      for (size_t k = 0; k < here.size(); k += 5) copy(at(k), at(k + 2), here[k + 4]);
    });
  });
  const auto larger = [&](Value* x) { return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, i64(1)); };
  Value* grain = larger(b_.CreateUDiv(i64(shared_bytes), larger(row)));
  if (const auto size = known(row)) grain = i64(std::max<int64_t>(1, shared_bytes / std::max<int64_t>(1, *size)));
  run_shared(function, context, value(loop.trip_count), grain);
}

// Whether memory is missing that is needed whatever the extents are: a loop for each range of the list.
Value* EntryEmitter::some_missing(Value* list, Home home) {
  struct Needed {
    uint32_t slot;
    int64_t alignment;
    bool operator<(const Needed& other) const { return slot < other.slot; }
  };
  std::vector<Needed> needed;
  for (const ProgramBuffer& b : program_.buffers)
    if (b.home == home && b.shape.is_static() && b.shape.numel() > 0 && !is_stored(b))
      needed.push_back({b.slot, bytes(b.dtype)});
  std::sort(needed.begin(), needed.end());
  Value* missing = b_.getFalse();
  for (size_t first = 0, next = 0; first < needed.size(); first = next) {
    const auto follows = [&](size_t n) {
      return needed[n].slot == needed[n - 1].slot + 1 && needed[n].alignment == needed[first].alignment;
    };
    for (next = first + 1; next < needed.size() && follows(next);) ++next;
    const Range range{i64(needed[first].slot), i64(int64_t{needed[next - 1].slot} + 1)};
    missing = carried_loop(b_, "given", range, missing, [&](Value* slot, ValueRefs so_far) {
      Value* p = b_.CreateLoad(b_.getPtrTy(), b_.CreateInBoundsGEP(b_.getPtrTy(), list, slot));
      Value* wrong = b_.CreateOr(b_.CreateIsNull(p), misaligned(p, needed[first].alignment));
      return Values{b_.CreateOr(so_far[0], wrong)};
    })[0];
  }
  return missing;
}

}  // namespace tenon::codegen
