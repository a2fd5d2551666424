// Small scans as one kernel: when everything that a scan carries and reads per iteration is a few numbers, the whole loop is
// one serial loop whose carries are scalars. Each element of a small tensor is a scalar of its own; movement ops vanish,
// because every index is a literal.
//
//   serial %i < n carry %x, %y { %u = load %xs[%i]  ...  store %ys[%i], %v  yield %x2, %y2 }
//
// Refuses bodies with reductions, contractions, run-time indices or control flow: those stay steps.
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/fuse/cost.h"
#include "tenon/passes/lower/program.h"

namespace tenon::passes {

using namespace ir;

namespace {

// -1 when it is not known, or more than `few` numbers.
int64_t count_of(const Type& type, int64_t few) {
  int64_t n = 1;
  for (Dim d : type.shape) {
    if (d.is_symbol() || d.number() > few || n > few) return -1;
    n *= d.number();
  }
  return n;
}

bool fits(const Loop& loop, OpCosts& costs) {
  const Graph& body = *loop.body;
  const int64_t few = costs.tiles.scan_tensor;
  int64_t in_registers = 0, cost = 0;
  for (uint32_t v = 0; v < body.value_count(); ++v) {
    const int64_t count = count_of(body.type(ValueId{v}), few);
    if (count < 0 || count > few) return false;
    if (v >= loop.constants && v < loop.constants + loop.carries) in_registers += count;
  }
  for (const Node& n : body.nodes()) {
    const OpDef& row = def(n.op);
    const bool moves = (row.family == Family::movement || row.family == Family::source) && row.reads != Reads::operands;
    if (row.family != Family::elementwise && !moves) return false;
    if (!moves) cost += costs.of(body, n) * count_of(body.type(body.result(n)), few);
  }
  return in_registers <= costs.tiles.scan_carried && cost <= costs.limits.kernel_ops;
}

// Calls visit(index) for every element of a static type, in row-major order; the index is of full rank, as the buffers are.
template <class Visit>
void each_element(KernelBuilder& b, const Type& type, Visit visit) {
  const Shape& shape = type.shape;
  const int64_t total = shape.numel();
  for (int64_t e = 0; e < total; ++e) {
    std::vector<Scalar> at(shape.size());
    int64_t rest = e;
    for (size_t d = shape.size(); d-- > 0;) {
      at[d] = {&b, b.index_literal(rest % shape[d].number())};
      rest /= shape[d].number();
    }
    visit(std::span<const Scalar>(at));
  }
}

// Where an element stands in a tensor, and in one that holds a row for each iteration.
Index place(std::span<const Scalar> at) {
  Index result;
  for (Scalar s : at) result.push_back(s.id);
  return result;
}
Index place(ScalarId row, std::span<const Scalar> at) {
  Index result = place(at);
  result.insert(result.begin(), row);
  return result;
}

// The kernel while it is built.
struct ScanKernel {
  KernelBuilder& b;
  const Loop& loop;
  Elements& e;  // of the body
  std::vector<BufferId> in, out;

  const Type& type(ValueId v) const { return e.graph.type(v); }
  std::vector<ScalarId> load_initial();
  void take(const std::vector<ScalarId>& arguments, ScalarId row);
  std::vector<ScalarId> give(ScalarId row);
  void build();
};

// What the loop starts from. Constants are known from now on; the carries' numbers are returned.
std::vector<ScalarId> ScanKernel::load_initial() {
  std::vector<ScalarId> initial;
  for (uint32_t i = 0; i < loop.constants + loop.carries; ++i) {
    const ValueId v{i};
    each_element(b, type(v), [&](std::span<const Scalar> at) {
      const ScalarId value = b.load(in[i], place(at));
      if (i < loop.constants)
        e.set(v, e.counting(v, at), value);
      else
        initial.push_back(value);
    });
  }
  return initial;
}

// The body's inputs that change: carries from the loop's arguments, rows from their buffers.
void ScanKernel::take(const std::vector<ScalarId>& arguments, ScalarId row) {
  size_t taken = 1;
  for (uint32_t i = static_cast<uint32_t>(loop.constants); i < e.graph.input_count(); ++i) {
    const ValueId v{i};
    each_element(b, type(v), [&](std::span<const Scalar> at) {
      const bool carried = i < loop.constants + loop.carries;
      e.set(v, e.counting(v, at), carried ? arguments[taken++] : b.load(in[i], place(row, at)));
    });
  }
}

// The body's outputs: rows are stored, the next carries returned.
std::vector<ScalarId> ScanKernel::give(ScalarId row) {
  std::vector<ScalarId> yields;
  for (size_t i = 0; i < e.graph.outputs().size(); ++i) {
    const ValueId v = e.graph.outputs()[i];
    each_element(b, type(v), [&](std::span<const Scalar> at) {
      const ScalarId value = e.at(v, e.counting(v, at));
      if (i < loop.carries)
        yields.push_back(value);
      else
        b.store(out[i], place(row, at), value);
    });
  }
  return yields;
}

void ScanKernel::build() {
  const std::vector<ScalarId> initial = load_initial();
  const ScalarId length = b.extent(loop.length);
  const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, length, initial);
  e.open_scope();
  ScalarId row = arguments[0];
  if (loop.reverse) row = e.binary(Op::sub, e.binary(Op::sub, length, b.index_literal(1)), row);
  take(arguments, row);
  const std::vector<ScalarId> yields = give(row);
  e.close_scope();
  const std::vector<ScalarId> last = b.close_loop(yields);
  size_t given = 0;
  for (size_t i = 0; i < loop.carries; ++i)
    each_element(b, type(e.graph.outputs()[i]),
                 [&](std::span<const Scalar> at) { b.store(out[i], place(at), last[given++]); });
}

}  // namespace

bool ProgramLowering::scan_in_registers(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const std::span<const ValueId> operands = graph.operands(n);
  const Loop loop = loop_of(graph, n);
  if (!fuse_ || !fits(loop, costs_)) return false;
  const Graph& next = *loop.body;

  KernelBuilder b("k" + std::to_string(program_.kernels.size()) + "_scan", program_.symbols);
  const uint32_t origin = origin_of(frame, id);
  b.origin = origin;
  Group group;  // every node, each axis for itself
  group.kind = GroupKind::step;
  for (uint32_t k = 0; k < next.node_count(); ++k) group.nodes.push_back(NodeId{k});
  const Axes axes(next);
  Runs runs(next, axes, group);
  Elements e(next, group, b, runs, costs_);
  ScanKernel kernel{b, loop, e, {}, {}};
  Step step;
  step.origin = origin;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Type& type = graph.type(operands[i]);
    kernel.in.push_back(b.buffer("x" + std::to_string(i), type.dtype, type.shape, Space::input));
    step.operands.push_back(place(frame, operands[i]));
  }
  for (uint32_t i = 0; i < n.result_count; ++i) {
    const Type& type = graph.type(graph.result(n, i));
    kernel.out.push_back(b.buffer("y" + std::to_string(i), type.dtype, type.shape, Space::output));
    step.operands.push_back(result(frame, graph.result(n, i)));
  }
  kernel.build();

  KernelNote note;
  note.kind = info(GroupKind::nest).name;
  note.nodes = {origin};
  for (uint32_t k = 0; k < next.node_count(); ++k) note.nodes.push_back(levels_.first_of(origin, next) + k);
  for (ValueId v : operands) note.bytes_read = program_.symbols->sum(note.bytes_read, bytes_of(graph.type(v)));
  for (uint32_t i = 0; i < n.result_count; ++i)
    note.bytes_written = program_.symbols->sum(note.bytes_written, bytes_of(graph.type(graph.result(n, i))));
  int64_t flops = 0;
  for (const Node& inner : next.nodes())
    if (def(inner.op).family == Family::elementwise)
      flops += costs_.of(next, inner) * count_of(next.type(next.result(inner)), costs_.tiles.scan_tensor);
  note.flops = program_.symbols->product(loop.length, Dim(flops));
  step.kernel = add_kernel(b.finish(), std::move(note));
  steps.push_back(std::move(step));
  return true;
}

}  // namespace tenon::passes
