// Strides, from the outermost block inwards: one pass, for definitions stand before uses.
#include "tenon/codegen/cuda/strides.h"

#include <algorithm>
#include <numeric>

namespace tenon::codegen {

using ir::BlockId;
using ir::Instruction;
using ir::KernelOp;
using ir::Op;
using ir::ScalarId;

namespace {

constexpr Stride unknown{false, 0, 1}, fixed{true, 0, 1};
constexpr int64_t most = int64_t{1} << 31;  // beyond, a divisor is as good as any

int64_t product_of(int64_t a, int64_t b) {
  if (a == INT64_MIN || b == INT64_MIN) return most;
  a = std::abs(a), b = std::abs(b);
  return a > most || b > most || a * b > most ? std::gcd(a ? a : b, most) : a * b;  // some divisor of the product
}

Stride sum(const Stride& x, const Stride& y, int64_t sign) {
  if (!x.known || !y.known) return unknown;
  return {true, x.factor + sign * y.factor, std::gcd(x.rest, y.rest)};
}

Stride times(const Stride& x, int64_t number) {
  if (!x.known || std::abs(number) > most || std::abs(x.factor) > most) return unknown;
  return {true, x.factor * number, product_of(x.rest, number)};
}

}  // namespace

CudaStrides::CudaStrides(const ir::Kernel& kernel, const CudaIndex& index, ScalarId along, bool near)
    : kernel_(kernel), index_(index), along_(along), near_(near), strides_(kernel.scalars.size(), fixed) {
  block(BlockId{0}, false);
}

void CudaStrides::block(BlockId id, bool inside) {
  for (ScalarId v : kernel_.blocks[index(id)].arguments)
    if (v == along_) strides_[index(v)] = {true, 1, 0}, inside = true;
  for (uint32_t number : kernel_.blocks[index(id)].instructions) instruction(kernel_.instructions[number], inside);
}

void CudaStrides::instruction(const Instruction& i, bool inside) {
  const auto result = [&](uint32_t r) -> Stride& { return strides_[index(i.first_result) + r]; };
  switch (i.kind) {
    case KernelOp::literal:
      if (i.dtype == DType::i64) result(0) = {true, 0, product_of(index_.interval(i.first_result).low, 1)};
      return;
    case KernelOp::extent: result(0) = {true, 0, index_.divisor(i.dim)}; return;
    case KernelOp::scaled:
    case KernelOp::scalar: result(0) = scalar(i); return;
    case KernelOp::load: {
      bool moves = false;
      for (ScalarId v : i.operands) moves = moves || !of(v).is_fixed();
      result(0) = moves ? unknown : fixed;
      return;
    }
    case KernelOp::loop:
    case KernelOp::reduce:
    case KernelOp::contract:
    case KernelOp::rare:
      // An index of a loop inside stands still as any other; what a loop carries there may follow the index, and so its results.
      for (size_t b = 0; b < i.blocks.size(); ++b) {
        const ir::Block& body = kernel_.blocks[index(i.blocks[b])];
        for (size_t a = 1; inside && i.kind == KernelOp::loop && a < body.arguments.size(); ++a)
          strides_[index(body.arguments[a])] = unknown;
        block(i.blocks[b], inside);
      }
      for (uint32_t r = 0; inside && r < i.result_count; ++r) result(r) = unknown;
      return;
    case KernelOp::store:
    case KernelOp::scratch: return;
  }
}

Stride CudaStrides::scalar(const Instruction& i) const {
  const auto at = [&](size_t k) { return of(i.operands[k]); };
  bool moves = false;
  for (ScalarId v : i.operands) moves = moves || !of(v).is_fixed();
  if (i.dtype != DType::i64 || i.operands.size() != 2) return moves ? unknown : fixed;
  if (i.op == Op::add) return sum(at(0), at(1), 1);
  if (i.op == Op::sub) return sum(at(0), at(1), -1);
  if (i.op == Op::mul) {
    for (size_t k = 0; k < 2; ++k)
      if (const Interval number = index_.interval(i.operands[k]); number.low == number.high && number.low != INT64_MIN)
        return times(at(1 - k), number.low);
    return moves ? unknown : Stride{true, 0, product_of(at(0).rest, at(1).rest)};
  }
  if (moves && near_ && at(0).known && at(1).is_fixed()) {
    if (i.op == Op::rem) return {true, at(0).factor, 1};
    if (i.op == Op::div) return fixed;
  }
  return moves ? unknown : fixed;
}

Stride CudaStrides::of(const Instruction& access) const {
  const Shape& shape = kernel_.buffers[index(access.buffer)].shape;
  Stride total{true, 0, 0};
  int64_t step = 1,
          divisor = 1;  // of one element of a dimension: a number where all later extents are, and what divides it
  bool is_number = true;
  for (size_t d = shape.size(); d-- > 0;) {
    const Stride& place = of(access.operands[d]);
    if (!place.known || (place.factor != 0 && !is_number)) return unknown;
    total = sum(total, is_number ? times(place, step) : Stride{true, 0, product_of(place.rest, divisor)}, 1);
    if (!total.known) return unknown;
    divisor = product_of(divisor, index_.divisor(shape[d]));
    is_number = is_number && shape[d].is_number() && shape[d].number() < most && step < most;
    if (is_number) step *= shape[d].number();
  }
  return total;
}

bool CudaStrides::is_masked_alike(const Instruction& access) const {
  const size_t rank = kernel_.buffers[index(access.buffer)].shape.size(),
               first = rank + (access.kind == KernelOp::store ? 1 : 0);
  for (size_t k = first; k < access.operands.size(); ++k)
    if (!of(access.operands[k]).is_fixed()) return false;
  return true;
}

}  // namespace tenon::codegen
