// Rows of 2 to 16 elements whose numbers are lanes of a vector loop (passes/lower/short_row.cc): the rows of all lanes are one run
// of memory, which is loaded and stored as whole vectors and dealt out in registers, under masks at the edge of the loop. Refuses
// narrow registers, for which dealing takes longer than going lane by lane.
//
//   vector %i { load %x[%i, 0], load %x[%i, 1] }   ->   two loads of 16 elements, the even ones and the odd ones
#include "tenon/codegen/llvm/short_row.h"

#include <map>
#include <utility>

#include "tenon/codegen/llvm/kernel.h"
#include "tenon/codegen/llvm/turned.h"

namespace tenon::codegen {

using ir::Instruction;
using ir::KernelOp;
using ir::ScalarId;
using llvm::Value;

namespace {

constexpr int64_t longest_row = 16;

using Mask = llvm::SmallVector<int, 64>;

// One vector whose lane l is the lane `place(l).second` of the vector `place(l).first`.
template <class Place>
Value* picked(Builder& b, const Values& from, int lanes, Place place) {
  Value* found = from[0];
  for (int v = 1; v < static_cast<int>(from.size()); ++v) {
    Mask mask;
    for (int l = 0; l < lanes; ++l) {
      const auto [of, at] = place(l);
      mask.push_back(of == v ? lanes + at : of > v ? -1 : of == 0 && v == 1 ? at : l);
    }
    found = b.CreateShuffleVector(found, from[static_cast<size_t>(v)], mask);
  }
  return found;
}

// Vectors of the run that lie at every k-th place: result j has the elements j, j + k, j + 2 k ... of the whole.
Values dealt(Builder& b, const Values& run, int lanes) {
  const int k = static_cast<int>(run.size());
  if (k == 1) return run;
  if (k % 2 == 0) {
    Values half[2];
    for (int odd : {0, 1})
      for (int m = 0; m < k; m += 2) {
        Mask mask;
        for (int l = 0; l < lanes; ++l) mask.push_back(2 * l + odd);
        half[odd].push_back(b.CreateShuffleVector(run[static_cast<size_t>(m)], run[static_cast<size_t>(m) + 1], mask));
      }
    for (Values& part : half) end_round(b, part);
    const Values even = dealt(b, half[0], lanes), odd = dealt(b, half[1], lanes);
    Values all;
    for (size_t j = 0; j < even.size(); ++j) all.insert(all.end(), {even[j], odd[j]});
    return all;
  }
  Values all;
  for (int j = 0; j < k; ++j)
    all.push_back(picked(b, run, lanes, [&](int l) { return std::pair((l * k + j) / lanes, (l * k + j) % lanes); }));
  return all;
}

// The run whose vectors were dealt so.
Values gathered(Builder& b, const Values& parts, int lanes) {
  const int k = static_cast<int>(parts.size());
  if (k == 1) return parts;
  if (k % 2 == 0) {
    Values half[2];
    for (size_t j = 0; j < parts.size(); ++j) half[j % 2].push_back(parts[j]);
    const Values even = gathered(b, half[0], lanes), odd = gathered(b, half[1], lanes);
    Values all;
    for (size_t m = 0; m < even.size(); ++m)
      for (int high : {0, 1}) {
        Mask mask;
        for (int l = 0; l < lanes; ++l) mask.push_back(high * lanes / 2 + l / 2 + l % 2 * lanes);
        all.push_back(b.CreateShuffleVector(even[m], odd[m], mask));
      }
    end_round(b, all);
    return all;
  }
  Values all;
  for (int t = 0; t < k; ++t)
    all.push_back(picked(b, parts, lanes, [&](int l) { return std::pair((t * lanes + l) % k, (t * lanes + l) / k); }));
  return all;
}

}  // namespace

// The place in its row that an access of this kind names, and how long rows are; 0: it names none.
int64_t KernelEmitter::row_length(const Instruction& i, int64_t& place) const {
  const ir::KernelBuffer& buffer = kernel_.buffers[index(i.buffer)];
  const size_t rank = buffer.shape.size();
  if (rank < 2 || !buffer.shape[rank - 1].is_number() || i.operands.size() != rank + (i.kind == KernelOp::store))
    return 0;
  const int64_t length = buffer.shape[rank - 1].number();
  const uint32_t number = kernel_.scalars[index(i.operands[rank - 1])].instruction;
  if (length < 2 || length > longest_row || number == UINT32_MAX) return 0;
  const Instruction& literal = kernel_.instructions[number];
  place = static_cast<int64_t>(literal.immediate);
  return literal.kind == KernelOp::literal && place >= 0 && place < length ? length : 0;
}

// Loads of at least half of a row, and stores of whole ones that follow each other.
void KernelEmitter::find_short_rows(ir::BlockId block) {
  short_rows_.clear();
  if (target_.cpu().vector_bytes < 64) return;
  std::map<std::vector<uint32_t>, std::shared_ptr<ShortRow>> found;
  std::shared_ptr<ShortRow> stored;
  for (uint32_t number : kernel_.blocks[index(block)].instructions) {
    const Instruction& i = kernel_.instructions[number];
    const bool store = i.kind == KernelOp::store;
    if ((!store && i.kind != KernelOp::load) || !is_needed(i)) continue;
    if (!store && kernel_.buffers[index(i.buffer)].space != ir::Space::input) continue;
    int64_t place = 0;
    const int64_t length = row_length(i, place);
    if (store && (length == 0 || place == 0)) stored = nullptr;
    if (length == 0) continue;
    std::vector<uint32_t> key{index(i.buffer)};
    const size_t rank = kernel_.buffers[index(i.buffer)].shape.size();
    for (size_t d = 0; d + 1 < rank; ++d) key.push_back(index(i.operands[d]));
    std::shared_ptr<ShortRow>& row = store ? stored : found[key];
    if (store && place > 0 && (!row || row->key != key || std::ssize(row->accesses) != place)) {
      row = nullptr;
      continue;
    }
    if (!row) row = std::make_shared<ShortRow>(ShortRow{key, length, {}, {}});
    row->accesses.push_back(&i);
    if (store && place + 1 == length)
      for (const Instruction* each : row->accesses) short_rows_[each] = row;
  }
  for (const auto& [key, row] : found)
    if (2 * std::ssize(row->accesses) >= row->length)
      for (const Instruction* each : row->accesses) short_rows_[each] = row;
}

// Of vector t of the rows of all lanes, the elements of lanes that take part.
Value* KernelEmitter::mask_of_run(int64_t t, int64_t length) {
  Mask lanes;
  for (int64_t l = 0; l < lanes_.width; ++l) lanes.push_back(static_cast<int>((t * lanes_.width + l) / length));
  return b_.CreateShuffleVector(lanes_.mask, lanes);
}

// Whether it was: the lanes' rows must lie one behind the other.
bool KernelEmitter::load_short_row(const Instruction& i, const Address& a, llvm::Type* type) {
  const auto at = short_rows_.find(&i);
  if (at == short_rows_.end() || lanes_.width != static_cast<unsigned>(target_.lanes)) return false;
  ShortRow& row = *at->second;
  int64_t place = 0;
  row_length(i, place);
  if (row.values.empty()) {
    if (a.kind != Lowered::affine || known(a.step) != row.length) return false;
    Value* first = b_.CreateGEP(type, a.pointer, i64(-place));
    Values run;
    auto* vector = llvm::FixedVectorType::get(type, lanes_.width);
    const llvm::Align align(static_cast<uint64_t>(bytes(i.dtype)));
    for (int64_t t = 0; t < row.length; ++t) {
      Value* part = b_.CreateGEP(type, first, i64(t * lanes_.width));
      if (lanes_.mask)
        run.push_back(load_masked(part, vector, align, mask_of_run(t, row.length)));
      else
        run.push_back(b_.CreateAlignedLoad(vector, part, align));
    }
    row.values = dealt(b_, run, static_cast<int>(lanes_.width));
  }
  Value* loaded = row.values[static_cast<size_t>(place)];
  define(i.first_result,
         i.dtype == DType::boolean ? b_.CreateICmpNE(loaded, llvm::Constant::getNullValue(loaded->getType())) : loaded);
  return true;
}

bool KernelEmitter::store_short_row(const Instruction& i, const Address& a, llvm::Type* type, Value* data) {
  const auto at = short_rows_.find(&i);
  if (at == short_rows_.end() || lanes_.width != static_cast<unsigned>(target_.lanes)) return false;
  ShortRow& row = *at->second;
  if (a.kind != Lowered::affine || known(a.step) != row.length) return false;  // so it is for every element of the row
  row.values.push_back(data);
  if (std::ssize(row.values) < row.length) return true;
  Value* first = b_.CreateGEP(type, a.pointer, i64(1 - row.length));
  const Values run = gathered(b_, row.values, static_cast<int>(lanes_.width));
  const llvm::Align align(static_cast<uint64_t>(bytes(i.dtype)));
  for (int64_t t = 0; t < row.length; ++t) {
    Value *part = b_.CreateGEP(type, first, i64(t * lanes_.width)), *values = run[static_cast<size_t>(t)];
    if (lanes_.mask)
      b_.CreateMaskedStore(values, part, align, mask_of_run(t, row.length));
    else
      b_.CreateAlignedStore(values, part, align);
  }
  row.values.clear();
  return true;
}

}  // namespace tenon::codegen
