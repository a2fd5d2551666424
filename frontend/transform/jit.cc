// Jitted functions: signatures, tracing once per signature, calls. The state owns its traces; nothing is keyed by a
// callable's type or address.
#include "tenon/frontend/transform/jit.h"

#include <algorithm>
#include <cstdio>

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/key.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/base/door.h"

namespace tenon::detail {
namespace {

// Structure, then dtype, shape and requires_grad of every tensor, then the grad mode.
void signature(std::string& key, const Leaves& leaves) {
  key.assign(leaves.structure);
  KeyWriter writer(key);
  writer.tag('|');
  for (const Tensor* t : leaves.tensors) writer.tensor(*t->cell(), part_of(*t->cell()));
  writer.tag(grad_enabled() ? 'G' : 'N');
}

std::string place_in(size_t argument, const std::string& path) {
  return "argument " + std::to_string(argument) + (path.empty() ? "" : ", '" + path + "'");
}

// The first place in the argument trees that is not the same, tensors aside.
std::string first_difference(const JitEntry& a, const JitEntry& b) {
  for (size_t n = 0; n < std::min(a.arguments.size(), b.arguments.size()); ++n) {
    const auto &x = a.arguments[n], &y = b.arguments[n];
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (x[i].path != y[i].path || x[i].tag != y[i].tag || x[i].bytes != y[i].bytes) return place_in(n, x[i].path);
  }
  return "an argument's C++ type";
}

// Pairs each donated leaf with the first result of its type that is not taken yet.
std::vector<std::pair<uint32_t, uint32_t>> donations(const ir::Graph& g, const std::vector<bool>& donated) {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  std::vector<bool> taken(g.outputs().size(), false);
  for (uint32_t i = 0; i < donated.size(); ++i) {
    if (!donated[i]) continue;
    for (uint32_t o = 0; o < taken.size(); ++o)
      if (!taken[o] && g.type(g.outputs()[o]) == g.type(ir::ValueId{i})) {
        taken[o] = true;
        pairs.emplace_back(i, o);
        break;
      }
  }
  return pairs;
}

}  // namespace

std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made) try {
  for (size_t i = 0; i < options.donate.size(); ++i) {
    const int number = options.donate[i];
    if (std::find(options.donate.begin(), options.donate.begin() + static_cast<std::ptrdiff_t>(i), number) !=
        options.donate.begin() + static_cast<std::ptrdiff_t>(i))
      throw Error("jit: .donate names argument " + std::to_string(number) + " twice", made);
  }
  auto state = std::make_shared<JitState>();
  state->options = std::move(options);
  state->made = made;
  return state;
} catch (...) {
  leave_with_error("jit", made);
}

JitEntry* find_entry(JitState& state, const Leaves& leaves) {
  thread_local std::string key;
  signature(key, leaves);
  std::lock_guard lock(state.mutex);
  for (const auto& e : state.entries)
    if (e->key == key) return e.get();
  return nullptr;
}

std::shared_ptr<JitEntry> start_entry(JitState& state, const Leaves& leaves,
                                      std::vector<std::vector<TreeItem>> arguments) {
  auto entry = std::make_shared<JitEntry>();
  const std::vector<int>& donate = state.options.donate;
  for (int number : donate)
    if (number < 0 || static_cast<size_t>(number) >= arguments.size())
      throw Error("jit: .donate names argument " + std::to_string(number) + " of a call with " +
                      std::to_string(arguments.size()) + "; they are counted from 0",
                  state.made);
  for (size_t n = 0; n < arguments.size(); ++n)
    for (TreeItem& item : arguments[n]) {
      if (item.tag == 't') {
        entry->plain.inputs.push_back(place_in(n, item.path));
        if (!donate.empty())
          entry->plain.donated.push_back(std::find(donate.begin(), donate.end(), static_cast<int>(n)) != donate.end());
      }
      item.tensor = nullptr;
    }
  entry->arguments = std::move(arguments);
  signature(entry->key, leaves);
  entry->structure_size = leaves.structure.size();
  entry->fuse = state.options.fuse;
  entry->made = state.made;
  entry->plain.name = state.options.name.empty() ? "jit" : state.options.name;
  entry->plain.warned_donation = state.warned_donation;
  return entry;
}

std::shared_ptr<JitEntry> finish_entry(JitState& state, std::shared_ptr<JitEntry> entry, const Program& program,
                                       const std::vector<Tensor>& inputs, std::shared_ptr<void> result, bool keep) {
  entry->program = program;
  entry->donations = donations(*program.graph, entry->plain.donated);
  entry->records = records(inputs);
  entry->parts = parts_of(inputs);
  entry->parts.resize(program.graph->input_count(), Part::none);
  bool outside = false;  // captured from an enclosing trace: good for this one call only
  for (const Tensor& t : program.captured) outside = outside || t.cell()->traced();
  entry->reusable = keep && !outside;
  entry->result = std::move(result);
  if (!entry->reusable) return entry;
  std::lock_guard lock(state.mutex);
  for (const auto& e : state.entries)
    if (e->key == entry->key) return e;  // another thread traced the same signature meanwhile
  state.entries.push_back(entry);
  if (state.entries.size() >= 16 && !state.warned_retraces) {
    // Same tensors, different C++ values: the caller probably meant to pass a tensor.
    size_t same = 0;
    const auto types = [](const JitEntry& e) { return std::string_view(e.key).substr(e.structure_size); };
    for (const auto& e : state.entries) same += types(*e) == types(*entry);
    if (same >= 16) {
      state.warned_retraces = true;
      std::fprintf(stderr,
                   "tenon: the function jitted at %s was traced %zu times for tensors of the same types: a non-tensor "
                   "member of its arguments changes: %s, counting from 0. Pass it as a tensor to compile once.\n",
                   to_string(state.made).c_str(), state.entries.size(),
                   first_difference(*state.entries.front(), *entry).c_str());
    }
  }
  return entry;
}

void* result_of(const JitEntry& entry) { return entry.result.get(); }

const Callable& compiled(JitEntry& entry) {
  std::lock_guard lock(entry.compiling);
  if (!entry.plain.program) {
    const FloatEnvironment standard;
    runtime::CompileOptions options;
    options.fuse = entry.fuse;
    options.donations = entry.donations;
    entry.plain.program = runtime::compile(*entry.program.graph, options);
  }
  return entry.plain;
}

namespace {

const Callable& compiled_for_tape(JitEntry& entry, const std::vector<uint32_t>& same) {
  std::lock_guard lock(entry.compiling);
  Callable& taped = entry.taped[same];
  if (!taped.program) {
    const FloatEnvironment standard;
    runtime::CompileOptions options;
    options.fuse = entry.fuse;
    taped.name = entry.plain.name;
    taped.tape = make_taped(*entry.program.graph, entry.parts, same, options);
    taped.program = taped.tape->forward;
  }
  return taped;
}

void run_here(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs) {
  std::vector<Tensor> inputs;
  inputs.reserve(leaves.tensors.size() + entry.program.captured.size());
  for (const Tensor* t : leaves.tensors) inputs.push_back(*t);
  inputs.insert(inputs.end(), entry.program.captured.begin(), entry.program.captured.end());
  if (Trace::current())
    outputs = apply_graph(*entry.program.graph, inputs, state.made);
  else
    outputs =
        call(entry.records ? compiled_for_tape(entry, same_values(inputs)) : compiled(entry), inputs, {}, state.made);
}

}  // namespace

// Errors that arise where no place is known (no memory, a name that nobody registered) get the place of the jit.
void run_entry(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs) {
  try {
    run_here(state, entry, leaves, outputs);
  } catch (...) {
    leave_with_error(entry.plain.name.c_str(), entry.made, "'");
  }
}

}  // namespace tenon::detail
