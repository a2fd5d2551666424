// The reference interpreter: a flat loop over the nodes of a graph, one whole array per value, freed after its last use.
// The oracle for every compiled route; it shares no code with lowering or rendering. Refuses speed.
#include <algorithm>

#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/ir/reference/array.h"
#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/parts.h"
#include "tenon/ir/rules/eval.h"

namespace tenon::ir {

Array::Array(Type t) : type(std::move(t)) {
  const int64_t size = byte_count(type.shape, bytes(type.dtype));
  try {
    data.resize(static_cast<size_t>(size));
  } catch (const std::bad_alloc&) {
    throw Error("out of memory: " + to_string(type) + " takes " + std::to_string(size) + " bytes");
  }
}

namespace {

// Lanes that stay in cache while an expansion of some fifty ops runs over them.
constexpr int64_t chunk = 2048;

Array map_elementwise(Op op, std::span<const Array* const> operands, DType to, const Type& type) {
  Array result(type);
  const int64_t count = result.numel();
  for (const Array* operand : operands) ensure(operand->numel() == count, "elementwise operands of unequal shape");
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t n = std::min(chunk, count - first);
    std::vector<Lanes> lanes;
    for (const Array* operand : operands)
      lanes.push_back(Lanes::from(operand->type.dtype, operand->data.data() + first * bytes(operand->type.dtype), n));
    elementwise(op, lanes, to).copy_to(result.data.data() + first * bytes(type.dtype));
  }
  return result;
}

std::vector<Array> evaluate(const EvalArgs& args) {
  const OpDef& row = def(args.op);
  if (runs_on_parts(args)) return on_parts(args, evaluate);
  if (row.eval) return row.eval(args);
  const bool retyped = args.op == Op::cast || args.op == Op::bitcast;
  std::vector<Array> results;
  results.push_back(
      map_elementwise(args.op, args.operands, retyped ? Convert(args.attrs).dtype : DType::f32, args.results[0]));
  return results;
}

// ---- symbols

bool has_symbols(const Attrs& attrs) {
  for (const Attr& attr : attrs)
    for (Dim d : attr.dims)
      if (d.is_symbol()) return true;
  return false;
}

[[noreturn]] void mismatch(const Graph& graph, uint32_t input, const Array& array) {
  throw Error("input " + std::to_string(input) + " of '" + graph.name + "' has type " + to_string(array.type) +
              " but the program takes " + to_string(graph.type(ValueId{input}), graph.symbols.get()));
}

// Values of all symbols from the shapes of the inputs. A symbol that no input mentions has its lower bound.
std::vector<int64_t> bind_symbols(const Graph& graph, std::span<const Array> inputs) {
  const auto type_of = [&](size_t i) -> const Type& { return graph.type(ValueId{static_cast<uint32_t>(i)}); };
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (inputs[i].type.dtype != type_of(i).dtype || inputs[i].type.shape.size() != type_of(i).shape.size())
      mismatch(graph, i, inputs[i]);
  const Symbols& symbols = *graph.symbols;
  return symbols.evaluate(free_values(symbols.entries(), graph.input_count(), type_of,
                                      [&](size_t i) -> const Shape& { return inputs[i].type.shape; }));
}

void check_inputs(const Graph& graph, std::span<const Array> inputs, std::span<const int64_t> values) {
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    if (!(inputs[i].type == resolved(graph.type(ValueId{i}), values))) mismatch(graph, i, inputs[i]);
}

// ---- the loop

std::vector<uint32_t> use_counts(const Graph& graph) {
  std::vector<uint32_t> uses(graph.value_count());
  for (const Node& node : graph.nodes())
    for (ValueId operand : graph.operands(node)) ++uses[index(operand)];
  for (ValueId output : graph.outputs()) ++uses[index(output)];
  return uses;
}

std::vector<Array> run(const Graph& graph, std::span<const Array> inputs, std::span<const int64_t> symbol_values) {
  std::vector<uint32_t> uses = use_counts(graph);
  std::vector<Array> computed(graph.value_count());  // inputs are read where they are
  const auto value = [&](ValueId v) -> const Array& {
    return graph.is_input(v) ? inputs[index(v)] : computed[index(v)];
  };
  std::vector<const Array*> operands;
  std::vector<Type> types;
  for (const Node& node : graph.nodes()) {
    operands.clear();
    types.clear();
    for (ValueId operand : graph.operands(node)) operands.push_back(&value(operand));
    for (uint32_t i = 0; i < node.result_count; ++i)
      types.push_back(resolved(graph.type(graph.result(node, i)), symbol_values));
    const Attrs* attrs = &graph.attrs(node);
    Attrs numbers;
    if (has_symbols(*attrs)) {
      numbers = *attrs;
      for (Attr& attr : numbers)
        for (Dim& d : attr.dims) d = Symbols::value(d, symbol_values);
      attrs = &numbers;
    }
    std::vector<Array> results = evaluate({operands, *attrs, types, node.op, graph.symbols.get(), symbol_values});
    ensure(results.size() == node.result_count, "an op gave another number of results than its row says");
    for (uint32_t i = 0; i < node.result_count; ++i) {
      ensure(results[i].type == types[i], "an op gave a result of another type than its row says");
      if (uses[index(graph.result(node, i))]) computed[index(graph.result(node, i))] = std::move(results[i]);
    }
    for (ValueId operand : graph.operands(node))
      if (--uses[index(operand)] == 0 && !graph.is_input(operand)) computed[index(operand)] = Array();
  }
  std::vector<Array> outputs;
  for (ValueId output : graph.outputs()) outputs.push_back(value(output));
  return outputs;
}

}  // namespace

namespace rules {

std::vector<Array> interpret_within(const Graph& graph, std::span<const Array> inputs, const Symbols* symbols,
                                    std::span<const int64_t> symbol_values) {
  if (symbols != graph.symbols.get()) return interpret(graph, inputs);
  ensure(inputs.size() == graph.input_count(), "a sub-graph ran on another number of inputs than it takes");
  check_inputs(graph, inputs, symbol_values);
  return run(graph, inputs, symbol_values);
}

}  // namespace rules

std::vector<Array> interpret(const Graph& graph, std::span<const Array> inputs) {
  const FloatEnvironment standard;
  if (inputs.size() != graph.input_count())
    throw Error("'" + graph.name + "' takes " + std::to_string(graph.input_count()) + " inputs, not " +
                std::to_string(inputs.size()));
  const std::vector<int64_t> values = bind_symbols(graph, inputs);
  check_inputs(graph, inputs, values);
  return run(graph, inputs, values);
}

Array recast(const Array& from, DType to) {
  if (is_complex(from.type.dtype) || is_complex(to)) {  // part by part; a real number has the imaginary part 0
    const Type type{to, from.type.shape}, part{part_of(to), from.type.shape},
        own{part_of(from.type.dtype), from.type.shape};
    const Array* z = &from;
    const auto take = [&](Op op) {
      if (!is_complex(from.type.dtype)) return op == Op::real ? from : Array(own);
      return std::move(interpret(op, std::span(&z, 1), {}, std::span(&own, 1))[0]);
    };
    const Array re = recast(take(Op::real), part.dtype);
    if (!is_complex(to)) return re;
    const Array im = recast(take(Op::imag), part.dtype);
    const Array* parts[] = {&re, &im};
    return std::move(interpret(Op::complex, parts, {}, std::span(&type, 1))[0]);
  }
  const Array* operand = &from;
  const Type type{to, from.type.shape};
  return std::move(interpret(Op::cast, std::span(&operand, 1), ConvertAttrs{to}, std::span(&type, 1))[0]);
}

std::vector<Array> interpret(Op op, std::span<const Array* const> operands, const Attrs& attrs,
                             std::span<const Type> results) {
  return evaluate({operands, attrs, results, op, nullptr, {}});
}

}  // namespace tenon::ir
