// Movement by whole runs: concatenations, and slices that are one run of their operand (passes/whole_runs.h). A part that a
// kernel of this level computes, and that has no place of its own, is computed where it stands in the whole; the other parts are
// copied there. Where extents stand before the axis, the runs are copied row by row. Refuses rows of rows: a concatenation that
// is itself a row of an enclosing loop is put together elsewhere first.
//
//   %2 = exp %0 ; %3 = concat %2, %1    ->    launch @k0(%0, %3[at 0])  copy 8 of %1 to %3[at 8]
#include "tenon/passes/lower/program.h"
#include "tenon/passes/whole_runs.h"

namespace tenon::passes {

using namespace ir;

namespace {

// Where the parts of a concatenation stand in each of its rows, in elements.
struct Parts {
  Dim rows = 1, row = 0;  // how many there are, how long each is
  std::vector<Dim> starts, lengths;
};

Parts parts_of(const Graph& graph, const Node& n) {
  Symbols& symbols = *graph.symbols;
  const Shape& shape = graph.type(graph.result(n)).shape;
  const size_t axis = Concat(graph, n).axis;
  const Dim inner =
      symbols.numel(Shape({shape.dims().begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.dims().end()}));
  Parts parts;
  parts.rows = rows_of(graph, n);
  parts.row = symbols.product(shape[axis], inner);
  Dim before = 0;
  for (ValueId v : graph.operands(n)) {
    const Dim extent = graph.type(v).shape[axis];
    parts.starts.push_back(symbols.product(before, inner));
    parts.lengths.push_back(symbols.product(extent, inner));
    before = symbols.sum(before, extent);
  }
  return parts;
}

}  // namespace

Operand ProgramLowering::part(Operand whole, Dim start) {
  whole.start = program_.symbols->sum(whole.start, start);
  whole.part = true;
  return whole;
}

// From the last concatenation to the first, so that a part of a part finds its place.
void ProgramLowering::place_parts(Frame& frame, const FusionPlan& plan) {
  const Graph& graph = frame.graph;
  std::vector<char> computed(graph.value_count(), 0);  // by what can write into a part of a buffer
  for (const Group& group : plan.groups)
    for (ValueId v : group.outputs) computed[index(v)] = group.kind != GroupKind::step;
  for (size_t g = plan.groups.size(); g-- > 0;) {
    if (plan.groups[g].kind != GroupKind::copy) continue;
    const Node& n = graph.node(plan.groups[g].root);
    if (n.op != Op::concat) continue;
    const Parts parts = parts_of(graph, n);
    if (parts.rows != 1) continue;
    const Operand whole = result(frame, graph.result(n));
    if (whole.loop >= 0) continue;
    for (size_t k = 0; k < parts.starts.size(); ++k) {
      const ValueId v = storage(graph, graph.operands(n)[k]);
      Operand& place = frame.places[index(v)];
      if (computed[index(v)] && place.buffer == no_buffer) place = part(whole, parts.starts[k]);
    }
  }
}

void ProgramLowering::copy_run(const Operand& from, const Operand& to, Dim count, uint32_t origin,
                               std::vector<Step>& steps) {
  const bool there = from.buffer == to.buffer && from.loop == to.loop && from.start == to.start;
  if (there || count == 0) return;
  Step step;
  step.kind = StepKind::copy;
  step.operands = {from, to};
  step.count = count;
  step.origin = origin;
  steps.push_back(std::move(step));
}

// One loop over the rows, which copies a run from every part.
void ProgramLowering::copy_rows(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const Parts parts = parts_of(graph, n);
  const ValueId v = graph.result(n);
  const uint32_t origin = origin_of(frame, id);
  const Operand wanted = result(frame, v);
  const Operand to = wanted.loop < 0 ? wanted : Operand{new_buffer(graph.type(v), Home::arena, origin), -1, false, 0};
  const auto row_of = [&](Operand o, Dim length, Dim start) {
    o = part(o, start);
    o.loop = frame.depth;
    o.stride = length;
    return o;
  };
  Step loop;
  loop.kind = StepKind::loop;
  loop.trip_count = parts.rows;
  loop.origin = origin;
  for (size_t k = 0; k < parts.starts.size(); ++k) {
    Operand from = place(frame, graph.operands(n)[k]);
    if (from.loop >= 0) from = whole(frame, graph.operands(n)[k], steps);
    copy_run(row_of(from, parts.lengths[k], 0), row_of(to, parts.row, parts.starts[k]), parts.lengths[k], origin,
             loop.body);
  }
  steps.push_back(std::move(loop));
  if (wanted.loop >= 0) copy(to, wanted, graph.type(v), origin, steps);
}

void ProgramLowering::copies(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const uint32_t origin = origin_of(frame, id);
  if (n.op == Op::slice) {
    const Operand from = part(place(frame, graph.operands(n)[0]), start_of(graph, n));
    const Dim count = graph.symbols->numel(graph.type(graph.result(n)).shape);
    return copy_run(from, result(frame, graph.result(n)), count, origin, steps);
  }
  if (rows_of(graph, n) != 1) return copy_rows(frame, id, steps);
  const Parts parts = parts_of(graph, n);
  const Operand to = result(frame, graph.result(n));
  for (size_t k = 0; k < parts.starts.size(); ++k)
    copy_run(place(frame, graph.operands(n)[k]), part(to, parts.starts[k]), parts.lengths[k], origin, steps);
}

}  // namespace tenon::passes
