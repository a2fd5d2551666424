// Movement by whole runs of elements in memory, where an op that moves them by the index comes down to that: the parts of a
// concatenation stand in its result in runs, and some slices are one run of their operand. Everything is row-major and dense.
// Refuses to say what moves so (passes/fuse/roles.cc); fusion asks it before shapes are lowered, lowering for the numbers.
#pragma once

#include "tenon/ir/graph/attributes.h"

namespace tenon::passes {

// A concatenation is that many rows, each of one run from every part: 1 where no extent stands before the axis.
inline Dim rows_of(const ir::Graph& graph, const ir::Node& n) {
  const Shape& shape = graph.type(graph.result(n)).shape;
  return graph.symbols->numel(Shape({shape.dims().begin(), shape.dims().begin() + ir::Concat(graph, n).axis}));
}

// Whether the elements of a slice are neighbours in its operand: before the last axis that it cuts, it takes one index each.
inline bool is_run(const ir::Graph& graph, const ir::Node& n) {
  const ir::Slice s(graph, n);
  const Shape& from = graph.type(graph.operands(n)[0]).shape;
  bool cut = false;  // behind this axis
  for (size_t i = from.size(); i-- > 0;) {
    if (s.sizes[i] == 0) return false;  // nothing may start anywhere
    if (cut && s.sizes[i] != 1) return false;
    if (s.strides[i] != 1 && s.sizes[i] != 1) return false;
    cut |= s.sizes[i] != from[i];
  }
  return true;
}

// The number of a slice's first element in its operand.
inline Dim start_of(const ir::Graph& graph, const ir::Node& n) {
  const ir::Slice s(graph, n);
  const Shape& from = graph.type(graph.operands(n)[0]).shape;
  Symbols& symbols = *graph.symbols;
  Dim start = 0, step = 1;
  for (size_t i = from.size(); i-- > 0;) {
    start = symbols.sum(start, symbols.product(s.starts[i], step));
    step = symbols.product(step, from[i]);
  }
  return start;
}

}  // namespace tenon::passes
