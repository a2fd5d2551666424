// Elementwise ops, reductions, order and random bits over lanes: the same op with one more axis in front.
#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {

BatchResults batch_elementwise(const BatchArgs& args) {
  return {apply(args.builder, args.op, all_lifted(args), args.attrs)};
}

// The order of a sum depends on the extents that it reduces alone, so a lane's bits are those of the lane by itself.
BatchResults batch_reduce(const BatchArgs& args) {
  return {apply(args.builder, args.op, args.operands, ReduceAttrs{.axes = behind_lanes(Reduce(args.attrs).axes)})};
}

BatchResults batch_cumulative(const BatchArgs& args) {
  const Cumulative c(args.attrs);
  return {apply(args.builder, args.op, args.operands, CumulativeAttrs{.axis = c.axis + 1, .reverse = c.reverse})};
}

BatchResults batch_sort(const BatchArgs& args) {
  return {apply(args.builder, args.op, all_lifted(args), SortAttrs{.axis = Sort(args.attrs).axis + 1})};
}

// A key for every lane, within which elements are counted; the counter may be one for all of them.
BatchResults batch_random_bits(const BatchArgs& args) {
  const bool shared = !args.batched[1] && args.operands[1].shape().rank() == 1;
  return {{same_op(args, {lifted(args, 0), shared ? args.operands[1] : lifted(args, 1)}, args.attrs)}};
}

BatchResults batch_barrier(const BatchArgs& args) {
  return {apply(args.builder, args.op, args.operands, args.attrs), args.batched};
}

}  // namespace tenon::ir::rules
