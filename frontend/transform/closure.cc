// Graphs of one op closed over one list of constants.
#include "tenon/frontend/transform/closure.h"

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/float_environment.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::detail {

std::shared_ptr<const ir::Graph> with_constants(const Program& p, const std::vector<Tensor>& constants,
                                                bool constants_first) {
  const FloatEnvironment standard;
  ir::GraphBuilder b(p.graph->name, p.graph->symbols);
  std::vector<ir::ValueId> arguments, shared, operands;
  const auto add_arguments = [&] {
    for (uint32_t i = 0; i < p.arguments; ++i) arguments.push_back(b.input(p.graph->type(ir::ValueId{i})));
  };
  if (!constants_first) add_arguments();
  for (const Tensor& t : constants) shared.push_back(b.input(t.cell()->type));
  if (constants_first) add_arguments();
  operands = arguments;
  for (const Tensor& t : p.captured)
    for (size_t i = 0; i < constants.size(); ++i)
      if (constants[i].cell() == t.cell()) {
        operands.push_back(shared[i]);
        break;
      }
  const std::vector<ir::ValueId> outputs = b.splice(*p.graph, operands);
  return b.finish(outputs);
}

void collect(const Program& p, std::vector<Tensor>& constants) {
  for (const Tensor& t : p.captured) {
    bool found = false;
    for (const Tensor& c : constants) found = found || c.cell() == t.cell();
    if (!found) constants.push_back(t);
  }
}

}  // namespace tenon::detail
