// Gather and scatter over lanes. With the same indices in every lane the lanes are one more axis; with indices of their own, the rows
// of all lanes are numbered through, so that it stays one op.
#include <algorithm>

#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {
namespace {

// x[lanes, a..., rows, b...] -> [lanes * rows, a..., b...]
Value numbered_through(Value x, size_t axis) {
  const Shape shape = x.shape();
  Shape joined({x.builder->symbols().product(shape[0], shape[axis + 1])});
  for (size_t i = 1; i < shape.size(); ++i) {
    if (i == axis + 1) continue;
    joined.push_back(shape[i]);
  }
  return reshape(move_axis(x, axis + 1, 1), joined);
}

// Of a result or an update [lanes, a..., indices..., b...]: the order that has the axes of the indices behind the lanes.
std::vector<int64_t> indices_first(size_t rank, size_t axis, size_t index_rank) {
  std::vector<int64_t> order = {0};
  for (int64_t i : counting(axis + 1, axis + 1 + index_rank)) order.push_back(i);
  for (int64_t i : counting(1, axis + 1)) order.push_back(i);
  for (int64_t i : counting(axis + 1 + index_rank, rank)) order.push_back(i);
  return order;
}
std::vector<int64_t> inverse(const std::vector<int64_t>& order) {
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return back;
}

Value index_limit(Value indices, Dim rows) { return over(extent_value(*indices.builder, rows), indices.shape()); }

}  // namespace

BatchResults batch_gather(const BatchArgs& args) {
  const size_t axis = Gather(args.attrs).axis;
  const Value x = args.operands[0], indices = args.operands[1];
  if (!args.batched[1]) return {{same_op(args, {x, indices}, GatherAttrs{.axis = axis + 1})}};
  const size_t index_rank = indices.shape().size() - 1;  // of one lane
  if (!args.batched[0]) {  // the lanes stand where the indices do
    const Value read = same_op(args, {x, indices}, GatherAttrs{.axis = axis});
    return {{move_axis(read, axis, 0)}};
  }
  const Dim rows = x.shape()[axis + 1];
  const Value last = index_limit(indices, rows) - literal(indices, 1);
  const Value inside = max(min(indices, last), zeros_like(indices));  // reading clamps
  const Value read = same_op(args, {numbered_through(x, axis), through_lanes(inside, rows)}, GatherAttrs{.axis = 0});
  if (axis == 0) return {{read}};
  const size_t rank = read.shape().size();
  return {{transpose(read, inverse(indices_first(rank, axis, index_rank)))}};
}

BatchResults batch_scatter_add(const BatchArgs& args) {
  const size_t axis = ScatterAdd(args.attrs).axis;
  const Value x = lifted(args, 0), indices = args.operands[1], updates = lifted(args, 2);
  if (!args.batched[1]) return {{same_op(args, {x, indices, updates}, ScatterAddAttrs{.axis = axis + 1})}};
  const size_t index_rank = indices.shape().size() - 1;
  const Shape shape = x.shape();
  const Dim lanes = shape[0], rows = shape[axis + 1];
  const Value limit = index_limit(indices, rows);
  const Value inside = bit_and(ge(indices, zeros_like(indices)), lt(indices, limit));
  const Value place = select(inside, through_lanes(indices, rows), literal(indices, -1));  // writing drops
  const size_t rank = updates.shape().size();
  const Value moved = axis == 0 ? updates : transpose(updates, indices_first(rank, axis, index_rank));
  const Value sums = same_op(args, {numbered_through(x, axis), place, moved}, ScatterAddAttrs{.axis = 0});
  Shape apart = sums.shape();
  apart[0] = rows;
  const Value split = reshape(sums, with_lanes(lanes, apart));
  if (axis == 0) return {{split}};
  return {{transpose(split, inverse(indices_first(split.shape().size(), axis, 1)))}};
}

}  // namespace tenon::ir::rules
