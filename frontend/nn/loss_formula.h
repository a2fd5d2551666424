// What losses are written with: their programs' attributes, and what becomes of a loss per element. Internal to frontend/nn.
#pragma once

#include "tenon/frontend/nn/losses.h"
#include "tenon/frontend/ops/composed.h"

namespace tenon {

namespace made {
#define TENON_ATTRS TENON_ATTRS_VIEW
#define FIELD TENON_FIELD_VIEW
#include "tenon/frontend/nn/losses.def"

#define TENON_ATTRS TENON_ATTRS_VALUES
#define FIELD TENON_FIELD_VALUES
#include "tenon/frontend/nn/losses.def"
}  // namespace made

namespace formula {

Axes all_axes(Value x);
// The mean or the sum of all elements, or all of them; "batchmean" too.
Value reduced_loss(Value loss, const std::string& reduction);

// f(operands, attributes) is the loss of each element, operands being of one shape and in the dtype that is computed in.
template <Value (*f)(Values, const made::Loss&)>
std::vector<Value> build_loss(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::Loss with(attrs);
  return {ir::cast(reduced_loss(f(meet(x, wide(with.dtype)), with), with.reduction), with.dtype)};
}

}  // namespace formula

// What a loss over elements is told; weights are further operands.
struct LossCall {
  Emit emit;
  std::string reduction;
  std::vector<int64_t> flags = {};
  double parameter = 0, second = 0;
  size_t weights = 0;  // how many of the operands, the last, are weights: they take the dtype that the others meet in
  bool batchmean = false;  // is a reduction, too
};
void check_reduction(const char* name, const std::string& reduction, const Location& at, bool batchmean = false);
// Its operands in the dtype that is computed in, `dtype` being that of the result. Error for a reduction that there is not.
struct LossInputs {
  DType dtype;
  std::vector<Tensor> tensors;
};
LossInputs enter_loss(const LossCall& call, const std::vector<Operand>& operands, const Location& at);
Tensor run_loss(const LossCall& call, const LossInputs& inputs, const Location& at);
Tensor apply_loss(const LossCall& call, std::vector<Operand> operands);

}  // namespace tenon
