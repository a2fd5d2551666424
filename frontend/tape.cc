// Eager autograd, the recording half: programs that keep residuals, their pullbacks, and the entries of the tape. An entry holds what
// was recorded (buffers, and entries or leaves as they were), never the cells of results. frontend/backward.cc walks it.
#include <algorithm>
#include <atomic>

#include "tenon/frontend/cell.h"
#include "tenon/frontend/ops.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

thread_local bool grad_mode = true;

uint64_t next_sequence() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

ir::Type concrete_type(const ir::Type& type, const std::vector<int64_t>& symbols) {
  if (type.shape.is_static()) return type;
  ir::Type out{type.dtype, {}};
  for (Dim d : type.shape) out.shape.push_back(Dim(Symbols::value(d, symbols)));
  return out;
}

}  // namespace

Run execute(const runtime::Executable& program, std::span<const void* const> inputs, const std::vector<int64_t>& dims) {
  const runtime::Manifest& m = program.manifest();
  Run run;
  const std::vector<int64_t> symbols = m.symbols.empty() ? std::vector<int64_t>{} : evaluate(m.symbols, dims);
  std::vector<void*> outputs;
  for (const ir::Type& t : m.outputs) {
    run.types.push_back(concrete_type(t, symbols));
    run.buffers.push_back(
        runtime::Buffer::allocate(byte_count(run.types.back().shape, bytes(t.dtype)), program.device()));
    outputs.push_back(run.buffers.back()->address());
  }
  program.run(inputs.data(), outputs.data(), dims.data());
  return run;
}

bool grad_enabled() { return grad_mode; }
bool set_grad_enabled(bool on) { return std::exchange(grad_mode, on); }
NoGrad::NoGrad() : before_(set_grad_enabled(false)) {}
NoGrad::~NoGrad() { set_grad_enabled(before_); }

bool records(std::span<const Tensor> inputs) {
  if (!grad_mode) return false;
  for (const Tensor& t : inputs)
    if (t.defined() && t.cell()->has_history()) return true;
  return false;
}

void pass_gradients_on(std::span<const Tensor> inputs, std::span<const Tensor> results) {
  if (!grad_mode) return;
  for (const Tensor& t : inputs) {
    if (!t.cell()->backward.known()) continue;
    for (const Tensor& r : results)
      if (is_floating(r.dtype())) r.cell()->backward = t.cell()->backward;
    return;
  }
}

TapeSource source_of(const std::shared_ptr<Cell>& cell) {
  if (cell->entry) return {cell->entry, cell->output, nullptr};
  return {nullptr, 0, cell->leaf ? cell->leaf : cell};
}

namespace {

bool same_source(const TapeSource& a, const TapeSource& b) {
  return a.entry == b.entry && a.output == b.output && a.leaf == b.leaf;
}

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

}  // namespace

std::vector<Part> parts_of(std::span<const Tensor> inputs) {
  std::vector<Part> parts;
  for (const Tensor& t : inputs)
    parts.push_back(t.cell()->active() ? Part::active : t.cell()->has_history() ? Part::flat : Part::none);
  return parts;
}

std::vector<uint32_t> same_values(std::span<const Tensor> inputs) {
  std::vector<uint32_t> same;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    same.push_back(i);
    if (!inputs[i].cell()->active()) continue;
    const TapeSource source = source_of(inputs[i].cell());
    for (uint32_t j = 0; j < i; ++j) {
      if (!inputs[j].cell()->active() || !same_source(source, source_of(inputs[j].cell()))) continue;
      same[i] = j;
      break;
    }
  }
  return same;
}

std::shared_ptr<const TapedProgram> make_taped(const ir::Graph& whole, const std::vector<Part>& parts,
                                               const std::vector<uint32_t>& same,
                                               const runtime::CompileOptions& options) {
  auto program = std::make_shared<TapedProgram>();
  // The graph over distinct values.
  ir::GraphBuilder distinct(whole.name, whole.symbols);
  distinct.folding = distinct.merging = false;
  std::vector<ir::ValueId> operands;
  std::vector<bool> active;
  std::vector<Part> kept_parts;
  for (uint32_t i = 0; i < whole.input_count(); ++i) {
    const uint32_t first = i < same.size() ? same[i] : i;
    if (first != i) {
      operands.push_back(operands[first]);
      continue;
    }
    operands.push_back(distinct.input(whole.type(ir::ValueId{i}), whole.input_note(i)));
    const Part part = i < parts.size() ? parts[i] : Part::none;
    kept_parts.push_back(part);
    active.push_back(part == Part::active);
    program->inputs.push_back(i);
    if (part == Part::active) program->active_inputs.push_back(i);
    if (part == Part::flat) program->flat_inputs.push_back(i);
  }
  const auto graph = distinct.finish(distinct.splice(whole, operands));

  const passes::Linearized parted = linearize(*graph, active, program->refused);
  const ir::Graph& forward = *parted.forward;
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
  // A residual that is an input or an output of the function is kept by handle; only the others are computed extras.
  std::vector<ir::ValueId> kept(forward.outputs().begin(), forward.outputs().begin() + program->outputs);
  using From = TapedProgram::Residual::From;
  for (uint32_t r = 0; r < parted.residual_count; ++r) {
    const ir::ValueId v = forward.outputs()[program->outputs + r];
    if (forward.is_input(v)) {
      program->residuals.push_back({From::input, program->inputs[index(v)]});
      continue;
    }
    const auto found = std::find(kept.begin(), kept.end(), v);
    const auto at = static_cast<uint32_t>(found - kept.begin());
    if (found == kept.end()) kept.push_back(v);
    program->residuals.push_back({at < program->outputs ? From::output : From::extra, at});
  }
  ir::GraphBuilder builder(graph->name, forward.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < forward.input_count(); ++i) inputs.push_back(builder.input(forward.type(ir::ValueId{i})));
  const std::vector<ir::ValueId> all = builder.splice(forward, inputs);
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : kept)
    outputs.push_back(all[static_cast<size_t>(std::find(forward.outputs().begin(), forward.outputs().end(), v) -
                                              forward.outputs().begin())]);
  program->forward = runtime::compile(*builder.finish(outputs), options);
  return program;
}

const TapedProgram::Pullback& TapedProgram::pullback(const std::vector<bool>& arrived,
                                                     const std::vector<bool>& summed) const {
  std::lock_guard lock(mutex);
  const auto [it, fresh] = pullbacks.try_emplace({arrived, summed});
  if (!fresh) return it->second;
  try {
    std::vector<bool> arrives;  // of the linear graph's outputs
    for (size_t o = 0; o < arrived.size(); ++o)
      if (output_is_active[o]) arrives.push_back(arrived[o]);
    passes::Accumulation made =
        passes::transpose_onto(*linear, static_cast<uint32_t>(residuals.size()), arrives, summed);
    it->second.reached = std::move(made.reached);
    if (!made.graph->outputs().empty()) it->second.program = runtime::compile(*made.graph, options);
  } catch (...) {
    pullbacks.erase(it);
    throw;
  }
  return it->second;
}

std::vector<Tensor> run_plain(const runtime::Executable& program, std::span<const Tensor> inputs,
                              const std::vector<int64_t>& dims, const Location& at) {
  std::vector<const void*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(buffer_of(t, "call", at)->address());
  Run run = execute(program, pointers, dims);
  std::vector<Tensor> results;
  for (size_t i = 0; i < run.types.size(); ++i)
    results.push_back(make_concrete(std::move(run.types[i]), std::move(run.buffers[i]), at));
  return results;
}

std::vector<Tensor> run_taped(const char* name, const std::shared_ptr<const TapedProgram>& program,
                              std::span<const Tensor> inputs, const std::vector<int64_t>& dims, const Location& at) {
  std::vector<const void*> pointers;
  for (uint32_t i : program->inputs) pointers.push_back(buffer_of(inputs[i], name, at)->address());
  Run run = execute(*program->forward, pointers, dims);

  auto entry = std::make_shared<TapeEntry>();
  entry->sequence = next_sequence();
  entry->name = name;
  entry->where = at;
  entry->program = program;
  entry->dims = dims;
  using From = TapedProgram::Residual::From;
  for (const TapedProgram::Residual& r : program->residuals)
    entry->residuals.push_back(r.from == From::input ? buffer_of(inputs[r.number], name, at) : run.buffers[r.number]);
  for (uint32_t i : program->active_inputs) entry->inputs.push_back(source_of(inputs[i].cell()));
  for (uint32_t i : program->flat_inputs) entry->inputs.push_back(source_of(inputs[i].cell()));
  for (uint32_t i = 0; i < program->outputs; ++i) entry->output_types.push_back(run.types[i]);
  for (uint32_t i : program->inputs)
    if (inputs[i].cell()->backward.known()) entry->used_gradient = inputs[i].cell()->backward;

  std::vector<Tensor> results;
  for (uint32_t i = 0; i < program->outputs; ++i) {
    Tensor t = make_concrete(run.types[i], run.buffers[i], at);
    Cell& cell = *t.cell();
    if (program->output_has_history[i]) {
      cell.requires_grad = is_floating(t.dtype());
      const bool active = program->output_is_active[i] || program->refused[i];
      if (active && program->same_input[i] >= 0) {  // the input itself, not a value made of it
        const Cell& from = *inputs[static_cast<size_t>(program->same_input[i])].cell();
        cell.entry = from.entry;
        cell.output = from.output;
        if (!from.entry) cell.leaf = source_of(inputs[static_cast<size_t>(program->same_input[i])].cell()).leaf;
      } else {
        cell.entry = entry;
        cell.output = program->same_output[i];
        cell.flat = !active;
      }
    }
    results.push_back(std::move(t));
  }
  return results;
}

// A chain of entries is released one by one: each entry's own sources are moved to a list before they go.
TapeEntry::~TapeEntry() {
  std::vector<TapeSource> pending = std::move(inputs);
  while (!pending.empty()) {
    const std::shared_ptr<TapeEntry> entry = std::move(pending.back().entry);
    pending.pop_back();
    if (!entry || entry.use_count() != 1) continue;
    for (TapeSource& below : entry->inputs) pending.push_back(std::move(below));
    entry->inputs.clear();
  }
}

}  // namespace tenon
