// Intervals of whole numbers, from the outermost block inwards. Arithmetic that may leave 63 bits may wrap, and then says nothing.
#include "tenon/codegen/cuda/index.h"

#include <algorithm>
#include <numeric>

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;

namespace {

using Wide = __int128;

bool is_whole(DType t) { return !is_floating(t); }

Interval all_of(DType t) {
  if (t == DType::boolean) return {0, 1};
  if (!is_whole(t) || t == DType::i64) return {};
  if (t == DType::u64) return {0, INT64_MAX};  // never asked for as a number: larger ones are not held
  const int bits = tenon::bits(t);
  if (t == DType::u8 || t == DType::u16 || t == DType::u32) return {0, (int64_t{1} << bits) - 1};
  return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
}

Interval fitting(Wide low, Wide high) {
  if (low < INT64_MIN || high > INT64_MAX) return {};
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

Interval product(const Interval& x, const Interval& y) {
  const Wide corners[] = {Wide{x.low} * y.low, Wide{x.low} * y.high, Wide{x.high} * y.low, Wide{x.high} * y.high};
  return fitting(*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4));
}

// Towards zero; x / 0 is 0 and x % 0 is x.
Interval quotient(const Interval& x, const Interval& y) {
  if (x.low >= 0 && y.low >= 0)
    return {y.low > 0 && y.high > 0 ? x.low / y.high : 0, x.high / std::max<int64_t>(y.low, 1)};
  if (x.low == INT64_MIN) return {};
  const int64_t most = std::max(std::abs(x.low), std::abs(x.high));
  return {-most, most};
}
Interval remainder(const Interval& x, const Interval& y) {
  if (x.low == INT64_MIN) return {};
  const int64_t most = std::max(std::abs(x.low), std::abs(x.high));
  Interval r{x.low < 0 ? -most : 0, x.high < 0 ? 0 : most};
  if (y.low >= 1) r = {std::max(r.low, -(y.high - 1)), std::min(r.high, y.high - 1)};
  return r;
}

}  // namespace

CudaIndex::CudaIndex(const ir::Kernel& kernel)
    : kernel_(kernel), intervals_(kernel.scalars.size()), narrow_(kernel.scalars.size(), 0) {
  for (size_t v = 0; v < intervals_.size(); ++v) intervals_[v] = all_of(kernel.scalars[v].dtype);
  block(BlockId{0});
  for (size_t v = 0; v < narrow_.size(); ++v) {
    const ir::ScalarInfo& info = kernel.scalars[v];
    if (info.dtype != DType::i64 || !intervals_[v].within(-most_narrow, most_narrow)) continue;
    // Of results only those that are arithmetic: a reduction gives its place as an i64, and so do loads, whatever they hold.
    narrow_[v] = info.instruction == UINT32_MAX;
    if (narrow_[v]) continue;
    const KernelOp kind = kernel.instructions[info.instruction].kind;
    narrow_[v] = kind == KernelOp::literal || kind == KernelOp::extent || kind == KernelOp::scalar;
  }
}

Interval CudaIndex::interval(Dim d) const {
  if (d.is_number()) return {d.number(), d.number()};
  const Symbol& s = (*kernel_.symbols)[d.index()];
  return {std::max<int64_t>(s.lower, 0), s.upper};
}

bool CudaIndex::is_narrow(const Shape& shape) const {
  Interval count{1, 1};
  for (Dim d : shape) {
    Interval extent = interval(d);
    extent.low = extent.high = std::max<int64_t>(extent.high, 1);  // another extent may be 0
    count = product(count, extent);
    if (!count.within(0, most_narrow)) return false;
  }
  return true;
}

int64_t CudaIndex::divisor(Dim d) const {
  if (d.is_number()) return d.number();
  const Symbol& s = (*kernel_.symbols)[d.index()];
  const auto both = [&](auto f) { return f(divisor(s.left), divisor(s.right)); };
  switch (s.kind) {
    case SymbolKind::sum:
    case SymbolKind::difference:
    case SymbolKind::maximum: return both([](int64_t a, int64_t b) { return std::gcd(a, b); });
    case SymbolKind::product:
      return both([](int64_t a, int64_t b) {
        const Wide p = Wide{a} * b;
        return p > INT32_MAX ? std::max(a, b) : static_cast<int64_t>(p);  // one of them is a divisor all the same
      });
    case SymbolKind::free:
    case SymbolKind::quotient: return 1;
  }
  return 1;
}

void CudaIndex::block(BlockId id) {
  for (uint32_t number : kernel_.blocks[index(id)].instructions) instruction(kernel_.instructions[number]);
}

// The first arguments of a block are indices below these operands.
void CudaIndex::enter(const Instruction& i, size_t n, std::initializer_list<size_t> extents) {
  size_t argument = 0;
  for (size_t e : extents)
    intervals_[index(kernel_.blocks[index(i.blocks[n])].arguments[argument++])] = {
        0, std::max<int64_t>(interval(i.operands[e]).high - 1, 0)};
  block(i.blocks[n]);
}

void CudaIndex::instruction(const Instruction& i) {
  switch (i.kind) {
    case KernelOp::literal:
      if (is_whole(i.dtype) && i.dtype != DType::u64) {
        int64_t value = static_cast<int64_t>(i.immediate);
        if (const Interval all = all_of(i.dtype); value > all.high) value -= int64_t{1} << bits(i.dtype);
        intervals_[index(i.first_result)] = {value, value};
      }
      return;
    case KernelOp::extent: intervals_[index(i.first_result)] = interval(i.dim); return;
    case KernelOp::scalar:
      if (i.dtype == DType::i64) intervals_[index(i.first_result)] = scalar(i);
      return;
    case KernelOp::loop:
    case KernelOp::reduce: enter(i, 0, {0}); return;
    case KernelOp::contract:
      enter(i, 0, {0, 1, 3});
      enter(i, 1, {0, 3, 2});
      enter(i, 2, {0, 1, 2});
      return;
    case KernelOp::rare: block(i.blocks[0]); return;
    case KernelOp::load:
    case KernelOp::store:
    case KernelOp::scaled:
    case KernelOp::scratch: return;
  }
}

Interval CudaIndex::scalar(const Instruction& i) const {
  const auto at = [&](size_t k) { return interval(i.operands[k]); };
  switch (i.op) {
    case Op::add: return fitting(Wide{at(0).low} + at(1).low, Wide{at(0).high} + at(1).high);
    case Op::sub: return fitting(Wide{at(0).low} - at(1).high, Wide{at(0).high} - at(1).low);
    case Op::mul: return product(at(0), at(1));
    case Op::div: return quotient(at(0), at(1));
    case Op::rem: return remainder(at(0), at(1));
    case Op::min: return {std::min(at(0).low, at(1).low), std::min(at(0).high, at(1).high)};
    case Op::max: return {std::max(at(0).low, at(1).low), std::max(at(0).high, at(1).high)};
    case Op::select: return {std::min(at(1).low, at(2).low), std::max(at(1).high, at(2).high)};
    case Op::cast: {
      const DType from = kernel_.dtype(i.operands[0]);
      return is_whole(from) && from != DType::u64 ? at(0) : Interval{};
    }
    default: return {};  // shifts, bits, bitcasts
  }
}

}  // namespace tenon::codegen
