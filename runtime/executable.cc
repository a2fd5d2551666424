// Loaded programs: an artifact's code on its device, and calls of it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>

#include "tenon/ir/base/failed_check.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/base/heap_bytes.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/ir/graph/footprint.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/buffer.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/ranks.h"

namespace tenon::runtime {

Executable::~Executable() {
  if (code_ != nullptr) device_->unload(code_);
}

namespace {
uint64_t heap_bytes(const ir::FusionNote& note) { return tenon::heap_bytes(note.reason); }
uint64_t heap_bytes(const KernelRecord& k) {
  return tenon::heap_bytes(k.name) + tenon::heap_bytes(k.kind) + tenon::heap_bytes(k.nodes);
}
uint64_t heap_bytes(const CheckRecord& c) {
  return tenon::heap_bytes(c.custom_call) + tenon::heap_bytes(c.message) + tenon::heap_bytes(c.place);
}
template <class T>
uint64_t all_bytes(const std::vector<T>& v) {
  uint64_t sum = v.empty() ? 0 : v.capacity() * sizeof(T) + block_bytes;
  for (const T& element : v) sum += heap_bytes(element);
  return sum;
}
}  // namespace

int64_t Executable::arena_bytes(const int64_t* dims) const {
  if (manifest_.is_static) return manifest_.arena_bytes;
  return code_ != nullptr && device_->arena_bytes != nullptr ? device_->arena_bytes(code_, dims) : -1;
}

std::string Executable::describe() const {
  return code_ != nullptr && device_->describe != nullptr ? device_->describe(code_) : std::string();
}

uint64_t Executable::memory_bytes() const {
  const Manifest& m = manifest_;
  const uint64_t code_bytes = code_ != nullptr ? device_->code_bytes(code_) : 0;  // none where it is interpreted
  return sizeof(Executable) + 2 * block_bytes + code_bytes + tenon::heap_bytes(m.entry) + tenon::heap_bytes(m.inputs) +
         tenon::heap_bytes(m.outputs) + tenon::heap_bytes(output_bytes_) + tenon::heap_bytes(m.symbols) +
         tenon::heap_bytes(m.aliases) + all_bytes(m.kernels) + all_bytes(m.not_fused) + all_bytes(m.checks);
}

std::shared_ptr<const Executable> load(Artifact artifact, const Device* device) {
  const FloatEnvironment standard;
  const Undisturbed section;
  const Device& where = device != nullptr ? *device : device_of(artifact.manifest.kind);
  ensure(where.kind == artifact.manifest.kind, "a program is loaded on a device of another kind");
  return Executable::link(std::move(artifact), where);
}

void Executable::set_manifest(Manifest manifest) {
  manifest_ = std::move(manifest);
  if (!manifest_.symbols.empty()) return;
  for (const ir::Type& t : manifest_.outputs) output_bytes_.push_back(byte_count(t.shape, bytes(t.dtype)));
}

std::shared_ptr<Executable> Executable::link(Artifact artifact, const Device& device) {
  std::shared_ptr<Executable> executable(new Executable(device));
  executable->code_ = device.load(device, artifact);
  executable->set_manifest(std::move(artifact.manifest));  // the objects have become code
  return executable;
}

namespace {

// What a custom function threw. A buffer of its own: nothing here may throw in turn.
struct Thrown {
  bool any = false;
  char text[400] = "";
};

int32_t call_custom(void* context, tenon_custom function, const void* const* inputs, void* const* outputs) noexcept {
  auto& thrown = *static_cast<Thrown*>(context);
  try {
    return function(inputs, outputs);
  } catch (const std::exception& e) {
    std::snprintf(thrown.text, sizeof thrown.text, "%s", e.what());
  } catch (...) {
    std::snprintf(thrown.text, sizeof thrown.text, "something that is no std::exception");
  }
  thrown.any = true;
  return TENON_THREW;
}

// The caller's environment, or the pool's, as a new one.
tenon_env copied(const tenon_env* env) {
  tenon_env own{};
  if (env == nullptr) env = tenon_runtime_env();
  std::memcpy(&own, env, std::min<size_t>(env->struct_size, sizeof own));
  own.struct_size = sizeof own;
  return own;
}

// The same, with custom functions called by the function above.
tenon_env catching(const tenon_env* env, Thrown& thrown) {
  tenon_env own = copied(env);
  own.call_custom = &call_custom;
  own.custom_context = &thrown;
  return own;
}

[[noreturn]] void refuse(const Manifest& m, int32_t code, const tenon_error& error, const Thrown& thrown) {
  const std::string who = "'" + m.entry + "'";
  if (code == TENON_BAD_EXTENT)
    throw Error(who + ": a symbolic dimension lies outside its bounds, an extent that follows from the dimensions is " +
                "negative, or a tensor would be too large");
  if (code > 0 && static_cast<size_t>(code) <= m.checks.size()) {
    const CheckRecord& check = m.checks[static_cast<size_t>(code) - 1];
    if (check.custom_call.empty()) fail_check(check.message, check.place);
    const std::string call = who + ": the custom call '" + check.custom_call + "' ";
    if (thrown.any) throw Error(call + "threw: " + thrown.text);
    throw Error(call + "failed with code " + std::to_string(error.values[0]));
  }
  if (code == TENON_NO_MEMORY) throw Error(who + ": out of memory while a line was printed");
  if (code > 0) throw Error(who + ": check " + std::to_string(code) + " failed at node " + std::to_string(error.node));
  throw InternalError(who + " refused its call with code " + std::to_string(code));
}

}  // namespace

std::shared_ptr<Executable> Executable::interpreted(const ir::Graph& graph, Artifact artifact, const Device& device) {
  std::shared_ptr<Executable> executable(new Executable(device));
  executable->graph_ = std::make_shared<const ir::Graph>(graph);
  executable->set_manifest(std::move(artifact.manifest));
  return executable;
}

// The same call, the same bits, slowly.
void Executable::interpret(const void* const* inputs, void* const* outputs, const int64_t* dims) const {
  const Manifest& m = manifest();
  std::vector<int64_t> free_symbols;
  for (const Symbol& s : m.symbols)
    if (s.kind == SymbolKind::free) free_symbols.push_back(dims[free_symbols.size()]);
  const std::vector<int64_t> values = evaluate(m.symbols, free_symbols);
  std::vector<ir::Array> arrays;
  for (size_t i = 0; i < m.inputs.size(); ++i) {
    ir::Array& array = arrays.emplace_back(ir::resolved(m.inputs[i], values));
    if (!array.data.empty()) device_->copy_out(*device_, array.data.data(), inputs[i], array.data.size());
  }
  const InterpretingRanks ranks(current_ranks());
  const std::vector<ir::Array> results = ir::interpret(*graph_, arrays);
  for (size_t o = 0; o < results.size(); ++o)
    if (!results[o].data.empty())
      device_->copy_in(*device_, outputs[o], results[o].data.data(), results[o].data.size());
}

void Executable::run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env,
                     bool* started, const Caller& caller) const {
  if (graph_ != nullptr) return interpret(inputs, outputs, dims);
  tenon_error error{};
  tenon_call call{sizeof call, inputs, outputs, nullptr, dims, env, &error};
  if (!manifest_.checks.empty() || manifest_.ranks > 0) return run_with_company(call, started, caller);
  const int32_t code = device_->run(*device_, code_, call, caller, started);
  if (code != TENON_OK) refuse(manifest_, code, error, {});
}

// A program that calls custom functions or speaks with other ranks, in an environment of its own.
void Executable::run_with_company(tenon_call& call, bool* started, const Caller& caller) const {
  Thrown thrown;
  const bool alone = call.env == nullptr;
  tenon_env own = manifest_.checks.empty() ? copied(call.env) : catching(call.env, thrown);
  if (manifest_.ranks > 0) {
    if (alone || own.ranks == nullptr) own.ranks = current_ranks();
    if (static_cast<uint64_t>(own.ranks->size) < manifest_.ranks)
      throw Error("'" + manifest_.entry + "' speaks with " + std::to_string(manifest_.ranks) +
                  " ranks, and the world has " + std::to_string(own.ranks->size) + "; start it with mpirun -n " +
                  std::to_string(manifest_.ranks) + ", or in tn::dist::simulate");
  }
  call.env = &own;
  const int32_t code = device_->run(*device_, code_, call, caller, started);
  if (code == TENON_RANKS_FAILED) throw Error(own.ranks->message(own.ranks->world));
  if (code != TENON_OK) refuse(manifest_, code, *call.error, thrown);
}

namespace {

std::string type_text(const ir::Type& type, std::span<const Symbol> symbols) {
  std::string text = std::string(name(type.dtype)) + "[";
  for (size_t i = 0; i < type.shape.size(); ++i) text += (i ? ", " : "") + to_string(type.shape[i], symbols);
  return text + "]";
}

// The values of all symbols and those of the free ones, from the arrays' shapes.
struct Bound {
  std::vector<int64_t> values, dims;
};
Bound bind(const Manifest& m, std::span<const ir::Array> inputs) {
  if (inputs.size() != m.inputs.size())
    throw Error("'" + m.entry + "' takes " + std::to_string(m.inputs.size()) + " inputs");
  const auto type_of = [&](size_t i) -> const ir::Type& { return m.inputs[i]; };
  const auto shape_of = [&](size_t i) -> const Shape& { return inputs[i].type.shape; };
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape &want = m.inputs[i].shape, &have = shape_of(i);
    bool fits = want.rank() == have.rank() && m.inputs[i].dtype == inputs[i].type.dtype;
    for (size_t d = 0; fits && d < want.size(); ++d) fits = want[d].is_symbol() || want[d] == have[d];
    if (!fits)
      throw Error("'" + m.entry + "': input " + std::to_string(i) + " is " + ir::to_string(inputs[i].type) + ", not " +
                  type_text(m.inputs[i], m.symbols));
  }
  Bound bound;
  bound.dims = ir::free_values(m.symbols, inputs.size(), type_of, shape_of);
  bound.values = evaluate(m.symbols, bound.dims);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (ir::resolved(m.inputs[i], bound.values) != inputs[i].type)
      throw Error("'" + m.entry + "': input " + std::to_string(i) + " is " + ir::to_string(inputs[i].type) +
                  ": equal symbols are equal extents");
  return bound;
}

int64_t size_of(const ir::Array& a) { return static_cast<int64_t>(a.data.size()); }

}  // namespace

std::vector<ir::Array> Executable::run(std::span<const ir::Array> inputs, const tenon_env* env) const {
  const Manifest& m = manifest();
  const Bound bound = bind(m, inputs);
  std::vector<ir::Array> results;
  for (const ir::Type& t : m.outputs) results.emplace_back(ir::resolved(t, bound.values));
  for (auto [input, output] : m.aliases) results[output].data = inputs[input].data;
  std::vector<const void*> in;
  std::vector<void*> out;
  std::vector<std::shared_ptr<Buffer>> held;
  if (device_->host_addressed) {
    // Arrays come from the heap, whose alignment is only an element's: exactly what the entry point asks for.
    for (const ir::Array& a : inputs) in.push_back(a.data.data());
    for (ir::Array& a : results) out.push_back(a.data.data());
  } else {
    const auto copied = [&](const ir::Array& a) {
      held.push_back(Buffer::allocate(size_of(a), *device_));
      held.back()->write(a.data.data());
      return held.back()->address();
    };
    for (const ir::Array& a : inputs) in.push_back(copied(a));
    for (const ir::Array& a : results) out.push_back(copied(a));
  }
  for (auto [input, output] : m.aliases) in[input] = out[output];
  run(in.data(), out.data(), bound.dims.data(), env);
  for (size_t i = 0; i < held.size() && i < results.size(); ++i) held[inputs.size() + i]->read(results[i].data.data());
  return results;
}

}  // namespace tenon::runtime
