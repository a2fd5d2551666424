// How the operands of a loop divide, decoded once. while_loop: constants..., carries...; scan: constants..., carries...,
// scanned... (sliced along axis 0). Both give carries...; a scan's body gives carries..., stacked....
#pragma once

#include <algorithm>
#include <span>

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir {

// What the gradient of a while_loop may keep of its states when nobody says.
inline constexpr int64_t default_loop_memory = int64_t{64} << 20;

inline constexpr const char* lane_by_lane =
    "lane_by_lane";  // the body of a loop over lanes is called so, for explain()

struct Loop {
  const Graph* condition = nullptr;  // of a while_loop only
  const Graph* body = nullptr;
  size_t constants = 0, carries = 0, scanned = 0, stacked = 0;
  Dim length = Dim(0);  // of a scan: iterations
  bool reverse = false;  // of a scan: from the last slice to the first
  int64_t memory = 0;  // bytes for what a gradient keeps; 0: default_loop_memory for a while_loop, all of it for a scan
  int64_t unroll = 0;  // of a scan: iterations written out at a time; 0 is 1

  // The parts of whatever there is one of for each operand or input of the body.
  template <class T>
  std::span<T> constants_of(std::span<T> all) const {
    return all.first(constants);
  }
  template <class T>
  std::span<T> carries_of(std::span<T> all) const {
    return all.subspan(constants, carries);
  }
  template <class T>
  std::span<T> scanned_of(std::span<T> all) const {
    return all.subspan(constants + carries);
  }
};

inline Loop loop_of(const WhileLoop& a, size_t operand_count) {
  const size_t constants = static_cast<size_t>(a.counts.front());
  return {.condition = a.condition.get(),
          .body = a.body.get(),
          .constants = constants,
          .carries = operand_count - constants,
          .memory = a.memory};
}
inline Loop loop_of(const Scan& a, size_t operand_count) {
  const size_t constants = static_cast<size_t>(a.counts.front()), carries = static_cast<size_t>(a.counts.back());
  return {.body = a.body.get(),
          .constants = constants,
          .carries = carries,
          .scanned = operand_count - constants - carries,
          .stacked = a.body->outputs().size() - carries,
          .length = a.length,
          .reverse = a.reverse,
          .memory = a.memory,
          .unroll = a.unroll};
}
inline Loop loop_of(const Graph& g, const Node& n) {
  return n.op == Op::scan ? loop_of(Scan(g, n), n.operand_count) : loop_of(WhileLoop(g, n), n.operand_count);
}
// Whether a loop starts a carry with v, memory that nobody has written: nothing is to be copied there.
inline bool is_unset(const Graph& g, ValueId v) { return !g.is_input(v) && g.node(g.producer(v)).op == Op::unset; }
inline bool is_unset_carry(const Graph& g, const Node& n, ValueId v) {
  if ((n.op != Op::while_loop && n.op != Op::scan) || !is_unset(g, v)) return false;
  const auto carries = loop_of(g, n).carries_of(g.operands(n));
  return std::ranges::count(g.operands(n), v) == std::ranges::count(carries, v);
}
inline std::vector<int64_t> counts_of(const Loop& loop) {  // as the attribute says them
  std::vector<int64_t> counts = {static_cast<int64_t>(loop.constants)};
  if (!loop.condition) counts.push_back(static_cast<int64_t>(loop.carries));
  return counts;
}

}  // namespace tenon::ir
