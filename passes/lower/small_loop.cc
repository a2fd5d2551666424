// Loops in the registers of one kernel, graph by graph: nodes that read or store rows of memory and inner loops stand where the
// graph has them, the others are computed on demand.
//
//   %x = while ... { %1 = dynamic_slice %rows, %i ; ... }   ->   repeat carry %go, %i, %x { %u = load %rows[%i] ... yield ... }
#include "tenon/passes/lower/small_loop.h"

namespace tenon::passes {

using namespace ir;

// A graph while it is computed: every node in one group, each axis for itself.
struct SmallLoop::Part {
  const Graph& g;
  Group group;
  Axes axes;
  Runs runs;
  Elements e;

  static Group all_nodes(const Graph& g) {
    Group group;
    group.kind = GroupKind::step;
    for (uint32_t k = 0; k < g.node_count(); ++k) group.nodes.push_back(NodeId{k});
    return group;
  }
  Part(const Graph& graph, KernelBuilder& b, OpCosts& costs)
      : g(graph), group(all_nodes(graph)), axes(graph), runs(graph, axes, group), e(graph, group, b, runs, costs) {}
};

Held SmallLoop::read(Part& part, ValueId v) {
  Held value;
  if (const BufferId* memory = part.e.bound(v))
    value.memory = *memory;
  else
    each_element(b_, part.g.type(v),
                 [&](std::span<const Scalar> at) { value.elements.push_back(part.e.at(v, part.e.counting(v, at))); });
  return value;
}

void SmallLoop::give(Part& part, ValueId v, const Held& value) {
  if (value.memory) return part.e.bind(v, *value.memory);
  size_t next = 0;
  each_element(b_, part.g.type(v),
               [&](std::span<const Scalar> at) { part.e.set(v, part.e.counting(v, at), value.elements[next++]); });
}

// Stores the update where its starts say, clamped.
void SmallLoop::update(Part& part, const Node& n) {
  const auto operands = part.g.operands(n);
  const Shape &whole = part.g.type(operands[0]).shape, &window = part.g.type(operands[1]).shape;
  std::vector<Scalar> starts;
  for (size_t i = 0; i < whole.size(); ++i) {
    const Scalar start{&b_, part.e.at(operands[2 + i], {})}, zero{&b_, b_.index_literal(0)};
    const Scalar last = Scalar{&b_, b_.extent(whole[i])} - Scalar{&b_, b_.extent(window[i])};
    starts.push_back(whole[i] == window[i] ? zero : min(max(start, zero), last));
  }
  const Held rows = read(part, operands[1]);  // all of them before the first is stored
  const BufferId memory = *part.e.bound(operands[0]);
  size_t next = 0;
  each_element(b_, part.g.type(operands[1]), [&](std::span<const Scalar> at) {
    Index place;
    for (size_t i = 0; i < at.size(); ++i) place.push_back((starts[i] + at[i]).id);
    b_.store(memory, place, rows.elements[next++]);
  });
  part.e.bind(part.g.result(n), memory);
}

void SmallLoop::node(Part& part, const Node& n) {
  const auto operands = part.g.operands(n);
  if (n.op == Op::dynamic_slice) {
    read(part, part.g.result(n));
  } else if (n.op == Op::dynamic_update_slice) {
    update(part, n);
    return;
  }
  if (n.op != Op::while_loop && !is_small_sum(part.g, n)) return;
  std::vector<Held> inputs;
  for (ValueId v : operands) inputs.push_back(read(part, v));
  if (n.op != Op::while_loop) {
    give(part, part.g.result(n), {small_sum(b_, part.g, n, inputs), {}});
  } else {
    const std::vector<Held> results = while_loop(ir::loop_of(part.g, n), inputs);
    for (uint32_t k = 0; k < n.result_count; ++k) give(part, part.g.result(n, k), results[k]);
  }
}

std::vector<Held> SmallLoop::run(const Graph& graph, const std::vector<Held>& inputs) {
  Part part(graph, b_, costs_);
  for (uint32_t i = 0; i < graph.input_count(); ++i) give(part, ValueId{i}, inputs[i]);
  for (const Node& n : graph.nodes()) node(part, n);
  std::vector<Held> outputs;
  for (ValueId v : graph.outputs()) outputs.push_back(read(part, v));
  return outputs;
}

std::vector<ScalarId> SmallLoop::scalars_of(std::span<const Held> values) {
  std::vector<ScalarId> scalars;
  for (const Held& value : values) scalars.insert(scalars.end(), value.elements.begin(), value.elements.end());
  return scalars;
}

std::vector<Held> SmallLoop::held(std::span<const ScalarId> scalars, std::span<const Held> like) {
  std::vector<Held> values;
  size_t next = 0;
  for (const Held& one : like) {
    Held value{{}, one.memory};
    for (size_t k = 0; k < one.elements.size(); ++k) value.elements.push_back(scalars[next++]);
    values.push_back(std::move(value));
  }
  return values;
}

std::vector<Held> SmallLoop::while_loop(const Loop& loop, const std::vector<Held>& operands) {
  const std::span<const Held> first(operands);
  const auto with_constants = [&](std::span<const Held> carries) {
    std::vector<Held> all(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(loop.constants));
    all.insert(all.end(), carries.begin(), carries.end());
    return all;
  };
  const std::span<const Held> start = loop.carries_of(first);
  std::vector<ScalarId> initial = run(*loop.condition, operands)[0].elements;
  for (ScalarId s : scalars_of(start)) initial.push_back(s);
  const auto arguments = b_.open_loop(LoopKind::repeat, b_.index_literal(INT64_MAX), initial);
  const std::vector<Held> now = held(std::span(arguments).subspan(2), start);
  const std::vector<Held> next = run(*loop.body, with_constants(now));
  std::vector<ScalarId> yields = run(*loop.condition, with_constants(next))[0].elements;
  for (ScalarId s : scalars_of(next)) yields.push_back(s);
  const auto last = b_.close_loop(yields);
  return held(std::span(last).subspan(1), start);
}

}  // namespace tenon::passes
