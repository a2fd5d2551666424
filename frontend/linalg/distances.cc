// Distances of points, and vectors over their lengths: cdist, pairwise_distance, dist, normalize.
#include <array>
#include <cmath>
#include <numeric>

#include "tenon/frontend/linalg/formulas.h"
#include "tenon/frontend/ops/composed.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

Axes last_axis_of(Value x) { return {static_cast<int64_t>(rank(x)) - 1}; }

// A difference for each pair of points: one operand's points along the rows, the other's along the columns.
Values build_cdist(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Distances to(attrs);
  const DType computed = formula::wide(to.dtype);
  const auto spread = [&](Value v, size_t axis) {
    Shape shape = v.shape();
    shape.insert(axis, Dim(1));
    return ir::reshape(ir::cast(v, computed), shape);
  };
  const Value parts[] = {spread(x[0], rank(x[0]) - 1), spread(x[1], rank(x[1]) - 2)};
  const std::vector<Value> v = formula::broadcast_together(parts, "cdist");
  const Value apart = v[0] - v[1];
  return {ir::cast(vector_norm_of(apart, to.p, last_axis_of(apart)), to.dtype)};
}

Values build_pairwise(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Distances to(attrs);
  const std::vector<Value> v = formula::meet(x, formula::wide(to.dtype));
  const Value apart = v[0] - v[1] + to.eps, length = vector_norm_of(apart, to.p, last_axis_of(apart));
  Shape shape = length.shape();
  if (to.keepdims) shape.push_back(Dim(1));
  return {ir::cast(ir::reshape(length, shape), to.dtype)};
}

Values build_dist(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Distances to(attrs);
  const std::vector<Value> v = formula::meet(x, formula::wide(to.dtype));
  Axes all(rank(v[0]));
  std::iota(all.begin(), all.end(), 0);
  return {ir::cast(vector_norm_of(v[0] - v[1], to.p, all), to.dtype)};
}

Values build_normalize(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs& attrs) {
  const made::Distances to(attrs);
  const Value v = ir::cast(x[0], formula::wide(to.dtype)), length = vector_norm_of(v, to.p, {to.axis});
  const Value floor = ir::like(length, to.eps), divisor = select(lt(length, floor), floor, length);
  Axes kept;
  for (int64_t axis = 0; axis < static_cast<int64_t>(rank(v)); ++axis)
    if (axis != to.axis) kept.push_back(axis);
  return {ir::cast(v / ir::broadcast(divisor, v.shape(), kept), to.dtype)};
}

// ---- doors

DType floating_dtype(const char* name, std::initializer_list<const Operand*> operands, const Location& at) {
  return meeting(name, Takes::floats, std::span(operands.begin(), operands.size()), at);
}
void check_order(const char* name, double p, const Location& at) {
  if (!(p >= 0)) throw Error(named(name) + ": the order is 0 or more, not " + std::to_string(p), at);
}

Tensor between(const char* name, BuildFn build, const Operand& x, const Operand& y, Distance d) try {
  const Location& at = x.where();
  check_order(name, d.p, at);
  const DType dtype = floating_dtype(name, {&x, &y}, at);
  const Tensor inputs[] = {entered(x, dtype, name), entered(y, dtype, name)};
  const Shape shape = check_broadcast(name, inputs, at);
  if (shape.rank() == 0 && build == &build_pairwise)
    throw Error(named(name) + ": takes vectors along the last axis, not numbers", at);
  const ir::Attrs attrs =
      made::DistancesAttrs{.p = d.p, .eps = d.eps, .axis = 0, .keepdims = d.keepdim, .dtype = dtype};
  return std::move(apply({name, build}, attrs, inputs, at)[0]);
} catch (...) {
  leave_with_error(name, x.where());
}

}  // namespace

Tensor cdist(Operand x, Operand y, double p) try {
  const Location& at = x.where();
  check_order("cdist", p, at);
  const DType dtype = floating_dtype("cdist", {&x, &y}, at);
  const Tensor a = as_tensor(x, "cdist"), b = as_tensor(y, "cdist");
  const bool fits = a.ndim() >= 2 && b.ndim() >= 2 &&
                    a.shape()[static_cast<size_t>(a.ndim() - 1)] == b.shape()[static_cast<size_t>(b.ndim() - 1)];
  if (!fits)
    throw Error("linalg::cdist: takes points [.., n, d] and [.., m, d], not " + describe(a) + " and " + describe(b),
                at);
  Shape batch = a.shape(), other = b.shape();
  for (Shape* s : {&batch, &other}) s->erase(s->size() - 1), s->erase(s->size() - 1);
  const Tensor batches[] = {stand_in({dtype, batch}, at), stand_in({dtype, other}, at)};
  (void)check_broadcast("cdist", batches, at);
  return apply_one({"cdist", build_cdist},
                   made::DistancesAttrs{.p = p, .eps = 0, .axis = 0, .keepdims = false, .dtype = dtype}, {a, b}, at);
} catch (...) {
  leave_with_error("cdist", x.where());
}

Tensor pairwise_distance(Operand x, Operand y, Distance d) {
  return between("pairwise_distance", build_pairwise, x, y, d);
}
Tensor dist(Operand x, Operand y, double p) { return between("dist", build_dist, x, y, {.p = p}); }

Tensor normalize(Operand x, Normalize n) try {
  const Location& at = x.where();
  check_order("normalize", n.p, at);
  const Tensor t = as_tensor(x, "normalize");
  const int64_t axis = axis_of(n.axis, t.ndim(), "normalize", at);
  const DType dtype = floating_dtype("normalize", {&x}, at);
  return apply_one({"normalize", build_normalize},
                   made::DistancesAttrs{.p = n.p, .eps = n.eps, .axis = axis, .keepdims = false, .dtype = dtype}, {t},
                   at);
} catch (...) {
  leave_with_error("normalize", x.where());
}

}  // namespace tenon::linalg
