// Checkpoints: what the policy chooses is marked in the graph, which becomes the attribute of one op.
#include "tenon/frontend/transform/checkpoint.h"

#include <algorithm>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/transform/closure.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"

namespace tenon {

namespace detail {
namespace {

std::shared_ptr<const ir::Graph> marked(const ir::Graph& g, const CheckpointPolicy& policy) {
  ir::GraphBuilder b(g.name, g.symbols);
  b.merging = b.folding = false;
  std::vector<ir::ValueId> map, operands;
  for (uint32_t i = 0; i < g.input_count(); ++i) map.push_back(b.input(g.type(ir::ValueId{i}), g.input_note(i)));
  map.resize(g.value_count(), ir::no_value);
  for (const ir::Node& n : g.nodes()) {
    operands.clear();
    for (ir::ValueId v : g.operands(n)) operands.push_back(map[index(v)]);
    const ir::ValueId first = b.copy(g, n, operands);
    const std::string_view name = n.op == ir::Op::named ? std::string_view(ir::Named(g, n).name) : std::string_view();
    for (uint32_t r = 0; r < n.result_count; ++r) {
      ir::ValueId v{index(first) + r};
      const ir::Type& type = g.type(g.result(n, r));
      if (ir::def(n.op).family != ir::Family::source && policy({ir::name(n.op), name, type.dtype, type.shape})) {
        b.set_location(g.location(n));
        v = b.add(ir::Op::named, {v}, ir::NamedAttrs{.name = std::string(name), .saved = true});
      }
      map[index(n.first_result) + r] = v;
    }
  }
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : g.outputs()) outputs.push_back(map[index(v)]);
  return b.finish(outputs);
}

}  // namespace

std::vector<Tensor> run_checkpoint(const Program& p, const CheckpointPolicy& policy, const std::vector<Tensor>& inputs,
                                   const Location& at) {
  const FloatEnvironment standard;
  const std::vector<Tensor> all = p.inputs(inputs);
  return apply_primitive(ir::Op::checkpoint, ir::CallAttrs{.graph = marked(*p.graph, policy)}, all, at);
}

}  // namespace detail

CheckpointPolicy save_names(std::vector<std::string> names) {
  return [names = std::move(names)](const Saveable& value) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return value.name == n; });
  };
}

Tensor checkpoint_name(Operand x, const std::string& name) try {
  const Tensor input = as_tensor(x, "checkpoint_name");
  return apply_primitive(ir::Op::named, ir::NamedAttrs{.name = name, .saved = false}, std::span(&input, 1),
                         x.where())[0];
} catch (...) {
  leave_with_error("checkpoint_name", x.where());
}

}  // namespace tenon
