// The table of ops, looked up by name, and what is not in it.
#include <algorithm>
#include <array>
#include <set>

#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/onnx/onnx.h"

namespace tenon::onnx {
namespace {

constexpr int64_t newest = 28;

constexpr auto sorted_table() {
  std::array table = {
#define TENON_ONNX(name, first, importer) Known{name, first, newest, importer, true},
#define TENON_ONNX_UNTIL(name, first, last, importer) Known{name, first, last, importer, true},
#define TENON_ONNX_AT_RUN(name, first, importer) Known{name, first, newest, importer, false},
#include "tenon/frontend/onnx/operations.def"
  };
  std::sort(table.begin(), table.end(), [](const Known& a, const Known& b) { return a.name < b.name; });
  return table;
}
constexpr auto table = sorted_table();

std::string op_text(const NodeText& node, const Opsets& opsets) {
  const auto opset = opsets.find(node.domain);
  return (node.domain.empty() ? "" : std::string(node.domain) + ".") + std::string(node.op) +
         (opset == opsets.end() ? "" : ", opset " + std::to_string(opset->second));
}

}  // namespace

const Known* known_op(std::string_view name, std::string_view domain) {
  if (!domain.empty()) return nullptr;
  const auto found = std::lower_bound(table.begin(), table.end(), name,
                                      [](const Known& k, std::string_view wanted) { return k.name < wanted; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

std::span<const Known> known_ops() { return table; }

std::string node_text(const NodeText& node, size_t number, const Opsets& opsets) {
  return "node " + (node.name.empty() ? std::to_string(number) : "'" + std::string(node.name) + "'") + " (" +
         op_text(node, opsets) + ")";
}

void refuse_op(const Model& model, const Opsets& opsets, const NodeText& node, const std::string& reason,
               const Location& at) {
  const std::string name(!node.name.empty() ? node.name : node.outputs.empty() ? "" : node.outputs[0]);
  const auto opset = opsets.find(node.domain);
  const std::string domain(node.domain.empty() ? "ai.onnx" : node.domain);
  throw Unsupported(model.file->name + ": node '" + name + "': op " + std::string(node.op) + " of domain " + domain +
                        (opset == opsets.end() ? "" : ", opset " + std::to_string(opset->second) + ",") + " " + reason,
                    at, std::string(node.op), domain, opset == opsets.end() ? 0 : opset->second, name);
}

void check_ops(const Model& model, const Location& at) {
  std::set<const FunctionText*> met;
  struct Open {
    const std::vector<NodeText>* nodes;
    const Opsets* opsets;
  };
  std::vector<Open> open = {{&model.graph.nodes, &model.opsets}};
  while (!open.empty()) {
    const auto [nodes, opsets] = open.back();
    open.pop_back();
    for (const NodeText& n : *nodes) {
      for (const Attribute& a : n.attributes)
        if (a.graph != nullptr) open.push_back({&a.graph->nodes, opsets});
      if (const FunctionText* f = model.function(n)) {
        if (met.insert(f).second) open.push_back({&f->nodes, &f->opsets});
        continue;
      }
      const Known* known = known_op(n.op, n.domain);
      if (known == nullptr) refuse_op(model, *opsets, n, "is not known", at);
      const auto opset = opsets->find("");
      if (opset == opsets->end()) model.file->fail("it does not say which opset of ai.onnx it means");
      if (opset->second > newest) refuse_op(model, *opsets, n, "is newer than opset " + std::to_string(newest), at);
      if (opset->second < known->first)
        refuse_op(model, *opsets, n, "is known from opset " + std::to_string(known->first) + " on", at);
      if (opset->second > known->last)
        refuse_op(model, *opsets, n, "is known up to opset " + std::to_string(known->last), at);
    }
  }
}

}  // namespace tenon::onnx
