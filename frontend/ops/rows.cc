// Tensors as rows (frontend/ops/rows.h).
#include "tenon/frontend/ops/rows.h"

#include <algorithm>

#include "tenon/frontend/ops/promote.h"

namespace tenon {

int64_t row_axis(int64_t axis, const Tensor& x, const char* op, const Location& at) {
  return x.ndim() == 0 && (axis == 0 || axis == -1) ? 0 : axis_of(axis, x.ndim(), op, at);
}

void check_row(const Tensor& x, int64_t axis, const char* op, const Location& at) {
  if (x.ndim() != 0 && x.shape()[static_cast<size_t>(axis)] == Dim(0))
    throw Error(std::string(op) + " of no elements: axis " + std::to_string(axis) + " of " + describe(x) + " is empty",
                at);
}

Dim checked_size(Extent n, int64_t least, const char* op, const char* what, const Location& at) {
  if (n.is_number() && n.number() < least)
    throw Error(
        std::string(op) + ": " + what + " is at least " + std::to_string(least) + ", not " + std::to_string(n.number()),
        at);
  return Extents(Shape({n})).checked(op, i64, at)[0];
}

}  // namespace tenon

namespace tenon::formula {

Value as_rows(Value x, const Axes& axes) {
  const Shape shape = x.shape();
  std::vector<int64_t> order;
  Shape rows;
  Dim length = 1;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) != axes.end()) continue;
    order.push_back(i);
    rows.push_back(shape[i]);
  }
  for (int64_t i : axes) {
    order.push_back(i);
    length = x.builder->symbols().product(length, shape[i]);
  }
  rows.push_back(length);
  return ir::reshape(std::is_sorted(order.begin(), order.end()) ? x : ir::transpose(x, order), rows);
}

Value part(Value x, int64_t axis, Dim start, Dim size) {
  const Shape& shape = x.shape();
  std::vector<Dim> starts(shape.size(), Dim(0)), sizes(shape.begin(), shape.end());
  starts[static_cast<size_t>(axis)] = start;
  sizes[static_cast<size_t>(axis)] = size;
  return ir::slice(x, std::move(starts), std::move(sizes), std::vector<int64_t>(sizes.size(), 1));
}

Value picked(Value rows, Value places) {
  ir::GraphBuilder& b = *rows.builder;
  const Shape shape = rows.shape(), flat({b.symbols().numel(shape)});
  Value at = places;
  if (shape.rank() > 1) {  // the place in memory of a row's first element, and on from there
    const Value numbers = ir::reshape(ir::iota(b, i64, flat, 0), shape);
    at = at + ir::spread(part(numbers, shape.rank() - 1, 0, 1), places);
  }
  return ir::take(ir::reshape(rows, flat), at, 0);
}

Value picked_one(Value rows, Value places) { return without_last(picked(rows, with_last(places))); }

Value without_last(Value x) {
  Shape shape = x.shape();
  shape.erase(shape.size() - 1);
  return ir::reshape(x, shape);
}
Value with_last(Value x) {
  Shape shape = x.shape();
  shape.push_back(1);
  return ir::reshape(x, shape);
}

Value returned(Value reduced, const Shape& shape, const Axes& axes, bool keepdims) {
  if (!keepdims) return reduced;
  Shape kept = shape;
  for (int64_t a : axes) kept[static_cast<size_t>(a)] = Dim(1);
  return ir::reshape(reduced, kept);
}

// Descending is ascending from behind: equal keys keep their order, and NaN, the last of all, comes first.
Ordered ordered(Value x, int64_t axis, bool descending) {
  const Value places = ir::iota(*x.builder, i64, x.shape(), axis);
  const auto turned = [&](Value v) { return descending ? ir::reverse(v, {axis}) : v; };
  const Value operands[] = {turned(x), turned(places)};
  const auto sorted = ir::apply(*x.builder, ir::Op::sort, operands, ir::SortAttrs{.axis = static_cast<size_t>(axis)});
  return {turned(sorted[0]), turned(sorted[1])};
}

Value is_nan(Value x) {
  if (is_complex(x.dtype())) return ir::bit_or(is_nan(ir::real(x)), is_nan(ir::imag(x)));
  if (is_floating(x.dtype())) return ir::ne(x, x);
  return ir::splat_integer(*x.builder, boolean, 0, x.shape());
}

Value flattened(Value x) { return ir::reshape(x, {x.builder->symbols().numel(x.shape())}); }

Value tallied(Value places, Value added, Dim size) {
  return ir::scatter(ir::splat(*added.builder, added.dtype(), 0, {size}), places, added, 0);
}

}  // namespace tenon::formula
