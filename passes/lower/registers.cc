// A small loop as one step: a kernel that reads what the loop starts from, runs it in registers (lower/small_loop.h), and stores
// what it gives. Rows that it carries in memory lie where its result is to be.
//
//   serial %i < n carry %x, %y { %u = load %xs[%i]  ...  store %ys[%i], %v  yield %x2, %y2 }
#include "tenon/passes/lower/program.h"
#include "tenon/passes/lower/small_loop.h"

namespace tenon::passes {

using namespace ir;

namespace {

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

struct RegisterKernel {
  KernelBuilder& b;
  const Loop& loop;
  SmallLoop small;
  std::vector<BufferId> in, out;  // per operand and result; a carry in memory has one for both
  std::vector<Held> operands;  // without rows

  const Type& type(size_t input) const { return loop.body->type(ValueId{static_cast<uint32_t>(input)}); }
  void load(const std::vector<char>& in_memory);
  std::vector<Held> scan();
  void build(const std::vector<char>& in_memory);
};

void RegisterKernel::load(const std::vector<char>& in_memory) {
  for (size_t i = 0; i < loop.constants + loop.carries; ++i) {
    Held value;
    if (in_memory[i])
      value.memory = in[i];
    else
      each_element(b, type(i), [&](std::span<const Scalar> at) { value.elements.push_back(b.load(in[i], place(at))); });
    operands.push_back(std::move(value));
  }
}

std::vector<Held> RegisterKernel::scan() {
  const std::span<const Held> start = loop.carries_of(std::span<const Held>(operands));
  const ScalarId length = b.extent(loop.length);
  const auto arguments = b.open_loop(LoopKind::serial, length, SmallLoop::scalars_of(start));
  ScalarId row = arguments[0];
  if (loop.reverse) {
    const ScalarId one = b.index_literal(1), back[] = {length, one};
    const ScalarId last[] = {b.scalar(Op::sub, back), row};
    row = b.scalar(Op::sub, last);
  }
  std::vector<Held> inputs(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(loop.constants));
  for (Held& value : SmallLoop::held(std::span(arguments).subspan(1), start)) inputs.push_back(std::move(value));
  for (size_t i = inputs.size(); i < loop.body->input_count(); ++i) {
    Held value;
    each_element(b, type(i),
                 [&](std::span<const Scalar> at) { value.elements.push_back(b.load(in[i], place(row, at))); });
    inputs.push_back(std::move(value));
  }
  const std::vector<Held> given = small.run(*loop.body, inputs);
  for (size_t i = loop.carries; i < given.size(); ++i) {
    size_t next = 0;
    each_element(b, loop.body->type(loop.body->outputs()[i]),
                 [&](std::span<const Scalar> at) { b.store(out[i], place(row, at), given[i].elements[next++]); });
  }
  const auto last = b.close_loop(SmallLoop::scalars_of(std::span(given).first(loop.carries)));
  return SmallLoop::held(last, start);
}

// One thread does it all; where rows lie in memory, nobody else may run the same code beside it.
void RegisterKernel::build(const std::vector<char>& in_memory) {
  const bool alone = loop.condition || std::ranges::find(in_memory, 1) != in_memory.end();
  if (alone) b.open_loop(LoopKind::parallel, b.index_literal(1));
  load(in_memory);
  const std::vector<Held> last = loop.condition ? small.while_loop(loop, operands) : scan();
  for (size_t i = 0; i < loop.carries; ++i) {
    if (in_memory[loop.constants + i]) continue;
    size_t next = 0;
    each_element(b, type(loop.constants + i),
                 [&](std::span<const Scalar> at) { b.store(out[i], place(at), last[i].elements[next++]); });
  }
  if (alone) b.close_loop();
}

}  // namespace

// Constants of a large type are read in place. A carry of one is copied to where its result is to be, unless it starts unset.
bool ProgramLowering::loop_in_registers(Frame& frame, NodeId id, std::vector<Step>& steps) {
  const Graph& graph = frame.graph;
  const Node& n = graph.node(id);
  const std::span<const ValueId> operands = graph.operands(n);
  if (!fuse_ || !is_small_loop(graph, n, costs_)) return false;
  const Loop loop = loop_of(graph, n);
  const uint32_t origin = origin_of(frame, id);
  std::vector<char> in_memory(operands.size(), 0);
  for (size_t i = 0; i < loop.constants + loop.carries; ++i) {
    in_memory[i] = small_count(graph.type(operands[i]), costs_.tiles.scan_tensor) < 0;
    if (in_memory[i] && i >= loop.constants &&
        !result(frame, graph.result(n, static_cast<uint32_t>(i - loop.constants))).is_whole())
      return false;
  }
  KernelBuilder b("k" + std::to_string(program_.kernels.size()) + (loop.condition ? "_while" : "_scan"),
                  program_.symbols);
  b.origin = origin;
  RegisterKernel kernel{b, loop, SmallLoop(b, costs_), {}, {}, {}};
  Step step;
  step.origin = origin;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Type& type = graph.type(operands[i]);
    const bool carried = in_memory[i] && i >= loop.constants;
    kernel.in.push_back(
        b.buffer("x" + std::to_string(i), type.dtype, type.shape, carried ? Space::inout : Space::input));
    if (carried) {
      const Operand to = result(frame, graph.result(n, static_cast<uint32_t>(i - loop.constants)));
      if (!is_unset(graph, operands[i])) copy(place(frame, operands[i]), to, type, origin, steps);
      step.operands.push_back(to);
    } else {
      step.operands.push_back(place(frame, operands[i]));
    }
  }
  for (uint32_t i = 0; i < n.result_count; ++i) {
    kernel.out.push_back(BufferId{});
    if (i < loop.carries && in_memory[loop.constants + i]) continue;
    const Type& type = graph.type(graph.result(n, i));
    kernel.out.back() = b.buffer("y" + std::to_string(i), type.dtype, type.shape, Space::output);
    step.operands.push_back(result(frame, graph.result(n, i)));
  }
  kernel.build(in_memory);
  step.kernel = add_kernel(b.finish(), note_of_loop(frame, id, loop));
  steps.push_back(std::move(step));
  return true;
}

KernelNote ProgramLowering::note_of_loop(const Frame& frame, NodeId id, const Loop& loop) {
  const Graph &graph = frame.graph, &next = *loop.body;
  const Node& n = graph.node(id);
  const uint32_t origin = origin_of(frame, id);
  KernelNote note;
  note.kind = info(GroupKind::nest).name;
  note.nodes = {origin};
  for (uint32_t k = 0; k < next.node_count(); ++k) note.nodes.push_back(levels_.first_of(origin, next) + k);
  for (ValueId v : graph.operands(n)) note.bytes_read = program_.symbols->sum(note.bytes_read, bytes_of(graph.type(v)));
  for (uint32_t i = 0; i < n.result_count; ++i)
    note.bytes_written = program_.symbols->sum(note.bytes_written, bytes_of(graph.type(graph.result(n, i))));
  int64_t flops = 0;
  for (const Node& inner : next.nodes())
    if (def(inner.op).family == Family::elementwise)
      flops += costs_.of(next, inner) * small_count(next.type(next.result(inner)), costs_.tiles.scan_tensor);
  note.flops = loop.condition ? Dim(flops) : program_.symbols->product(loop.length, Dim(flops));
  return note;
}

}  // namespace tenon::passes
