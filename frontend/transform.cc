// Transforms over closed graphs: each traces, runs a pass over the graph, and applies the result (spliced into the enclosing
// trace, or op by op). So there are no tracer levels to confuse.
#include "tenon/frontend/transform.h"

#include <map>

#include "tenon/frontend/ops.h"
#include "tenon/frontend/program.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/named_extents.h"

namespace tenon {
namespace detail {
namespace {

std::shared_ptr<Symbols> enclosing_symbols() {
  Trace* outer = Trace::current();
  return outer ? outer->builder.graph().symbols : nullptr;
}

}  // namespace

void note_value(Leaves& leaves, char tag, const void* bytes, size_t size) {
  if (!leaves.want_structure) return;
  leaves.structure += tag;
  leaves.structure.append(reinterpret_cast<const char*>(&size), sizeof size);
  leaves.structure.append(static_cast<const char*>(bytes), size);
}

namespace {

// Named extents are numbered in one table for the process; a program has a table of its own, in order of appearance.
ir::Type in_table(const ir::Type& type, Symbols& symbols) {
  if (type.shape.is_static()) return type;
  ir::Type out{type.dtype, {}};
  for (Dim d : type.shape) {
    if (d.is_symbol()) {
      const Symbol s = runtime::named_extent(d);
      d = symbols.add(s.name, s.lower, s.upper);
    }
    out.shape.push_back(d);
  }
  return out;
}

}  // namespace

std::shared_ptr<Program> close(const char* what, const std::vector<Tensor>& inputs, Body body, void* context,
                               const Location& at) {
  auto program = std::make_shared<Program>();
  Trace trace(what, at, enclosing_symbols());
  std::vector<Tensor> arguments, outputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Cell& cell = *inputs[i].cell();
    const ir::Type type =
        cell.is_spec && !cell.local_symbols ? in_table(cell.type, trace.builder.symbols()) : cell.type;
    arguments.push_back(trace.input(type, std::to_string(i), cell.made));
  }
  body(context, arguments, outputs);
  std::vector<ir::ValueId> results;
  for (const Tensor& t : outputs) results.push_back(trace.value(t, t.defined() ? t.cell()->made : at).id);
  program->arguments = static_cast<uint32_t>(inputs.size());
  program->captured = trace.captured;
  program->graph = trace.builder.finish(results);
  return program;
}

std::string text_of(const Program& p, bool annotated) {
  return annotated ? p.graph->annotated_text() : p.graph->text();
}

std::vector<Tensor> run_gradient(const Program& p, const std::vector<Tensor>& inputs, const std::vector<bool>& active,
                                 const Location& at) {
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
    throw Error("grad: the function must return a floating scalar, and it returns " + ir::to_string(type) + from +
                    "; reduce it with tn::sum or tn::mean, or use tn::vjp with a cotangent of its shape",
                at);
  }
  return apply_graph(*passes::value_and_grad(*p.graph, mask), all, at);
}

JvpResult run_jvp(const Program& p, const std::vector<Tensor>& inputs, const std::vector<Tensor>& tangents,
                  const Location& at) {
  std::vector<Tensor> all = p.inputs(inputs);
  if (tangents.size() != inputs.size()) throw Error("jvp: tangents must have the primals' tree", at);
  std::vector<bool> active;
  std::vector<Tensor> directions;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool floating = is_floating(inputs[i].dtype());
    active.push_back(floating);
    if (!floating) continue;
    if (tangents[i].dtype() != inputs[i].dtype() || tangents[i].shape() != inputs[i].shape())
      throw Error("jvp: the tangent " + describe(tangents[i]) + " does not match the primal " + describe(inputs[i]),
                  at);
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
  std::vector<Tensor> residuals, inputs;
  std::vector<bool> active;
};
}  // namespace

std::pair<std::vector<Tensor>, Pullback> run_vjp(const Program& p, const std::vector<Tensor>& inputs,
                                                 const Location& at) {
  const std::vector<Tensor> all = p.inputs(inputs);
  auto state = std::make_shared<PullbackState>();
  for (const Tensor& t : inputs) state->active.push_back(is_floating(t.dtype()));
  std::vector<bool> mask = state->active;
  mask.resize(all.size(), false);
  state->vjp = passes::vjp(*p.graph, mask);
  state->inputs = inputs;
  std::vector<Tensor> values = apply_graph(*state->vjp.forward, all, at);
  const size_t n = p.graph->outputs().size();
  state->residuals.assign(values.begin() + static_cast<std::ptrdiff_t>(n), values.end());
  values.resize(n);
  return {values, Pullback{state}};
}

std::vector<Tensor> Pullback::operator()(const std::vector<Tensor>& cotangents, const Location& at) const {
  const auto& s = *static_cast<const PullbackState*>(state.get());
  std::vector<Tensor> inputs = s.residuals;
  for (size_t i = 0; i < cotangents.size(); ++i)
    if (s.vjp.output_is_active.at(i)) inputs.push_back(cotangents[i]);
  std::vector<Tensor> values = apply_graph(*s.vjp.backward, inputs, at), out;
  size_t next = 0;
  for (size_t i = 0; i < s.active.size(); ++i) out.push_back(s.active[i] ? values[next++] : Tensor());
  return out;
}

// ---- control flow ------------------------------------------------------------------------------------------------------

namespace {

// Rebuilds a closed graph so that it takes `constants` (the union of what several graphs captured) before or after its
// arguments; what it does not use is an unused input.
std::shared_ptr<const ir::Graph> with_constants(const Program& p, const std::vector<Tensor>& constants,
                                                bool constants_first) {
  ir::GraphBuilder b(p.graph->name, p.graph->symbols);
  std::vector<ir::ValueId> arguments, shared, operands;
  const auto add_arguments = [&] {
    for (uint32_t i = 0; i < p.arguments; ++i) arguments.push_back(b.input(p.graph->type(ir::ValueId{i})));
  };
  if (!constants_first) add_arguments();
  for (const Tensor& t : constants) shared.push_back(b.input(t.cell()->type));
  if (constants_first) add_arguments();
  operands = arguments;
  for (const Tensor& t : p.captured)
    for (size_t i = 0; i < constants.size(); ++i)
      if (constants[i].cell() == t.cell()) {
        operands.push_back(shared[i]);
        break;
      }
  const std::vector<ir::ValueId> outputs = b.splice(*p.graph, operands);
  return b.finish(outputs);
}

void collect(const Program& p, std::vector<Tensor>& constants) {
  for (const Tensor& t : p.captured) {
    bool found = false;
    for (const Tensor& c : constants) found = found || c.cell() == t.cell();
    if (!found) constants.push_back(t);
  }
}

void check_carries(const char* what, const ir::Graph& g, const std::vector<Tensor>& init, const Location& at) {
  for (size_t i = 0; i < init.size(); ++i) {
    const ir::Type& type = g.type(g.outputs()[i]);
    if (!(type == init[i].cell()->type))
      throw Error(std::string(what) + ": state " + std::to_string(i) + " goes in as " + describe(init[i]) +
                      " and comes out as " + ir::to_string(type) +
                      "; the body must keep types (astype, or a different initial value)",
                  at);
  }
}

std::vector<int64_t> integers(std::initializer_list<size_t> v) { return {v.begin(), v.end()}; }

}  // namespace

std::vector<Tensor> run_cond(const Tensor& predicate, const Program& then, const Program& otherwise,
                             const std::vector<Tensor>& operands, const Location& at) {
  if (!predicate.defined() || predicate.dtype() != boolean || predicate.ndim() != 0)
    throw Error("cond: the predicate is a bool scalar, not " + describe(predicate), at);
  const size_t n = then.graph->outputs().size();
  bool same = n == otherwise.graph->outputs().size();
  for (size_t i = 0; same && i < n; ++i)
    same = then.graph->type(then.graph->outputs()[i]) == otherwise.graph->type(otherwise.graph->outputs()[i]);
  if (!same) throw Error("cond: both branches must return the same tree of the same types", at);
  std::vector<Tensor> constants, inputs{predicate};
  collect(then, constants);
  collect(otherwise, constants);
  inputs.insert(inputs.end(), operands.begin(), operands.end());
  inputs.insert(inputs.end(), constants.begin(), constants.end());
  return apply_primitive(
      ir::Op::cond,
      {ir::Attr::of(with_constants(then, constants, false)), ir::Attr::of(with_constants(otherwise, constants, false))},
      inputs, at);
}

std::vector<Tensor> run_while(const Program& condition, const Program& body, const std::vector<Tensor>& init,
                              const Location& at) {
  if (condition.graph->outputs().size() != 1 ||
      !(condition.graph->type(condition.graph->outputs()[0]) == ir::Type{boolean, {}}))
    throw Error("while_loop: the condition must return a bool scalar", at);
  check_carries("while_loop", *body.graph, init, at);
  std::vector<Tensor> constants;
  collect(condition, constants);
  collect(body, constants);
  std::vector<Tensor> inputs = constants;
  inputs.insert(inputs.end(), init.begin(), init.end());
  return apply_primitive(
      ir::Op::while_loop,
      {ir::Attr::of(with_constants(condition, constants, true)), ir::Attr::of(with_constants(body, constants, true)),
       ir::Attr::of(integers({constants.size()}))},
      inputs, at);
}

Tensor counter(int64_t low, int64_t high, const Location& at) {
  if (high < low) throw Error("fori_loop: the upper bound lies below the lower", at);
  return arange(Operand(static_cast<int>(0), at), high - low) + low;
}

std::vector<Tensor> row_specs(const std::vector<Tensor>& xs, int64_t& length, const Location& at) {
  std::vector<Tensor> rows;
  for (const Tensor& t : xs) {
    if (t.ndim() == 0) throw Error("scan: xs have a leading axis to run over, not " + describe(t), at);
    const int64_t n = t.shape()[0].number();
    if (length >= 0 && n != length)
      throw Error("scan: leading extents differ: " + std::to_string(length) + " and " + describe(t), at);
    length = n;
    Shape row = t.shape();
    row.erase(0);
    rows.push_back(spec(row, t.dtype()));
    rows.back().cell()->local_symbols = true;
  }
  if (length < 0) throw Error("scan: without xs, give .length", at);
  return rows;
}

std::vector<Tensor> run_scan(const Program& body, const std::vector<Tensor>& init, const std::vector<Tensor>& xs,
                             int64_t length, bool reverse, const Location& at) {
  check_carries("scan", *body.graph, init, at);
  std::vector<Tensor> constants, inputs;
  collect(body, constants);
  inputs = constants;
  inputs.insert(inputs.end(), init.begin(), init.end());
  inputs.insert(inputs.end(), xs.begin(), xs.end());
  return apply_primitive(
      ir::Op::scan,
      {ir::Attr::of(with_constants(body, constants, true)), ir::Attr::of(std::vector<Dim>{Dim(length)}),
       ir::Attr::of(integers({constants.size(), init.size()})), ir::Attr::of(std::vector<int64_t>{reverse})},
      inputs, at);
}

}  // namespace detail

std::vector<Tensor> Traced::operator()(const std::vector<Tensor>& inputs, const At& at) const {
  if (inputs.size() != program_->arguments)
    throw Error("this traced function takes " + std::to_string(program_->arguments) + " tensors, not " +
                    std::to_string(inputs.size()),
                place(at));
  return apply_graph(*program_->graph, program_->inputs(inputs), place(at));
}

Traced parse(const std::string& text) {
  auto program = std::make_shared<detail::Program>();
  program->graph = ir::parse(text);
  program->arguments = program->graph->input_count();
  return Traced(std::move(program));
}

}  // namespace tenon
