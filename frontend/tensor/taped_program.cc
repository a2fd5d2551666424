// Taped programs: the forward of a graph with what its pullbacks need beside its outputs, and the pullbacks.
#include "tenon/frontend/tensor/taped_program.h"

#include <algorithm>

#include "tenon/ir/base/heap_bytes.h"
#include "tenon/ir/graph/footprint.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/cache/key_bytes.h"

namespace tenon {
namespace {

// By value: whether it is computed from an input that has a history; stop_gradient cuts it off.
std::vector<bool> with_history(const ir::Graph& g, const std::vector<Part>& parts) {
  std::vector<bool> has(g.value_count());
  for (uint32_t i = 0; i < g.input_count(); ++i) has[i] = parts[i] != Part::none;
  for (const ir::Node& n : g.nodes()) {
    bool any = false;
    for (ir::ValueId v : g.operands(n)) any = any || has[index(v)];
    for (uint32_t r = 0; r < n.result_count; ++r) has[index(n.first_result) + r] = any && n.op != ir::Op::stop_gradient;
  }
  return has;
}

// Linearizes by all outputs that can be; the others (a while loop whose tangent would be wanted) fail when a cotangent arrives,
// not before.
passes::Linearized linearize(const ir::Graph& graph, const std::vector<bool>& active,
                             std::vector<std::shared_ptr<const Error>>& refused) {
  refused.assign(graph.outputs().size(), nullptr);
  std::vector<bool> wanted(refused.size(), true);
  try {
    return passes::linearize(graph, active, wanted);
  } catch (const Error&) {
    for (size_t o = 0; o < wanted.size(); ++o) {
      std::vector<bool> alone(wanted.size(), false);
      alone[o] = true;
      try {
        passes::linearize(graph, active, alone);
      } catch (const Error& e) {
        refused[o] = std::make_shared<const Error>(e);
        wanted[o] = false;
      }
    }
  }
  return passes::linearize(graph, active, wanted);
}

// The graph over distinct values: inputs that are the same value are one input.
std::shared_ptr<const ir::Graph> over_distinct_inputs(const ir::Graph& whole, const std::vector<Part>& parts,
                                                      const std::vector<uint32_t>& same, TapedProgram& program,
                                                      std::vector<Part>& kept_parts) {
  ir::GraphBuilder distinct(whole.name, whole.symbols);
  distinct.folding = distinct.merging = false;
  std::vector<ir::ValueId> operands;
  for (uint32_t i = 0; i < whole.input_count(); ++i) {
    const uint32_t first = i < same.size() ? same[i] : i;
    if (first != i) {
      operands.push_back(operands[first]);
      continue;
    }
    operands.push_back(distinct.input(whole.type(ir::ValueId{i}), whole.input_note(i)));
    const Part part = i < parts.size() ? parts[i] : Part::none;
    kept_parts.push_back(part);
    program.inputs.push_back(i);
    if (part == Part::active) program.active_inputs.push_back(i);
    if (part == Part::flat) program.flat_inputs.push_back(i);
  }
  return distinct.finish(distinct.splice(whole, operands));
}

// A residual that is an input or an output of the function is kept by handle; only the others are computed extras.
std::shared_ptr<const ir::Graph> with_kept_residuals(const ir::Graph& forward, uint32_t residual_count,
                                                     TapedProgram& program) {
  std::vector<ir::ValueId> kept(forward.outputs().begin(), forward.outputs().begin() + program.outputs);
  using From = TapedProgram::Residual::From;
  for (uint32_t r = 0; r < residual_count; ++r) {
    const ir::ValueId v = forward.outputs()[program.outputs + r];
    if (forward.is_input(v)) {
      program.residuals.push_back({From::input, program.inputs[index(v)]});
      continue;
    }
    const auto found = std::find(kept.begin(), kept.end(), v);
    const auto at = static_cast<uint32_t>(found - kept.begin());
    if (found == kept.end()) kept.push_back(v);
    program.residuals.push_back({at < program.outputs ? From::output : From::extra, at});
  }
  ir::GraphBuilder builder(forward.name, forward.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < forward.input_count(); ++i) inputs.push_back(builder.input(forward.type(ir::ValueId{i})));
  const std::vector<ir::ValueId> all = builder.splice(forward, inputs);
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : kept)
    outputs.push_back(
        all[std::find(forward.outputs().begin(), forward.outputs().end(), v) - forward.outputs().begin()]);
  return builder.finish(outputs);
}

}  // namespace

std::shared_ptr<const TapedProgram> make_taped(const ir::Graph& whole, const std::vector<Part>& parts,
                                               const std::vector<uint32_t>& same,
                                               const runtime::CompileOptions& options,
                                               std::shared_ptr<runtime::CacheBudget> budget) {
  auto program = std::make_shared<TapedProgram>(std::move(budget));
  std::vector<Part> kept_parts;
  const auto graph = over_distinct_inputs(whole, parts, same, *program, kept_parts);
  std::vector<bool> active;
  for (Part part : kept_parts) active.push_back(part == Part::active);

  const passes::Linearized parted = linearize(*graph, active, program->refused);
  program->outputs = static_cast<uint32_t>(graph->outputs().size());
  program->output_is_active = parted.output_has_tangent;
  program->linear = parted.linear;
  program->options = options;
  // Sums meet cotangents of the same extents only where the rules of symbolic extents can tell; else an Error now, and the caller
  // takes numbers.
  if (graph->symbols->size() != 0)
    passes::transpose_onto(*parted.linear, parted.residual_count,
                           std::vector<bool>(parted.linear->outputs().size(), true),
                           std::vector<bool>(parted.linear->input_count() - parted.residual_count, true));
  const std::vector<bool> has = with_history(*graph, kept_parts);
  for (uint32_t o = 0; o < program->outputs; ++o) {
    const ir::ValueId v = graph->outputs()[o];
    program->output_has_history.push_back(has[index(v)]);
    program->same_input.push_back(graph->is_input(v) ? static_cast<int64_t>(program->inputs[index(v)]) : -1);
    const auto first = std::find(graph->outputs().begin(), graph->outputs().end(), v);
    program->same_output.push_back(static_cast<uint32_t>(first - graph->outputs().begin()));
  }
  program->forward = runtime::compile(*with_kept_residuals(*parted.forward, parted.residual_count, *program), options);
  return program;
}

// Two threads that miss at once both build the graph; they share the compilation.
std::shared_ptr<const TapedProgram::Pullback> TapedProgram::pullback(const std::vector<bool>& arrived,
                                                                     const std::vector<bool>& summed) const {
  KeyBytes key;
  for (bool bit : arrived) key += bit ? '1' : '0';
  for (bool bit : summed) key += bit ? '1' : '0';  // both lists have the same length in every call
  if (auto found = pullbacks.find(key.view())) return found;
  std::vector<bool> arrives;  // of the linear graph's outputs
  for (size_t o = 0; o < arrived.size(); ++o)
    if (output_is_active[o]) arrives.push_back(arrived[o]);
  passes::Accumulation made = passes::transpose_onto(*linear, static_cast<uint32_t>(residuals.size()), arrives, summed);
  auto fresh = std::make_shared<Pullback>();
  fresh->reached = std::move(made.reached);
  if (!made.graph->outputs().empty()) fresh->program = runtime::compile(*made.graph, options);
  const uint64_t code = fresh->program ? fresh->program->memory_bytes() : 0;
  return pullbacks.keep(key.view(), fresh, sizeof(Pullback) + heap_bytes(fresh->reached) + code);
}

uint64_t TapedProgram::memory_bytes() const {
  uint64_t sum = sizeof(TapedProgram) + ir::memory_bytes(*linear) + forward->memory_bytes();
  for (const auto* bits : {&output_is_active, &output_has_history}) sum += heap_bytes(*bits);
  for (const auto* numbers : {&same_output, &inputs, &active_inputs, &flat_inputs}) sum += heap_bytes(*numbers);
  return sum + heap_bytes(same_input) + heap_bytes(residuals) + refused.size() * sizeof refused[0];
}

}  // namespace tenon
