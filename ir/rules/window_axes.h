// Where the axes of a `windows` node stand in its operand and its result: the taps, `count` of them, before axis `at` of what the
// operand is without them.
#pragma once

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir::rules {

struct WindowAxes {
  size_t count, at;
  bool tapped;
  explicit WindowAxes(const Windows& w) : count(w.taps.size()), at(w.at), tapped(w.tapped) {}
  size_t in_result(size_t axis) const { return axis < at ? axis : axis + count; }
  size_t in_operand(size_t axis) const { return tapped ? in_result(axis) : axis; }
};

// How far the last tap lies behind the first, and before it: one of them is 0.
inline int64_t ahead(const Windows& w, size_t k) { return std::max<int64_t>(0, (w.taps[k] - 1) * w.dilation[k]); }
inline int64_t behind(const Windows& w, size_t k) { return std::max<int64_t>(0, (1 - w.taps[k]) * w.dilation[k]); }

}  // namespace tenon::ir::rules
