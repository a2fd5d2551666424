// Callers' rules as attributes of one op: graphs over the arguments and what any of them captured, with derivatives of floating-point
// tensors alone.
#include "tenon/frontend/transform/rules.h"

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/named_axis.h"
#include "tenon/frontend/transform/closure.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"

namespace tenon::detail {
namespace {

using ir::Value;
using GraphPtr = std::shared_ptr<const ir::Graph>;

bool floats(const ir::Type& type) { return is_continuous(type.dtype); }
const ir::Type& input_type(const ir::Graph& g, size_t i) { return g.type(ir::ValueId{static_cast<uint32_t>(i)}); }
const ir::Type& output_type(const ir::Graph& g, size_t o) { return g.type(g.outputs()[o]); }

// A graph around another: its inputs by type, where those that are no floating-point derivatives are zeros, and the outputs chosen.
struct Around {
  ir::GraphBuilder b;
  std::vector<ir::ValueId> operands;  // of the graph within
  explicit Around(const ir::Graph& g) : b(g.name, g.symbols) { b.merging = false; }
  ir::ValueId input(const ir::Type& type) { return b.input(type); }
  ir::ValueId zeros(const ir::Type& type) { return ir::splat_integer(b, type.dtype, 0, type.shape).id; }
};

// The derivative of each floating-point tensor of a tree of these types: an output, or zeros where the rule gives none.
std::vector<ir::ValueId> chosen(Around& around, const std::vector<ir::ValueId>& made, size_t first,
                                const std::vector<int>& outputs, const std::vector<ir::Type>& types) {
  std::vector<ir::ValueId> results;
  for (size_t i = 0; i < types.size(); ++i) {
    if (!floats(types[i])) continue;
    results.push_back(outputs[i] < 0 ? around.zeros(types[i]) : made[first + static_cast<size_t>(outputs[i])]);
  }
  return results;
}

std::vector<ir::Type> argument_types(const Program& p) {
  std::vector<ir::Type> types;
  for (uint32_t i = 0; i < p.arguments; ++i) types.push_back(input_type(*p.graph, i));
  return types;
}
std::vector<ir::Type> result_types(const ir::Graph& g) {
  std::vector<ir::Type> types;
  for (size_t o = 0; o < g.outputs().size(); ++o) types.push_back(output_type(g, o));
  return types;
}

// constants..., residuals..., cotangents of floating results... -> cotangents of floating arguments.
GraphPtr backward_graph(const Program& f, const Program& backward, const std::vector<Tensor>& constants,
                        const std::vector<int>& cotangents) {
  const GraphPtr whole = with_constants(backward, constants, true);
  const size_t results = f.graph->outputs().size(), first = whole->input_count() - results;
  Around around(*whole);
  std::vector<ir::ValueId> given;
  for (size_t i = 0; i < whole->input_count(); ++i)
    given.push_back(i < first || floats(input_type(*whole, i)) ? around.input(input_type(*whole, i)) : ir::no_value);
  for (size_t i = first; i < given.size(); ++i)
    if (given[i] == ir::no_value) given[i] = around.zeros(input_type(*whole, i));
  const std::vector<ir::ValueId> made = around.b.splice(*whole, given);
  return around.b.finish(chosen(around, made, 0, cotangents, argument_types(f)));
}

std::vector<Tensor> operands_of(const std::vector<Tensor>& inputs, const std::vector<Tensor>& constants) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), constants.begin(), constants.end());
  return all;
}
std::vector<int64_t> counts_of(size_t count) { return {static_cast<int64_t>(count)}; }

}  // namespace

void ensure_all_matched(size_t matched, size_t given, const Pairing& pairing, const Location& at) {
  if (matched != given)
    throw Error(std::string(pairing.what) + ": the rule gives " + std::to_string(given) + " tensors where " +
                    std::to_string(matched) + " have a place; " + pairing.remedy,
                at);
}

std::vector<Tensor> run_custom_vjp(const Program& f, const Program& forward, const Program& backward,
                                   const std::vector<int>& cotangents, const std::vector<Tensor>& inputs,
                                   const Location& at) {
  const FloatEnvironment standard;
  std::vector<Tensor> constants;
  for (const Program* p : {&f, &forward, &backward}) collect(*p, constants);
  return apply_primitive(ir::Op::custom_vjp,
                         ir::CustomVjpAttrs{.graph = with_constants(f, constants, false),
                                            .forward = with_constants(forward, constants, false),
                                            .backward = backward_graph(f, backward, constants, cotangents),
                                            .counts = counts_of(inputs.size())},
                         operands_of(inputs, constants), at);
}

std::vector<Tensor> run_custom_jvp(const Program& f, const Program& rule, const std::vector<int>& tangents,
                                   const std::vector<Tensor>& inputs, const Location& at) {
  const FloatEnvironment standard;
  std::vector<Tensor> constants;
  collect(f, constants);
  collect(rule, constants);
  const GraphPtr whole = with_constants(rule, constants, false);  // primals, tangents, constants
  const size_t count = inputs.size();
  Around around(*whole);
  std::vector<ir::ValueId> primals, held, directions;
  for (size_t i = 0; i < count; ++i) primals.push_back(around.input(input_type(*whole, i)));
  for (size_t i = 2 * count; i < whole->input_count(); ++i) held.push_back(around.input(input_type(*whole, i)));
  for (size_t i = 0; i < count; ++i)
    directions.push_back(floats(input_type(*whole, i)) ? around.input(input_type(*whole, i)) : ir::no_value);
  for (size_t i = 0; i < count; ++i)
    if (directions[i] == ir::no_value) directions[i] = around.zeros(input_type(*whole, i));
  std::vector<ir::ValueId> given = primals;
  given.insert(given.end(), directions.begin(), directions.end());
  given.insert(given.end(), held.begin(), held.end());
  const std::vector<ir::ValueId> made = around.b.splice(*whole, given);
  const size_t results = f.graph->outputs().size();
  std::vector<ir::ValueId> outputs(made.begin(), made.begin() + static_cast<std::ptrdiff_t>(results));
  for (ir::ValueId v : chosen(around, made, results, tangents, result_types(*f.graph))) outputs.push_back(v);
  return apply_primitive(
      ir::Op::custom_jvp,
      ir::CustomJvpAttrs{
          .graph = with_constants(f, constants, false), .rule = around.b.finish(outputs), .counts = counts_of(count)},
      operands_of(inputs, constants), at);
}

std::vector<Tensor> run_custom_batch(const Program& f, const Program& rule, const std::vector<Tensor>& inputs,
                                     const Location& at) {
  if (&f == &rule) return apply_graph(*f.graph, f.inputs(inputs), at);  // nobody batches it
  const FloatEnvironment standard;
  std::vector<Tensor> constants;
  collect(f, constants);
  collect(rule, constants);
  // What is captured comes to the rule with lanes too, of which it takes the first: all are the same.
  const GraphPtr one = with_constants(rule, constants, false);
  Around around(*one);
  const Dim lanes = extent_here(NamedAxis::innermost_size());
  std::vector<ir::ValueId> given;
  for (size_t i = 0; i < one->input_count(); ++i) {
    ir::Type type = input_type(*one, i);
    if (i < inputs.size()) {
      given.push_back(around.input(type));
      continue;
    }
    Shape row = type.shape;
    type.shape.insert(0, lanes);
    row.insert(0, Dim(1));
    const Value stack{&around.b, around.input(type)};
    const std::vector<Dim> starts(row.size(), Dim(0));
    given.push_back(ir::reshape(ir::slice(stack, starts, row.dims(), std::vector<int64_t>(row.size(), 1)),
                                input_type(*one, i).shape)
                        .id);
  }
  const std::vector<ir::ValueId> results = around.b.splice(*one, given);
  return apply_primitive(
      ir::Op::custom_batch,
      ir::CustomBatchAttrs{.graph = with_constants(f, constants, false), .rule = around.b.finish(results)},
      operands_of(inputs, constants), at);
}

Extent lanes_here() {
  if (!NamedAxis::any()) return -1;
  return NamedAxis::innermost_size();
}

Tensor lane_stack(const Tensor& lane, Extent lanes) {
  auto cell = std::make_shared<Cell>();
  cell->type = lane.cell()->type;
  cell->type.shape.insert(0, extent_here(Dim(lanes)));
  cell->made = lane.cell()->made;
  return Tensor(std::move(cell));
}

}  // namespace tenon::detail
