// How far a load may be moved out of loops. An index that does not depend on a loop moves the load out of it, so that lanes
// share what is read; but where the loop's having an iteration is what makes the element exist, the load stays inside.
// Refuses to reason about indices: it looks at which extents may be 0.
#include <algorithm>

#include "tenon/ir/kernel/kernel.h"

namespace tenon::ir {

// The extents that a loop's count is made of; false when it is more than a product of extents.
bool KernelBuilder::extents_of(ScalarId v, std::vector<Dim>& extents) const {
  const uint32_t number = kernel_.scalars[index(v)].instruction;
  if (number == UINT32_MAX) return false;
  const Instruction& i = kernel_.instructions[number];
  if (i.kind == KernelOp::literal) {
    const auto value = static_cast<int64_t>(i.immediate);
    if (value >= 0) extents.push_back(Dim(value));
    return value >= 0;
  }
  if (i.kind == KernelOp::extent) {
    extents.push_back(i.dim);
    return true;
  }
  bool product = i.kind == KernelOp::scalar && i.op == Op::mul;
  if (i.kind == KernelOp::scalar)
    for (ScalarId o : i.operands) product &= extents_of(o, extents);
  return product;
}

// Whether a load from a buffer of this shape may only happen because the loop at depth d has an iteration: where an extent
// is 0, x[i, 0] does not exist, and nothing must read it ahead of the empty loop that asks for it.
bool KernelBuilder::may_guard(uint32_t d, const Shape& shape) const {
  if (open_[d].instruction == UINT32_MAX) return false;
  const Symbols& table = *kernel_.symbols;
  std::vector<uint32_t> own;  // symbols that may make the buffer empty
  const auto collect = [&](Dim dim, std::vector<uint32_t>& symbols) {
    std::vector<Dim> open{dim};
    while (!open.empty()) {
      const Dim part = open.back();
      open.pop_back();
      if (part.is_number()) continue;
      symbols.push_back(part.index());
      if (table[part.index()].kind != SymbolKind::free)
        open.push_back(table[part.index()].left), open.push_back(table[part.index()].right);
    }
  };
  for (Dim dim : shape) {
    if (dim == 0) return true;
    if (dim.is_symbol() && table[dim.index()].lower == 0) collect(dim, own);
  }
  if (own.empty()) return false;
  const auto counted = [&](uint32_t depth, std::vector<Dim>& extents) {
    bool products = true;
    for (ScalarId v : kernel_.instructions[open_[depth].instruction].operands) {
      if (dtype(v) == DType::i64) products &= extents_of(v, extents);
      if (kernel_.instructions[open_[depth].instruction].kind == KernelOp::loop) break;  // the others are carries
    }
    return products;
  };
  std::vector<Dim> extents, outer;
  const bool product = counted(d, extents);
  for (uint32_t e = 1; e < d; ++e) {
    std::vector<Dim> more;
    if (open_[e].instruction != UINT32_MAX && counted(e, more)) outer.insert(outer.end(), more.begin(), more.end());
  }
  const auto positive = [&](Dim dim) {  // for sure, inside the loops around
    return dim.is_number() ? !(dim == 0)
                           : table[dim.index()].lower > 0 || std::find(outer.begin(), outer.end(), dim) != outer.end();
  };
  if (product && std::all_of(extents.begin(), extents.end(), positive)) return false;
  std::vector<uint32_t> asked;
  for (Dim dim : extents) collect(dim, asked);
  return std::any_of(asked.begin(), asked.end(),
                     [&](uint32_t s) { return std::find(own.begin(), own.end(), s) != own.end(); });
}

}  // namespace tenon::ir
