// Ways of sorting a row, all of them stable with NaN last: which one is taken is a matter of time alone. The order is that of integers
// (order_key), so that every dtype is sorted alike.
#pragma once

#include <functional>

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

// Of counts and places in a row: short ones, that their tables stay in the first cache.
inline DType place_type(Dim length) {
  return length.is_number() && length.number() < INT32_MAX ? DType::i32 : DType::i64;
}

// A row that is being sorted: in an open loop over rows.
struct SortedRow {
  Lowering& c;
  const Node& node;
  std::vector<Scalar> index;  // of an element; `axis` is where its place in the row stands
  size_t axis;
  Scalar number;  // of the row
  Scalar n;
  bool alone() const { return node.operand_count == 1; }
  std::vector<Scalar> at(Scalar place) const {
    std::vector<Scalar> full = index;
    full[axis] = place;
    return full;
  }
  Scalar operand(uint32_t k, Scalar place) const { return c.element(node, k, at(place)); }
  void give(uint32_t k, Scalar place, Scalar value) const { c.store(node, k, at(place), value, {}); }
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

// Of keys that were given in order: zeros and NaN have one key each, so each of the two stands in a run of the row, and gets its own
// bits back, in the order in which they came. `times` is the row's length, or 0 for nothing to do.
void give_lost(const SortedRow& row, Scalar times, const std::function<Scalar(Scalar place)>& sorted_key);

// Many rows of keys alone at once, a lane each.
struct SideBySide {
  Lowering& c;
  const Node& node;
  const Shape& shape;
  size_t axis;
  bool along;  // lanes run along the last axis; else over all others, the sorted one being the last
  std::vector<Dim> others;  // of each group of lanes: the axes that are neither
  Dim side;  // how many rows stand side by side
  int64_t room, width;  // the longest row, rounded up to a power of two; keys that are held in registers
  bool never, always;  // whether rows are sorted so, where extents say so

  SideBySide(Lowering& context, const Node& n);
  Scalar fits() const;
  Scalar groups() const;
  void sort(Scalar group) const;
};

inline constexpr int64_t most_by_rank = 128;  // elements of a row that are placed by counting those before each
void sort_by_rank(const SortedRow& row, const Halves& keys);
void sort_by_digits(const SortedRow& row, const Halves& keys, const Halves& positions);  // none of keys alone
void sort_by_merging(Lowering& c, const Node& node);

}  // namespace tenon::ir::rules
