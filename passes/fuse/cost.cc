// Counts the scalar instructions behind a node.
#include "tenon/passes/fuse/cost.h"

#include "tenon/ir/kernel/kernel.h"

namespace tenon::passes {

using namespace ir;

int OpCosts::of(const Graph& graph, const Node& node) {
  const OpDef& row = def(node.op);
  if (!row.expand.scalar) return row.cost;
  const std::span<const ValueId> operands = graph.operands(node);
  const DType dtype = graph.type(operands.back()).dtype;
  if (known_.empty()) known_.assign(static_cast<size_t>(op_count * dtype_count), 0);
  int& known = known_[static_cast<int>(node.op) * dtype_count + static_cast<int>(dtype)];
  if (known != 0) return known;
  KernelBuilder b("cost", nullptr);
  const ScalarId zero = b.index_literal(0);
  std::vector<ScalarId> loaded;
  for (ValueId v : operands) {
    const DType t = graph.type(v).dtype;
    loaded.push_back(b.load(b.buffer("x", t, Shape{1}, Space::input), std::span(&zero, 1)));
  }
  b.scalar(node.op, loaded);
  int count = 0;
  for (const Instruction& i : b.finish().instructions) count += i.kind == KernelOp::scalar;
  return known = count > 0 ? count : 1;
}

}  // namespace tenon::passes
