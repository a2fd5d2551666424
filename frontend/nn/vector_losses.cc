// Losses of vectors along an axis: similarities, distances, many labels at once.
#include <cmath>

#include "tenon/frontend/linalg/formulas.h"
#include "tenon/frontend/nn/loss_formula.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon {
namespace formula {
namespace {

using With = made::Loss;

int64_t last_axis(Value x) { return x.shape().rank() - 1; }
Value sum_along(Value x, int64_t axis) { return reduce(ir::Op::reduce_sum, x, {axis}); }
Value positive_part(Value x) { return select(lt(x, like(x, 0)), like(x, 0), x); }

// parameter: eps; flags[0]: the axis.
Value cosine(Values x, const With& with) {
  const int64_t axis = with.flags[0];
  const auto length = [&](Value v) {
    const Value norm = linalg::vector_norm_of(v, 2, {axis});
    return max(norm, like(norm, with.parameter));
  };
  return sum_along(x[0] * x[1], axis) / (length(x[0]) * length(x[1]));
}

// In front of the operands' last axis, y's. parameter: the margin.
std::vector<Value> build_cosine_embedding(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const With with(attrs);
  const DType computed = wide(with.dtype);
  const std::vector<Value> v = meet(x.first(2), computed);
  const int64_t axis = last_axis(v[0]);
  constexpr double tiny = 1e-12F;  // as PyTorch has it
  const Value a = sum_along(v[0] * v[0], axis) + tiny, b = sum_along(v[1] * v[1], axis) + tiny;
  const Value c = sum_along(v[0] * v[1], axis) / sqrt(a * b), y = broadcast_to(ir::cast(x[2], computed), c.shape());
  const Value zero = like(c, 0), one = like(y, 1);
  const Value same = select(eq(y, one), 1 - c, zero);
  const Value loss = same + select(eq(y, -one), positive_part(c - with.parameter), zero);
  return {ir::cast(reduced_loss(loss, with.reduction), with.dtype)};
}

// parameter: the margin; second: p. flags[0]: swap. The last operand is eps.
std::vector<Value> build_triplet(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const With with(attrs);
  const std::vector<Value> v = meet(x, wide(with.dtype));
  const int64_t axis = last_axis(v[0]);
  const auto distance = [&](Value a, Value b) { return linalg::vector_norm_of(a - b + v[3], with.second, {axis}); };
  const Value near = distance(v[0], v[1]);
  Value far = distance(v[0], v[2]);
  if (with.flags[0]) far = min(far, distance(v[1], v[2]));
  return {ir::cast(reduced_loss(positive_part(near - far + with.parameter), with.reduction), with.dtype)};
}

std::vector<Value> build_multilabel(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const With with(attrs);
  const std::vector<Value> v = meet(x, wide(with.dtype));
  Value loss = v[1] * softplus(-v[0]) + (1 - v[1]) * softplus(v[0]);
  if (with.flags[0]) loss = loss * stop_gradient(v[2]);
  return {ir::cast(reduced_loss(mean(loss, {last_axis(loss)}, false), with.reduction), with.dtype)};
}

}  // namespace
}  // namespace formula

namespace {

// Applies a loss whose result has another shape than its operands; `stretch` of them have one shape, of one axis at least.
Tensor apply_vectors(LossCall call, const std::vector<Operand>& operands, size_t stretch, int64_t* axis = nullptr) {
  const Location at = operands[0].where();
  const char* const name = call.emit.name;
  try {
    const FloatEnvironment standard;
    const LossInputs entered = enter_loss(call, operands, at);
    const std::vector<Tensor>& inputs = entered.tensors;
    Shape shape = check_broadcast(name, std::span(inputs).first(stretch), at);
    if (shape.rank() == 0) throw Error(std::string(name) + ": takes vectors along an axis, not numbers", at);
    if (axis != nullptr) call.flags = {axis_of(*axis, shape.rank(), name, at)};
    shape.erase(static_cast<size_t>(shape.rank() - 1));
    if (stretch == 2 && inputs.size() == 3 && !stretches(inputs[2].shape(), shape))
      throw Error(
          std::string(name) + ": the target is " + describe(inputs[2]) + ", one number for each pair of vectors", at);
    return run_loss(call, entered, at);
  } catch (...) {
    leave_with_error(name, at);
  }
}

}  // namespace

Tensor cosine_similarity(Operand x1, Operand x2, const CosineSimilarity& o) {
  int64_t axis = o.dim;
  return apply_vectors({{"cosine_similarity", formula::build_loss<formula::cosine>}, "none", {}, o.eps}, {x1, x2}, 2,
                       &axis);
}

Tensor cosine_embedding_loss(Operand x1, Operand x2, Operand y, const MarginLoss& o) {
  return apply_vectors({{"cosine_embedding_loss", formula::build_cosine_embedding}, o.reduction, {}, o.margin},
                       {x1, x2, y}, 2);
}

Tensor triplet_margin_loss(Operand anchor, Operand positive, Operand negative, const TripletMarginLoss& o) {
  if (!(o.p >= 0)) throw Error("triplet_margin_loss: .p is 0 or more, and not " + shortest(o.p), anchor.where());
  return apply_vectors({{"triplet_margin_loss", formula::build_triplet}, o.reduction, {o.swap}, o.margin, o.p},
                       {anchor, positive, negative, Operand(o.eps, anchor.where())}, 3);
}

Tensor multilabel_soft_margin_loss(Operand x, Operand y, const MultilabelSoftMarginLoss& o) {
  std::vector<Operand> operands = {x, y};
  if (o.weight) operands.emplace_back(o.weight.tensor(), x.where());
  return apply_vectors({.emit = {"multilabel_soft_margin_loss", formula::build_multilabel},
                        .reduction = o.reduction,
                        .flags = {bool(o.weight)},
                        .weights = operands.size() - 2},
                       operands, operands.size());
}

}  // namespace tenon
