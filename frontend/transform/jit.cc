// Jitted functions: making them, compiling a signature when it is first called, calls. The state owns its traces; nothing is keyed
// by a callable's type or address.
#include "tenon/frontend/transform/jit.h"

#include <algorithm>

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/base/door.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/cache/key_bytes.h"

namespace tenon::detail {

std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made) try {
  for (size_t i = 0; i < options.donate.size(); ++i) {
    const int number = options.donate[i];
    if (std::find(options.donate.begin(), options.donate.begin() + static_cast<std::ptrdiff_t>(i), number) !=
        options.donate.begin() + static_cast<std::ptrdiff_t>(i))
      throw Error("jit: .donate names argument " + std::to_string(number) + " twice", made);
  }
  return std::make_shared<JitState>(std::move(options), made);
} catch (...) {
  leave_with_error("jit", made);
}

std::shared_ptr<const ir::Graph> compiled_graph(const JitEntry& entry) {
  return entry.check_nans ? passes::check_nans(*entry.program.graph) : entry.program.graph;
}

TraceScope::TraceScope(const JitState& state)
    : exact_before_(set_exact_lanes(state.options.check_nans || exact_lanes())) {}
TraceScope::~TraceScope() { set_exact_lanes(exact_before_); }

namespace {

// The outputs that a plain call need not compute: captured tensors that have no gradient.
std::vector<uint32_t> passed_on(const JitEntry& entry) {
  const ir::Graph& g = *entry.program.graph;
  std::vector<uint32_t> passed;
  for (uint32_t o = 0; o < g.outputs().size(); ++o) {
    const ir::ValueId v = g.outputs()[o];
    if (g.is_input(v) && index(v) >= entry.program.arguments && !is_continuous(g.type(v).dtype)) passed.push_back(o);
  }
  // A program gives something, and results that take donated memory are counted.
  return passed.size() == g.outputs().size() || !entry.donations.empty() ? std::vector<uint32_t>{} : passed;
}

std::shared_ptr<const ir::Graph> without(const ir::Graph& g, const std::vector<uint32_t>& outputs) {
  ir::GraphBuilder b(g.name, g.symbols);
  std::vector<ir::ValueId> inputs, kept;
  for (uint32_t i = 0; i < g.input_count(); ++i) inputs.push_back(b.input(g.type(ir::ValueId{i}), g.input_note(i)));
  const std::vector<ir::ValueId> all = b.splice(g, inputs);
  for (uint32_t o = 0; o < all.size(); ++o)
    if (!std::binary_search(outputs.begin(), outputs.end(), o)) kept.push_back(all[o]);
  return b.finish(kept);
}

void pass_on(const JitEntry& entry, Tensors& outputs) {
  if (entry.passed.empty()) return;
  Tensors all;
  size_t computed = 0, next = 0;
  while (computed < outputs.size() || next < entry.passed.size()) {
    if (next == entry.passed.size() || entry.passed[next] != all.size()) {
      all.push_back(std::move(outputs[computed++]));
      continue;
    }
    const Program& p = entry.program;
    const Tensor& given = p.captured[index(p.graph->outputs()[entry.passed[next++]]) - p.arguments];
    const Tensor here = moved_to(given, *entry.device, entry.made);
    const BufferPtr buffer = buffer_of(here, entry.plain.name.c_str(), entry.made);
    all.push_back(make_concrete(here.cell()->type, buffer, entry.made));
  }
  outputs = std::move(all);
}

}  // namespace

bool compile(JitEntry& entry) {
  if (entry.ready.load(std::memory_order_acquire)) return false;
  std::lock_guard lock(entry.compiling);
  if (entry.plain.program) return false;
  const FloatEnvironment standard;
  runtime::CompileOptions options;
  options.fuse = entry.fuse;
  options.check_nans = entry.check_nans;
  options.device = entry.device;
  options.donations = entry.donations;
  entry.passed = passed_on(entry);
  const auto graph = entry.passed.empty() ? entry.program.graph : without(*entry.program.graph, entry.passed);
  entry.plain.program = runtime::compile(*graph, options);
  entry.caller = {entry.plain.name.c_str(), entry.made};
  entry.plainly = !entry.records && !entry.free && entry.passed.empty() && entry.plain.donated.empty();
  entry.ready.store(true, std::memory_order_release);
  return true;
}

namespace {

// Two threads that miss at once both differentiate; they share the compilation.
std::shared_ptr<const Callable> compiled_for_tape(JitState& state, const JitEntry& entry,
                                                  const std::vector<uint32_t>& same) {
  KeyBytes key;
  key.append(&entry.number, sizeof entry.number);
  key.append(same.data(), same.size() * sizeof same[0]);
  if (auto found = state.taped.find(key.view())) return found;
  const FloatEnvironment standard;
  runtime::CompileOptions options;
  options.fuse = entry.fuse;
  options.check_nans = entry.check_nans;
  options.device = entry.device;
  auto taped = std::make_shared<Callable>();
  taped->name = entry.plain.name;
  taped->tape = make_taped(*entry.program.graph, entry.parts, same, options, state.budget);
  taped->program = taped->tape->forward;
  return state.taped.keep(key.view(), taped, taped->memory_bytes());
}

// A handle that counts as none: for a call that keeps no input longer than its caller does.
Tensor borrowed(const Tensor& t) { return Tensor(std::shared_ptr<Cell>(std::shared_ptr<void>(), t.cell().get())); }

void run_here(JitState& state, JitEntry& entry, const Leaves& signature, Tensors& outputs) {
  std::vector<Tensor> inputs;
  inputs.reserve(signature.tensors.size() + entry.program.captured.size());
  const bool keeps = entry.records || tracing();
  for (const Tensor* t : signature.tensors) inputs.push_back(keeps ? *t : borrowed(*t));
  inputs.insert(inputs.end(), entry.program.captured.begin(), entry.program.captured.end());
  std::vector<int64_t> extents;
  if (entry.free && !tracing()) extents = extents_of_call(entry, inputs);
  if (tracing()) {
    for (Tensor& t : apply_graph(*compiled_graph(entry), inputs, state.made)) outputs.push_back(std::move(t));
  } else if (entry.records) {
    call(*compiled_for_tape(state, entry, same_values(inputs)), inputs, extents, state.made, outputs);
  } else {
    if (compile(entry) && entry.reusable)
      state.entries.charge(signature.structure.view(), &entry, entry.plain.program->memory_bytes());
    call(entry.plain, inputs, extents, state.made, outputs);
    pass_on(entry, outputs);
  }
}

}  // namespace

// Errors that arise where no place is known (no memory, a name that nobody registered) get the place of the jit.
void run_entry(JitState& state, JitEntry& entry, const Leaves& signature, bool wants_tree, Results& results) {
  try {
    if (wants_tree) results.tree = entry.result;
    run_here(state, entry, signature, results.tensors);
  } catch (...) {
    leave_with_error(entry.plain.name.c_str(), entry.made, "'");
  }
}

}  // namespace tenon::detail
