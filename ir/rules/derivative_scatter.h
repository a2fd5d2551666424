// What the derivatives of scatter are made of: its updates, written and read back with other values. Refuses to know what is combined.
#pragma once

#include <string>

#include "tenon/ir/rules/derivative.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir::rules {

// Starts as a gather reads them.
Value clamped_starts(Value indices, const Windows& w, const Shape& x);
// By element of the updates: whether a scatter takes it, or drops its window.
Value lies_inside(Value indices, const Windows& w, const Shape& x, const Shape& updates);

struct Updates {
  const Attrs& attrs;  // of the scatter
  Shape x, updates;
  Value indices;
  Windows w;
  Updates(const Attrs& attributes, const Shape& operand, Value at, const Shape& windows);
  Value scattered(Value into, Value values, const char* combine) const;
  Value read(Value from) const;  // what lies where each update goes; of those that are dropped, something
  Value inside() const;
  Value last() const;  // whether an update is the last one at its place
};

}  // namespace tenon::ir::rules
