// Running reductions as loops: the other axes are independent, the one that is run along is a chain that carries what has been combined.
// The order is the contract's (ir/rules/reduction.h): chains inside blocks, plus the left-to-right combination of the earlier blocks.
//
//   parallel others { vector lane { serial block carry offset = identity { serial i carry chain = identity {
//     store combine(offset, chain) } } } }
//
// Starting from the identity needs no special first element: -0 + x is x, bit for bit.
#include "tenon/ir/rules/nest.h"
#include "tenon/ir/rules/reduction.h"

namespace tenon::ir::rules {

void nest_cumulative(Lowering& c, const Node& node) {
  const Cumulative along(c.graph, node);
  const Op op = def(node.op).combine;
  const Type& type = c.result_type(node);
  const DType computed = is_half(type.dtype) ? DType::f32 : type.dtype;
  KernelBuilder& b = c.builder;
  AxisNest nest(c, type.shape, along.axis);
  const Dim extent = type.shape[nest.axis];
  const Scalar length = c.extent(extent), block_length = c.index_literal(cumulative_block);
  const Scalar nothing{&b, b.literal(computed, identity_bits(op, computed))};
  const auto combined = [&](Scalar x, Scalar y) {
    const ScalarId operands[] = {x.id, y.id};
    return Scalar{&b, b.scalar(op, operands)};
  };

  // Combines `count` elements from `first` on, each stored behind `offset`; returns all of them combined.
  const auto chain = [&](Scalar first, Scalar count, Scalar offset, Scalar lane) {
    const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, count.id, std::span(&nothing.id, 1));
    const Scalar step = first + Scalar{&b, arguments[0]};
    const Scalar place = along.reverse ? length - c.index_literal(1) - step : step;
    const std::vector<Scalar> index = nest.at(place, lane);
    const Scalar sum = combined({&b, arguments[1]}, cast(c.element(node, 0, index), computed));
    c.store(node, 0, index, cast(offset ? combined(offset, sum) : sum, type.dtype), {});
    return Scalar{&b, b.close_loop(std::span(&sum.id, 1))[0]};
  };

  nest.open();
  Scalar lane;
  if (nest.vector) lane = open_loop(c, LoopKind::vector, c.extent(type.shape[type.shape.size() - 1]));
  if (extent.is_number() && extent.number() <= cumulative_block) {
    chain(c.index_literal(0), length, {}, lane);
  } else {
    const Scalar blocks = (length + c.index_literal(cumulative_block - 1)) / block_length;
    const std::vector<ScalarId> arguments = b.open_loop(LoopKind::serial, blocks.id, std::span(&nothing.id, 1));
    const Scalar first = Scalar{&b, arguments[0]} * block_length, offset{&b, arguments[1]};
    const Scalar next = combined(offset, chain(first, min(length - first, block_length), offset, lane));
    b.close_loop(std::span(&next.id, 1));
  }
  if (nest.vector) b.close_loop();
  nest.close();
}

}  // namespace tenon::ir::rules
