// Long lists in an entry point: copies one after the other as a table that one loop reads, inputs and outputs checked by a loop.
// Straight code for each of thousands would take longer to compile than all else. Refuses what is not known now: extents that
// are symbols, places that advance with a loop, constants, whose addresses no table may hold.
#include <algorithm>

#include "tenon/codegen/llvm/entry.h"

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
  return step.kind == StepKind::copy && program_.is_static &&
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
