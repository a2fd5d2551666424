// Graph transforms and the pipeline from a graph to a program. One pass a file, one public function each; the runner
// (passes/pipeline.cc), never the pass, verifies, dumps, times and skips by name.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/ir/kernel/program.h"
#include "tenon/passes/axes.h"

namespace tenon::passes {

using GraphPtr = std::shared_ptr<const ir::Graph>;

// ---- transforms: used by the frontend, nest in any order -------------------------------------------------------

// active[i]: input i has a tangent. Result inputs: the primal inputs, then one tangent per active input. Result outputs:
// the primal outputs, then one tangent per output whose tangent is not structurally absent.
struct Jvp {
  GraphPtr graph;
  std::vector<bool> output_has_tangent;
};
Jvp jvp(const ir::Graph& graph, const std::vector<bool>& active);

// The vector-Jacobian product, made by jvp, a split by reachability from the tangents, and transposition of the linear part.
// forward: inputs -> outputs..., residuals...      backward: residuals..., cotangents of the outputs that depend on an active
// input... -> cotangents of the active inputs.
struct Vjp {
  GraphPtr forward, backward;
  std::vector<bool> output_is_active;
  uint32_t residual_count = 0;
};
Vjp vjp(const ir::Graph& graph, const std::vector<bool>& active);

// jvp split at the tangents. forward: inputs -> outputs..., residuals...; linear: residuals..., tangents... -> tangents...
struct Linearized {
  GraphPtr forward, linear;
  std::vector<bool> output_has_tangent;
  uint32_t residual_count = 0;
};
// The graph with every custom_tangent, in sub-graphs too, replaced by what it means: the transpose of the caller's rule. So a linear
// part can be run and differentiated. Error where that rule is not linear in the cotangent.
GraphPtr expand_tangents(const GraphPtr& graph);
// wanted: the outputs whose tangents are; empty means all.
Linearized linearize(const ir::Graph& graph, const std::vector<bool>& active, const std::vector<bool>& wanted = {});
// Transposes a linear graph: inputs constants..., linear... -> outputs. Result: constants..., cotangents... -> cotangents of
// the linear inputs (zeros where nothing arrives).
GraphPtr transpose(const ir::Graph& linear, uint32_t constant_count);
// The same of any function of which linear[i] says that it is linear in input i, jointly. Error, naming op and line, where it is not.
GraphPtr transpose_linear(const ir::Graph& graph, const std::vector<bool>& linear);
// The same as one step of a longer sum, for the tape. Inputs: constants, the cotangents that arrive, then what has been summed so
// far for those linear inputs that have something. Results: the new sums of the linear inputs that are `reached`.
struct Accumulation {
  GraphPtr graph;
  std::vector<bool> reached;  // per linear input: a cotangent arrives there, now or before
};
Accumulation transpose_onto(const ir::Graph& linear, uint32_t constant_count, const std::vector<bool>& arrives,
                            const std::vector<bool>& summed);

// Value and gradient of output 0, a floating scalar, by the inputs chosen: inputs -> outputs..., gradients...
GraphPtr value_and_grad(const ir::Graph& graph, const std::vector<bool>& active);

// A function of one lane over many: inputs and outputs that have lanes have them in front. inputs: which do; forced: outputs that
// must (empty: none). With an axis name, what asks about that axis is answered.
ir::SubgraphBatch batch(const ir::Graph& graph, const ir::Batching& batching, const std::vector<bool>& inputs,
                        const std::vector<bool>& forced = {});
// The same graph with other outputs.
GraphPtr with_outputs(const ir::Graph& graph, std::span<const ir::ValueId> outputs);
// The same values without a word: checks and prints are left out, for what is computed again. Custom calls stay.
GraphPtr without_effects(const ir::Graph& graph);
// A check behind every op with floating results, sub-graphs included, that fails where it made a NaN: a result has one and none of
// its floating operands has. It names the op and its place.
GraphPtr check_nans(const ir::Graph& graph);

// ---- graph to graph ----------------------------------------------------------------------------------------------
#define TENON_PASS(name, ...) GraphPtr name(const ir::Graph& graph);
#include "tenon/passes/passes.def"
GraphPtr optimize(const ir::Graph& graph, TargetKind kind = TargetKind::cpu);  // in order: what build_program fuses
std::vector<std::string> graph_passes();  // their names
std::string left_out();  // the passes that TENON_PASSES leaves out, for keys

// ---- graph to program --------------------------------------------------------------------------------------------
// copy: a concatenation, or a slice that is one run of its operand. step: control flow, custom call.
enum class GroupKind : uint8_t { map, row, column, contract, nest, copy, step };

// What fusion, lowering and reports ask of a kind: a row each; the compiler warns of a field that is left out. The two other
// switches over kinds, what joins a group (passes/fuse/point.cc) and how it becomes a kernel (passes/lower/group.cc), have no
// default either, so that a new kind does not build until each of them knows it.
struct GroupKindInfo {
  const char* name;
  const char* nature;
  int rank;  // which group is host when several meet: the highest
  bool alone;  // nothing joins it, and it joins nothing
  bool reduces;  // along some axes of its space; its results have the outer space
  bool over_space, over_outer;  // which values it can store: over its space (unless it is split), over the outer space
  bool hoists;  // its innermost loop is over the last axis of its space: what does not follow that stands outside
};
constexpr GroupKindInfo info(GroupKind kind) {
  switch (kind) {
    case GroupKind::map:
      return {.name = "map",
              .nature = "a map",
              .rank = 0,
              .alone = false,
              .reduces = false,
              .over_space = true,
              .over_outer = true,
              .hoists = true};
    case GroupKind::row:
      return {.name = "row",
              .nature = "a reduction over rows",
              .rank = 2,
              .alone = false,
              .reduces = true,
              .over_space = true,
              .over_outer = true,
              .hoists = true};
    case GroupKind::column:
      return {.name = "column",
              .nature = "a reduction over leading axes",
              .rank = 1,
              .alone = false,
              .reduces = true,
              .over_space = false,
              .over_outer = true,
              .hoists = false};
    case GroupKind::contract:
      return {.name = "contract",
              .nature = "a contraction",
              .rank = 3,
              .alone = false,
              .reduces = false,
              .over_space = true,
              .over_outer = true,
              .hoists = false};
    case GroupKind::nest:
      return {.name = "nest",
              .nature = "an op with a loop nest of its own",
              .rank = 0,
              .alone = true,
              .reduces = false,
              .over_space = false,
              .over_outer = false,
              .hoists = false};
    case GroupKind::copy:
      return {.name = "copy",
              .nature = "a copy of whole runs of elements",
              .rank = 0,
              .alone = true,
              .reduces = false,
              .over_space = false,
              .over_outer = false,
              .hoists = false};
    case GroupKind::step:
      return {.name = "step",
              .nature = "control flow or a custom call",
              .rank = 0,
              .alone = true,
              .reduces = false,
              .over_space = false,
              .over_outer = false,
              .hoists = false};
  }
  return {};
}
// Whether a group writes a value over its space or its outer space to a buffer: its loops run over what they store.
constexpr bool stores(GroupKind kind, bool split, bool is_space, bool is_outer) {
  return (is_outer && info(kind).over_outer) || (is_space && info(kind).over_space && !split);
}

struct Group {
  GroupKind kind = GroupKind::map;
  std::vector<ir::NodeId> nodes;  // ascending; a cheap node may be computed in several groups
  std::vector<ir::ValueId> inputs;  // read from buffers
  std::vector<ir::ValueId> outputs;  // written to buffers
  // Of contract, nest (which may store the transposition behind it), copy, step; the reduction that shapes a row or column group.
  ir::NodeId root = ir::no_node;
  // The iteration space, in axes that count (passes/axes.h); the axes [reduced_begin, reduced_end) of it that a row or
  // column group reduces, and the space of the results.
  Shape space, outer;
  int reduced_begin = 0, reduced_end = 0;
  bool split = false;  // few long reductions: partial results first, then their join
};
struct FusionPlan {
  Axes axes;  // of the graph: what the groups' spaces are made of
  std::vector<Group> groups;  // in an order that respects dependencies
  std::vector<ir::NodeId> aliases;  // reshapes and barriers whose results share their operands' buffers
  std::vector<ir::NodeId> data;  // constants that lie in memory beside the code
  std::vector<ir::FusionNote> not_fused;
  bool enabled = true;  // false: one op a group, in the bodies of control flow too
};
// Whether v is the transposition of the group's root: what a nest may store instead.
bool is_behind(const ir::Graph& graph, const Group& group, ir::ValueId v);
// How the axes of a transposition's result lie in its operand's memory, slowest first.
std::vector<int64_t> order_through(const ir::Graph& graph, ir::NodeId transposition);
// disabled: one op a group. lent: the inputs whose memory a result may take, so that updates of a part are stored where they lie.
FusionPlan fuse(const ir::Graph& graph, const Target& target, bool enabled = true, std::vector<char> lent = {});
ir::Program lower(const ir::Graph& graph, const FusionPlan& plan, const Target& target,
                  const std::vector<std::pair<uint32_t, uint32_t>>& donations = {});
// Collectives are started early and finished late, on devices whose host goes on meanwhile.
ir::Program overlap(ir::Program program);
ir::Program schedule(ir::Program program, const Target& target);
ir::Program plan_buffers(ir::Program program);
std::vector<std::string> check_buffers(
    const ir::Program& program);  // independent of the planner: every unsound overlap
std::vector<std::string> check_bounds(const ir::Program& program);  // every load or store that may leave its buffer

// ---- the runner --------------------------------------------------------------------------------------------------
struct Options {
  bool fuse = true;
  // Donated inputs: (input, output) pairs that share memory; types must match.
  std::vector<std::pair<uint32_t, uint32_t>> donations;
  std::vector<std::string> skip;  // names of passes to leave out, as TENON_PASSES does for every program
};
// The whole pipeline. Reads, once per process: TENON_DUMP (a folder, or "-" for stderr) prints the IR after each pass;
// TENON_PASSES=-simplify,-fuse skips passes; TENON_VERIFY=1 verifies after each pass; TENON_DEBUG=1 prints what each took.
ir::Program build_program(const ir::Graph& graph, const Target& target, const Options& options = {});
// Runs graph-to-graph passes by name, for tools and golden tests. Error for an unknown name.
GraphPtr run_passes(const ir::Graph& graph, std::span<const std::string> names);

}  // namespace tenon::passes
