// Which orders of axes in memory the loops of a convolution go by, beside channels last, and which of its two nests they are.
// Refuses to build loops.
#pragma once

#include <algorithm>

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

// Whether lanes are positions along the last axis, which read neighbours.
inline bool goes_along_rows(const Convolution& conv, const Shape& kernel, const Order& from, const Order& to) {
  const size_t spatial = conv.strides.size();
  const auto last = static_cast<int64_t>(spatial);
  return spatial > 0 && !from.empty() && !to.empty() && from.back() == last && to.back() == last &&
         conv.lhs_dilation[spatial - 1] == 1 && conv.strides[spatial - 1] == 1 && shares_little(conv, kernel);
}

// How many rows of results share rows of an image that lies channels first and waits channels last, close by; and how many of those
// they take. None where a few rows fill a cache, or hardly any is read twice. A kernel that fits no second cache is read from afar for
// every block, which many places must share: what a block of features takes of it waits close by, too.
struct PackedRows {
  int64_t results = 0, taken = 0;
  bool kernel = false;
};

inline PackedRows packed_rows(const Convolution& conv, const Shape& from, const Shape& kernel, const Shape& to,
                              int64_t size) {
  constexpr int64_t most_bytes = 256 << 10, most_apart = 1 << 10, most_rows = 16, least_units = 16, least_places = 64;
  const bool known = from.is_static() && kernel.is_static() && to.is_static();
  if (!known || conv.strides.size() != 2 || conv.groups != 1 || conv.lhs_dilation[0] != 1) return {};
  if (from.numel() == 0 || kernel.numel() == 0 || to.numel() == 0) return {};
  if (std::max({conv.strides[0], conv.rhs_dilation[0], kernel[0].number(), from[2].number(), from[3].number()}) >
      most_apart)
    return {};
  const int64_t row = from[2].number() * from[3].number() * size, rows = to[1].number(),
                reach = (kernel[0].number() - 1) * conv.rhs_dilation[0] + 1, stride = conv.strides[0];
  const bool is_large = kernel.numel() * size > most_bytes * 4;
  int64_t most = std::min(rows, most_rows);
  if (is_large)
    most = std::min(rows, std::max(most, (least_places + to[2].number() - 1) / to[2].number()));
  else
    most = std::min(most, rows * to[0].number() / least_units + 1);
  while (most > 0 && ((most - 1) * stride + reach) * row > most_bytes) --most;
  if (most == 0) return {};
  const int64_t blocks = (rows + most - 1) / most, results = (rows + blocks - 1) / blocks,
                taken = (results - 1) * stride + reach;
  if (blocks > 1 && taken > 3 * results * stride) return {};
  return {results, taken, is_large};
}

void nest_convolution_rows(Lowering& c, const Node& node);  // lanes are positions

}  // namespace tenon::ir::rules
