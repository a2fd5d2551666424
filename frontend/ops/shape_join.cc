// Lists of tensors joined: hstack, vstack, dstack, column_stack, block_diag; and products of axes: meshgrid, outer, kron.
#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/join.h"
#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

// What a part is made before parts are joined.
Shape with_one(const Shape& s) { return s.rank() >= 1 ? s : Shape({Dim(1)}); }
Shape with_rows(const Shape& s) { return s.rank() >= 2 ? s : Shape({Dim(1), s.rank() == 0 ? Dim(1) : s[0]}); }
Shape with_depth(const Shape& s) {
  if (s.rank() >= 3) return s;
  Shape to = with_rows(s);
  to.push_back(Dim(1));
  return to;
}
Shape with_columns(const Shape& s) { return s.rank() >= 2 ? s : Shape({s.rank() == 0 ? Dim(1) : s[0], Dim(1)}); }

template <Shape (*shaped)(const Shape&)>
std::vector<ir::Value> build_joined(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::Joined to(attrs);
  std::vector<ir::Value> parts;
  for (const ir::Value& v : x) {
    const Shape shape = shaped(v.shape());
    parts.push_back(ir::reshape(ir::cast(v, to.dtype), shape));
  }
  return {ir::concat(parts, to.axis)};
}

template <Shape (*shaped)(const Shape&)>
Tensor stacked(const char* op, std::span<const Tensor> parts, int64_t axis, const At& from) try {
  const Location at = place(from);
  if (parts.empty()) throw Error(std::string(op) + " of no tensors", at);
  std::vector<Tensor> rows;
  for (const Tensor& p : parts) {
    const Tensor x = as_tensor(Operand(p, at), op);
    rows.push_back(stand_in({x.dtype(), shaped(x.shape())}, at));
  }
  const int64_t along = axis == 0 ? 0 : std::min<int64_t>(axis, rows[0].ndim() - 1);
  return join_as({op, build_joined<shaped>}, rows, along, parts, at);
} catch (...) {
  leave_with_error(op, place(from));
}

// Each block is widened by what stands beside it, and the rows are joined.
std::vector<ir::Value> build_block_diag(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const DType dtype = made::InDtype(attrs).dtype;
  std::vector<ir::Value> blocks, rows;
  Dim columns = 0, before = 0;
  for (const ir::Value& v : x) {
    const Shape shape = with_rows(v.shape());
    blocks.push_back(ir::reshape(ir::cast(v, dtype), shape));
    columns = b.symbols().sum(columns, shape[1]);
  }
  const ir::Value zero = ir::splat_integer(b, dtype, 0, {});
  for (const ir::Value& block : blocks) {
    const Dim end = b.symbols().sum(before, block.shape()[1]);
    rows.push_back(ir::pad(block, zero, {Dim(0), before}, {Dim(0), b.symbols().difference(columns, end)}, {0, 0}));
    before = end;
  }
  return {ir::concat(rows, 0)};
}

std::vector<ir::Value> build_grid(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const made::Grid g(attrs);
  return {
      ir::broadcast(ir::reshape(x[0], Shape({x[0].builder->symbols().numel(x[0].shape())})), Shape(g.shape), {g.axis})};
}

// Of bools it is and.
ir::Value times(ir::Value a, ir::Value b) { return a.dtype() == boolean ? bit_and(a, b) : formula::product_of(a, b); }

std::vector<ir::Value> build_outer(ir::GraphBuilder&, Values x, const ir::Attrs& attrs) {
  const DType dtype = made::InDtype(attrs).dtype;
  const ir::Value a = ir::cast(x[0], dtype), b = ir::cast(x[1], dtype);
  const Shape shape({a.shape()[0], b.shape()[0]});
  return {times(ir::broadcast(a, shape, {0}), ir::broadcast(b, shape, {1}))};
}

// x[i..] * y[j..] at [i * n + j ..]: both broadcast to [.., i, j, ..].
std::vector<ir::Value> build_kron(ir::GraphBuilder& builder, Values x, const ir::Attrs& attrs) {
  const DType dtype = made::InDtype(attrs).dtype;
  const ir::Value a = ir::cast(x[0], dtype), b = ir::cast(x[1], dtype);
  const Shape left = a.shape(), right = b.shape();
  const size_t rank = std::max(left.size(), right.size());
  Shape wide, to;
  std::vector<int64_t> left_axes, right_axes;
  for (size_t i = 0; i < rank; ++i) {
    const auto of = [&](const Shape& s) { return i + s.size() < rank ? Dim(1) : s[i + s.size() - rank]; };
    if (i + left.size() >= rank) left_axes.push_back(static_cast<int64_t>(2 * i));
    if (i + right.size() >= rank) right_axes.push_back(static_cast<int64_t>(2 * i + 1));
    wide.push_back(of(left)), wide.push_back(of(right));
    to.push_back(builder.symbols().product(of(left), of(right)));
  }
  return {ir::reshape(times(ir::broadcast(a, wide, left_axes), ir::broadcast(b, wide, right_axes)), to)};
}

Tensor product(const Emit& emit, const Operand& x, const Operand& y, int rank) try {
  const Location at = place_of({&x, &y});
  const Operand* const operands[] = {&x, &y};
  const DType dtype = common_dtype(operands, emit.name);
  const Tensor inputs[] = {entered(x, dtype, emit.name), entered(y, dtype, emit.name)};
  for (const Tensor& t : inputs)
    if (rank >= 0 && t.ndim() != rank)
      throw Error(std::string(emit.name) + " takes vectors, not " + describe(t) + "; flatten it", at);
  return apply(emit, made::InDtypeAttrs{dtype}, inputs, at)[0];
} catch (...) {
  leave_with_error(emit.name, place_of({&x, &y}));
}

}  // namespace

Tensor hstack(std::span<const Tensor> parts, const At& at) { return stacked<with_one>("hstack", parts, 1, at); }
Tensor row_stack(std::span<const Tensor> parts, const At& at) { return stacked<with_rows>("row_stack", parts, 0, at); }
Tensor vstack(std::span<const Tensor> parts, const At& at) { return stacked<with_rows>("vstack", parts, 0, at); }
Tensor dstack(std::span<const Tensor> parts, const At& at) { return stacked<with_depth>("dstack", parts, 2, at); }
Tensor column_stack(std::span<const Tensor> parts, const At& at) {
  return stacked<with_columns>("column_stack", parts, 1, at);
}

Tensor block_diag(std::span<const Tensor> parts, const At& from) try {
  const Location at = place(from);
  if (parts.empty()) throw Error("block_diag of no tensors", at);
  DType dtype = as_tensor(Operand(parts[0], at), "block_diag").dtype();
  for (const Tensor& p : parts) {
    if (as_tensor(Operand(p, at), "block_diag").ndim() > 2)
      throw Error("block_diag: a block is a matrix, not " + describe(p), at);
    dtype = promote(dtype, p.dtype(), "block_diag", at);
  }
  return apply({"block_diag", build_block_diag}, made::InDtypeAttrs{dtype}, parts, at)[0];
} catch (...) {
  leave_with_error("block_diag", place(from));
}

std::vector<Tensor> meshgrid(std::span<const Tensor> axes, const std::string& indexing, const At& from) try {
  const Location at = place(from);
  if (indexing != "ij" && indexing != "xy")
    throw Error("meshgrid: indexing is \"ij\" or \"xy\", not \"" + indexing + "\"", at);
  const bool turned = indexing == "xy" && axes.size() >= 2;
  const auto axis_at = [&](size_t i) { return turned && i < 2 ? 1 - i : i; };
  Shape shape(std::vector<Dim>(axes.size(), Dim(1)));
  for (size_t i = 0; i < axes.size(); ++i) {
    const Tensor x = as_tensor(Operand(axes[i], at), "meshgrid");
    if (x.ndim() > 1) throw Error("meshgrid: an axis is a vector, not " + describe(x), at);
    shape[axis_at(i)] = x.ndim() == 0 ? Dim(1) : x.shape()[0];
  }
  std::vector<Tensor> grids;
  for (size_t i = 0; i < axes.size(); ++i)
    grids.push_back(apply_one({"meshgrid", build_grid},
                              made::GridAttrs{.axis = static_cast<int64_t>(axis_at(i)), .shape = shape.dims()},
                              {axes[i]}, at));
  return grids;
} catch (...) {
  leave_with_error("meshgrid", place(from));
}
std::vector<Tensor> meshgrid(std::initializer_list<Tensor> axes, const std::string& indexing, const At& at) {
  return meshgrid(std::span(axes.begin(), axes.size()), indexing, at);
}
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const std::string& indexing, const At& at) {
  return meshgrid({x, y}, indexing, at);
}
std::vector<Tensor> meshgrid(const Tensor& x, const Tensor& y, const Tensor& z, const std::string& indexing,
                             const At& at) {
  return meshgrid({x, y, z}, indexing, at);
}

Tensor outer(Operand x, Operand y) { return product({"outer", build_outer}, x, y, 1); }
Tensor kron(Operand x, Operand y) { return product({"kron", build_kron}, x, y, -1); }

}  // namespace tenon
