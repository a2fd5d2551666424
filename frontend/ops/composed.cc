// The door of composed elementwise functions.
#include "tenon/frontend/ops/composed.h"

#include <cmath>

#include "tenon/ir/base/door.h"

namespace tenon {

DType meeting(const char* name, Takes takes, std::span<const Operand* const> operands, const Location& at) {
  const DType common = common_dtype(operands, name);
  if (is_complex(common) && (takes == Takes::fields || takes == Takes::rings || takes == Takes::everything))
    return common;
  check_real(common, name, at);
  if (takes == Takes::integers && is_floating(common)) {
    std::string text = std::string(name) + ": takes integers, and an operand is ";
    for (const Operand* x : operands) {
      if (x->weak() == Operand::Weak::floating)
        text += "a floating number";
      else if (x->weak() == Operand::Weak::no && is_floating(x->tensor().dtype()))
        text += describe(x->tensor());
      else
        continue;
      break;
    }
    throw Error(text + "; convert it with astype(tn::i64)", at);
  }
  if ((takes == Takes::floats || takes == Takes::fields) && !is_floating(common)) return default_dtype();
  const bool bools = takes == Takes::anything || takes == Takes::everything;
  return !bools && common == boolean ? i64 : common;
}

std::vector<ir::Value> formula::meet(Values x, DType computed) {
  std::vector<Value> same;
  for (const Value& v : x) same.push_back(ir::cast(v, computed));
  return broadcast_together(same, "a formula");
}

Operand number(double value, const Location& at) {
  const bool whole = std::trunc(value) == value && std::fabs(value) < 0x1p53;
  return whole ? Operand(static_cast<int64_t>(value), at) : Operand(value, at);
}

Tensor compose(const Emit& emit, Takes takes, std::initializer_list<const Operand*> operands) try {
  const Location at = place_of(operands);
  const DType met = meeting(emit.name, takes, std::span(operands.begin(), operands.size()), at);
  std::vector<Tensor> inputs;
  inputs.reserve(operands.size());
  for (const Operand* x : operands) inputs.push_back(entered(*x, formula::wide(met), emit.name));
  (void)check_broadcast(emit.name, inputs, at);
  return std::move(apply(emit, made::ComposedAttrs{met}, inputs, at)[0]);
} catch (...) {
  leave_with_error(emit.name, place_of(operands));
}

}  // namespace tenon
