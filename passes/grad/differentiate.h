// What the derivative transforms share among themselves. Each exists in a general form over flags per input, which the rules
// of control flow call for their sub-graphs; passes/pass.h has the forms that users see.
#pragma once

#include <vector>

#include "tenon/passes/pass.h"

namespace tenon::passes {

using Flags = std::vector<bool>;

// wanted: the outputs whose tangents are. What serves none of them gets no tangent, so a loop that only counts needs no
// derivative.
ir::SubgraphJvp jvp_subgraph(const ir::Graph& graph, const Flags& active, const Flags& wanted);
// The same for a linear part that will be transposed: every value has a tangent of its own, so that the cotangents of one value
// add up apart from those of another, even where one tangent serves both (x and x + 1).
ir::SubgraphJvp jvp_distinct(const ir::Graph& graph, const Flags& active, const Flags& wanted);

// By value: whether its tangent can reach a wanted output through ops that have derivatives.
std::vector<bool> wanted_tangents(const ir::Graph& graph, const Flags& wanted_outputs);
// The same for the operands of a control-flow node. `results` grows by what a loop needs from iteration to iteration.
Flags wanted_operands(const ir::Graph& graph, const ir::Node& node, Flags& results);

// inputs that are not linear..., cotangents that arrive... -> cotangents of the linear inputs, zeros where none is.
GraphPtr transpose_subgraph(const ir::Graph& graph, const Flags& linear_inputs, const Flags& has_cotangent);

GraphPtr meaning_of_tangent(const ir::Graph& graph, const ir::Node& node);  // of one custom_tangent (passes/pass.h)
// What takes part in a derivative by its graph on its operands.
inline bool is_call(ir::Op op) { return op == ir::Op::call || op == ir::Op::checkpoint; }

// A graph cut at its linear inputs. forward: the other inputs -> the outputs that do not depend on linear inputs...,
// residuals...; linear: residuals..., linear inputs... -> the other outputs.
struct Split {
  GraphPtr forward, linear;
  Flags output_is_linear;
  // Per residual: the number of forward's input that it is, or -1 when forward computes it.
  std::vector<int32_t> residual_input;
};
// force_linear: outputs that count as linear although they may not depend on linear inputs (empty: none).
Split split(const ir::Graph& graph, const Flags& linear_inputs, const Flags& force_linear = {});

// Whether each output depends on a linear input.
Flags depends_on(const ir::Graph& graph, const Flags& linear_inputs);

// How a control-flow node is cut. Operands name values of the graph around it, or what the cut itself adds: results of the
// forward node beyond those of the original (extra), and outputs of `hoisted`.
struct NodeSplit {
  enum class Source : uint8_t { value, extra, hoisted };
  struct Operand {
    Source source = Source::value;
    uint32_t index = 0;  // of the value, the extra result, or the output of `hoisted`
    bool operator==(const Operand&) const = default;
  };
  Flags result_is_linear;
  ir::Op forward_op{}, linear_op{};
  ir::Attrs forward_attrs, linear_attrs;
  std::vector<ir::ValueId> forward_operands;  // results: those that are not linear, then the extra ones
  GraphPtr started;  // without inputs: its outputs are more operands of the forward node
  uint32_t extra_count = 0;
  std::vector<Operand> linear_operands;  // results: the linear ones
  GraphPtr hoisted;  // loop-invariant residuals, from hoisted_operands
  std::vector<ir::ValueId> hoisted_operands;
};
// linear: per operand.
NodeSplit split_node(const ir::Graph& graph, const ir::Node& node, const Flags& linear);
// The graph without nodes, carries and results that its outputs do not need, in loops and branches too. Effects stay, or go where
// a backward pass runs what has run before.
enum class Effects : bool { stay, go };
GraphPtr live_part(const ir::Graph& graph, Effects effects);
// Loops in the place of replays, in all sub-graphs: what is differentiated again. They keep few states and use no marks, so that
// what those loops carry is small. And scans of scans in the place of those that are to keep little.
GraphPtr without_replays(const ir::Graph& graph);
// Which results of a node depend on operands that are linear.
Flags linear_results(const ir::Graph& graph, const ir::Node& node, const Flags& linear);

}  // namespace tenon::passes
