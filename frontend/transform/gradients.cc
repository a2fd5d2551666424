// Derivatives of closed graphs: each runs a pass over the graph and applies the result (spliced into the enclosing trace, or op by
// op). So there are no tracer levels to confuse.
#include "tenon/frontend/transform/gradients.h"

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/passes/pass.h"

namespace tenon::detail {

std::vector<Tensor> run_gradient(const Program& p, const std::vector<Tensor>& inputs, const std::vector<bool>& active,
                                 const Location& at) {
  const FloatEnvironment standard;
  const std::vector<Tensor> all = p.inputs(inputs);
  std::vector<bool> mask = active;
  mask.resize(all.size(), false);
  if (p.graph->outputs().empty()) throw Error("grad: the function returns no tensor", at);
  const ir::ValueId loss = p.graph->outputs()[0];
  const ir::Type& type = p.graph->type(loss);
  if (type.shape.rank() != 0 || !is_floating(type.dtype)) {
    const ir::NodeId producer = p.graph->producer(loss);
    std::string from;
    if (producer != ir::no_node && p.graph->location(p.graph->node(producer)).known())
      from = " from " + to_string(p.graph->location(p.graph->node(producer)));
    throw Error("grad: the function must return a floating scalar, and it returns " +
                    ir::to_string(type, p.graph->symbols.get()) + from +
                    (is_complex(type.dtype) ? "; take tn::real, tn::imag or tn::abs of it"
                                            : "; reduce it with tn::sum or tn::mean") +
                    ", or use tn::vjp with a cotangent of its shape",
                at);
  }
  return apply_graph(*passes::value_and_grad(*p.graph, mask), all, at);
}

void check_loss(const std::vector<TreeItem>& result, const Location& at) {
  for (const TreeItem& item : result) {
    if (item.tag == 't') return;
    if (item.tag == 'u') break;
  }
  throw Error(
      "grad: the function returns no value to differentiate; its result, or the first of a pair, is a floating scalar",
      at);
}

Tensor stand_in(const Tensor& t) {
  auto cell = std::make_shared<Cell>();
  cell->type = t.cell()->type;
  cell->is_spec = true;
  cell->made = t.cell()->made;
  return Tensor(std::move(cell));
}

JvpResult run_jvp(const Program& p, const std::vector<Tensor>& inputs, const std::vector<Tensor>& tangents,
                  const Location& at) {
  const FloatEnvironment standard;
  std::vector<Tensor> all = p.inputs(inputs);
  ensure(tangents.size() == inputs.size(), "a tangent, or none, for every primal");
  std::vector<bool> active;
  std::vector<Tensor> directions;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool moves = is_continuous(inputs[i].dtype()) && tangents[i].defined();
    active.push_back(moves);
    if (!moves) continue;
    directions.push_back(tangents[i]);
  }
  active.resize(all.size(), false);
  const passes::Jvp jvp = passes::jvp(*p.graph, active);
  all.insert(all.end(), directions.begin(), directions.end());
  std::vector<Tensor> values = apply_graph(*jvp.graph, all, at);
  JvpResult result;
  const size_t n = p.graph->outputs().size();
  size_t next = n;
  for (size_t i = 0; i < n; ++i) {
    result.primals.push_back(values[i]);
    result.tangents.push_back(jvp.output_has_tangent[i] ? values[next++] : zeros_like(values[i]));
  }
  return result;
}

namespace {
struct PullbackState {
  passes::Vjp vjp;
  std::vector<Tensor> residuals, inputs, results;  // results: stand-ins
  std::vector<bool> active;
};
}  // namespace

std::pair<std::vector<Tensor>, Pullback> run_vjp(const Program& p, const std::vector<Tensor>& inputs,
                                                 const std::vector<bool>& active, const Location& at) {
  const FloatEnvironment standard;
  const std::vector<Tensor> all = p.inputs(inputs);
  auto state = std::make_shared<PullbackState>();
  std::vector<bool> mask = state->active = active;
  mask.resize(all.size(), false);
  state->vjp = passes::vjp(*p.graph, mask);
  state->inputs = inputs;
  std::vector<Tensor> values = apply_graph(*state->vjp.forward, all, at);
  const size_t n = p.graph->outputs().size();
  state->residuals.assign(values.begin() + static_cast<std::ptrdiff_t>(n), values.end());
  values.resize(n);
  for (const Tensor& t : values) state->results.push_back(stand_in(t));
  return {values, Pullback{state}};
}

std::vector<Tensor> Pullback::operator()(const std::vector<Tensor>& cotangents, const Location& at) const {
  const auto& s = *static_cast<const PullbackState*>(state.get());
  std::vector<Tensor> inputs = s.residuals;
  for (size_t i = 0; i < cotangents.size(); ++i)
    if (s.vjp.output_is_active.at(i))
      inputs.push_back(cotangents[i].defined() ? cotangents[i] : zeros_like(s.results[i]));
  std::vector<Tensor> values = apply_graph(*s.vjp.backward, inputs, at), out;
  size_t next = 0;
  for (size_t i = 0; i < s.active.size(); ++i) out.push_back(s.active[i] ? values[next++] : Tensor());
  return out;
}

}  // namespace tenon::detail
