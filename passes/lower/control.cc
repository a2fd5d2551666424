// Control flow as steps: branches, loops over a condition, counted loops; and what asks the host for something. Sub-graphs become nested steps of the same
// program. A scan reads its rows in place and writes its results in place; carries live in two buffers, this iteration's
// and the next one's, or in one where the body updates them in place (lower/in_place.cc).
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/kernel/collectives.h"
#include "tenon/passes/lower/program.h"

namespace tenon::passes {

using namespace ir;

void ProgramLowering::control(Frame& frame, const Group& group, std::vector<Step>& steps) {
  const Node& n = frame.graph.node(group.root);
  switch (n.op) {
    case Op::cond: return cond(frame, group.root, steps);
    case Op::while_loop: return while_loop(frame, group.root, steps);
    case Op::scan: return scan(frame, group.root, steps);
    case Op::custom_call:
    case Op::check:
    case Op::print: return custom(frame, group.root, steps);
    default: break;
  }
  if (def(n.op).family == Family::ranks) return custom(frame, group.root, steps);
  if (!def(n.op).inlined) throw InternalError("no step for " + std::string(name(n.op)));
  std::vector<Operand> inputs, targets;  // where inline_calls was left out
  for (ValueId v : frame.graph.operands(n)) inputs.push_back(place(frame, v));
  for (uint32_t k = 0; k < n.result_count; ++k) targets.push_back(result(frame, frame.graph.result(n, k)));
  body(*Call(frame.graph, n).graph, frame.depth, origin_of(frame, group.root), inputs, targets, steps);
}

void ProgramLowering::cond(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const std::span<const ValueId> operands = graph.operands(n);
  Step step;
  step.kind = StepKind::branch;
  step.origin = origin_of(frame, id);
  step.operands = {whole(frame, operands[0], steps)};
  std::vector<Operand> inputs, targets;
  for (ValueId v : operands.subspan(1)) inputs.push_back(place(frame, v));
  for (uint32_t k = 0; k < n.result_count; ++k) targets.push_back(result(frame, graph.result(n, k)));
  const Cond c(graph, n);
  body(*c.then, frame.depth, step.origin, inputs, targets, step.body);
  body(*c.otherwise, frame.depth, step.origin, inputs, targets, step.otherwise);
  steps.push_back(std::move(step));
}

Operand ProgramLowering::next_place(const Graph& body, const FusionPlan& plan, ValueId input, size_t output,
                                    const Operand& current, Step& step, Places& places) {
  if (body.outputs()[output] == input) return {no_buffer, -1, false, 0};
  const std::vector<ValueId> links = stored_in_place(body, plan, input, output);
  for (ValueId v : links) places.emplace_back(v, current);
  const Operand next =
      links.empty() ? Operand{new_buffer(body.type(input), Home::arena, step.origin), -1, false, 0} : current;
  step.carries.push_back({current.buffer, next.buffer});
  return next;
}

void ProgramLowering::while_loop(Frame& frame, NodeId id, std::vector<Step>& steps) {
  if (loop_in_registers(frame, id, steps)) return;
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const std::span<const ValueId> operands = graph.operands(n);
  const Loop loop = loop_of(graph, n);
  Step step;
  step.kind = StepKind::loop;
  step.origin = origin_of(frame, id);
  const FusionPlan plan = fuse(*loop.body, target_, fuse_, all_inputs(*loop.body));
  Places places;
  std::vector<Operand> inputs, targets;
  for (ValueId v : loop.constants_of(operands)) inputs.push_back(place(frame, v));
  for (size_t i = 0; i < loop.carries; ++i) {
    const ValueId v = graph.result(n, static_cast<uint32_t>(i));
    Operand current = result(frame, v);
    if (current.loop >= 0) current = {new_buffer(graph.type(v), Home::arena, step.origin), -1, false, 0};
    if (!is_unset(graph, loop.carries_of(operands)[i]))
      copy(place(frame, loop.carries_of(operands)[i]), current, graph.type(v), step.origin, steps);
    inputs.push_back(current);
    targets.push_back(
        next_place(*loop.body, plan, ValueId{static_cast<uint32_t>(loop.constants + i)}, i, current, step, places));
  }
  const Operand go{new_buffer({DType::boolean, {}}, Home::arena, step.origin), -1, false, 0};
  step.operands = {go};
  body(*loop.condition, frame.depth + 1, step.origin, inputs, {go}, step.condition);
  planned_body(*loop.body, plan, frame.depth + 1, step.origin, inputs, targets, places, step.body);
  std::vector<Operand> kept(inputs.begin() + static_cast<std::ptrdiff_t>(loop.constants), inputs.end());
  steps.push_back(std::move(step));
  for (size_t k = 0; k < kept.size(); ++k) {  // a result that is itself a row of an outer loop's
    const ValueId v = graph.result(n, static_cast<uint32_t>(k));
    if (const Operand target = result(frame, v); target.loop >= 0)
      copy(kept[k], target, graph.type(v), origin_of(frame, id), steps);
  }
}

void ProgramLowering::scan(Frame& frame, NodeId id, std::vector<Step>& steps) {
  if (loop_in_registers(frame, id, steps)) return;
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const std::span<const ValueId> operands = graph.operands(n);
  const Loop loop = loop_of(graph, n);
  const Graph& next = *loop.body;
  Step step;
  step.kind = StepKind::loop;
  step.origin = origin_of(frame, id);
  step.trip_count = loop.length;
  const auto row_of = [&](const Operand& o, const Type& row) {
    return Operand{o.buffer, frame.depth, loop.reverse, program_.symbols->numel(row.shape)};
  };
  const FusionPlan plan = fuse(next, target_, fuse_, all_inputs(next));
  Places places;
  std::vector<Operand> inputs, targets, kept, ends;
  for (ValueId v : loop.constants_of(operands)) inputs.push_back(place(frame, v));
  for (size_t i = 0; i < loop.carries; ++i) {
    const ValueId v = graph.result(n, static_cast<uint32_t>(i));
    Operand current = result(frame, v);
    ends.push_back(current);
    if (current.loop >= 0) current = {new_buffer(graph.type(v), Home::arena, step.origin), -1, false, 0};
    kept.push_back(current);
    if (!is_unset(graph, loop.carries_of(operands)[i]))
      copy(place(frame, loop.carries_of(operands)[i]), current, graph.type(v), step.origin, steps);
    inputs.push_back(current);
    targets.push_back(
        next_place(next, plan, ValueId{static_cast<uint32_t>(loop.constants + i)}, i, current, step, places));
  }
  for (size_t i = loop.constants + loop.carries; i < operands.size(); ++i)
    inputs.push_back(row_of(whole(frame, operands[i], steps), next.type(ValueId{static_cast<uint32_t>(i)})));
  for (size_t i = loop.carries; i < next.outputs().size(); ++i) {
    const ValueId v = graph.result(n, static_cast<uint32_t>(i));
    Operand rows = result(frame, v);
    ends.push_back(rows);
    if (rows.loop >= 0) rows = {new_buffer(graph.type(v), Home::arena, step.origin), -1, false, 0};
    kept.push_back(rows);
    targets.push_back(row_of(rows, next.type(next.outputs()[i])));
  }
  planned_body(next, plan, frame.depth + 1, step.origin, inputs, targets, places, step.body);
  steps.push_back(std::move(step));
  for (size_t k = 0; k < kept.size(); ++k)
    if (ends[k].loop >= 0)
      copy(kept[k], ends[k], graph.type(graph.result(n, static_cast<uint32_t>(k))), origin_of(frame, id), steps);
}

namespace {

RanksStep ranks_step(const Graph& graph, const Node& n) {
  RanksStep step;
  step.op = n.op;
  if (n.op == Op::rank_index) {
    const RankIndex group(graph, n);
    step.size = group.size, step.stride = group.stride;
    return step;
  }
  const Collective c(graph, n);
  step.size = c.size, step.stride = c.stride;
  step.numbers = c.numbers;
  if (n.operand_count > 0) step.block = graph.type(graph.operands(n)[0]);
  if (has_block_for_each(n.op)) step.block.shape.erase(0);
  return step;
}

}  // namespace

void ProgramLowering::custom(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Node& n = frame.graph.node(id);
  Step step;
  step.kind = StepKind::custom;
  step.origin = origin_of(frame, id);
  if (n.op == Op::check) {
    const Check check(frame.graph, n);
    step.host = Host::check;
    step.custom = check.message;
    step.place = check.place;
  } else if (def(n.op).family == Family::ranks) {
    step.host = Host::ranks;
    step.ranks = ranks_step(frame.graph, n);
    if (n.op != Op::rank_index) step.place = Collective(frame.graph, n).place;
  } else if (n.op == Op::print) {
    step.host = Host::print;
    step.custom = Print(frame.graph, n).format;
    for (ValueId v : frame.graph.operands(n)) step.types.push_back(frame.graph.type(v));
  } else {
    step.custom = CustomCall(frame.graph, n).name;
  }
  step.outputs = n.result_count;
  for (ValueId v : frame.graph.operands(n)) step.operands.push_back(place(frame, v));
  for (uint32_t k = 0; k < n.result_count; ++k) step.operands.push_back(result(frame, frame.graph.result(n, k)));
  steps.push_back(std::move(step));
}

}  // namespace tenon::passes
