// gather, scatter and their kind: an index for each element, along one axis. A number is a vector of one.
#include "tenon/frontend/ops/indexed.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

ir::Value as_vector(ir::Value x) { return x.shape().empty() ? ir::reshape(x, Shape({Dim(1)})) : x; }

std::vector<ir::Value> build_gather(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const auto axis = static_cast<size_t>(made::Along(a).axis);
  const ir::Value read = formula::gather_along(as_vector(x[0]), as_vector(formula::position(x[1])), axis);
  return {ir::reshape(read, x[1].shape())};
}

// x, indices, updates of their shape or one number for all.
std::vector<ir::Value> build_scatter(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Scattered s(a);
  const ir::Value into = as_vector(x[0]), i = as_vector(formula::position(x[1])), given = ir::cast(x[2], x[0].dtype());
  const ir::Value updates = given.shape().empty() ? ir::broadcast(given, i.shape(), {}) : given;
  const auto write = [&](ir::Value to, ir::Value u, const char* combine) {
    return formula::scatter_along(to, i, u, static_cast<size_t>(s.axis), combine);
  };
  const bool reduces = s.combine != "set" && s.combine != "add";
  const ir::Value result = reduces ? formula::reduced_into(into, updates, s.combine, s.include_self, write)
                                   : write(into, updates, formula::combiner_of(s.combine.c_str(), into.dtype()));
  return {ir::reshape(result, x[0].shape())};
}

// Other axes stretch to each other, negative positions count from the end.
void stretch(ir::Value& x, ir::Value& i, size_t axis) {
  const auto refuse = [](int, Dim, Dim) { throw Error("axes beside the one that is indexed must broadcast"); };
  Shape ours = x.shape(), theirs = i.shape();
  ours[axis] = theirs[axis] = 1;
  const Shape both[] = {ours, theirs};
  Shape shape = formula::common_shape(both, [](const Shape& s) -> const Shape& { return s; }, refuse);
  shape[axis] = x.shape()[axis];
  x = ir::broadcast_to(x, shape);
  shape[axis] = i.shape()[axis];
  i = formula::from_end(ir::broadcast_to(formula::position(i), shape), x.shape()[axis]);
}
std::vector<ir::Value> build_take_along(ir::GraphBuilder&, Values given, const ir::Attrs& a) {
  const auto axis = static_cast<size_t>(made::Along(a).axis);
  ir::Value x = as_vector(given[0]), i = as_vector(given[1]);
  stretch(x, i, axis);
  return {formula::gather_along(x, i, axis)};
}
std::vector<ir::Value> build_put_along(ir::GraphBuilder&, Values given, const ir::Attrs& a) {
  const auto axis = static_cast<size_t>(made::Along(a).axis);
  ir::Value x = as_vector(given[0]), i = as_vector(given[1]);
  Shape shape = x.shape();
  shape[axis] = i.shape()[axis];
  i = formula::from_end(ir::broadcast_to(formula::position(i), shape), x.shape()[axis]);
  const ir::Value values = ir::broadcast_to(ir::cast(given[2], x.dtype()), shape);
  return {ir::reshape(formula::scatter_along(x, i, values, axis, "set"), given[0].shape())};
}

Tensor index_of(const Operand& i, const char* op) {
  const Tensor t = as_tensor(i, op);
  check_index(t, op, i.where());
  return t;
}

int rank_of(const Tensor& x) { return std::max(x.ndim(), 1); }

// What lies along other axes must be there. `limit` and `name`: what the extents of the second may not exceed.
void check_along(const Tensor& part, const Tensor& limit, int64_t except, const char* names, const char* op,
                 const Location& at) {
  bool fits = rank_of(part) == rank_of(limit);
  for (int d = 0; fits && d < part.ndim() && limit.ndim() > 0; ++d) {
    const Dim a = part.shape()[static_cast<size_t>(d)], b = limit.shape()[static_cast<size_t>(d)];
    fits = d == except || a.is_symbol() || b.is_symbol() || a.number() <= b.number();
  }
  if (!fits)
    throw Error(std::string(op) + ": " + names + ", and these are " + describe(part) + " and " + describe(limit), at);
}

constexpr const char* index_fits = "indices have as many axes as x, none longer than x's but the indexed one";
constexpr const char* src_fits = "src has as many axes as the indices, none shorter than theirs";

Tensor scatter_as(const char* op, const Operand& operand, int64_t axis, const Operand& indices, const Operand& src,
                  const std::string& combine, bool include_self) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op), i = index_of(indices, op), v = entered(src, x.dtype(), op);
  const int64_t a = axis_of(axis, rank_of(x), op, at);
  if (combine != "set" && combine != "add") formula::check_reduction(combine, x.dtype(), op, at);
  check_along(i, x, a, index_fits, op, at);
  if (v.ndim() > 0) check_along(i, v, -1, src_fits, op, at);
  return apply_one({op, build_scatter}, made::ScatteredAttrs{a, combine, include_self}, {x, i, v}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

Tensor take_along(const char* op, const Operand& operand, const Operand& indices, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op), i = index_of(indices, op);
  const int64_t a = axis_of(axis, rank_of(x), op, at);
  if (rank_of(x) != rank_of(i))
    throw Error(
        std::string(op) + ": x and the indices have as many axes, and these are " + describe(x) + " and " + describe(i),
        at);
  return apply_one({op, build_take_along}, made::AlongAttrs{a}, {x, i}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}
Tensor take_flat(const char* op, const Operand& operand, const Operand& indices) try {
  const Tensor x = as_tensor(operand, op), i = index_of(indices, op);
  return take_along(op, Operand(reshape(Operand(x, operand.where()), {-1}), operand.where()),
                    Operand(reshape(Operand(i, indices.where()), {-1}), indices.where()), 0);
} catch (...) {
  leave_with_error(op, operand.where());
}

}  // namespace

Tensor gather(Operand operand, int64_t axis, Operand indices) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "gather"), i = index_of(indices, "gather");
  const int64_t a = axis_of(axis, rank_of(x), "gather", at);
  check_along(i, x, a, index_fits, "gather", at);
  return apply_one({"gather", build_gather}, made::AlongAttrs{a}, {x, i}, at);
} catch (...) {
  leave_with_error("gather", operand.where());
}

Tensor scatter(Operand x, int64_t axis, Operand i, Operand src) {
  return scatter_as("scatter", x, axis, i, src, "set", true);
}
Tensor scatter_add(Operand x, int64_t axis, Operand i, const Tensor& src) {
  return scatter_as("scatter_add", x, axis, i, Operand(src, x.where()), "add", true);
}
Tensor scatter_reduce(Operand x, int64_t axis, Operand i, Operand src, const std::string& reduce, ScatterReduce o) {
  return scatter_as("scatter_reduce", x, axis, i, src, reduce, o.include_self);
}

Tensor take_along_axis(Operand x, Operand i, int64_t axis) { return take_along("take_along_axis", x, i, axis); }
Tensor take_along_axis(Operand x, Operand i) { return take_flat("take_along_axis", x, i); }
Tensor take_along_dim(Operand x, Operand i, int64_t axis) { return take_along("take_along_dim", x, i, axis); }
Tensor take_along_dim(Operand x, Operand i) { return take_flat("take_along_dim", x, i); }

Tensor put_along_axis(Operand operand, Operand indices, Operand values, int64_t axis) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "put_along_axis"), i = index_of(indices, "put_along_axis");
  const Tensor v = entered(values, x.dtype(), "put_along_axis");
  const int64_t a = axis_of(axis, rank_of(x), "put_along_axis", at);
  if (rank_of(x) != rank_of(i))
    throw Error(
        "put_along_axis: x and the indices have as many axes, and these are " + describe(x) + " and " + describe(i),
        at);
  return apply_one({"put_along_axis", build_put_along}, made::AlongAttrs{a}, {x, i, v}, at);
} catch (...) {
  leave_with_error("put_along_axis", operand.where());
}

}  // namespace tenon
