// A convolution as loops, directly, without copying patches: every result element is one chain of fused multiply-adds from
// +0 over taps, then channels, ascending. A tap on padding, or between the elements of a dilated input, is skipped by giving
// its channel loop no iterations.
//
//   parallel n, spatial { vector feature { serial tap... { serial channel < (inside ? channels : 0) { fma } } } }
//
// Refuses tiling; that is an algorithm of its own with the same order.
#include "tenon/ir/rules/nest.h"

namespace tenon::ir::rules {

void nest_convolution(Lowering& c, const Node& node) {
  const Convolution conv(c.graph, node);
  const Type& type = c.result_type(node);
  const Shape &from = c.operand_type(node, 0).shape, &kernel = c.operand_type(node, 1).shape;
  const DType sum_type = is_half(type.dtype) ? DType::f32 : type.dtype;
  const size_t spatial = conv.strides.size();
  KernelBuilder& b = c.builder;
  const Scalar zero = c.index_literal(0), channels = c.extent(kernel[spatial]),
               features = c.extent(kernel[spatial + 1]);

  std::vector<Dim> outer(type.shape.begin(), type.shape.end() - 1);
  const std::vector<Scalar> out = open_parallel(c, outer);
  const Scalar feature = open_loop(c, LoopKind::vector, features);

  // One loop a spatial axis, all carrying the sum; `inside` says whether the tap falls on an element of the input.
  Scalar sum = c.literal(sum_type, 0), inside{&b, b.literal(DType::boolean, 1)};
  std::vector<Scalar> place{out[0]}, weight;
  for (size_t d = 0; d < spatial; ++d) {
    const std::vector<ScalarId> arguments =
        b.open_loop(LoopKind::serial, c.extent(kernel[d]).id, std::span(&sum.id, 1));
    const Scalar tap{&b, arguments[0]}, dilation = c.index_literal(conv.lhs_dilation[d]);
    sum = {&b, arguments[1]};
    const Scalar at = out[d + 1] * c.index_literal(conv.strides[d]) + tap * c.index_literal(conv.rhs_dilation[d]) -
                      c.index_literal(conv.low[d]);
    place.push_back(at / dilation);
    inside = inside & (at >= zero) & (rem(at, dilation) == zero) & (place.back() < c.extent(from[d + 1]));
    weight.push_back(tap);
  }
  const Scalar count = select(inside, channels, zero);
  const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, count.id, std::span(&sum.id, 1));
  const Scalar channel{&b, arguments[0]};
  if (conv.groups == 1) {
    place.push_back(channel);
  } else {
    place.push_back(feature / (features / c.index_literal(conv.groups)) * channels + channel);
  }
  weight.push_back(channel);
  weight.push_back(feature);
  sum = fma(cast(c.element(node, 0, place), sum_type), cast(c.element(node, 1, weight), sum_type), {&b, arguments[1]});
  for (size_t d = 0; d <= spatial; ++d) sum = {&b, b.close_loop(std::span(&sum.id, 1))[0]};

  std::vector<Scalar> index = out;
  index.push_back(feature);
  c.store(node, 0, index, cast(sum, type.dtype), {});
  b.close_loop();
  b.close_loop();
}

}  // namespace tenon::ir::rules
