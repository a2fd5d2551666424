// Eager programs, compiled once per function, attributes, dtypes and pattern of extents (1 stays 1, equal extents share a
// symbol), so new shapes compile nothing. Where the rules of an op need numbers, every shape has a program of its own.
#include "tenon/frontend/tensor/eager.h"

#include "tenon/frontend/tensor/callable.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/key.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/quick_call.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/memory_cache.h"

namespace tenon {
namespace {

// What a program is made for.
struct Wanted {
  const runtime::Device& device;
  const Emit& emit;
  const ir::Attrs& attrs;
  std::span<const Tensor> inputs;
  const Location& at;
  bool taped;
  bool check_nans = runtime::hunts_nans();
  std::vector<Part> parts = {};  // of a taped one
  std::vector<uint32_t> same = {};
};
using CallablePtr = std::shared_ptr<const Callable>;  // without a program: every shape needs one of its own

// Formulas compute integers in the default dtype.
void write_function(KeyWriter& writer, KeyBytes& key, char kind, bool general, const runtime::Device& device,
                    const Emit& emit) {
  key.word(uint64_t{static_cast<unsigned char>(kind)} | uint64_t{general} << 8 |
           uint64_t{static_cast<unsigned char>(device_tag(device))} << 16 |
           uint64_t{static_cast<unsigned char>(default_dtype())} << 24);
  key.word(reinterpret_cast<uintptr_t>(emit.build));
  writer.text(emit.name);
  key.pad();
}

KeyBytes key_of(const Wanted& w, ExtentPattern* pattern) {
  KeyBytes key;
  KeyWriter writer(key, pattern);
  write_function(writer, key, w.taped ? 't' : 'e', pattern != nullptr, w.device, w.emit);
  for (size_t i = 0; i < w.inputs.size(); ++i) {
    writer.tensor(*w.inputs[i].cell(), w.taped ? w.parts[i] : Part::none);
    if (w.taped) writer.number(w.same[i]);
  }
  writer.attributes(w.attrs);
  if (w.check_nans) writer.text(to_string(w.at));  // which its errors name
  return key;
}

std::shared_ptr<const ir::Graph> graph_of(const Wanted& w, ExtentPattern* pattern) {
  ir::GraphBuilder builder(w.emit.name);
  builder.merging = !w.taped;  // what is differentiated keeps the program's own order of sums, as a trace does
  if (pattern)
    for (size_t i = 0; i < pattern->values().size(); ++i) builder.symbols().add("d" + std::to_string(i), 2);
  std::vector<ir::Value> values;
  for (const Tensor& t : w.inputs) {
    const ir::Type& type = t.cell()->type;
    values.push_back({&builder, builder.input(pattern ? pattern->generalize(type) : type)});
  }
  builder.set_location(w.at);
  std::vector<ir::ValueId> outputs;
  for (const ir::Value& v : w.emit.build(builder, values, pattern ? pattern->generalize(w.attrs) : w.attrs))
    outputs.push_back(v.id);
  return builder.finish(outputs);
}

// Whether a graph over symbols says of these extents what the type rules say of the numbers. The rules leave to the run what
// they cannot compare, as extents whose definitions must hold; they see that a tensor is too large, or an axis empty, in
// numbers alone.
bool decided(const ir::Graph& graph, std::span<const int64_t> extents) {
  try {
    const std::vector<int64_t> values = graph.symbols->evaluate({extents.begin(), extents.end()});
    for (uint32_t v = 0; v < graph.value_count(); ++v) {
      const ir::Type& type = graph.type(ir::ValueId{v});
      Shape shape;
      for (Dim d : type.shape) {
        shape.push_back(Symbols::value(d, values));
        if (d.is_symbol() && shape[shape.size() - 1] == 0) return false;
      }
      check_size(shape, bytes(type.dtype));
    }
  } catch (const Error&) {
    return false;
  }
  return true;
}

CallablePtr compile(const Wanted& w, const ir::Graph& graph) {
  auto callable = std::make_shared<Callable>();
  callable->name = w.emit.name;
  if (w.taped) {
    callable->tape = make_taped(graph, w.parts, w.same, {.check_nans = w.check_nans, .device = &w.device});
    callable->program = callable->tape->forward;
  } else {
    callable->program = runtime::compile(graph, {.check_nans = w.check_nans, .device = &w.device});
  }
  return callable;
}

// One program for all extents of the pattern; null where the op's rules need numbers, or refuse these.
CallablePtr compile_general(const Wanted& w, ExtentPattern& pattern) {
  try {
    const auto graph = graph_of(w, &pattern);
    return decided(*graph, pattern.values()) ? compile(w, *graph) : nullptr;
  } catch (const Error&) {
    return nullptr;
  }
}

// A graph with attributes that hold sub-graphs is compiled for its exact shapes.
bool has_graph(const ir::Attrs& attrs) {
  for (const ir::Attr& a : attrs)
    if (a.graph) return true;
  return false;
}

runtime::CacheOf<const Callable>& programs() {
  static constinit Forever<runtime::CacheOf<const Callable>> cache;
  return cache.get([] { return new runtime::CacheOf<const Callable>(runtime::CacheKind::eager); });
}

CallablePtr keep(const KeyBytes& key, const CallablePtr& made) {
  return programs().keep(key.view(), made, made->memory_bytes());
}

// The program for the very extents at hand. What is wrong with them is told here, in numbers.
CallablePtr exact(const Wanted& w) {
  const KeyBytes key = key_of(w, nullptr);
  if (CallablePtr found = programs().find(key.view())) return found;
  const FloatEnvironment standard;  // a program that is there computes nothing outside its own code
  return keep(key, compile(w, *graph_of(w, nullptr)));
}

// Fills the pattern that the program is general over; it stays empty for a program of one shape.
CallablePtr find_or_compile(const Wanted& w, ExtentPattern& pattern) {
  if (has_graph(w.attrs)) return exact(w);
  const KeyBytes key = key_of(w, &pattern);
  CallablePtr found = programs().find(key.view());
  if (found && found->program) return found;
  const FloatEnvironment standard;
  const bool fresh = !found;
  if (fresh) found = compile_general(w, pattern);
  if (fresh && found) return keep(key, found);
  pattern = {};
  found = exact(w);
  if (fresh) keep(key, std::make_shared<Callable>());
  return found;
}

// Whether the extents of a call are such as the program is for.
bool fits(const Callable& callable, std::span<const int64_t> extents) {
  try {
    (void)evaluate(callable.program->manifest().symbols, {extents.begin(), extents.end()});
  } catch (const Error&) {
    return false;
  }
  return true;
}

// A call that is not recorded, of a program for all extents that is there: in a section, without a lock, without asking for memory.
// False, having done nothing, for any other; whatever is wrong with a call is told where it is made in full.
bool called_quickly(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at,
                    Tensors& results) {
  if (inputs.empty() || runtime::hunts_nans() || has_graph(attrs)) return false;
  const runtime::Device* device = nullptr;
  const Tensor* after_backward = nullptr;
  const bool recording = grad_enabled();
  for (const Tensor& t : inputs) {
    if (!t.defined() || t.cell()->place == nullptr || (recording && t.cell()->has_history())) return false;
    if (device != nullptr && t.cell()->place != device) return false;
    device = t.cell()->place;
    if (t.cell()->backward.known() && after_backward == nullptr) after_backward = &t;
  }
  auto& cache = programs();
  const runtime::Reading section;
  ExtentPattern pattern;
  KeyBytes key;
  KeyWriter writer(key, &pattern);
  write_function(writer, key, 'e', true, *device, emit);
  Pins pins(section.thread());
  for (const Tensor& t : inputs) {
    writer.tensor(*t.cell(), Part::none);
    pins.add(*t.cell()->slot);
  }
  writer.attributes(attrs);
  const auto* const found = cache.find(key.view(), section);
  if (found == nullptr || cache.in(*found).program == nullptr) return false;
  const runtime::Executable& program = *cache.in(*found).program;
  pins.hold();
  Addresses in;
  in.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (pins[i] == nullptr) return false;
    in[i] = pins[i]->address();
  }
  try {
    run_into(results, program, in.data(), pattern.values(), {emit.name, at}, nullptr);
  } catch (const Error&) {
    if (fits(cache.in(*found), pattern.values())) throw;
    results.resize(0);
    return false;
  }
  if (after_backward != nullptr) pass_gradients_on({after_backward, 1}, {results.data(), results.size()});
  return true;
}

}  // namespace

void apply_eagerly(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at,
                   Tensors& results) {
  if (called_quickly(emit, attrs, inputs, at, results)) return;
  for (const Tensor& t : inputs) {
    if (!t.defined()) throw Error(std::string(emit.name) + ": an operand is undefined; give it a value first", at);
    check_readable(t, emit.name, at);
  }
  const runtime::Device& device = device_of_all(inputs, emit.name, at);
  Wanted wanted{device, emit, attrs, inputs, at, records(inputs)};
  if (wanted.taped) wanted.parts = parts_of(inputs), wanted.same = same_values(inputs);
  ExtentPattern pattern;
  const CallablePtr callable = find_or_compile(wanted, pattern);
  try {
    return call(*callable, inputs, pattern.values(), at, results);
  } catch (const Error&) {
    if (fits(*callable, pattern.values())) throw;
  }
  results.resize(0);
  pattern = {};  // what is wrong with these extents is told in numbers
  call(*exact(wanted), inputs, pattern.values(), at, results);
}

}  // namespace tenon
