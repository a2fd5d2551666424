// Diagonals and triangles of matrices. A diagonal is movement alone: the square it runs through, its elements in a row and one more
// row of zeros' worth behind, cut into rows of one more column, has it as column 0; and back.
#include <algorithm>
#include <numeric>

#include "tenon/frontend/ops/diagonal.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using ir::Value;
using Values = std::span<const Value>;

Value zero(Value like) { return ir::splat_integer(*like.builder, like.dtype(), 0, {}); }

// The order of axes in which `a` and `b` stand last.
std::vector<int64_t> planes_last(int rank, int64_t a, int64_t b) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i)
    if (i != a && i != b) order.push_back(i);
  order.push_back(a), order.push_back(b);
  return order;
}
std::vector<int64_t> inverse(const std::vector<int64_t>& order) {
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return back;
}

// x[.., rows, columns] -> its diagonal, the last axis.
Value diagonal_of(Value x, int64_t offset) {
  Symbols& s = x.builder->symbols();
  const Shape shape = x.shape();
  const size_t rank = shape.size(), row = rank - 2, column = rank - 1;
  const Dim down = offset < 0 ? -offset : 0, right = offset > 0 ? offset : 0;
  const auto left = [&](Dim n, Dim gone) { return s.difference(s.maximum(n, gone), gone); };
  const Dim m = s.minimum(left(shape[row], down), left(shape[column], right));
  std::vector<Dim> starts(rank, 0), sizes = shape.dims();
  if (!(m == 0)) starts[row] = down, starts[column] = right;
  sizes[row] = sizes[column] = m;
  const Value square = ir::slice(x, std::move(starts), sizes, std::vector<int64_t>(rank, 1));
  Shape lead = shape;
  lead.erase(column), lead.erase(row);
  Shape flat = lead, wide = lead, narrow = lead;
  flat.push_back(s.product(m, m));
  std::vector<Dim> low(flat.size(), 0), high = low;
  high.back() = m;
  wide.push_back(m), wide.push_back(s.sum(m, 1));
  const Value padded = ir::pad(ir::reshape(square, flat), zero(x), std::move(low), std::move(high),
                               std::vector<int64_t>(flat.size(), 0));
  std::vector<Dim> first = wide.dims();
  first.back() = 1;
  narrow.push_back(m);
  return ir::reshape(ir::slice(ir::reshape(padded, wide), std::vector<Dim>(wide.size(), 0), std::move(first),
                               std::vector<int64_t>(wide.size(), 1)),
                     narrow);
}

// d[.., m] -> [.., m + |offset|, m + |offset|] with d on a diagonal.
Value on_diagonal(Value d, int64_t offset) {
  Symbols& s = d.builder->symbols();
  const Shape shape = d.shape();
  const size_t rank = shape.size();
  const Dim m = shape[rank - 1];
  Shape lead = shape;
  lead.erase(rank - 1);
  Shape columns = shape, flat = lead, cut = lead, square = lead;
  columns.push_back(Dim(1));
  flat.push_back(s.product(m, s.sum(m, 1)));
  cut.push_back(s.product(m, m));
  square.push_back(m), square.push_back(m);
  std::vector<Dim> low(rank + 1, 0), high(rank + 1, 0);
  high.back() = m;
  const Value rows = ir::pad(ir::reshape(d, columns), zero(d), low, high, std::vector<int64_t>(rank + 1, 0));
  const Value kept =
      ir::slice(ir::reshape(rows, flat), std::vector<Dim>(rank, 0), cut.dims(), std::vector<int64_t>(rank, 1));
  const Dim down = offset < 0 ? -offset : 0, right = offset > 0 ? offset : 0;
  std::vector<Dim> above(rank + 1, 0), below(rank + 1, 0);
  above[rank - 1] = down, above[rank] = right;
  below[rank - 1] = right, below[rank] = down;
  const Value made = ir::reshape(kept, square);
  return offset == 0 ? made : ir::pad(made, zero(d), above, below, std::vector<int64_t>(rank + 1, 0));
}

std::vector<Value> build_diagonal(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::OnDiagonal d(attrs);
  return {formula::diagonal(x[0], d.offset, d.dim1, d.dim2)};
}
std::vector<Value> build_diag_embed(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::OnDiagonal d(attrs);
  const Value planes = on_diagonal(x[0], d.offset);
  return {ir::transpose(planes, inverse(planes_last(planes.shape().rank(), d.dim1, d.dim2)))};
}

// Whether column - row is at most the offset.
Value below_diagonal(ir::GraphBuilder& b, const Shape& shape, int64_t offset) {
  const Value row = ir::iota(b, i64, shape, shape.rank() - 2), column = ir::iota(b, i64, shape, shape.rank() - 1);
  return ir::le(column, row + offset);
}

std::vector<Value> build_triangle(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const made::Triangle t(attrs);
  const Shape shape = x.empty() ? Shape(t.shape) : x[0].shape();
  const Value below = below_diagonal(b, shape, t.upper ? t.offset - 1 : t.offset);
  if (x.empty()) return {ir::cast(below, t.dtype)};
  const Value none = ir::zeros_like(x[0]);
  return {t.upper ? ir::select(below, none, x[0]) : ir::select(below, x[0], none)};
}

std::vector<Value> build_eye(ir::GraphBuilder& b, Values, const ir::Attrs& attrs) {
  const made::Triangle t(attrs);
  const Shape shape(t.shape);
  return {ir::cast(ir::eq(ir::iota(b, i64, shape, 0), ir::iota(b, i64, shape, 1)), t.dtype)};
}

// An offset that leads out of every matrix leads out of all of them.
int64_t within(int64_t offset) { return std::clamp<int64_t>(offset, -most_bytes / 4, most_bytes / 4); }

Tensor triangle(const char* op, const Operand& operand, int64_t offset, bool upper) try {
  const Tensor x = as_tensor(operand, op);
  if (x.ndim() < 2) throw Error(std::string(op) + ": " + describe(x) + " is no matrix", operand.where());
  const ir::Attrs attrs =
      made::TriangleAttrs{.offset = within(offset), .dtype = x.dtype(), .shape = {}, .upper = upper};
  return apply_one({op, build_triangle}, attrs, {x}, operand.where());
} catch (...) {
  leave_with_error(op, operand.where());
}

// rows x columns from nothing.
Tensor matrix(const Emit& emit, Extent n, Extent m, int64_t offset, const TensorOptions& o, const Location& at) try {
  const Shape shape = Extents({n, m}).checked(emit.name, o.dtype, at);
  Tensor t = apply(
      emit, made::TriangleAttrs{.offset = within(offset), .dtype = o.dtype, .shape = shape.dims(), .upper = false}, {},
      at)[0];
  if (o.requires_grad) t.set_requires_grad(true);
  return t;
} catch (...) {
  leave_with_error(emit.name, at);
}

}  // namespace

Value formula::diagonal(Value x, int64_t offset, int64_t first, int64_t second) {
  return diagonal_of(ir::transpose(x, planes_last(x.shape().rank(), first, second)), offset);
}

Tensor diagonal(Operand operand, Diagonal d) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "diagonal");
  if (x.ndim() < 2) throw Error("diagonal: " + describe(x) + " is no matrix", at);
  const int64_t a = axis_of(d.dim1, x.ndim(), "diagonal", at), b = axis_of(d.dim2, x.ndim(), "diagonal", at);
  if (a == b) throw Error("diagonal: the two axes are one", at);
  return apply_one({"diagonal", build_diagonal},
                   made::OnDiagonalAttrs{.offset = within(d.offset), .dim1 = a, .dim2 = b}, {x}, at);
} catch (...) {
  leave_with_error("diagonal", operand.where());
}
Tensor diagonal(Operand x, int64_t offset, int64_t dim1, int64_t dim2) {
  return diagonal(std::move(x), {.offset = offset, .dim1 = dim1, .dim2 = dim2});
}

Tensor diag_embed(Operand operand, int64_t offset, int64_t dim1, int64_t dim2) try {
  const Location& at = operand.where();
  const Tensor x = as_tensor(operand, "diag_embed");
  if (x.ndim() < 1) throw Error("diag_embed: a scalar is no diagonal", at);
  const int64_t a = axis_of(dim1, x.ndim() + 1, "diag_embed", at), b = axis_of(dim2, x.ndim() + 1, "diag_embed", at);
  if (a == b) throw Error("diag_embed: the two axes are one", at);
  return apply_one({"diag_embed", build_diag_embed},
                   made::OnDiagonalAttrs{.offset = within(offset), .dim1 = a, .dim2 = b}, {x}, at);
} catch (...) {
  leave_with_error("diag_embed", operand.where());
}

Tensor diag(Operand operand, int64_t offset) try {
  const Tensor x = as_tensor(operand, "diag");
  if (x.ndim() != 1 && x.ndim() != 2)
    throw Error("diag: " + describe(x) + " is neither a vector nor a matrix; see diagonal and diag_embed",
                operand.where());
  return x.ndim() == 1 ? diag_embed(Operand(x, operand.where()), offset)
                       : diagonal(Operand(x, operand.where()), offset);
} catch (...) {
  leave_with_error("diag", operand.where());
}

Tensor tril(Operand x, int64_t offset) { return triangle("tril", x, offset, false); }
Tensor triu(Operand x, int64_t offset) { return triangle("triu", x, offset, true); }

Tensor eye(Extent n, TensorOptions o, const At& at) { return matrix({"eye", build_eye}, n, n, 0, o, place(at)); }
Tensor eye(Extent n, Extent m, TensorOptions o, const At& at) {
  return matrix({"eye", build_eye}, n, m, 0, o, place(at));
}
Tensor tri(Extent n, std::optional<Extent> m, int64_t offset, TensorOptions o, const At& at) {
  return matrix({"tri", build_triangle}, n, m.value_or(n), offset, o, place(at));
}

Tensor diagflat(Operand x, int64_t offset) {
  const Location at = x.where();
  return diag(Operand(ravel(std::move(x)), at), offset);
}

}  // namespace tenon
