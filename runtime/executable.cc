// Linked programs: loading an artifact into this process and calling it.
#include <algorithm>
#include <map>
#include <mutex>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/array.h"
#include "tenon/runtime/code_memory.h"
#include "tenon/runtime/compile.h"

namespace tenon::runtime {
namespace {

struct CustomCalls {
  std::mutex mutex;
  std::map<std::string, void*> functions;
};
CustomCalls& custom_calls() {
  static auto* calls = new CustomCalls;  // never destroyed: programs may run until the process ends
  return *calls;
}

void* resolve(const char* symbol) {
  CustomCalls& calls = custom_calls();
  std::lock_guard lock(calls.mutex);
  const auto it = calls.functions.find(symbol);
  return it == calls.functions.end() ? nullptr : it->second;
}

const codegen::CodeMemory memory{&allocate_code, &release_code, &resolve};

// The arena of one call, from the recycling allocator.
struct Arena {
  void* data = nullptr;
  uint64_t size = 0;
  explicit Arena(int64_t bytes) : size(static_cast<uint64_t>(bytes)) {
    if (size == 0) return;
    data = tenon_alloc(size);
    if (data == nullptr)
      throw Error("out of memory: an arena of " + std::to_string(size) + " bytes could not be allocated");
  }
  ~Arena() {
    if (data != nullptr) tenon_free(data, size);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
};

}  // namespace

void register_custom_call(const std::string& name, void* function) {
  if (const std::string fault = codegen::custom_name_fault(name); !fault.empty())
    throw Error("register_custom_call: the name '" + name.substr(0, 100) + "' " + fault +
                "; name a C function of your own");
  if (function == nullptr) throw Error("register_custom_call: no function is given for '" + name + "'");
  CustomCalls& calls = custom_calls();
  std::lock_guard lock(calls.mutex);
  calls.functions[name] = function;
}

struct Executable::Code {
  codegen::Linked linked;
  ~Code() { release_code(linked.code); }
};

Executable::~Executable() = default;

std::shared_ptr<const Executable> load(Artifact artifact) { return Executable::link(std::move(artifact)); }

std::shared_ptr<Executable> Executable::link(Artifact artifact) {
  if (tenon_cpu_level() < artifact.manifest.level)
    throw Error("this processor lacks x86-64-v" + std::to_string(artifact.manifest.level) + ", which '" +
                artifact.manifest.entry + "' was compiled for; compile it with a lower target");
  std::shared_ptr<Executable> executable(new Executable);
  executable->code_ = std::make_unique<Code>();
  executable->code_->linked = codegen::link_objects(artifact.objects, artifact.manifest.entry, memory);
  executable->artifact_ = std::move(artifact);
  return executable;
}

void Executable::run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env,
                     bool* started) const {
  const codegen::Linked& linked = code_->linked;
  // Planned buffers and the kernels' scratch memory; negative if the extents are such that the entry refuses them.
  const Arena arena(std::max<int64_t>(0, linked.arena_bytes(dims)));
  tenon_error error{};
  tenon_call call{};
  call.struct_size = sizeof call;
  call.inputs = inputs;
  call.outputs = outputs;
  call.arena = arena.data;
  call.dims = dims;
  call.env = env ? env : tenon_runtime_env();
  call.error = &error;
  if (started != nullptr) *started = true;
  const int32_t code = linked.entry(&call);
  if (code == TENON_OK) return;
  if (code == TENON_BAD_EXTENT)
    throw Error("'" + manifest().entry +
                "': a symbolic dimension lies outside its bounds, an extent that follows from " +
                "the dimensions is negative, or a tensor would be too large");
  if (code > 0)
    throw Error("'" + manifest().entry + "': check " + std::to_string(code) + " failed at node " +
                std::to_string(error.node));
  throw InternalError("'" + manifest().entry + "' refused its call with code " + std::to_string(code));
}

std::vector<ir::Array> Executable::run(std::span<const ir::Array> inputs, const tenon_env* env) const {
  const Manifest& m = manifest();
  if (inputs.size() != m.inputs.size())
    throw Error("'" + m.entry + "' takes " + std::to_string(m.inputs.size()) + " inputs");
  std::vector<int64_t> values(m.symbols.size(), -1), dims;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& want = m.inputs[i].shape;
    const Shape& have = inputs[i].type.shape;
    bool fits = want.rank() == have.rank() && m.inputs[i].dtype == inputs[i].type.dtype;
    for (int d = 0; fits && d < want.rank(); ++d) {
      const Dim w = want[static_cast<size_t>(d)];
      const int64_t h = have[static_cast<size_t>(d)].number();
      if (w.is_number())
        fits = w.number() == h;
      else if (m.symbols[w.index()].kind == SymbolKind::free && values[w.index()] < 0)
        values[w.index()] = h;
    }
    if (!fits)
      throw Error("'" + m.entry + "': input " + std::to_string(i) + " is " + ir::to_string(inputs[i].type) + ", not " +
                  ir::to_string(m.inputs[i]));
  }
  for (size_t i = 0; i < m.symbols.size(); ++i)
    if (m.symbols[i].kind == SymbolKind::free) dims.push_back(values[i] < 0 ? m.symbols[i].lower : values[i]);
  values = evaluate(m.symbols, dims);
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t d = 0; d < m.inputs[i].shape.size(); ++d)
      if (!(inputs[i].type.shape[d] == Symbols::value(m.inputs[i].shape[d], values)))
        throw Error("'" + m.entry + "': input " + std::to_string(i) + " is " + ir::to_string(inputs[i].type) +
                    ": equal symbols are equal extents");
  std::vector<const void*> in;
  for (const ir::Array& a : inputs) in.push_back(a.data.data());
  std::vector<ir::Array> results;
  std::vector<void*> out;
  for (const ir::Type& t : m.outputs) {
    ir::Type type{t.dtype, {}};
    for (Dim d : t.shape) type.shape.push_back(Dim(Symbols::value(d, values)));
    results.emplace_back(type);
  }
  // Arrays come from the heap, whose alignment is only an element's: exactly what the entry point asks for.
  for (ir::Array& a : results) out.push_back(a.data.data());
  for (auto [input, output] : m.aliases)
    std::copy_n(static_cast<const unsigned char*>(in[input]), results[output].data.size(),
                results[output].data.begin());
  for (auto [input, output] : m.aliases) in[input] = out[output];
  run(in.data(), out.data(), dims.data(), env);
  return results;
}

}  // namespace tenon::runtime
