// Jitted functions: signatures, tracing once per signature, calls. The state owns its traces; nothing is keyed by a
// callable's type or address.
#include "tenon/frontend/jit.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tenon/passes/pass.h"

namespace tenon::detail {
namespace {

void put(std::string& key, int64_t v) { key.append(reinterpret_cast<const char*>(&v), sizeof v); }

// Structure, then dtype, shape and requires_grad of every tensor, then the grad mode.
void signature(std::string& key, const Leaves& leaves) {
  key.assign(leaves.structure);
  key += '|';
  for (const Tensor* t : leaves.tensors) {
    const Cell& c = *t->cell();
    key += static_cast<char>('A' + static_cast<int>(c.type.dtype));
    key += c.requires_grad ? 'g' : '-';
    put(key, c.type.shape.rank());
    for (Dim d : c.type.shape) put(key, d.code());
  }
  key += grad_enabled() ? 'G' : 'N';
}

// The number, from 1, of the first member of the argument trees that is not the same. A structure is a list of items: a tag,
// and for values their size and bytes (note_value).
size_t first_difference(const JitEntry& a, const JitEntry& b) {
  const std::string_view x = std::string_view(a.key).substr(0, a.structure_size),
                         y = std::string_view(b.key).substr(0, b.structure_size);
  size_t at = 0, number = 1;
  while (at < x.size() && at < y.size()) {
    size_t size = 1;
    const char tag = x[at];
    if (tag != 't' && tag != 'u' && tag != '+' && tag != '-') {
      size_t bytes = 0;
      std::memcpy(&bytes, x.data() + at + 1, sizeof bytes);
      size += sizeof bytes + bytes;
    }
    if (x.substr(at, size) != y.substr(at, size)) break;
    number += tag == 't' || tag == 'u' || tag == 'v' || tag == 's' || tag == 'k';
    at += size;
  }
  return number;
}

// Pairs each donated leaf with the first result of its type that is not taken yet.
std::vector<std::pair<uint32_t, uint32_t>> donations(const ir::Graph& g, const std::vector<int>& argument_of,
                                                     const std::vector<int>& donate) {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  std::vector<bool> taken(g.outputs().size(), false);
  for (uint32_t i = 0; i < argument_of.size(); ++i) {
    if (std::find(donate.begin(), donate.end(), argument_of[i]) == donate.end()) continue;
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

std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made) {
  auto state = std::make_shared<JitState>();
  state->options = std::move(options);
  state->made = made;
  return state;
}

JitEntry* find_entry(JitState& state, const Leaves& leaves) {
  thread_local std::string key;
  signature(key, leaves);
  std::lock_guard lock(state.mutex);
  for (const auto& e : state.entries)
    if (e->key == key) return e.get();
  return nullptr;
}

std::shared_ptr<JitEntry> add_entry(JitState& state, const Leaves& leaves, const std::vector<int>& argument_of,
                                    Body body, void* context, bool keep) {
  auto entry = std::make_shared<JitEntry>();
  signature(entry->key, leaves);
  entry->structure_size = leaves.structure.size();
  std::vector<Tensor> inputs;
  for (const Tensor* t : leaves.tensors) inputs.push_back(*t);
  entry->program = *close("jit", inputs, body, context, state.made);
  entry->fuse = state.options.fuse;
  entry->made = state.made;
  entry->name = state.options.name.empty() ? "jit" : state.options.name;
  entry->donations = donations(*entry->program.graph, argument_of, state.options.donate);
  entry->taped = records(inputs);
  for (const Tensor& t : inputs) entry->active.push_back(t.requires_grad() && is_floating(t.dtype()));
  entry->active.resize(entry->program.graph->input_count(), false);
  bool outside = false;  // captured from an enclosing trace: good for this one call only
  for (const Tensor& t : entry->program.captured) outside = outside || t.cell()->traced();
  entry->reusable = keep && !outside;
  return entry;
}

std::shared_ptr<JitEntry> publish_entry(JitState& state, std::shared_ptr<JitEntry> entry,
                                        std::shared_ptr<void> result) {
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
                   "member of its "
                   "arguments changes: member %zu, counting the tensors and values of the arguments from 1 in order. "
                   "Pass it as a tensor "
                   "to compile once.\n",
                   to_string(state.made).c_str(), state.entries.size(),
                   first_difference(*state.entries.front(), *entry));
    }
  }
  return entry;
}

void* result_of(const JitEntry& entry) { return entry.result.get(); }

const runtime::Executable& compiled(JitEntry& entry) {
  std::lock_guard lock(entry.compiling);
  if (!entry.executable) {
    runtime::CompileOptions options;
    options.fuse = entry.fuse;
    options.donations = entry.donations;
    entry.executable = runtime::compile(*entry.program.graph, options);
  }
  return *entry.executable;
}

namespace {

const TapedProgram& taped(JitEntry& entry) {
  std::lock_guard lock(entry.compiling);
  if (!entry.tape) {
    runtime::CompileOptions options;
    options.fuse = entry.fuse;
    entry.tape = make_taped(*entry.program.graph, entry.active, options);
  }
  return *entry.tape;
}

// The plain call: no tape, static shapes. Donated inputs give their memory to their outputs.
void call(JitState& state, JitEntry& entry, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  const runtime::Executable& program = compiled(entry);
  const runtime::Manifest& m = program.manifest();
  constexpr size_t few = 16;
  const void* in_few[few];
  void* out_few[few];
  std::vector<const void*> in_many;
  std::vector<void*> out_many;
  const void** in = in_few;
  void** out = out_few;
  if (inputs.size() > few) in_many.resize(inputs.size()), in = in_many.data();
  if (m.outputs.size() > few) out_many.resize(m.outputs.size()), out = out_many.data();
  for (size_t i = 0; i < inputs.size(); ++i) in[i] = buffer_of(inputs[i], entry.name.c_str(), entry.made)->data();

  outputs.resize(m.outputs.size());
  for (auto [i, o] : m.aliases) {
    Slot& slot = *inputs[i].cell()->slot;
    for (size_t j = 0; j < inputs.size(); ++j)
      if (j != i && in[j] == in[i] && in[i] != nullptr)
        throw Error("'" + entry.name + "': input " + std::to_string(i) + " is donated and also passed as input " +
                        std::to_string(j) + "; pass a copy",
                    entry.made);
    std::shared_ptr<runtime::Buffer> buffer = slot.buffer;
    if (buffer.use_count() == 2 && inputs[i].cell()->slot.use_count() == 1 && !buffer->borrowed()) {
      slot.buffer.reset();
      slot.donated = entry.made;
    } else {
      if (!state.warned_donation.exchange(true))
        std::fprintf(stderr, "tenon: '%s' (%s) copies donated input %u, because somebody else still holds it\n",
                     entry.name.c_str(), to_string(entry.made).c_str(), i);
      auto copy = runtime::Buffer::allocate(buffer->size());
      if (buffer->size() != 0) std::memcpy(copy->mutable_data(), buffer->data(), static_cast<size_t>(buffer->size()));
      buffer = copy;
    }
    in[i] = buffer->data();
    out[o] = buffer->mutable_data();
    outputs[o] = make_concrete(m.outputs[o], std::move(buffer), entry.made);
  }
  for (size_t o = 0; o < m.outputs.size(); ++o) {
    if (outputs[o].defined()) continue;
    const ir::Type& t = m.outputs[o];
    auto buffer = runtime::Buffer::allocate(t.shape.numel() * bytes(t.dtype));
    out[o] = buffer->mutable_data();
    outputs[o] = make_concrete(t, std::move(buffer), entry.made);
  }
  program.run(in, out, nullptr);
}

}  // namespace

void run_entry(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs) {
  std::vector<Tensor> inputs;
  inputs.reserve(leaves.tensors.size() + entry.program.captured.size());
  for (const Tensor* t : leaves.tensors) inputs.push_back(*t);
  inputs.insert(inputs.end(), entry.program.captured.begin(), entry.program.captured.end());
  if (Trace::current()) {
    outputs = apply_graph(*entry.program.graph, inputs, state.made);
    return;
  }
  if (entry.taped) {
    taped(entry);
    outputs = run_taped(entry.name.c_str(), entry.tape, inputs, {}, state.made);
    return;
  }
  call(state, entry, inputs, outputs);
}

}  // namespace tenon::detail
