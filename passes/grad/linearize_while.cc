// How a while loop is cut at the tangents: into a loop that computes, and leaves marks of the states that it went through, and a
// replay that is linear. The marks are rows of buffers of a size that is chosen beforehand, whatever the count will be.
//   (c, dc) = while body (c, dc)   ->   c, count, level, kept = while forward (c, 0, 0, unset);
//                                       dc = replay body, count, (c's start), (dc), level, kept
#include "tenon/ir/rules/replay.h"
#include "tenon/passes/grad/linearize_control.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Operand = NodeSplit::Operand;
using Source = NodeSplit::Source;

// The loop while it is cut. Inputs of forward graphs: the constants and carries that are not linear.
struct WhileCut {
  const Graph& g;
  const Node& n;
  const Loop loop;
  const Flags linear;  // per input of the body
  const Split cut;  // of the body
  NodeSplit s;

  std::vector<size_t> shared, own, states, carries;  // operands: constants and carries, those that are not linear first
  std::vector<Type> state_types;
  rules::Slots slots;

  void sort_operands();
  GraphPtr advance(Effects effects) const;
  GraphPtr condition() const;
  void build_forward();
  GraphPtr linear_body() const;
  void build_linear();
};

void WhileCut::sort_operands() {
  for (size_t i = 0; i < n.operand_count; ++i) {
    const bool carried = i >= loop.constants;
    (linear[i] ? carried ? carries : own : carried ? states : shared).push_back(i);
    if (linear[i]) continue;
    s.forward_operands.push_back(g.operands(n)[i]);
    if (carried) state_types.push_back(input_type(*loop.body, i));
  }
  slots = rules::slots_for(loop.memory, state_types);
}

// The next states alone.
GraphPtr WhileCut::advance(Effects effects) const {
  return live_part(*with_outputs(*cut.forward, cut.forward->outputs().first(states.size())), effects);
}

// One input each for what the forward loop carries beside the states.
std::vector<Value> marks_inputs(rules::Sketch& to, const std::vector<Type>& states, const rules::Slots& slots) {
  const Type number{DType::i64, {}};
  std::vector<Value> inputs{to.input(number), to.input(number)};
  for (Type type : states) {
    type.shape.insert(0, Dim(slots.regular + 1));
    inputs.push_back(to.input(type));
  }
  return inputs;
}

// A condition gives a bool, so it does not depend on what is linear; anything will do in its place.
GraphPtr WhileCut::condition() const {
  rules::Sketch to(*loop.condition);
  std::vector<Value> inputs(n.operand_count);
  for (size_t i = 0; i < n.operand_count; ++i)
    if (!linear[i]) inputs[i] = to.input(input_type(*loop.condition, i));
  marks_inputs(to, state_types, slots);
  for (size_t i = 0; i < n.operand_count; ++i) {
    const Type& type = input_type(*loop.condition, i);
    if (linear[i]) inputs[i] = splat_integer(to.builder, type.dtype, 0, type.shape);
  }
  return dce(*to.finish(to.splice(*loop.condition, inputs)));
}

void WhileCut::build_forward() {
  rules::Sketch to(*loop.body);
  std::vector<Value> inputs;
  for (size_t i = 0; i < n.operand_count; ++i)
    if (!linear[i]) inputs.push_back(to.input(input_type(*loop.body, i)));
  const auto made = marks_inputs(to, state_types, slots);
  const auto current = std::span(inputs).subspan(shared.size());
  const rules::Marks next = rules::next_marks({made[0], made[1], {made.begin() + 2, made.end()}}, current, slots);
  std::vector<Value> outputs = to.splice(*advance(Effects::stay), inputs);
  outputs.insert(outputs.end(), {next.iteration, next.level});
  outputs.insert(outputs.end(), next.buffers.begin(), next.buffers.end());
  s.extra_count = static_cast<uint32_t>(made.size());
  s.forward_op = Op::while_loop;
  s.forward_attrs = WhileLoopAttrs{.condition = condition(),
                                   .body = to.finish(outputs),
                                   .counts = {static_cast<int64_t>(shared.size())},
                                   .memory = loop.memory};
  rules::Sketch start(*loop.body);
  const rules::Marks first = rules::first_marks(start.builder, state_types, slots);
  std::vector<Value> started{first.iteration, first.level};
  started.insert(started.end(), first.buffers.begin(), first.buffers.end());
  s.started = start.finish(started);
}

// What an iteration does to the tangents, its residuals computed again: shared, own, states, carries -> carries.
GraphPtr WhileCut::linear_body() const {
  rules::Sketch to(*loop.body);
  to.builder.folding = to.builder.merging = false;
  std::vector<Value> primal, tangent;
  for (size_t i : shared) primal.push_back(to.input(input_type(*loop.body, i)));
  for (size_t i : own) tangent.push_back(to.input(input_type(*loop.body, i)));
  for (size_t i : states) primal.push_back(to.input(input_type(*loop.body, i)));
  for (size_t i : carries) tangent.push_back(to.input(input_type(*loop.body, i)));
  const auto given = to.splice(*cut.forward, primal);
  std::vector<Value> inputs(given.begin() + static_cast<std::ptrdiff_t>(states.size()), given.end());
  inputs.insert(inputs.end(), tangent.begin(), tangent.end());
  return live_part(*to.finish(to.splice(*cut.linear, inputs)), Effects::go);
}

void WhileCut::build_linear() {
  const auto number = [](const std::vector<size_t>& list) { return static_cast<int64_t>(list.size()); };
  s.linear_operands.push_back({Source::extra, 0});  // the count
  for (const auto* list : {&shared, &own, &states, &carries})
    for (size_t i : *list) s.linear_operands.push_back({Source::value, index(g.operands(n)[i])});
  for (uint32_t e = 1; e < s.extra_count; ++e) s.linear_operands.push_back({Source::extra, e});
  s.linear_op = Op::replay;
  s.linear_attrs = ReplayAttrs{.advance = advance(Effects::go),
                               .body = linear_body(),
                               .counts = {number(shared), number(own), number(states), number(carries)},
                               .memory = loop.memory};
}

}  // namespace

NodeSplit split_while(const Graph& g, const Node& n, const Flags& linear_operands) {
  const Loop loop = loop_of(g, n);
  const Flags linear = linear_body_inputs(loop, linear_operands);
  WhileCut cut{g, n, loop, linear, split_body(loop, linear), {}, {}, {}, {}, {}, {}, {}};
  cut.s.result_is_linear = cut.cut.output_is_linear;
  cut.sort_operands();
  cut.build_forward();
  cut.build_linear();
  return std::move(cut.s);
}

}  // namespace tenon::passes
