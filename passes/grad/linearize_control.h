// What the cuts of control flow share: one file a form (linearize_scan.cc, linearize_while.cc,
// linearize_branches.cc). Refuses to cut anything.
#pragma once

#include "tenon/ir/graph/build.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

// A graph that calls another on chosen inputs.
struct Wrapper {
  ir::GraphBuilder builder;
  explicit Wrapper(const ir::Graph& like) : builder(like.name, like.symbols) {
    builder.folding = builder.merging = false;
  }
  ir::ValueId input(const ir::Type& type) { return builder.input(type); }
  GraphPtr finish(std::span<const ir::ValueId> outputs) { return builder.finish(outputs); }
};

inline const ir::Type& input_type(const ir::Graph& g, size_t i) {
  return g.type(ir::ValueId{static_cast<uint32_t>(i)});
}

// Which inputs of the body are linear: a carry is if its start or its next value is.
Flags linear_body_inputs(const ir::Loop& loop, Flags linear);
// The body cut there; a linear carry stays one, whatever its next value depends on.
Split split_body(const ir::Loop& loop, const Flags& linear);

// What stands for a scan that says `memory`, before it is differentiated (chunk_scans.cc).
std::vector<ir::Value> chunked(ir::GraphBuilder& b, const ir::Attrs& attrs, std::span<const ir::Value> operands);

NodeSplit split_scan(const ir::Graph& g, const ir::Node& n, const Flags& linear_operands);
NodeSplit split_while(const ir::Graph& g, const ir::Node& n, const Flags& linear_operands);
// Cuts the sub-graphs of a call (one) or a cond (two, which share the results of the forward node).
NodeSplit split_branches(const ir::Graph& g, const ir::Node& n, const Flags& linear_operands);
// Cuts a checkpoint so that its operands and what its graph names as saved are all that is kept.
NodeSplit split_checkpoint(const ir::Graph& g, const ir::Node& n, const Flags& linear_operands);

}  // namespace tenon::passes
