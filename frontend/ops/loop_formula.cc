// The sub-graphs of loops in formulas.
#include "tenon/frontend/ops/loop_formula.h"

namespace tenon::formula {

LoopGraph::LoopGraph(const char* name, std::span<const Value> outer_constants, std::span<const Value> outer_carries)
    : builder(name, (outer_constants.empty() ? outer_carries : outer_constants)[0].builder->graph().symbols) {
  builder.merging = false;
  for (const Value& v : outer_constants) constants.push_back({&builder, builder.input(v.type())});
  for (const Value& v : outer_carries) carries.push_back({&builder, builder.input(v.type())});
}

std::shared_ptr<const ir::Graph> LoopGraph::finish(std::span<const Value> outputs) {
  std::vector<ir::ValueId> ids;
  for (const Value& v : outputs) ids.push_back(v.id);
  return builder.finish(ids);
}

Value any(Value x) {
  Axes axes;
  for (int i = 0; i < x.shape().rank(); ++i) axes.push_back(i);
  return axes.empty() ? x : reduce(ir::Op::reduce_or, x, axes);
}

}  // namespace tenon::formula
