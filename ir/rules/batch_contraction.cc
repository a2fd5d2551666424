// Contractions over lanes. A dot product has the lanes as a batch axis where both sides have them, and as a free axis where one
// has. A convolution takes them into its images, or, where every lane has a kernel of its own, into its groups.
#include <algorithm>

#include "tenon/ir/rules/batch.h"

namespace tenon::ir::rules {

BatchResults batch_dot(const BatchArgs& args) {
  const DotGeneral d(args.attrs);
  const bool left = args.batched[0], right = args.batched[1];
  const auto moved = [](bool batched, const std::vector<int64_t>& axes) { return batched ? behind_lanes(axes) : axes; };
  auto lhs_batch = moved(left, d.lhs_batch), rhs_batch = moved(right, d.rhs_batch);
  if (left && right) lhs_batch = in_front<int64_t>(0, lhs_batch), rhs_batch = in_front<int64_t>(0, rhs_batch);
  const Value product = dot_general(args.operands[0], args.operands[1], lhs_batch, rhs_batch,
                                    moved(left, d.lhs_contract), moved(right, d.rhs_contract));
  if (left && right) return {{product}};
  // The result has batch axes, free axes of lhs, free axes of rhs; the lanes are the first free axis of their side.
  size_t place = d.lhs_batch.size();
  if (right) place += args.operands[0].shape().size() - d.lhs_batch.size() - d.lhs_contract.size();
  return {{move_axis(product, place, 0)}};
}

namespace {

ConvolutionAttrs like_convolution(const Convolution& c, int64_t groups) {
  return {.strides = c.strides,
          .low = c.low,
          .high = c.high,
          .lhs_dilation = c.lhs_dilation,
          .rhs_dilation = c.rhs_dilation,
          .groups = groups};
}

// x[lanes, n, ...] is one stack of images.
Value images_of_all_lanes(const BatchArgs& args) {
  const Value x = args.operands[0];
  const Shape shape = x.shape();
  Shape stacked = lane_of(shape);
  stacked[0] = args.builder.symbols().product(shape[0], shape[1]);
  const Value y = same_op(args, {reshape(x, stacked), args.operands[1]},
                          like_convolution(Convolution(args.attrs), Convolution(args.attrs).groups));
  Shape result = with_lanes(shape[0], y.shape());
  result[1] = shape[1];
  return reshape(y, result);
}

// [lanes, a..., channels] -> [a..., lanes * channels], the channels of each of `groups` staying together when groups > 1:
// [a..., groups, lanes, channels / groups].
Value lanes_into_channels(Value x, int64_t groups) {
  const Shape shape = x.shape();
  Symbols& s = x.builder->symbols();
  const size_t last = shape.size() - 1;
  Shape grouped = shape;
  grouped[last] = Dim(groups);
  grouped.push_back(groups == 1 ? shape[last] : s.quotient(shape[last], groups));
  Shape joined = lane_of(shape);
  joined[last - 1] = s.product(shape[0], shape[last]);
  return reshape(move_axis(reshape(x, grouped), 0, last), joined);
}

// The way back: [a..., groups * lanes * channels] -> [lanes, a..., groups * channels].
Value lanes_out_of_channels(Value y, Dim lanes, int64_t groups, Dim channels) {
  Symbols& s = y.builder->symbols();
  Shape apart = y.shape();
  const size_t last = apart.size() - 1;
  apart[last] = Dim(groups);
  apart.push_back(lanes);
  apart.push_back(groups == 1 ? channels : s.quotient(channels, groups));
  Shape result = y.shape();
  result[last] = channels;
  return reshape(move_axis(reshape(y, apart), last + 1, 0), with_lanes(lanes, result));
}

}  // namespace

BatchResults batch_convolution(const BatchArgs& args) {
  const Convolution c(args.attrs);
  const Dim lanes = args.batching.size;
  if (!args.batched[1]) return {{images_of_all_lanes(args)}};
  const Shape kernel = lane_shape(args, 1);
  const Dim filters = kernel[kernel.size() - 1];
  if (!args.batched[0]) {
    const Value y = same_op(args, {args.operands[0], lanes_into_channels(args.operands[1], c.groups)},
                            like_convolution(c, c.groups));
    return {{lanes_out_of_channels(y, lanes, c.groups, filters)}};
  }
  // Every lane has images and a kernel: it is a group of channels of its own.
  if (lanes == 0 || !lanes.is_number() || c.groups > INT32_MAX / std::max<int64_t>(lanes.number(), 1))
    return batch_lane_by_lane(args);
  const Value x = lanes_into_channels(args.operands[0], 1), k = lanes_into_channels(args.operands[1], 1);
  const Value y = same_op(args, {x, k}, like_convolution(c, lanes.number() * c.groups));
  return {{lanes_out_of_channels(y, lanes, 1, filters)}};
}

}  // namespace tenon::ir::rules
