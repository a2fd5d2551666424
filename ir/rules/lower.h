// What the lowering rules share: indices as scalars. A rule gives one result element by asking for operand elements; it
// never loads, so whatever it asks for may be a buffer or a fused producer.
#pragma once

#include <span>
#include <vector>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/kernel/lowering.h"

namespace tenon::ir::rules {

// Row-major number of an element.
inline Scalar linear_index(Lowering& c, std::span<const Dim> extents, std::span<const Scalar> index) {
  Scalar linear = c.index_literal(0);
  for (size_t i = 0; i < extents.size(); ++i) linear = linear * c.extent(extents[i]) + index[i];
  return linear;
}

inline Scalar clamp(Scalar x, Scalar low, Scalar high) { return max(min(x, high), low); }

}  // namespace tenon::ir::rules
