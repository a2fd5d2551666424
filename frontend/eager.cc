// Applying frontend functions: into the current trace, or eagerly through a small program that is compiled once per
// function, attributes, dtypes and pattern of extents (1 stays 1, equal extents share a symbol), so new shapes compile nothing.
#include <cstring>

#include "tenon/frontend/cell.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

// Small classes of equal extents: class i becomes symbol i.
struct Pattern {
  std::vector<int64_t> values;
  Dim symbol_for(int64_t v) {
    if (v <= 1) return Dim(v);
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] == v) return Dim::symbol(static_cast<uint32_t>(i));
    values.push_back(v);
    return Dim::symbol(static_cast<uint32_t>(values.size() - 1));
  }
};

void put(std::string& key, const void* bytes, size_t n) { key.append(static_cast<const char*>(bytes), n); }
void put(std::string& key, int64_t v) { put(key, &v, sizeof v); }

void put_dims(std::string& key, std::span<const Dim> dims, Pattern* pattern) {
  put(key, static_cast<int64_t>(dims.size()));
  for (Dim d : dims) put(key, pattern ? pattern->symbol_for(d.number()).code() : d.code());
}

void put_attrs(std::string& key, const ir::Attrs& attrs, Pattern* pattern) {
  for (const ir::Attr& a : attrs) {
    key += static_cast<char>(a.kind);
    key += static_cast<char>(a.dtype);
    put(key, static_cast<int64_t>(a.integers.size()));
    put(key, a.integers.data(), a.integers.size() * sizeof(int64_t));
    put_dims(key, a.dims, pattern);
    put(key, static_cast<int64_t>(a.text.size()));
    key += a.text;
    if (a.graph) key += a.graph->text();
  }
}

ir::Attrs generalize(const ir::Attrs& attrs, Pattern& pattern) {
  ir::Attrs out = attrs;
  for (ir::Attr& a : out)
    for (Dim& d : a.dims) d = pattern.symbol_for(d.number());
  return out;
}

struct EagerProgram {
  bool needs_exact = false;  // the op's rules need numbers: every shape has a program of its own
  std::shared_ptr<const runtime::Executable> plain;
  std::shared_ptr<const TapedProgram> taped;
};

// A graph with attributes that hold sub-graphs is compiled for its exact shapes.
bool has_graph(const ir::Attrs& attrs) {
  for (const ir::Attr& a : attrs)
    if (a.graph) return true;
  return false;
}

std::shared_ptr<const EagerProgram> compile_eager(const Emit& emit, const ir::Attrs& attrs,
                                                  std::span<const Tensor> inputs, bool symbolic,
                                                  const std::vector<Part>* parts, Pattern& pattern,
                                                  const Location& at) {
  ir::GraphBuilder builder(emit.name);
  builder.merging = parts == nullptr;  // what is differentiated keeps the program's own order of sums, as a trace does
  if (symbolic)
    for (size_t i = 0; i < pattern.values.size(); ++i) builder.symbols().add("d" + std::to_string(i), 2);
  std::vector<ir::Value> values;
  for (const Tensor& t : inputs) {
    ir::Type type = t.cell()->type;
    if (symbolic) {
      Shape shape;
      for (Dim d : type.shape) shape.push_back(pattern.symbol_for(d.number()));
      type.shape = shape;
    }
    values.push_back({&builder, builder.input(type)});
  }
  builder.set_location(at);
  const std::vector<ir::Value> results = emit.build(builder, values, symbolic ? generalize(attrs, pattern) : attrs);
  std::vector<ir::ValueId> outputs;
  for (const ir::Value& v : results) outputs.push_back(v.id);
  auto graph = builder.finish(outputs);
  auto program = std::make_shared<EagerProgram>();
  if (parts)
    program->taped = make_taped(*graph, *parts, same_values(inputs), {});
  else
    program->plain = runtime::compile(*graph, {});
  return program;
}

// Type errors are found on the real shapes, before symbols hide them.
void check_types(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at) {
  ir::GraphBuilder builder(emit.name);
  std::vector<ir::Value> values;
  for (const Tensor& t : inputs) {
    builder.set_location(t.cell()->made);
    values.push_back({&builder, builder.input(t.cell()->type)});
  }
  builder.set_location(at);
  emit.build(builder, values, attrs);
}

std::vector<Tensor> apply_eager(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                                const Location& at) {
  for (const Tensor& t : inputs) {
    if (!t.defined()) throw Error(std::string(emit.name) + ": an operand is undefined; give it a value first", at);
    buffer_of(t, emit.name, at);
  }
  const bool taped = records(inputs);
  std::vector<Part> parts;
  std::vector<uint32_t> same;
  if (taped) parts = parts_of(inputs), same = same_values(inputs);

  Pattern pattern;
  thread_local std::string key;
  const auto make_key = [&](bool symbolic) {
    key.assign(taped ? "taped " : "eager ");
    key += symbolic ? 's' : 'x';
    key += emit.name;
    put(key, reinterpret_cast<intptr_t>(emit.build));
    pattern.values.clear();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ir::Type& type = inputs[i].cell()->type;
      key += static_cast<char>(type.dtype);
      if (taped) key += static_cast<char>(parts[i]), put(key, same[i]);
      put_dims(key, type.shape.dims(), symbolic ? &pattern : nullptr);
    }
    put_attrs(key, attrs, symbolic ? &pattern : nullptr);
  };
  const auto find_or_compile = [&](bool symbolic) {
    make_key(symbolic);
    auto program = std::static_pointer_cast<const EagerProgram>(runtime::find_cached(key));
    if (program) return program;
    const std::string kept = key;  // compilation may apply ops of its own
    check_types(emit, attrs, inputs, at);
    try {
      program = compile_eager(emit, attrs, inputs, symbolic, taped ? &parts : nullptr, pattern, at);
    } catch (const Error&) {
      if (!symbolic) throw;
      auto exact = std::make_shared<EagerProgram>();
      exact->needs_exact = true;
      program = exact;
    }
    runtime::keep_cached(kept, program);
    return program;
  };
  auto program = find_or_compile(!has_graph(attrs));
  if (program->needs_exact) program = find_or_compile(false);
  if (taped) return run_taped(emit.name, program->taped, inputs, pattern.values, at);
  std::vector<Tensor> results = run_plain(*program->plain, inputs, pattern.values, at);
  pass_gradients_on(inputs, results);
  return results;
}

}  // namespace

namespace {

std::vector<Tensor> apply_here(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                               const Location& at) {
  Trace* trace = Trace::current();
  for (const Tensor& t : inputs)
    if (trace == nullptr && t.defined() && t.cell()->traced())
      throw Error(
          std::string(emit.name) + ": leaked tensor: " + describe(t) +
              " belongs to a trace that has ended. Return it from the traced function instead of storing it outside",
          at);
  if (trace == nullptr) return apply_eager(emit, attrs, inputs, at);
  std::vector<ir::Value> values;
  for (const Tensor& t : inputs) values.push_back(trace->value(t, at));
  trace->builder.set_location(at);
  std::vector<Tensor> results;
  for (const ir::Value& v : emit.build(trace->builder, values, attrs))
    results.push_back(make_traced(v.type(), trace->number, v.id, at));
  return results;
}

}  // namespace

// Every error names the op and the caller's place, also those that arise where neither is known: extents that do not fit,
// memory that is not there.
std::vector<Tensor> apply(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                          const Location& at) {
  try {
    return apply_here(emit, attrs, inputs, at);
  } catch (const Error& e) {
    if (e.where().known()) throw;
    throw Error(std::string(emit.name) + ": " + e.message(), at);
  } catch (const std::bad_alloc&) {
    throw Error(std::string(emit.name) + ": out of memory", at);
  }
}

Tensor apply_one(const Emit& emit, const ir::Attrs& attrs, std::initializer_list<Tensor> inputs, const Location& at) {
  return apply(emit, attrs, std::span(inputs.begin(), inputs.size()), at)[0];
}

namespace {

template <ir::Op op>
std::vector<ir::Value> build_primitive(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return ir::apply(b, op, x, attrs);
}

// One Emit per row, so that a primitive is an eager program like any other function.
constexpr Emit primitives[] = {
#define TENON_OP(name, ...) {#name, build_primitive<ir::Op::name>},
#include "tenon/ir/ops.def"
};

}  // namespace

std::vector<Tensor> apply_primitive(ir::Op op, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                                    const Location& at) {
  return apply(primitives[static_cast<int>(op)], attrs, inputs, at);
}

std::vector<Tensor> apply_graph(const ir::Graph& graph, std::span<const Tensor> inputs, const Location& at) {
  if (Trace* trace = Trace::current()) {
    std::vector<ir::ValueId> ids;
    for (const Tensor& t : inputs) ids.push_back(trace->value(t, at).id);
    std::vector<Tensor> results;
    for (ir::ValueId id : trace->builder.splice(graph, ids))
      results.push_back(make_traced(trace->builder.type(id), trace->number, id, at));
    return results;
  }
  std::vector<Tensor> values(graph.value_count());
  std::vector<uint32_t> last_use(graph.value_count(), 0);
  for (uint32_t n = 0; n < graph.node_count(); ++n)
    for (ir::ValueId v : graph.operands(graph.nodes()[n])) last_use[index(v)] = n;
  for (ir::ValueId v : graph.outputs()) last_use[index(v)] = graph.node_count();
  for (size_t i = 0; i < inputs.size(); ++i) values[i] = inputs[i];
  std::vector<Tensor> operands;
  for (uint32_t n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    operands.clear();
    for (ir::ValueId v : graph.operands(node)) operands.push_back(values[index(v)]);
    const Location& where = graph.location(node);
    std::vector<Tensor> results = apply_primitive(node.op, graph.attrs(node), operands, where.known() ? where : at);
    for (uint32_t r = 0; r < node.result_count; ++r) values[index(graph.result(node, r))] = results[r];
    for (ir::ValueId v : graph.operands(node))
      if (last_use[index(v)] == n) values[index(v)] = Tensor();
  }
  std::vector<Tensor> outputs;
  for (ir::ValueId v : graph.outputs()) outputs.push_back(values[index(v)]);
  return outputs;
}

}  // namespace tenon
