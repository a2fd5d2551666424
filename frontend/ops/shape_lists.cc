// Lists of tensors in one shape or one list of choices; positions of triangles; concat by its other names.
#include "tenon/frontend/ops/composed.h"
#include "tenon/frontend/ops/shapes.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

// A column for each vector, its elements going round as digits of a number do.
std::vector<ir::Value> build_cartesian(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const DType dtype = made::InDtype(attrs).dtype;
  Shape grid;
  for (const ir::Value& v : x) grid.push_back(v.shape()[0]);
  const Shape column({b.symbols().numel(grid), Dim(1)});
  std::vector<ir::Value> columns;
  for (size_t i = 0; i < x.size(); ++i)
    columns.push_back(ir::reshape(ir::broadcast(ir::cast(x[i], dtype), grid, {static_cast<int64_t>(i)}), column));
  return {ir::concat(columns, 1)};
}

// Row by row; `upper`: on the diagonal and above it.
Tensor indices_of_triangle(const char* op, int64_t rows, int64_t columns, int64_t offset, bool upper,
                           const At& from) try {
  const Location at = place(from);
  (void)Extents({rows, columns}).checked(op, i64, at);
  constexpr int64_t most = int64_t{1} << 31;  // they are counted one by one
  if (columns > 0 && rows > most / columns)
    throw Error(std::string(op) + ": a matrix of " + std::to_string(rows) + " rows and " + std::to_string(columns) +
                    " columns is too large; compare two aranges",
                at);
  std::vector<int64_t> r, c;
  for (int64_t i = 0; i < rows; ++i) {
    // i + offset, held between the edges, which it may lie far outside.
    const int64_t diagonal = offset > columns - i ? columns : offset < -i - 1 ? -1 : i + offset;
    const int64_t first = upper ? std::max<int64_t>(diagonal, 0) : 0;
    const int64_t last = upper ? columns - 1 : std::min(diagonal, columns - 1);
    for (int64_t j = first; j <= last; ++j) r.push_back(i), c.push_back(j);
  }
  const auto count = static_cast<int64_t>(r.size());
  r.insert(r.end(), c.begin(), c.end());
  return copy_from(r.data(), Extents({2, count}), i64, false, from);
} catch (...) {
  leave_with_error(op, place(from));
}

}  // namespace

Tensor cat(std::span<const Tensor> parts, int64_t axis, const At& at) { return concat(parts, axis, at); }
Tensor cat(std::initializer_list<Tensor> parts, int64_t axis, const At& at) { return concat(parts, axis, at); }
Tensor concatenate(std::span<const Tensor> parts, int64_t axis, const At& at) { return concat(parts, axis, at); }
Tensor concatenate(std::initializer_list<Tensor> parts, int64_t axis, const At& at) { return concat(parts, axis, at); }

std::vector<Tensor> broadcast_tensors(std::span<const Tensor> x, const At& from) try {
  const Location at = place(from);
  const Shape shape = check_broadcast("broadcast_tensors", x, at);
  std::vector<Tensor> results;
  for (const Tensor& t : x) results.push_back(t.shape() == shape ? t : broadcast_to(Operand(t, at), Extents(shape)));
  return results;
} catch (...) {
  leave_with_error("broadcast_tensors", place(from));
}
std::vector<Tensor> broadcast_tensors(std::initializer_list<Tensor> x, const At& at) {
  return broadcast_tensors(std::span(x.begin(), x.size()), at);
}

Tensor cartesian_prod(std::span<const Tensor> x, const At& from) try {
  const Location at = place(from);
  if (x.empty()) throw Error("cartesian_prod: takes at least one vector", at);
  DType dtype = x[0].dtype();
  for (const Tensor& t : x) {
    if (t.ndim() != 1) throw Error("cartesian_prod: takes vectors, not " + describe(t), at);
    dtype = promote(dtype, t.dtype(), "cartesian_prod", at);
  }
  if (x.size() == 1) return x[0];
  return std::move(apply({"cartesian_prod", build_cartesian}, made::InDtypeAttrs{dtype}, x, at)[0]);
} catch (...) {
  leave_with_error("cartesian_prod", place(from));
}
Tensor cartesian_prod(std::initializer_list<Tensor> x, const At& at) {
  return cartesian_prod(std::span(x.begin(), x.size()), at);
}

Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset, const At& at) {
  return indices_of_triangle("tril_indices", rows, columns, offset, false, at);
}
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset, const At& at) {
  return indices_of_triangle("triu_indices", rows, columns, offset, true, at);
}

}  // namespace tenon
