// Activations composed from primitives, and the two functions that say something about a program and leave values alone:
// stop_gradient and barrier. Formulas are part of the contract on numbers (docs/numbers.md): changing one raises
// runtime::numerics_version. An activation of one op of the table stands there.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/trace.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

// 0 where x <= 0, else x: NaN passes, and the derivative at 0 is 0. Bools are numbers here.
Value relu(Value x) {
  const Value low = le(x, literal(x, 0));
  return select(low, literal(x, 0), x);
}

std::vector<Value> build_relu(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return {relu(x[0].dtype() == boolean ? cast(x[0], i64) : x[0])};
}
// A cast to the same type that derivatives do not pass: its tangent is structurally absent.
std::vector<Value> build_stop(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return {stop_gradient(x[0])};
}
std::vector<Value> build_barrier(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs&) {
  return ir::apply(b, ir::Op::barrier, x);
}

}  // namespace
}  // namespace formula

namespace {

Tensor activation(const Emit& emit, const Operand& x) try {
  return apply_one(emit, {}, {as_tensor(x, emit.name)}, x.where());
} catch (...) {
  leave_with_error(emit.name, x.where());
}

}  // namespace

Tensor relu(Operand x) try {
  check_real("relu", {&x});
  return activation({"relu", formula::build_relu}, x);
} catch (...) {
  leave_with_error("relu", x.where());
}
Tensor sigmoid(Operand x) { return elementwise::logistic(x); }
Tensor stop_gradient(Operand x) { return activation({"stop_gradient", formula::build_stop}, x); }
Tensor barrier(Operand x) { return activation({"barrier", formula::build_barrier}, x); }

}  // namespace tenon
