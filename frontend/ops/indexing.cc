// Gather and scatter.
#include "tenon/frontend/ops/indexed.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

// The primitives that index take i64 positions, and updates of the operand's dtype.
std::vector<ir::Value> build_take(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  return {ir::take(x[0], formula::position(x[1]), static_cast<size_t>(made::Along(attrs).axis))};
}
std::vector<ir::Value> build_scatter_add(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const auto axis = static_cast<size_t>(made::Along(attrs).axis);
  return {ir::scatter(x[0], formula::position(x[1]), ir::cast(x[2], x[0].dtype()), axis,
                      formula::combiner_of("add", x[0].dtype()))};
}

Tensor index_tensor(const Operand& x, const char* op) {
  const Tensor t = as_tensor(x, op);
  check_index(t, op, x.where());
  return t;
}

std::vector<ir::Value> build_one_hot(ir::GraphBuilder&, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::OneHot to(attrs);
  return {formula::one_hot(x[0], Shape(to.shape), to.dtype)};
}

}  // namespace

// To shape [indices..., classes].
ir::Value formula::one_hot(Value indices, const Shape& shape, DType dtype) {
  const Shape to = shape;  // it may be that of a value, which may move while ops are added
  const Value number = position(indices), classes = ir::iota(*indices.builder, i64, to, to.rank() - 1);
  Axes axes;
  for (int i = 0; i + 1 < to.rank(); ++i) axes.push_back(i);
  return ir::cast(ir::eq(ir::broadcast(number, to, axes), classes), dtype);
}

Tensor take(Operand operand, Operand indices, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "take"), index = index_tensor(indices, "take");
  return apply_one({"gather", build_take}, made::AlongAttrs{axis_of(axis, x.ndim(), "take", at)}, {x, index}, at);
} catch (...) {
  leave_with_error("take", operand.where());
}

Tensor scatter_add(Operand operand, Operand indices, Operand updates, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "scatter_add"), index = index_tensor(indices, "scatter_add");
  const Tensor added = entered(updates, x.dtype(), "scatter_add");
  return apply_one({"scatter_add", build_scatter_add}, made::AlongAttrs{axis_of(axis, x.ndim(), "scatter_add", at)},
                   {x, index, added}, at);
} catch (...) {
  leave_with_error("scatter_add", operand.where());
}

Shape one_hot_shape(const Tensor& indices, Extent classes, DType dtype, const Location& at) {
  if (classes.is_number() && classes.number() < 1)
    throw Error("one_hot: the number of classes is positive, not " + std::to_string(classes.number()), at);
  Shape shape = indices.shape();
  shape.push_back(classes);
  return Extents(shape).checked("one_hot", dtype, at);
}

Tensor one_hot(Operand indices, Extent classes, DType dtype) try {
  const Tensor x = index_tensor(indices, "one_hot");
  const Shape shape = one_hot_shape(x, classes, dtype, indices.where());
  return apply_one({"one_hot", build_one_hot}, made::OneHotAttrs{dtype, shape.dims()}, {x}, indices.where());
} catch (...) {
  leave_with_error("one_hot", indices.where());
}

}  // namespace tenon
