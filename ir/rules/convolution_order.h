// Which orders of axes in memory the loops of a convolution go by, beside channels last, and which of its two nests they are.
// Refuses to build loops.
#pragma once

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/ir/kernel/lowering.h"

namespace tenon::ir::rules {

// Axis d of the space, an image with channels first: its rows lie along the last one.
using Order = std::vector<int64_t>;

// Features that share what they read with few others are computed along rows of positions, where those lie side by side.
inline bool shares_little(const Convolution& conv, const Shape& kernel) {
  const Dim features = kernel[kernel.size() - 1];
  return conv.groups > 1 || (features.is_number() && features.number() < 8);
}

// Whether lanes are positions along the last axis.
inline bool goes_along_rows(const Convolution& conv, const Shape& kernel, const Order& from, const Order& to) {
  const size_t spatial = conv.strides.size();
  const auto last = static_cast<int64_t>(spatial);
  return spatial > 0 && !from.empty() && !to.empty() && from.back() == last && to.back() == last &&
         conv.lhs_dilation[spatial - 1] == 1 && shares_little(conv, kernel);
}

void nest_convolution_rows(Lowering& c, const Node& node);  // lanes are positions

}  // namespace tenon::ir::rules
