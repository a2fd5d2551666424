// Derivatives of reductions.
#include <algorithm>

#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/derivative.h"

namespace tenon::ir::rules {
namespace {

std::vector<int64_t> kept_axes(int rank, const std::vector<int64_t>& reduced) {
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < rank; ++i)
    if (std::find(reduced.begin(), reduced.end(), i) == reduced.end()) kept.push_back(i);
  return kept;
}

}  // namespace

std::vector<Value> reduce_sum_transpose(const TransposeArgs& args) {
  const Shape shape = args.operand_types[0].shape;
  return {broadcast(args.cotangents[0], shape, kept_axes(shape.rank(), Reduce(args.attrs).axes))};
}

// Elements that equal the extremum share its derivative equally, as the two operands of max do. A NaN is the extremum.
std::vector<Value> reduce_extremum_jvp(const JvpArgs& args) {
  const Value x = args.primals[0];
  const Shape shape = x.shape();
  const auto& axes = Reduce(args.attrs).axes;
  const Value r = broadcast(args.results[0], shape, kept_axes(shape.rank(), axes));
  const Value chosen = bit_or(eq(x, r), ne(x, x)), zero = like(x, 0);
  return {unscale(reduce(Op::reduce_sum, select(chosen, args.tangents[0], zero), axes),
                  reduce(Op::reduce_sum, select(chosen, like(x, 1), zero), axes))};
}

// The product rule element by element, so that zeros are no special case: t <- t x_i + p t_i, p <- p x_i.
std::vector<Value> reduce_prod_jvp(const JvpArgs& args) {
  GraphBuilder& b = args.builder;
  const auto& axes = Reduce(args.attrs).axes;
  const Shape shape = args.primals[0].shape();
  std::vector<int64_t> order = axes;
  Dim length = 1;
  for (int64_t a : axes) length = b.symbols().product(length, shape[a]);
  Shape rows({length}), row;
  for (int64_t a : kept_axes(shape.rank(), axes)) {
    order.push_back(a);
    rows.push_back(shape[a]);
    row.push_back(shape[a]);
  }
  const auto by_rows = [&](Value v) {
    return reshape(std::is_sorted(order.begin(), order.end()) ? v : transpose(v, order), rows);
  };

  const Type type{args.primals[0].dtype(), row};
  GraphBuilder body("main", b.graph().symbols);
  Value in[4];
  for (Value& v : in) v = {&body, body.input(type)};
  const auto [p, t, x, tx] = in;
  const ValueId outputs[] = {(p * x).id, (scale(t, x) + scale(tx, p)).id};
  const Value operands[] = {splat(b, type.dtype, 1, row), zeros(b, type), by_rows(args.primals[0]),
                            by_rows(args.tangents[0])};
  const auto results =
      apply(b, Op::scan, operands,
            ScanAttrs{.body = body.finish(outputs), .length = length, .counts = counts_of({.carries = 2})});
  return {results[1]};
}

}  // namespace tenon::ir::rules
