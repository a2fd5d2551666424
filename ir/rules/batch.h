// What the batching rules share. Lanes stand in front: a batched operand of a lane's type f32[3] is f32[n, 3]. Refuses a batch
// axis elsewhere: where it comes in or goes out at another place, the caller transposes (frontend/transform/batching.cc).
#pragma once

#include <numeric>
#include <vector>

#include "tenon/ir/rules/rules.h"

namespace tenon::ir::rules {

inline Shape with_lanes(Dim lanes, Shape lane) {
  lane.insert(0, lanes);
  return lane;
}
inline Shape lane_of(Shape batched) {
  batched.erase(0);
  return batched;
}
inline std::vector<int64_t> behind_lanes(std::vector<int64_t> axes) {
  for (int64_t& axis : axes) ++axis;
  return axes;
}
template <class T>
std::vector<T> in_front(T first, std::vector<T> rest) {
  rest.insert(rest.begin(), first);
  return rest;
}
// first, first + 1, ... end - 1
inline std::vector<int64_t> counting(size_t first, size_t end) {
  std::vector<int64_t> axes(end > first ? end - first : 0);
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(first));
  return axes;
}

// A lane's value for every lane; of memory that nobody has written yet there is nothing to repeat.
inline Value repeated(Value x, Dim lanes) {
  const Graph& g = x.builder->graph();
  const NodeId from = g.producer(x.id);
  if (from != no_node && g.node(from).op == Op::unset)
    return apply(*x.builder, Op::unset, {},
                 UnsetAttrs{.dtype = x.dtype(), .shape = with_lanes(lanes, x.shape()).dims()})[0];
  return broadcast(x, with_lanes(lanes, x.shape()), counting(1, x.shape().size() + 1));
}
// Operand i with the lanes in front, whether it is batched or not.
inline Value lifted(const BatchArgs& args, size_t i) {
  return args.batched[i] ? args.operands[i] : repeated(args.operands[i], args.batching.size);
}
inline std::vector<Value> all_lifted(const BatchArgs& args) {
  std::vector<Value> values;
  for (size_t i = 0; i < args.operands.size(); ++i) values.push_back(lifted(args, i));
  return values;
}
// The extents of operand i in one lane.
inline Shape lane_shape(const BatchArgs& args, size_t i) {
  return args.batched[i] ? lane_of(args.operands[i].shape()) : args.operands[i].shape();
}
inline Value same_op(const BatchArgs& args, std::span<const Value> operands, Attrs attrs) {
  return apply(args.builder, args.op, operands, std::move(attrs))[0];
}
inline Value same_op(const BatchArgs& args, std::initializer_list<Value> operands, Attrs attrs) {
  return same_op(args, std::span(operands.begin(), operands.size()), std::move(attrs));
}
inline Value i64_scalar(GraphBuilder& b, int64_t number) { return splat_integer(b, DType::i64, number, {}); }
// A scalar, or one number a lane, over a shape whose axis 0 is the lanes.
inline Value over(Value x, const Shape& shape) {
  return broadcast(x, shape, x.shape().rank() == 0 ? std::vector<int64_t>{} : std::vector<int64_t>{0});
}

// Which rows of each lane's x are read, when rows of all lanes are numbered through: index + lane * rows. Indices: i64, lanes in
// front, within the lane's rows.
Value through_lanes(Value indices, Dim rows);

}  // namespace tenon::ir::rules
