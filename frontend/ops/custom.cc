// custom_call: one node of the graph, its result types as text.
#include "tenon/frontend/ops/custom.h"

#include "tenon/frontend/tensor/apply.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/runtime/compile.h"

namespace tenon {

void register_custom_call(const std::string& name, CustomFunction function) {
  runtime::register_custom_call(name, reinterpret_cast<void*>(function));
}

std::vector<Tensor> custom_call(const CustomCall& call, std::span<const Tensor> inputs, std::span<const Tensor> results,
                                const At& where) try {
  const Location at = place(where);
  bool good = !call.name.empty() && !(call.name[0] >= '0' && call.name[0] <= '9');
  for (char c : call.name)
    good = good && (c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  if (!good) throw Error("custom_call: the name is a C identifier, not '" + call.name + "'", at);
  std::string types;
  for (const Tensor& t : results) {
    if (!t.defined()) throw Error("custom_call: a result is undefined; describe it with tn::spec", at);
    types += (types.empty() ? "" : ", ") + type_text(t.cell()->type);
  }
  return apply_primitive(
      ir::Op::custom_call,
      ir::CustomCallAttrs{.name = call.name, .version = call.version, .types = types, .effect = call.effect}, inputs,
      at);
} catch (...) {
  leave_with_error("custom_call", place(where));
}

}  // namespace tenon
