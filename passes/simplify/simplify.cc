// Applies the table of rules in one forward sweep: operands are simplified before the ops that read them.
//   %1 = neg %0   %2 = neg %1   %3 = mul %2, 1   ->   %0
// The rules stand in algebra.cc, movement.cc and contraction.cc beside this file, each with the law that keeps the bits.
// Refuses what is true of reals only: x + 0 (x may be -0), x * 0 (x may be NaN), log(exp x), division by reciprocals.
#include "tenon/passes/simplify/simplify.h"

#include "tenon/ir/base/undisturbed.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"
#include "tenon/passes/simplify/rules.h"

namespace tenon::passes {

using namespace ir;

namespace {

// The tables as one, sorted by op, with where each op's rules begin.
struct Table {
  std::vector<Rule> rules;
  std::vector<uint32_t> first = std::vector<uint32_t>(op_count + 1);
  Table() {
    for (int op = 0; op < op_count; ++op) {
      first[op] = static_cast<uint32_t>(rules.size());
      for (std::span<const Rule> family : {algebra_rules(), movement_rules(), contraction_rules()})
        for (const Rule& rule : family)
          if (rule.op == static_cast<Op>(op)) rules.push_back(rule);
    }
    first[op_count] = static_cast<uint32_t>(rules.size());
  }
};

const Table& table() {
  static constinit Forever<const Table> whole;  // threads may compile while the process ends
  return whole.get();
}

std::vector<Value> results_of(GraphBuilder& builder, ValueId first) {
  const Graph& graph = builder.graph();
  if (index(first) >= graph.value_count()) return {};  // the node gives nothing
  const NodeId producer = graph.producer(first);
  if (producer == no_node) return {Value{&builder, first}};
  std::vector<Value> results;  // a merged op may be a result in the middle of another node
  const Node& node = graph.node(producer);
  for (uint32_t i = index(first) - index(node.first_result); i < node.result_count; ++i)
    results.push_back({&builder, graph.result(node, i)});
  return results;
}

}  // namespace

std::span<const Rule> simplify_rules() { return table().rules; }

std::vector<Value> add_simplified(GraphBuilder& builder, Op op, std::span<const Value> operands, const Attrs& attrs) {
  const Match match{builder, op, operands, attrs};
  const auto number = static_cast<size_t>(op);
  for (uint32_t r = table().first[number]; r < table().first[number + 1]; ++r)
    if (std::vector<Value> results = table().rules[r].apply(match); !results.empty()) return results;
  std::vector<ValueId> ids;
  for (Value operand : operands) ids.push_back(operand.id);
  return results_of(builder, builder.add(op, ids, attrs));
}

GraphPtr simplify(const Graph& graph) {
  Rebuild to(graph);
  std::vector<Value> operands;
  return to.sweep([&](const Node& node) {
    const auto number = static_cast<size_t>(node.op);
    if (table().first[number] == table().first[number + 1]) return to.copy(node);
    operands.clear();
    for (ValueId v : to.operands(node)) operands.push_back({&to.builder, v});
    const std::vector<Value> results = add_simplified(to.builder, node.op, operands, graph.attrs(node));
    for (uint32_t i = 0; i < node.result_count; ++i) to.set(node, i, results[i].id);
  });
}

}  // namespace tenon::passes
