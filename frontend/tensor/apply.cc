// Applying frontend functions: into the current trace, or eagerly; and whole graphs the same way, spliced or op by op.
#include "tenon/frontend/tensor/apply.h"

#include <iterator>

#include "tenon/frontend/tensor/at_once.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/eager.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

void apply_here(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at,
                Few<Tensor, 4>& results) {
  Trace* trace = Trace::current();
  if (trace == nullptr) {
    for (const Tensor& t : inputs)
      if (t.defined() && t.cell()->traced())
        throw Error(
            std::string(emit.name) + ": leaked tensor: " + describe(t) +
                " belongs to a trace that has ended. Return it from the traced function instead of storing it outside",
            at);
    return apply_eagerly(emit, attrs, inputs, at, results);
  }
  const FloatEnvironment standard;  // constants are folded as ops are added
  std::vector<ir::Value> values;
  for (const Tensor& t : inputs) values.push_back(trace->value(t, at));
  trace->builder.set_location(at);
  for (const ir::Value& v : emit.build(trace->builder, values, attrs))
    results.push_back(make_traced(v.type(), trace->number, v.id, at));
}

}  // namespace

// Every error names the op and the caller's place, also those that arise where neither is known: extents that do not fit,
// memory that is not there.
std::vector<Tensor> apply(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs,
                          const Location& at) {
  try {
    Few<Tensor, 4> results;
    apply_here(emit, attrs, inputs, at, results);
    return {std::make_move_iterator(results.begin()), std::make_move_iterator(results.end())};
  } catch (...) {
    leave_with_error(emit.name, at);
  }
}

Tensor apply_one(const Emit& emit, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at) {
  try {
    Few<Tensor, 4> results;
    apply_here(emit, attrs, inputs, at, results);
    return std::move(results[0]);
  } catch (...) {
    leave_with_error(emit.name, at);
  }
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
  if (def(op).effect && Trace::current() == nullptr && happens_at_once(op, attrs, inputs, at)) return {};
  return apply(primitives[static_cast<int>(op)], attrs, inputs, at);
}

std::vector<Tensor> apply_graph(const ir::Graph& graph, std::span<const Tensor> inputs, const Location& at) {
  const FloatEnvironment standard;
  if (Trace* trace = Trace::current()) {
    std::vector<ir::ValueId> ids;
    for (const Tensor& t : inputs) ids.push_back(trace->value(t, at).id);
    std::vector<Tensor> results;
    for (ir::ValueId id : trace->builder.splice(graph, ids))
      results.push_back(make_traced(trace->builder.type(id), trace->number, id, at));
    return results;
  }
  const runtime::Device& device = device_of_all(inputs, graph.name.c_str(), at);
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
    // What comes of nothing, such as a constant, comes to where its program is.
    for (uint32_t r = 0; operands.empty() && r < results.size(); ++r) results[r] = moved_to(results[r], device, at);
    for (uint32_t r = 0; r < node.result_count; ++r) values[index(graph.result(node, r))] = results[r];
    for (ir::ValueId v : graph.operands(node))
      if (last_use[index(v)] == n) values[index(v)] = Tensor();
  }
  std::vector<Tensor> outputs;
  for (ir::ValueId v : graph.outputs()) outputs.push_back(values[index(v)]);
  return outputs;
}

}  // namespace tenon
