// Reverse-mode differentiation: linearize, then transpose the linear part. Value and gradient are both programs joined by
// their residuals, so the compiler sees one graph.
#include <numeric>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

Flags residuals_then_linear(uint32_t residuals, uint32_t inputs) {
  Flags flags(inputs, true);
  for (uint32_t i = 0; i < residuals; ++i) flags[i] = false;
  return flags;
}

}  // namespace

Vjp vjp(const Graph& graph, const std::vector<bool>& active) {
  const Linearized l = linearize(graph, active, {});
  return {l.forward, transpose(*l.linear, l.residual_count), l.output_has_tangent, l.residual_count};
}

GraphPtr value_and_grad(const Graph& graph, const std::vector<bool>& active) {
  if (graph.outputs().empty())
    throw Error("grad: the function returns nothing; it must return a floating-point scalar");
  const Type& loss = graph.type(graph.outputs()[0]);
  if (!is_floating(loss.dtype) || loss.shape.rank() != 0)
    throw Error("grad: the function returns " + to_string(loss, graph.symbols.get()) +
                ", but a gradient needs a floating-point scalar; reduce it with tn::sum or tn::mean, or use tn::vjp");
  Flags wanted(graph.outputs().size(),
               false);  // of the first output alone: what the others come from may have no derivative
  wanted[0] = true;
  const Linearized l = linearize(graph, active, wanted);
  GraphBuilder b(graph.name, graph.symbols);
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < graph.input_count(); ++i)
    inputs.push_back(b.input(graph.type(ValueId{i}), graph.input_note(i)));
  const auto forward = b.splice(*l.forward, inputs);
  const size_t primal_count = graph.outputs().size();
  std::vector<ValueId> outputs(forward.begin(), forward.begin() + static_cast<std::ptrdiff_t>(primal_count));
  if (l.output_has_tangent[0]) {
    // Only the first output is differentiated: no cotangents of zeros for the others.
    Flags arrives(l.linear->outputs().size(), false);
    arrives[0] = true;
    const auto backward =
        transpose_subgraph(*l.linear, residuals_then_linear(l.residual_count, l.linear->input_count()), arrives);
    std::vector<ValueId> operands(forward.begin() + static_cast<std::ptrdiff_t>(primal_count), forward.end());
    operands.push_back(splat(b, loss.dtype, 1, {}).id);
    for (ValueId v : b.splice(*backward, operands)) outputs.push_back(v);
  } else {
    for (uint32_t i = 0; i < graph.input_count(); ++i) {
      const Type& type = graph.type(ValueId{i});
      if (active[i]) outputs.push_back(splat(b, type.dtype, 0, type.shape).id);
    }
  }
  return dce(*b.finish(outputs));
}

}  // namespace tenon::passes
