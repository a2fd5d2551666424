// Graph and fusion plan to a program: a kernel for each group, a step for each kernel, buffers for what passes between
// them. Outputs are written where they belong; a reshape or a barrier shares its operand's buffer.
//
//   map {%2, %3} -> %3 ; contract {%4} -> %4    ->    launch @k0(%0, %5)  launch @k1(%5, %1, %6)
#include "tenon/passes/lower/program.h"

#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/fuse/cost.h"

namespace tenon::passes {

using namespace ir;

namespace {

// k12_exp_sum_div: the number of the kernel and the ops that say most about it.
std::string kernel_name(const Graph& graph, const Group& group, size_t number) {
  std::string text = "k" + std::to_string(number);
  std::vector<Op> used;
  for (NodeId n : group.nodes) {
    const Op op = graph.node(n).op;
    if (def(op).family == Family::source || def(op).unnamed) continue;
    if (std::find(used.begin(), used.end(), op) != used.end() || used.size() == 4) continue;
    used.push_back(op);
    text += "_" + std::string(name(op));
  }
  return text;
}

}  // namespace

ProgramLowering::ProgramLowering(const Graph& graph, const Target& target)
    : graph_(graph), levels_(graph), target_(target), costs_(target) {
  program_.name = graph.name;
  program_.symbols = graph.symbols;
}

uint32_t ProgramLowering::new_buffer(const Type& type, Home home, uint32_t producer, uint32_t slot) {
  ProgramBuffer b;
  b.dtype = type.dtype;
  b.shape = type.shape;
  b.home = home;
  b.slot = slot;
  b.producer = producer;
  program_.buffers.push_back(std::move(b));
  program_.is_static = program_.is_static && type.shape.is_static();
  return static_cast<uint32_t>(program_.buffers.size() - 1);
}

bool ProgramLowering::is_alias(const Graph& graph, ValueId v) const {
  const NodeId n = graph.producer(v);
  return n != no_node && alias_.back()[index(n)];
}

ValueId ProgramLowering::storage(const Graph& graph, ValueId v) const {
  while (is_alias(graph, v)) {
    const Node& n = graph.node(graph.producer(v));
    v = graph.operands(n)[index(v) - index(n.first_result)];
  }
  return v;
}

Operand ProgramLowering::place(Frame& frame, ValueId v) {
  const Operand o = frame.places[index(storage(frame.graph, v))];
  if (o.buffer == no_buffer)
    throw InternalError("value %" + std::to_string(index(v)) + " is read before it is stored:\n" + frame.graph.text());
  return o;
}

Operand ProgramLowering::result(Frame& frame, ValueId v) {
  Operand& o = frame.places[index(v)];
  if (o.buffer == no_buffer)
    o.buffer = new_buffer(frame.graph.type(v), Home::arena, origin_of(frame, frame.graph.producer(v)));
  return o;
}

Dim ProgramLowering::bytes_of(const Type& type) {
  Symbols& symbols = *program_.symbols;
  return symbols.product(symbols.numel(type.shape), Dim(bytes(type.dtype)));
}

// Scalar operations of one node, over all its elements.
Dim ProgramLowering::flops_of(const Frame& frame, NodeId id) {
  Symbols& symbols = *program_.symbols;
  const Node& n = frame.graph.node(id);
  const OpDef& row = def(n.op);
  const auto numel = [&](ValueId v) { return symbols.numel(frame.graph.type(v).shape); };
  const ValueId result = frame.graph.result(n);
  if (row.family == Family::elementwise) return symbols.product(numel(result), Dim(costs_.of(frame.graph, n)));
  if (row.family == Family::reduction) return numel(frame.graph.operands(n)[0]);
  if (!is_contracted(row)) return 0;
  Dim length = 1;
  for (const ContractedAxis& a : frame.axes.contracted(id))
    if (a.part == ContractedAxis::summed)
      length = symbols.product(length, frame.axes.extents(frame.graph.operands(n)[0])[a.lhs]);
  return symbols.product(symbols.product(numel(result), length), Dim(2));
}

KernelNote ProgramLowering::note_of(const Frame& frame, const Group& group, const Kernel& kernel) {
  KernelNote note;
  note.kind = info(group.kind).name;
  for (NodeId n : group.nodes) note.nodes.push_back(origin_of(frame, n));
  Symbols& symbols = *program_.symbols;
  for (const KernelBuffer& b : kernel.buffers) {
    if (b.space == Space::scratch) continue;
    Dim& total = b.space == Space::input ? note.bytes_read : note.bytes_written;
    total = symbols.sum(total, bytes_of({b.dtype, b.shape}));
  }
  for (NodeId n : group.nodes) note.flops = symbols.sum(note.flops, flops_of(frame, n));
  return note;
}

// Equal kernels (but for names and origins) are compiled once.
uint32_t ProgramLowering::add_kernel(Kernel kernel, KernelNote note) {
  std::string key;
  {
    Kernel plain = kernel;
    plain.name = "k";
    for (Instruction& i : plain.instructions) i.origin = 0;
    for (size_t b = 0; b < plain.buffers.size(); ++b) plain.buffers[b].name = "b" + std::to_string(b);
    key = plain.text();
  }
  const auto [at, fresh] = kernels_.try_emplace(std::move(key), static_cast<uint32_t>(program_.kernels.size()));
  if (fresh) {
    program_.kernels.push_back(std::move(kernel));
    program_.notes.push_back(std::move(note));
  } else {
    std::vector<uint32_t>& nodes = program_.notes[at->second].nodes;
    nodes.insert(nodes.end(), note.nodes.begin(), note.nodes.end());
  }
  return at->second;
}

// Every kernel stores its outputs over its own space: a value of another space would be stored outside its buffer, or in
// part only.
void ProgramLowering::require_own_space(const Frame& frame, const Group& group) {
  const Graph& graph = frame.graph;
  for (ValueId v : group.outputs) {
    const std::vector<Dim>& dims = frame.axes.extents(v);
    const bool own = info(group.kind).alone
                         ? graph.producer(v) == group.root || is_behind(graph, group, v)
                         : stores(group.kind, group.split, dims == group.space.dims(), dims == group.outer.dims());
    if (!own)
      throw InternalError("node " + std::to_string(index(graph.producer(v))) + " would be stored by a " +
                          info(group.kind).name + " over " + to_string(group.space, graph.symbols.get()) + ":\n" +
                          window(graph, graph.producer(v)));
  }
}

void ProgramLowering::launch(Frame& frame, const Group& group, std::vector<Step>& steps) {
  require_own_space(frame, group);
  LoweredGroup lowered =
      lower_group(frame.graph, frame.axes, group, costs_, kernel_name(frame.graph, group, program_.kernels.size()));
  const uint32_t origin = origin_of(frame, group.root);
  if (const Node& n = frame.graph.node(group.root); group.kind == GroupKind::nest && n.op == Op::dynamic_update_slice)
    copy(place(frame, frame.graph.operands(n)[0]), result(frame, frame.graph.result(n)),
         frame.graph.type(frame.graph.result(n)), origin, steps);  // the kernel stores the update alone
  std::vector<uint32_t> temporaries;
  for (const Type& t : lowered.temporaries) temporaries.push_back(new_buffer(t, Home::arena, origin));
  for (LoweredKernel& k : lowered.kernels) {
    Step step;
    step.kind = StepKind::launch;
    step.origin = origin;
    size_t next = 0;
    for (const KernelBuffer& b : k.kernel.buffers) {
      if (b.space == Space::scratch) continue;
      const Binding& binding = k.bindings[next++];
      if (binding.temporary != UINT32_MAX)
        step.operands.push_back({temporaries[binding.temporary], -1, false, 0});
      else
        step.operands.push_back(b.space == Space::input ? place(frame, binding.value) : result(frame, binding.value));
    }
    KernelNote note = note_of(frame, group, k.kernel);
    step.kernel = add_kernel(std::move(k.kernel), std::move(note));
    steps.push_back(std::move(step));
  }
}

// A constant in memory. Equal ones are one.
uint32_t ProgramLowering::constant(const Frame& frame, NodeId n) {
  const std::string& raw = Constant(frame.graph, frame.graph.node(n)).value;
  const auto [at, fresh] = constants_.try_emplace(raw, static_cast<uint32_t>(program_.constants.size()));
  if (fresh) program_.constants.push_back(raw);
  return new_buffer(frame.graph.type(frame.graph.result(frame.graph.node(n))), Home::constant, origin_of(frame, n),
                    at->second);
}

// A whole buffer by a copy step; a slice of one by a kernel, which knows how much of it to copy.
void ProgramLowering::copy(const Operand& from, const Operand& to, const Type& type, uint32_t origin,
                           std::vector<Step>& steps) {
  if (from.buffer == to.buffer && from.is_whole() && to.is_whole()) return;  // a carry that is updated in place
  Step step;
  step.operands = {from, to};
  step.origin = origin;
  step.kind = StepKind::copy;
  if (from.loop < 0 && to.loop < 0) {
    if (!from.is_whole() || !to.is_whole()) step.count = program_.symbols->numel(type.shape);
  } else {
    step.kind = StepKind::launch;
    KernelBuilder b("k" + std::to_string(program_.kernels.size()) + "_copy", program_.symbols);
    const Dim n = program_.symbols->numel(type.shape);
    const BufferId x = b.buffer("x", type.dtype, Shape{n}, Space::input),
                   y = b.buffer("y", type.dtype, Shape{n}, Space::output);
    const ScalarId i = b.open_loop(LoopKind::vector, b.extent(n))[0];
    b.store(y, std::span(&i, 1), b.load(x, std::span(&i, 1)));
    b.close_loop();
    KernelNote note;
    note.kind = info(GroupKind::map).name;
    note.nodes = {origin};
    note.bytes_read = note.bytes_written = bytes_of(type);
    step.kernel = add_kernel(b.finish(), std::move(note));
  }
  steps.push_back(std::move(step));
}

Operand ProgramLowering::whole(Frame& frame, ValueId v, std::vector<Step>& steps) {
  const Operand o = place(frame, v);
  if (o.is_whole()) return o;
  const uint32_t origin = frame.origin;
  const Operand fresh{new_buffer(frame.graph.type(v), Home::arena, origin), -1, false, 0};
  copy(o, fresh, frame.graph.type(v), origin, steps);
  return fresh;
}

void ProgramLowering::level(Frame& frame, const FusionPlan& plan, const std::vector<Operand>& targets,
                            std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  alias_.emplace_back(graph.node_count(), 0);
  for (NodeId n : plan.aliases) alias_.back()[index(n)] = 1;
  for (NodeId n : plan.data) frame.places[index(graph.result(graph.node(n)))].buffer = constant(frame, n);
  // The first output that a value is gets written directly; others, and inputs that are outputs, are copied.
  std::vector<char> direct(graph.outputs().size(), 0);
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    const ValueId v = storage(graph, graph.outputs()[i]);
    if (targets[i].buffer == no_buffer || graph.is_input(v) || frame.places[index(v)].buffer != no_buffer) continue;
    frame.places[index(v)] = targets[i];
    direct[i] = 1;
  }
  place_parts(frame, plan);
  for (const Group& group : plan.groups) {
    if (group.kind == GroupKind::step)
      control(frame, group, steps);
    else if (group.kind == GroupKind::copy)
      copies(frame, group.root, steps);
    else
      launch(frame, group, steps);
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    if (!direct[i] && targets[i].buffer != no_buffer)
      copy(place(frame, graph.outputs()[i]), targets[i], graph.type(graph.outputs()[i]),
           frame.origin == UINT32_MAX ? 0 : frame.origin, steps);
  alias_.pop_back();
  for (const FusionNote& note : plan.not_fused) {
    if (frame.origin == UINT32_MAX)
      program_.not_fused.push_back(note);
    else
      program_.not_fused.push_back(
          {frame.first + note.producer, frame.first + note.consumer, "inside the body: " + note.reason});
  }
}

void ProgramLowering::body(const Graph& graph, int depth, uint32_t origin, const std::vector<Operand>& inputs,
                           const std::vector<Operand>& targets, std::vector<Step>& steps) {
  planned_body(graph, fuse(graph, target_, fuse_, all_inputs(graph)), depth, origin, inputs, targets, {}, steps);
}

void ProgramLowering::planned_body(const Graph& graph, const FusionPlan& plan, int depth, uint32_t origin,
                                   const std::vector<Operand>& inputs, const std::vector<Operand>& targets,
                                   const Places& places, std::vector<Step>& steps) {
  Frame frame{graph, plan.axes, depth, origin, levels_.first_of(origin, graph), {}};
  frame.places.assign(graph.value_count(), Operand{no_buffer, -1, false, 0});
  std::copy(inputs.begin(), inputs.end(), frame.places.begin());
  for (const auto& [v, place] : places) frame.places[index(v)] = place;
  level(frame, plan, targets, steps);
}

Program ProgramLowering::run(const FusionPlan& plan, const std::vector<std::pair<uint32_t, uint32_t>>& donations) {
  fuse_ = plan.enabled;
  Frame frame{graph_, plan.axes, 0, UINT32_MAX, 0, {}};
  frame.places.assign(graph_.value_count(), Operand{no_buffer, -1, false, 0});
  for (uint32_t i = 0; i < graph_.input_count(); ++i) {
    const Type& type = graph_.type(ValueId{i});
    program_.inputs.push_back(type);
    frame.places[i].buffer = new_buffer(type, Home::input, UINT32_MAX, i);
  }
  std::vector<Operand> targets;
  for (uint32_t i = 0; i < graph_.outputs().size(); ++i) {
    const ValueId v = graph_.outputs()[i];
    program_.outputs.push_back(graph_.type(v));
    const NodeId n = graph_.producer(v);
    targets.push_back(
        {new_buffer(graph_.type(v), Home::output, n == no_node ? UINT32_MAX : index(n), i), -1, false, 0});
  }
  for (const auto& [input, output] : donations) {
    if (input >= program_.inputs.size() || output >= program_.outputs.size())
      throw InternalError("a donation names an input or output that is not there");
    if (!(program_.inputs[input] == program_.outputs[output]))
      throw Error("a donated input has another type than the output that takes its memory: " +
                  to_string(program_.inputs[input], program_.symbols.get()) + " and " +
                  to_string(program_.outputs[output], program_.symbols.get()));
    program_.aliases.emplace_back(input, output);
  }
  level(frame, plan, targets, program_.steps);
  join_copies(program_);
  order_for_donations(program_);
  return std::move(program_);
}

Program lower(const Graph& graph, const FusionPlan& plan, const Target& target,
              const std::vector<std::pair<uint32_t, uint32_t>>& donations) {
  return ProgramLowering(graph, target).run(plan, donations);
}

}  // namespace tenon::passes
