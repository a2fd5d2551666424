// How gather and scatter see their operands. Their attributes are StableHLO's; here they are turned around: for each dimension of x,
// where its index comes from. An index is a vector of components, each saying where the window begins along a dimension of x; the
// window's elements, and the indices themselves, lie along dimensions of the result of a gather, or of the updates of a scatter.
//
//   x[20, 7, 5], indices[4, 2] with components for 0 and 2, windows of 1 x 7 x 3   ->   [4, 7, 3]
//
// Refuses to check: the type rules (ir/rules/infer_indexing.cc) have.
#pragma once

#include <optional>
#include <vector>

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir::rules {

struct Windows {
  struct Dimension {  // of x; -1: none
    int component = -1;  // of the index: where the window begins; none: at 0
    int window = -1;  // the dimension of result or updates that runs through the window; none: it is one element
    int batch = -1;  // the dimension of the indices that this one goes along with: element i belongs to the indices i
    Dim size = 1;  // of the window
  };
  std::vector<Dimension> x;
  std::vector<int>
      along;  // per dimension of the indices: the one of result or updates that runs along it; the vector's has none
  int vector = -1;  // the dimension of the indices that holds the components; none: each index is one number

  // Whether what is found at different places of this dimension of x has nothing to do with each other: lanes, and windows as wide as x.
  bool apart(const Shape& shape, size_t d) const {
    return x[d].batch >= 0 || (x[d].component < 0 && x[d].size == shape[d]);
  }
  // The one dimension that single numbers point into, all others being apart.
  std::optional<size_t> only_axis(const Shape& shape) const;
};

Windows windows_of(const Gather& g, size_t index_rank);
Windows windows_of(const Scatter& s, size_t rank, size_t index_rank, const Shape& updates);
Windows windows_of(const Graph& g, const Node& n);  // of either

// The scatter that writes where a gather reads, and the gather that reads where a scatter writes.
Attrs scatter_attrs_of(const Gather& g, std::string combine);
Attrs gather_attrs_of(const Scatter& s, const Windows& w);
// The same scatter with another combiner; the same gather of other windows.
Attrs combined_by(const Scatter& s, std::string combine);
Attrs with_sizes(const Gather& g, std::vector<Dim> sizes);

}  // namespace tenon::ir::rules
