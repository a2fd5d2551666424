// Gather, scatter and order.
#include "tenon/frontend/promote.h"

namespace tenon {
namespace {

// Where an axis counts from the end, from the beginning.
size_t index_of(int64_t axis, const Tensor& x, const char* op, const Location& at) {
  return static_cast<size_t>(axis_of(axis, x.ndim(), op, at));
}

Tensor index_tensor(const Operand& x, const char* op) { return as_index(as_tensor(x, op), op, x.where()); }

// To shape [indices..., classes].
std::vector<ir::Value> build_one_hot(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const made::OneHot to(attrs);
  const Shape shape(to.shape);
  std::vector<int64_t> axes;
  for (int i = 0; i + 1 < shape.rank(); ++i) axes.push_back(i);
  const ir::Value hit = ir::eq(ir::broadcast(x[0], shape, axes), ir::iota(b, i64, shape, shape.rank() - 1));
  return {ir::cast(hit, to.dtype)};
}

}  // namespace

Tensor take(Operand operand, Operand indices, int64_t axis) {
  const Tensor x = as_tensor(operand, "take");
  const Tensor inputs[] = {x, index_tensor(indices, "take")};
  return apply_primitive(ir::Op::gather, ir::GatherAttrs{index_of(axis, x, "take", operand.where())}, inputs,
                         operand.where())[0];
}

Tensor scatter_add(Operand operand, Operand indices, Operand updates, int64_t axis) {
  const Tensor x = as_tensor(operand, "scatter_add");
  const Tensor inputs[] = {x, index_tensor(indices, "scatter_add"), materialize(updates, x.dtype(), "scatter_add")};
  return apply_primitive(ir::Op::scatter_add, ir::ScatterAddAttrs{index_of(axis, x, "scatter_add", operand.where())},
                         inputs, operand.where())[0];
}

Tensor sort(Operand operand, int64_t axis) {
  const Tensor x = as_tensor(operand, "sort");
  return apply_primitive(ir::Op::sort, ir::SortAttrs{index_of(axis, x, "sort", operand.where())}, std::span(&x, 1),
                         operand.where())[0];
}

namespace {
// Sorts positions along with the keys.
std::vector<ir::Value> build_argsort(ir::GraphBuilder& b, std::span<const ir::Value> x, const ir::Attrs& attrs) {
  const ir::Value positions = ir::iota(b, i64, x[0].shape(), static_cast<int64_t>(ir::Sort(attrs).axis));
  const ir::Value both[] = {x[0], positions};
  return {ir::apply(b, ir::Op::sort, both, attrs)[1]};
}
}  // namespace

Tensor argsort(Operand operand, int64_t axis) {
  const Tensor x = as_tensor(operand, "argsort");
  return apply_one({"argsort", build_argsort}, ir::SortAttrs{index_of(axis, x, "argsort", operand.where())}, {x},
                   operand.where());
}

Tensor one_hot(Operand indices, int64_t classes, DType dtype) {
  const Tensor x = index_tensor(indices, "one_hot");
  if (classes < 1)
    throw Error("one_hot: the number of classes is positive, not " + std::to_string(classes), indices.where());
  Shape shape = x.shape();
  shape.push_back(Dim(classes));
  shape = Extents(shape).checked("one_hot", dtype, indices.where());
  return apply_one({"one_hot", build_one_hot}, made::OneHotAttrs{dtype, shape.dims()}, {x}, indices.where());
}

}  // namespace tenon
