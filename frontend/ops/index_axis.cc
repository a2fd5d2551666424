// index_select, index_add and their kind: whole rows along one axis, of which the indices are a vector; embedding; a part replaced.
#include <cmath>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/indexed.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/selection.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

ir::Value as_vector(ir::Value x) { return x.shape().empty() ? ir::reshape(x, Shape({Dim(1)})) : x; }

std::vector<ir::Value> build_select(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const auto axis = static_cast<size_t>(made::Along(a).axis);
  const ir::Value read = ir::take(as_vector(x[0]), as_vector(formula::position(x[1])), axis);
  return {x[0].shape().empty() ? ir::reshape(read, x[1].shape()) : read};
}

// Updates of rows: as they are, or one number for all.
ir::Value rows(ir::Value x, ir::Value i, ir::Value given, size_t axis) {
  Shape shape = x.shape();
  shape[axis] = i.shape()[0];
  const ir::Value v = ir::cast(given, x.dtype());
  return v.shape().empty() ? ir::broadcast(v, shape, {}) : v;
}
std::vector<ir::Value> build_index_scatter(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::Scattered s(a);
  const auto axis = static_cast<size_t>(s.axis);
  const ir::Value into = as_vector(x[0]), i = as_vector(formula::position(x[1]));
  const auto write = [&](ir::Value to, ir::Value u, const char* combine) {
    return ir::scatter(to, i, u, axis, combine);
  };
  const ir::Value updates = rows(into, i, x[2], axis);
  const ir::Value result = s.combine == "set" ? write(into, updates, "set")
                                              : formula::reduced_into(into, updates, s.combine, s.include_self, write);
  return {ir::reshape(result, x[0].shape())};
}
std::vector<ir::Value> build_index_add(ir::GraphBuilder&, Values x, const ir::Attrs& a) {
  const made::IndexAdded s(a);
  const auto axis = static_cast<size_t>(s.axis);
  const ir::Value into = as_vector(x[0]), i = as_vector(formula::position(x[1]));
  ir::Value updates = rows(into, i, x[2], axis);
  if (into.dtype() == boolean)
    updates = s.alpha == 0 ? ir::zeros_like(updates) : updates;
  else if (s.alpha != 1)
    updates = formula::product_of(updates, ir::like(updates, s.alpha));
  return {ir::reshape(ir::scatter(into, i, updates, axis, formula::combiner_of("add", into.dtype())), x[0].shape())};
}

// The row of padding is read, and says nothing about itself.
std::vector<ir::Value> build_embedding(ir::GraphBuilder& b, Values x, const ir::Attrs& a) {
  const int64_t padding = made::Embedded(a).padding;
  const ir::Value i = formula::position(x[0]), read = ir::take(x[1], i, 0);
  if (padding == INT64_MIN) return {read};
  ir::Value row = ir::splat_integer(b, i64, padding, {});
  if (padding < 0) row = row + ir::extent_value(b, x[1].shape()[0]);
  formula::Axes axes;
  for (int d = 0; d < i.shape().rank(); ++d) axes.push_back(d);
  const ir::Value is_padding = ir::broadcast(eq(i, ir::broadcast(row, i.shape(), {})), read.shape(), axes);
  return {select(is_padding, stop_gradient(read), read)};
}

Tensor index_of(const Operand& i, const char* op, bool vector = true) {
  const Tensor t = as_tensor(i, op);
  check_index(t, op, i.where());
  if (vector && t.ndim() > 1)
    throw Error(
        std::string(op) + ": the indices are a vector, not " + describe(t) + "; take, gather and x[...] read by others",
        i.where());
  return t;
}

// x's shape with the indexed axis as long as the indices.
void check_rows(const Tensor& x, const Tensor& i, const Tensor& src, int64_t axis, const char* op, const Location& at) {
  if (src.ndim() == 0) return;
  Shape want = x.ndim() > 0 ? x.shape() : Shape({Dim(1)});
  want[static_cast<size_t>(axis)] = i.ndim() > 0 ? i.shape()[0] : Dim(1);
  bool fits = src.ndim() == want.rank();
  for (int d = 0; fits && d < want.rank(); ++d) {
    const Dim have = src.shape()[static_cast<size_t>(d)], wants = want[static_cast<size_t>(d)];
    fits = have == wants || have.is_symbol() || wants.is_symbol();
  }
  if (!fits)
    throw Error(std::string(op) + ": what is written to " + describe(x) + " by " + describe(i) + " has the shape " +
                    to_string(want) + ", and this is " + describe(src),
                at);
}

Tensor index_scatter(const char* op, const Operand& operand, int64_t axis, const Operand& indices, const Operand& src,
                     const Emit& emit, const std::string& combine, bool include_self, double alpha) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, op), i = index_of(indices, op), v = entered(src, x.dtype(), op);
  const int64_t a = axis_of(axis, std::max(x.ndim(), 1), op, at);
  check_rows(x, i, v, a, op, at);
  if (combine == "add") {
    if (!is_continuous(x.dtype()) && std::trunc(alpha) != alpha)
      throw Error(std::string(op) + ": alpha is an integer where x is " + describe(x), at);
    return apply_one(emit, made::IndexAddedAttrs{a, alpha}, {x, i, v}, at);
  }
  if (combine != "set") formula::check_reduction(combine, x.dtype(), op, at);
  return apply_one(emit, made::ScatteredAttrs{a, combine, include_self}, {x, i, v}, at);
} catch (...) {
  leave_with_error(op, operand.where());
}

// Everything along the axes before `axis`, then what stands there.
std::vector<Index> along(int64_t axis, Index there) {
  std::vector<Index> list(static_cast<size_t>(axis), Index(all));
  list.push_back(std::move(there));
  return list;
}

}  // namespace

Tensor index_select(Operand operand, int64_t axis, Operand indices) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "index_select"), i = index_of(indices, "index_select");
  const int64_t a = axis_of(axis, std::max(x.ndim(), 1), "index_select", at);
  return apply_one({"index_select", build_select}, made::AlongAttrs{a}, {x, i}, at);
} catch (...) {
  leave_with_error("index_select", operand.where());
}

Tensor index_add(Operand x, int64_t axis, Operand i, Operand src, IndexAdd o) {
  return index_scatter("index_add", x, axis, i, src, {"index_add", build_index_add}, "add", true, o.alpha);
}
Tensor index_copy(Operand x, int64_t axis, Operand i, Operand src) {
  return index_scatter("index_copy", x, axis, i, src, {"index_copy", build_index_scatter}, "set", true, 1);
}
Tensor index_fill(Operand x, int64_t axis, Operand i, Operand value) {
  return index_scatter("index_fill", x, axis, i, value, {"index_fill", build_index_scatter}, "set", true, 1);
}
Tensor index_reduce(Operand x, int64_t axis, Operand i, Operand src, const std::string& reduce, ScatterReduce o) {
  return index_scatter("index_reduce", x, axis, i, src, {"index_reduce", build_index_scatter}, reduce, o.include_self,
                       1);
}

Tensor embedding(Operand indices, Operand weight, Embedding o) try {
  const Tensor i = index_of(indices, "embedding", false), w = as_tensor(weight, "embedding");
  const Location& at = indices.where();
  if (w.ndim() != 2) throw Error("embedding: the weight is a matrix of rows, not " + describe(w), at);
  const int64_t padding = o.padding != INT64_MIN ? o.padding : o.padding_idx;
  const Dim rows = w.shape()[0];
  if (padding != INT64_MIN && rows.is_number() && (padding < -rows.number() || padding >= rows.number()))
    throw Error("embedding: the row of padding " + std::to_string(padding) + " is none of " + describe(w), at);
  return apply_one({"embedding", build_embedding}, made::EmbeddedAttrs{padding}, {i, w}, at);
} catch (...) {
  leave_with_error("embedding", indices.where());
}
Tensor embedding(Operand indices, Operand weight, int64_t padding_idx) {
  return embedding(std::move(indices), std::move(weight), Embedding{.padding_idx = padding_idx});
}

namespace {
Tensor put(const Operand& operand, std::span<const Tensor> indices, const Operand& v, bool accumulate) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "index_put");
  if (indices.empty()) throw Error("index_put: no indices say where to write", at);
  std::vector<Index> list;
  for (const Tensor& t : indices) {
    list.emplace_back(t);
    list.back().where = at;
  }
  return assign_by_tensors(x, list, v, accumulate ? Writes::add : Writes::set, at);
} catch (...) {
  leave_with_error("index_put", operand.where());
}
}  // namespace

Tensor index_put(Operand x, const std::vector<Tensor>& indices, Operand v, bool accumulate) {
  return put(x, indices, v, accumulate);
}
Tensor index_put(Operand x, std::initializer_list<Tensor> indices, Operand v, bool accumulate) {
  return put(x, std::span(indices.begin(), indices.size()), v, accumulate);
}
Tensor index_put(Operand x, const Tensor& indices, Operand v, bool accumulate) {
  return put(x, std::span(&indices, 1), v, accumulate);
}

Tensor select_scatter(Operand operand, Operand src, int64_t axis, Extent index) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "select_scatter");
  Index there(index);
  there.where = at;
  return with_assigned(x, along(axis_of(axis, x.ndim(), "select_scatter", at), std::move(there)), src, at);
} catch (...) {
  leave_with_error("select_scatter", operand.where());
}
Tensor slice_scatter(Operand operand, Operand src, int64_t axis, Extent start, Extent end, int64_t step) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "slice_scatter");
  Index there = slice(start, end, step);
  there.where = at;
  return with_assigned(x, along(axis_of(axis, x.ndim(), "slice_scatter", at), std::move(there)), src, at);
} catch (...) {
  leave_with_error("slice_scatter", operand.where());
}

}  // namespace tenon
