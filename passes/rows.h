// Stacks as passes cut and join them: some rows of one, other leading axes over the same rows.
#pragma once

#include <initializer_list>
#include <vector>

#include "tenon/ir/graph/build.h"

namespace tenon::passes {

// x[start, start + count)
inline ir::Value rows(ir::Value x, int64_t start, int64_t count) {
  std::vector<Dim> starts(x.shape().size(), Dim(0)), sizes = x.shape().dims();
  starts[0] = Dim(start);
  sizes[0] = Dim(count);
  return slice(x, starts, sizes, std::vector<int64_t>(starts.size(), 1));
}
// The first `dropped` axes replaced by others of as many elements.
inline ir::Value with_leading(ir::Value x, std::initializer_list<int64_t> leading, size_t dropped) {
  std::vector<Dim> dims(leading.begin(), leading.end());
  dims.insert(dims.end(), x.shape().begin() + static_cast<std::ptrdiff_t>(dropped), x.shape().end());
  return reshape(x, Shape(dims));
}

}  // namespace tenon::passes
