// Matrix algebra over the rows of the op table.
#include "tenon/ir/graph/matrices.h"

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir::matrices {

Shape batch_of(Value x) {
  Shape batch = x.shape();
  batch.erase(rank(x) - 1);
  batch.erase(rank(x) - 2);
  return batch;
}
Value transposed(Value x) { return move_axis(x, rank(x) - 2, rank(x) - 1); }
Value product(Value a, Value b) {
  std::vector<int64_t> batch;
  for (size_t d = 0; d + 2 < rank(a); ++d) batch.push_back(static_cast<int64_t>(d));
  const auto last = static_cast<int64_t>(rank(a)) - 1;
  return dot_general(a, b, batch, batch, {last}, {last - 1});
}
Value solve(Value a, Value b, bool upper, bool unit) {
  const Value operands[] = {a, b};
  return apply(*a.builder, Op::triangular_solve, operands, SolveTriangularAttrs{.upper = upper, .unit = unit})[0];
}
Value solve_right(Value a, Value b, bool upper, bool unit) {
  return transposed(solve(transposed(a), transposed(b), !upper, unit));
}
Value lower(Value x, int64_t above) {
  GraphBuilder& b = *x.builder;
  const auto axis = static_cast<int64_t>(rank(x));
  const Value row = iota(b, i64, x.shape(), axis - 2), column = iota(b, i64, x.shape(), axis - 1);
  return select(le(column, row + above), x, zeros_like(x));
}
Value upper(Value x) { return x - lower(x, -1); }
Value identity(GraphBuilder& b, DType dtype, Shape shape, Dim height, Dim width) {
  shape.push_back(height);
  shape.push_back(width);
  const auto axis = static_cast<int64_t>(shape.size());
  const Value same = eq(iota(b, i64, shape, axis - 2), iota(b, i64, shape, axis - 1));
  return select(same, splat(b, dtype, 1, shape), splat(b, dtype, 0, shape));
}
Value diagonal_of(Value x) {
  const Value d = lower(x) - lower(x, -1);
  return reduce(Op::reduce_sum, d, {static_cast<int64_t>(rank(x)) - 1});
}
Value for_columns(Value row, Value x) {
  std::vector<int64_t> axes;
  for (size_t d = 0; d + 1 < rank(x); ++d) axes.push_back(static_cast<int64_t>(d + 1 == rank(x) - 1 ? d + 1 : d));
  return broadcast(row, x.shape(), axes);
}
Value for_rows(Value row, Value x) {
  std::vector<int64_t> axes;
  for (size_t d = 0; d + 1 < rank(x); ++d) axes.push_back(static_cast<int64_t>(d));
  return broadcast(row, x.shape(), axes);
}
Value for_matrices(Value number, Value x) {
  std::vector<int64_t> axes;
  for (size_t d = 0; d + 2 < rank(x); ++d) axes.push_back(static_cast<int64_t>(d));
  return broadcast(number, x.shape(), axes);
}
Value part(Value x, size_t axis, Dim start, Dim size) {
  std::vector<Dim> starts(rank(x), 0), sizes(x.shape().dims());
  starts[axis] = start;
  sizes[axis] = size;
  return slice(x, starts, sizes, std::vector<int64_t>(rank(x), 1));
}
Value joined(Value a, Value b, size_t axis) {
  const Value parts[] = {a, b};
  return concat(parts, static_cast<int64_t>(axis));
}
Value reciprocal_gaps(Value values, Value x) {
  GraphBuilder& b = *values.builder;
  const auto axis = static_cast<int64_t>(rank(x));
  const Shape& shape = x.shape();
  const Value same = eq(iota(b, i64, shape, axis - 2), iota(b, i64, shape, axis - 1));
  const Value gaps = for_columns(values, x) - for_rows(values, x);
  return select(same, zeros_like(gaps), literal(gaps, 1.0) / select(same, literal(gaps, 1.0), gaps));
}
// Rows of matrices in another order.
Value rows_in_order(Value x, Value order) {
  GraphBuilder& b = *x.builder;
  Symbols& symbols = b.symbols();
  const Dim rows = height(x), columns = width(x);
  const Shape flat({symbols.numel(order.shape()), columns});
  const Shape numbers = order.shape();
  Value place = order;
  if (numbers.size() > 1) {  // the matrix that a row is of, times the rows of each
    Shape batch = numbers;
    batch.erase(numbers.size() - 1);
    const Dim count = symbols.numel(batch);
    std::vector<int64_t> axes;
    for (size_t d = 0; d + 1 < numbers.size(); ++d) axes.push_back(static_cast<int64_t>(d));
    const Value first = reshape(iota(b, i64, {count}, 0) * broadcast(extent_value(b, rows), {count}, {}), batch);
    place = order + broadcast(first, numbers, axes);
  }
  return reshape(take(reshape(x, flat), reshape(place, {flat[0]}), 0), x.shape());
}

}  // namespace tenon::ir::matrices
