// A derivative of its own inside a formula: a custom_jvp whose graphs are written as formulas, closed graphs being what rows take. Refuses
// operands that are not floating; what a rule needs beside them it makes itself.
#pragma once

#include <memory>
#include <utility>

#include "tenon/frontend/ops/formula.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon::formula {

// A closed graph of f over inputs of these types, with the symbols of the graph that it becomes a part of.
template <class F>
std::shared_ptr<const ir::Graph> graph_of(ir::GraphBuilder& around, const std::vector<ir::Type>& types, F f) {
  ir::GraphBuilder b("main", around.graph().symbols);
  b.merging = around.merging;
  std::vector<Value> inputs;
  for (const ir::Type& t : types) inputs.push_back({&b, b.input(t)});
  std::vector<ir::ValueId> outputs;
  for (const Value& v : f(b, inputs)) outputs.push_back(v.id);
  return b.finish(outputs);
}

// The function of operands that f gives, whose derivative is what the rule says: rule(operands, tangents) gives its value and its
// tangent. A second derivative is that of the rule: its value has one where the rule is written with with_rule again.
template <class F, class Rule>
Value with_rule(const std::vector<Value>& operands, F f, Rule rule) {
  using Values = std::vector<Value>;
  ir::GraphBuilder& b = *operands[0].builder;
  const auto count = static_cast<std::ptrdiff_t>(operands.size());
  std::vector<ir::Type> types;
  for (const Value& x : operands) types.push_back(x.type());
  const auto plain = graph_of(b, types, [&](ir::GraphBuilder&, const Values& x) { return Values{f(x)}; });
  for (const Value& x : operands) types.push_back(x.type());  // tangents
  const auto ruled = graph_of(b, types, [&](ir::GraphBuilder&, const Values& x) {
    const auto [value, tangent] = rule(Values(x.begin(), x.begin() + count), Values(x.begin() + count, x.end()));
    return Values{value, tangent};
  });
  return ir::apply(b, ir::Op::custom_jvp, operands,
                   ir::CustomJvpAttrs{.graph = plain, .rule = ruled, .counts = {count}})[0];
}

}  // namespace tenon::formula
