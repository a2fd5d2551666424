// Applying frontend functions to tensors: into the current trace, or eagerly. Internal to the frontend. Refuses undefined
// operands, and tensors of a trace that has ended.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/graph/graph.h"

namespace tenon {

// A frontend function as graph algebra: promotion, broadcasting and the primitives it is made of. Called in a trace with
// the trace's builder; eagerly it becomes a small program with symbolic extents, compiled once per pattern.
using BuildFn = std::vector<ir::Value> (*)(ir::GraphBuilder&, std::span<const ir::Value>, const ir::Attrs&);
struct Emit {
  const char* name;
  BuildFn build;
};
std::vector<Tensor> apply(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at);
// Of a function with one result.
Tensor apply_one(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at);
inline Tensor apply_one(const Emit& emit, const ir::Attrs& attrs, std::initializer_list<Tensor> inputs,
                        const Location& at) {
  return apply_one(emit, attrs, std::span(inputs.begin(), inputs.size()), at);
}
// A primitive by number; its graph attributes and shapes are used as they stand.
std::vector<Tensor> apply_primitive(ir::Op op, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                                    const Location& at);
// A closed graph: spliced into the current trace, or run op by op.
std::vector<Tensor> apply_graph(const ir::Graph& graph, std::span<const Tensor> inputs, const Location& at);

}  // namespace tenon
