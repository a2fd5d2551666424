// Sets of numbers, each stored once: equal sets are one number, and a union that was made before is looked up. So the patterns of
// all values of a graph share what they have in common.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tenon/ir/base/index_table.h"

namespace tenon::passes {

using SetId = uint32_t;

class IndexSets {
 public:
  static constexpr SetId empty = 0;

  explicit IndexSets(int64_t count);  // of numbers; the set of k alone is k + 1
  SetId unite(SetId a, SetId b) {
    if (a == b || b == empty) return a;
    return a == empty ? b : united(a, b);
  }
  SetId unite(std::vector<SetId>& sets);  // reorders them
  std::span<const uint32_t> operator[](SetId set) const {
    return std::span(elements_).subspan(begin_[set], begin_[set + 1] - begin_[set]);
  }

 private:
  SetId united(SetId a, SetId b);
  SetId intern(std::span<const uint32_t> sorted);
  std::vector<size_t> begin_;
  std::vector<uint32_t> elements_, scratch_;
  std::vector<std::array<SetId, 3>> unions_;  // of two sets
  ir::IndexTable by_content_, by_pair_;
};

}  // namespace tenon::passes
