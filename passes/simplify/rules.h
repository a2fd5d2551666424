// What the files of simplify's rules share: looking at the producers of operands.
#pragma once

#include <optional>

#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/simplify/simplify.h"

namespace tenon::passes {

std::span<const Rule> algebra_rules();
std::span<const Rule> movement_rules();
std::span<const Rule> contraction_rules();

// The node that computes a value if it is of this op, else null.
inline const ir::Node* producer(ir::Value v, ir::Op op) {
  const ir::Graph& graph = v.builder->graph();
  const ir::NodeId id = graph.producer(v.id);
  return id != ir::no_node && graph.node(id).op == op ? &graph.node(id) : nullptr;
}
inline ir::Value operand(ir::Value v, const ir::Node& node, uint32_t i = 0) {
  return {v.builder, v.builder->graph().operands(node)[i]};
}
inline const ir::Attrs& attrs(ir::Value v, const ir::Node& node) { return v.builder->graph().attrs(node); }

// The bits of the one number that all elements are, looking through broadcasts and reshapes.
std::optional<uint64_t> splat_bits(ir::Value v);
// The same as a number; exact for every dtype but 64-bit integers beyond 2^53, for which it is empty.
std::optional<double> splat_number(ir::Value v);

// One simplified op, for building a rule's result.
inline std::vector<ir::Value> emit(const Match& m, ir::Op op, std::initializer_list<ir::Value> operands,
                                   ir::Attrs attrs = {}) {
  return add_simplified(m.builder, op, std::span(operands.begin(), operands.size()), attrs);
}

}  // namespace tenon::passes
