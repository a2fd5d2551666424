// What a row sees while it lowers itself: operand elements by index, the node's extents, a kernel builder.
// passes/lower implements the context; rows are written against this class only.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "tenon/ir/graph/graph.h"
#include "tenon/ir/kernel/scalar.h"

namespace tenon::ir {

class Lowering {
 public:
  Lowering(const Graph& graph, KernelBuilder& builder) : graph(graph), builder(builder) {}
  const Graph& graph;
  KernelBuilder& builder;

  // The element of operand k of the node at `index`: loads it, or lowers its producer when that is fused here. Inside a
  // region that is guarded by a mask, the element may be asked for out of range: pass the mask.
  std::function<Scalar(const Node&, uint32_t operand, std::span<const Scalar> index)> element;
  std::function<Scalar(const Node&, uint32_t operand, std::span<const Scalar> index, Scalar mask, Scalar other)>
      masked_element;
  // For .nest rows: stores into result r of the node (and loads back what was stored, for in-place algorithms).
  std::function<void(const Node&, uint32_t result, std::span<const Scalar> index, Scalar value, Scalar mask)> store;
  std::function<Scalar(const Node&, uint32_t result, std::span<const Scalar> index, Scalar mask, Scalar other)> reload;
  // For .nest rows: a buffer in the program's arena that lives while the kernel runs; contents undefined at first. It is a
  // parameter of the kernel, in and out.
  std::function<BufferId(const Node&, DType, const Shape&)> temporary;
  // For .nest rows with .orders: how the axes of operand k lie in memory, slowest first, or of the result where k is the number of
  // operands; empty: row-major.
  std::function<std::vector<int64_t>(const Node&, uint32_t k)> order = [](const Node&, uint32_t) {
    return std::vector<int64_t>{};
  };
  int lanes = 1;  // iterations that a vector loop of the target runs side by side; 1: it has none
  int cores = 1;  // that work is dealt to; 1 where it is not known
  int register_bytes = 0;  // of all vector registers

  Scalar index_literal(int64_t v) { return {&builder, builder.index_literal(v)}; }
  Scalar extent(Dim d) { return {&builder, builder.extent(d)}; }
  Scalar literal(DType t, double number);
  const Type& operand_type(const Node& n, uint32_t k) const { return graph.type(graph.operands(n)[k]); }
  const Type& result_type(const Node& n, uint32_t k = 0) const { return graph.type(graph.result(n, k)); }
};

}  // namespace tenon::ir
