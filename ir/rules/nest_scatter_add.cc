// scatter_add as loops: the operand is copied, then the updates are added one by one in ascending order of their indices, so
// duplicates always add up alike. Axes other than the scattered one are independent, and each iteration of theirs copies and
// updates its own part. An update that falls outside is dropped by giving its loop no iterations.
//
//   parallel others { serial row { vector lane { copy } }  serial update { vector lane < (inside ? n : 0) { add } } }
#include "tenon/ir/rules/nest.h"

namespace tenon::ir::rules {

void nest_scatter_add(Lowering& c, const Node& node) {
  const Type& type = c.result_type(node);
  const Shape& indices = c.operand_type(node, 1).shape;
  KernelBuilder& b = c.builder;
  AxisNest nest(c, type.shape, ScatterAdd(c.graph, node).axis);
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), rows = c.extent(type.shape[nest.axis]);
  const Scalar lanes = nest.vector ? c.extent(type.shape[type.shape.size() - 1]) : one;
  const LoopKind lane_loop = nest.vector ? LoopKind::vector : LoopKind::serial;

  nest.open();
  const Scalar row = open_loop(c, LoopKind::serial, rows);
  const Scalar copied = open_loop(c, lane_loop, lanes);
  const std::vector<Scalar> source = nest.at(row, nest.vector ? copied : zero);
  c.store(node, 0, source, c.element(node, 0, source), {});
  b.close_loop();
  b.close_loop();

  std::vector<Scalar> update;
  for (Dim d : indices) update.push_back(open_loop(c, LoopKind::serial, c.extent(d)));
  const Scalar target = c.element(node, 1, update);
  const Scalar inside = (target >= zero) & (target < rows);
  const Scalar lane = open_loop(c, lane_loop, select(inside, lanes, zero));
  const std::vector<Scalar> place = nest.at(target, nest.vector ? lane : zero);
  // The update's index: the operand's, the scattered axis being replaced by the axes of the indices.
  std::vector<Scalar> from(place.begin(), place.begin() + static_cast<std::ptrdiff_t>(nest.axis));
  from.insert(from.end(), update.begin(), update.end());
  from.insert(from.end(), place.begin() + static_cast<std::ptrdiff_t>(nest.axis) + 1, place.end());
  const Scalar sum = c.reload(node, 0, place, {}, {}) + c.element(node, 2, from);
  c.store(node, 0, place, sum, {});
  b.close_loop();
  for (size_t i = 0; i < indices.size(); ++i) b.close_loop();
  nest.close();
}

}  // namespace tenon::ir::rules
