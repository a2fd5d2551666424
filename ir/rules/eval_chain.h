// The chain of a contraction in the reference evaluators: fused multiply-adds from +0, ascending, in segments that join pairwise.
#pragma once

#include <cmath>
#include <vector>

#include "tenon/ir/reference/lanes_visit.h"
#include "tenon/ir/rules/reduction.h"

namespace tenon::ir::rules {

template <class T>
Wide<T> multiply_add(Wide<T> x, Wide<T> y, Wide<T> sum) {
  if constexpr (std::is_floating_point_v<Wide<T>>)
    return std::fma(x, y, sum);
  else
    return static_cast<T>(static_cast<Wrap<T>>(x) * static_cast<Wrap<T>>(y) + static_cast<Wrap<T>>(sum));
}
template <class T>
Wide<T> plus(Wide<T> x, Wide<T> y) {
  if constexpr (std::is_floating_point_v<Wide<T>>)
    return x + y;
  else
    return static_cast<T>(static_cast<Wrap<T>>(x) + static_cast<Wrap<T>>(y));
}

template <class T>
Wide<T> join(std::vector<Wide<T>> parts) {
  while (parts.size() > 1) {
    std::vector<Wide<T>> joined;
    for (size_t i = 0; i + 1 < parts.size(); i += 2) joined.push_back(plus<T>(parts[i], parts[i + 1]));
    if (parts.size() % 2) joined.push_back(parts.back());
    parts = std::move(joined);
  }
  return parts.empty() ? Wide<T>{} : parts[0];
}

// Of x(k) y(k), k below n.
template <class T, class X, class Y>
Wide<T> chain(int64_t n, X x, Y y) {
  std::vector<Wide<T>> segments;
  Wide<T> sum{};
  for (int64_t k = 0; k < n; ++k) {
    if (k > 0 && k % contraction_segment == 0) {
      segments.push_back(sum);
      sum = Wide<T>{};
    }
    sum = multiply_add<T>(x(k), y(k), sum);
  }
  if (segments.empty()) return sum;
  segments.push_back(sum);
  return join<T>(std::move(segments));
}

}  // namespace tenon::ir::rules
