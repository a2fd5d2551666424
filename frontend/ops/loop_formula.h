// A while loop inside a formula: what is iterated are values of the formula, what does not change are constants that the sub-graphs
// take as operands, since graphs are closed. Refuses carries that change their types; the type rule says which.
#pragma once

#include "tenon/frontend/ops/formula.h"

namespace tenon::formula {

// One graph of the loop while it is written: its inputs, constants first.
struct LoopGraph {
  ir::GraphBuilder builder;
  std::vector<Value> constants, carries;

  LoopGraph(const char* name, std::span<const Value> outer_constants, std::span<const Value> outer_carries);
  LoopGraph(const LoopGraph&) = delete;
  LoopGraph& operator=(const LoopGraph&) = delete;
  std::shared_ptr<const ir::Graph> finish(std::span<const Value> outputs);
};

// more(constants, carries) -> bool scalar; step(constants, carries) -> carries. The carries after the last iteration.
template <class More, class Step>
std::vector<Value> iterate(std::span<const Value> constants, std::span<const Value> carries, More more, Step step) {
  LoopGraph condition("condition", constants, carries), body("body", constants, carries);
  const Value again[] = {more(std::span<const Value>(condition.constants), std::span<const Value>(condition.carries))};
  const std::vector<Value> next = step(std::span<const Value>(body.constants), std::span<const Value>(body.carries));
  std::vector<Value> operands(constants.begin(), constants.end());
  operands.insert(operands.end(), carries.begin(), carries.end());
  return ir::apply(*operands[0].builder, ir::Op::while_loop, operands,
                   ir::WhileLoopAttrs{.condition = condition.finish(again),
                                      .body = body.finish(next),
                                      .counts = {static_cast<int64_t>(constants.size())},
                                      .memory = 0});
}

Value any(Value x);  // over all elements, a scalar

}  // namespace tenon::formula
