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
    key += static_cast<char>(c.active() ? Part::active : c.has_history() ? Part::flat : Part::none);
    put(key, c.type.shape.rank());
    for (Dim d : c.type.shape) put(key, d.code());
  }
  key += grad_enabled() ? 'G' : 'N';
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

std::shared_ptr<JitState> make_jit(JitOptions options, const Location& made) {
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
}

JitEntry* find_entry(JitState& state, const Leaves& leaves) {
  thread_local std::string key;
  signature(key, leaves);
  std::lock_guard lock(state.mutex);
  for (const auto& e : state.entries)
    if (e->key == key) return e.get();
  return nullptr;
}

std::shared_ptr<JitEntry> add_entry(JitState& state, const Leaves& leaves, std::vector<std::vector<TreeItem>> arguments,
                                    Body body, void* context, bool keep) {
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
        entry->inputs.push_back(place_in(n, item.path));
        entry->donated.push_back(std::find(donate.begin(), donate.end(), static_cast<int>(n)) != donate.end());
      }
      item.tensor = nullptr;
    }
  entry->arguments = std::move(arguments);
  signature(entry->key, leaves);
  entry->structure_size = leaves.structure.size();
  std::vector<Tensor> inputs;
  for (const Tensor* t : leaves.tensors) inputs.push_back(*t);
  entry->program = *close("jit", inputs, body, context, state.made);
  entry->fuse = state.options.fuse;
  entry->made = state.made;
  entry->name = state.options.name.empty() ? "jit" : state.options.name;
  entry->donations = donations(*entry->program.graph, entry->donated);
  entry->taped = records(inputs);
  entry->parts = parts_of(inputs);
  entry->parts.resize(entry->program.graph->input_count(), Part::none);
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
                   "member of its arguments changes: %s, counting from 0. Pass it as a tensor to compile once.\n",
                   to_string(state.made).c_str(), state.entries.size(),
                   first_difference(*state.entries.front(), *entry).c_str());
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

std::shared_ptr<const TapedProgram> taped(JitEntry& entry, const std::vector<uint32_t>& same) {
  std::lock_guard lock(entry.compiling);
  std::shared_ptr<const TapedProgram>& tape = entry.tapes[same];
  if (!tape) {
    runtime::CompileOptions options;
    options.fuse = entry.fuse;
    tape = make_taped(*entry.program.graph, entry.parts, same, options);
  }
  return tape;
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
  for (size_t i = 0; i < inputs.size(); ++i) in[i] = buffer_of(inputs[i], entry.name.c_str(), entry.made)->address();

  const auto name = [&](size_t i) { return i < entry.inputs.size() ? entry.inputs[i] : "a tensor that it captured"; };
  for (size_t i = 0; i < entry.donated.size(); ++i)
    for (size_t j = 0; entry.donated[i] && j < inputs.size(); ++j)
      if (j != i && in[j] == in[i] && inputs[j].cell()->slot->buffer == inputs[i].cell()->slot->buffer)
        throw Error("'" + entry.name + "': the tensor of " + name(i) + " is donated and also passed as " + name(j) +
                        "; pass a copy",
                    entry.made);

  outputs.resize(m.outputs.size());
  for (auto [i, o] : m.aliases) {
    const Slot& slot = *inputs[i].cell()->slot;
    std::shared_ptr<runtime::Buffer> buffer = slot.buffer;
    // Held by this slot and by us alone, and the slot by no other tensor: ours to write.
    const bool alone = buffer.use_count() == 2 && inputs[i].cell()->slot.use_count() == 1 && !buffer->borrowed();
    if (!alone) {
      if (!state.warned_donation.exchange(true))
        std::fprintf(stderr, "tenon: '%s' (%s) copies the donated tensor of %s, because somebody else still holds it\n",
                     entry.name.c_str(), to_string(entry.made).c_str(), name(i).c_str());
      auto copy = runtime::Buffer::allocate(buffer->size(), buffer->device());
      copy->copy(*buffer);
      buffer = copy;
    }
    in[i] = buffer->address();
    out[o] = buffer->address();
    outputs[o] = make_concrete(m.outputs[o], std::move(buffer), entry.made);
  }
  for (size_t o = 0; o < m.outputs.size(); ++o) {
    if (outputs[o].defined()) continue;
    const ir::Type& t = m.outputs[o];
    auto buffer = runtime::Buffer::allocate(byte_count(t.shape, bytes(t.dtype)), program.device());
    out[o] = buffer->address();
    outputs[o] = make_concrete(t, std::move(buffer), entry.made);
  }
  // A call that is refused leaves its donated tensors as they were.
  bool started = false;
  const auto take = [&] {
    for (auto [i, o] : m.aliases) {
      Slot& slot = *inputs[i].cell()->slot;
      if (slot.buffer->address() != in[i]) continue;  // copied
      slot.buffer.reset();
      slot.donated = entry.made;
    }
  };
  try {
    program.run(in, out, nullptr, nullptr, &started);
  } catch (...) {
    if (started) take();
    throw;
  }
  take();
}

}  // namespace

namespace {

void run_here(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs) {
  std::vector<Tensor> inputs;
  inputs.reserve(leaves.tensors.size() + entry.program.captured.size());
  for (const Tensor* t : leaves.tensors) inputs.push_back(*t);
  inputs.insert(inputs.end(), entry.program.captured.begin(), entry.program.captured.end());
  if (Trace::current()) {
    outputs = apply_graph(*entry.program.graph, inputs, state.made);
    return;
  }
  if (entry.taped) {
    outputs = run_taped(entry.name.c_str(), taped(entry, same_values(inputs)), inputs, {}, state.made);
    return;
  }
  call(state, entry, inputs, outputs);
  pass_gradients_on(inputs, outputs);
}

}  // namespace

// Errors that arise where no place is known (no memory, a name that nobody registered) get the place of the jit.
void run_entry(JitState& state, JitEntry& entry, const Leaves& leaves, std::vector<Tensor>& outputs) {
  try {
    run_here(state, entry, leaves, outputs);
  } catch (const Error& e) {
    if (e.where().known()) throw;
    throw Error("'" + entry.name + "': " + e.message(), entry.made);
  } catch (const std::bad_alloc&) {
    throw Error("'" + entry.name + "': out of memory", entry.made);
  }
}

}  // namespace tenon::detail
