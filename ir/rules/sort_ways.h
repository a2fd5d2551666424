// Ways of sorting a row, all of them stable with NaN last: which one is taken is a matter of time alone. The order is that of integers
// (order_key), so that every dtype is sorted alike.
#pragma once

#include "tenon/ir/rules/nest.h"

namespace tenon::ir::rules {

// One parallel loop over all axes but the sorted one: neighbouring rows are sorted in different orders, so lanes gain nothing.
AxisNest rows_of_sort(Lowering& c, const Shape& shape, size_t axis);

// A signed integer of the width of x, ordered as the sort orders x: NaN above all, -0 equal to 0.
DType key_type(DType t);
uint64_t largest_key(DType key);  // a NaN's, where there are any
Scalar order_key(Scalar x);
// The element that has this key; not where lost_in_key() held.
Scalar from_key(Scalar key, DType t);
Scalar lost_in_key(Scalar x);  // -0 and NaN: others have their key, too

// A row that is being sorted: in an open loop over rows.
struct SortedRow {
  Lowering& c;
  const Node& node;
  const AxisNest& nest;
  Scalar number;  // of the row
  Scalar n;
  bool alone() const { return node.operand_count == 1; }
  Scalar operand(uint32_t k, Scalar at) const { return c.element(node, k, nest.at(at, at)); }
  void give(uint32_t k, Scalar at, Scalar value) const { c.store(node, k, nest.at(at, at), value, {}); }
};

// For the sorted part of a program's memory, [rows, 2, n]: source and target of a pass.
struct Halves {
  KernelBuilder& b;
  Scalar row;
  BufferId buffer;
  Scalar load(Scalar half, Scalar at) const {
    const ScalarId index[] = {row.id, half.id, at.id};
    return {&b, b.load(buffer, index)};
  }
  void store(Scalar half, Scalar at, Scalar value) const {
    const ScalarId index[] = {row.id, half.id, at.id};
    b.store(buffer, index, value.id);
  }
};

inline constexpr int64_t most_by_rank = 128;  // elements of a row that are placed by counting those before each
void sort_by_rank(const SortedRow& row, const Halves& keys);
void sort_by_digits(const SortedRow& row, const Halves& keys, const Halves& positions);  // none of keys alone
void sort_by_merging(Lowering& c, const Node& node);

}  // namespace tenon::ir::rules
