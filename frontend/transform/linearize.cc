// Linear parts of traced functions: jvp, cut at the tangents; applied forward, or transposed.
#include "tenon/frontend/transform/linearize.h"

#include "tenon/frontend/ops/ops.h"
#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/passes/pass.h"

namespace tenon::detail {

struct Linear::State {
  passes::Linearized linear;
  std::vector<Tensor> residuals;
  std::vector<bool> active;  // per argument
  std::vector<Tensor> arguments, results;  // stand-ins
};

std::pair<std::vector<Tensor>, Linear> run_linearize(const Program& p, const std::vector<Tensor>& inputs,
                                                     const Location& at) {
  const FloatEnvironment standard;
  const std::vector<Tensor> all = p.inputs(inputs);
  auto state = std::make_shared<Linear::State>();
  for (const Tensor& t : inputs) {
    state->active.push_back(is_continuous(t.dtype()));
    state->arguments.push_back(stand_in(t));
  }
  std::vector<bool> mask = state->active;
  mask.resize(all.size(), false);
  state->linear = passes::linearize(*p.graph, mask);
  state->linear.linear = passes::expand_tangents(state->linear.linear);
  std::vector<Tensor> values = apply_graph(*state->linear.forward, all, at);
  const auto count = static_cast<std::ptrdiff_t>(p.graph->outputs().size());
  state->residuals.assign(values.begin() + count, values.end());
  values.resize(p.graph->outputs().size());
  for (const Tensor& t : values) state->results.push_back(stand_in(t));
  return {std::move(values), Linear{std::move(state)}};
}

std::vector<Tensor> Linear::operator()(const std::vector<Tensor>& tangents, const Location& at) const {
  const FloatEnvironment standard;
  std::vector<Tensor> operands = state->residuals;
  for (size_t i = 0; i < tangents.size(); ++i)
    if (state->active.at(i)) operands.push_back(tangents[i].defined() ? tangents[i] : zeros_like(state->arguments[i]));
  const std::vector<Tensor> made = apply_graph(*state->linear.linear, operands, at);
  std::vector<Tensor> out;
  size_t next = 0;
  for (size_t o = 0; o < state->results.size(); ++o)
    out.push_back(state->linear.output_has_tangent[o] ? made[next++] : zeros_like(state->results[o]));
  return out;
}

void fill(std::vector<Tensor>& values, const std::vector<Tensor*>& like) {
  for (size_t i = 0; i < values.size(); ++i)
    if (!values[i].defined()) values[i] = zeros_like(*like[i]);
}

struct Transposed::State {
  std::shared_ptr<const ir::Graph> graph;
  std::vector<Tensor> constants;  // arguments that are not floating-point, what was captured
  std::vector<bool> active;
};

Transposed run_linear_transpose(const Program& p, const std::vector<Tensor>& inputs, const Location& at) {
  const FloatEnvironment standard;
  auto state = std::make_shared<Transposed::State>();
  const std::vector<Tensor> all = p.inputs(inputs);
  for (const Tensor& t : inputs) state->active.push_back(is_continuous(t.dtype()));
  std::vector<bool> linear = state->active;
  linear.resize(all.size(), false);
  for (ir::ValueId v : p.graph->outputs())
    if (!is_continuous(p.graph->type(v).dtype))
      throw Error("linear_transpose: the function gives " + type_text(p.graph->type(v)) +
                      "; what is linear gives floating-point tensors",
                  at);
  state->graph = passes::transpose_linear(*p.graph, linear);
  for (size_t i = 0; i < all.size(); ++i)
    if (!linear[i]) state->constants.push_back(all[i]);
  return {std::move(state)};
}

std::vector<Tensor> Transposed::operator()(const std::vector<Tensor>& cotangents, const Location& at) const {
  const FloatEnvironment standard;
  std::vector<Tensor> operands = state->constants;
  operands.insert(operands.end(), cotangents.begin(), cotangents.end());
  const std::vector<Tensor> made = apply_graph(*state->graph, operands, at);
  std::vector<Tensor> out;
  size_t next = 0;
  for (bool active : state->active) out.push_back(active ? made[next++] : Tensor());
  return out;
}

}  // namespace tenon::detail
