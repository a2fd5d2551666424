// The shape of every graph-to-graph pass: one forward sweep that builds another graph. Refuses to look into sub-graphs; the
// runner applies a pass to the innermost graphs first.
#pragma once

#include <vector>

#include "tenon/ir/graph/graph.h"

namespace tenon::passes {

class Rebuild {
 public:
  explicit Rebuild(const ir::Graph& from)
      : from(from), builder(from.name, from.symbols), values(from.value_count(), ir::no_value) {
    for (uint32_t i = 0; i < from.input_count(); ++i)
      values[i] = builder.input(from.type(ir::ValueId{i}), from.input_note(i));
  }
  // The operands of a node in the new graph; valid until the next call.
  std::span<const ir::ValueId> operands(const ir::Node& node) {
    operands_.clear();
    for (ir::ValueId v : from.operands(node)) operands_.push_back(values[ir::index(v)]);
    return operands_;
  }
  void set(const ir::Node& node, uint32_t i, ir::ValueId v) { values[ir::index(from.result(node, i))] = v; }
  // Copies the node as it is.
  void copy(const ir::Node& node) { set_all(node, builder.copy(from, node, operands(node))); }
  void set_all(const ir::Node& node, ir::ValueId first) {
    for (uint32_t i = 0; i < node.result_count; ++i) set(node, i, ir::ValueId{ir::index(first) + i});
  }
  // Calls visit(node) for each node with its place set.
  template <class Visit>
  std::shared_ptr<const ir::Graph> sweep(Visit visit) {
    for (const ir::Node& node : from.nodes()) {
      builder.set_location(from.location(node));
      visit(node);
    }
    std::vector<ir::ValueId> outputs;
    for (ir::ValueId v : from.outputs()) outputs.push_back(values[ir::index(v)]);
    return builder.finish(outputs);
  }

  const ir::Graph& from;
  ir::GraphBuilder builder;
  std::vector<ir::ValueId> values;  // by value of the old graph

 private:
  std::vector<ir::ValueId> operands_;
};

}  // namespace tenon::passes
