// Loaded programs: an artifact's code on its device, and calls of it.
#include <algorithm>

#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/buffer.h"
#include "tenon/runtime/compile.h"

namespace tenon::runtime {

Executable::~Executable() {
  if (code_ != nullptr) device_->unload(code_);
}

std::shared_ptr<const Executable> load(Artifact artifact) {
  const FloatEnvironment standard;
  return Executable::link(std::move(artifact));
}

std::shared_ptr<Executable> Executable::link(Artifact artifact) {
  const Device& device = device_of(artifact.manifest.kind);
  std::shared_ptr<Executable> executable(new Executable(device));
  executable->code_ = device.load(artifact);
  executable->artifact_ = std::move(artifact);
  return executable;
}

void Executable::run(const void* const* inputs, void* const* outputs, const int64_t* dims, const tenon_env* env,
                     bool* started) const {
  tenon_error error{};
  tenon_call call{};
  call.struct_size = sizeof call;
  call.inputs = inputs;
  call.outputs = outputs;
  call.dims = dims;
  call.env = env;
  call.error = &error;
  const int32_t code = device_->run(code_, call, started);
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
  Bound bound;
  std::vector<int64_t>& values = bound.values;
  values.assign(m.symbols.size(), -1);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& want = m.inputs[i].shape;
    const Shape& have = inputs[i].type.shape;
    bool fits = want.rank() == have.rank() && m.inputs[i].dtype == inputs[i].type.dtype;
    for (size_t d = 0; fits && d < want.size(); ++d) {
      const Dim w = want[d];
      const int64_t h = have[d].number();
      if (w.is_number())
        fits = w.number() == h;
      else if (m.symbols[w.index()].kind == SymbolKind::free && values[w.index()] < 0)
        values[w.index()] = h;
    }
    if (!fits)
      throw Error("'" + m.entry + "': input " + std::to_string(i) + " is " + ir::to_string(inputs[i].type) + ", not " +
                  type_text(m.inputs[i], m.symbols));
  }
  for (size_t i = 0; i < m.symbols.size(); ++i)
    if (m.symbols[i].kind == SymbolKind::free) bound.dims.push_back(values[i] < 0 ? m.symbols[i].lower : values[i]);
  values = evaluate(m.symbols, bound.dims);
  for (size_t i = 0; i < inputs.size(); ++i)
    for (size_t d = 0; d < m.inputs[i].shape.size(); ++d)
      if (!(inputs[i].type.shape[d] == Symbols::value(m.inputs[i].shape[d], values)))
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
  for (const ir::Type& t : m.outputs) {
    ir::Type type{t.dtype, {}};
    for (Dim d : t.shape) type.shape.push_back(Dim(Symbols::value(d, bound.values)));
    results.emplace_back(type);
  }
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
