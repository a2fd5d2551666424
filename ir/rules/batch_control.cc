// Control flow over lanes, where all lanes go the same way: a branch whose predicate no lane changes stays a branch, a loop whose
// condition none changes stays a loop, over bodies that take the lanes in front. Where lanes part, see batch_lanes.cc.
#include <algorithm>

#include "tenon/ir/rules/batch_control.h"
#include "tenon/ir/rules/replay.h"

namespace tenon::ir::rules {

std::vector<bool> flags_from(const std::vector<bool>& flags, size_t first) {
  return {flags.begin() + static_cast<std::ptrdiff_t>(first), flags.end()};
}

std::vector<Value> with_mask(const BatchArgs& args, std::span<const Value> operands) {
  std::vector<Value> values;
  if (args.mask) values.push_back(args.mask);
  values.insert(values.end(), operands.begin(), operands.end());
  return values;
}

GraphPtr giving_zeros(const BatchArgs& args, std::span<const Type> inputs, std::span<const Type> outputs) {
  Sketch s(args.builder.graph().symbols);
  for (const Type& type : inputs) s.input(type);
  std::vector<Value> nothing;
  for (const Type& type : outputs) nothing.push_back(zeros(s.builder, type));
  return s.finish(nothing);
}

BatchResults batch_call(const BatchArgs& args) {
  const auto callee = args.subgraph(*Call(args.attrs).graph, args.batching, args.batched, {}, bool(args.mask));
  return {apply(args.builder, args.op, with_mask(args, args.operands), CallAttrs{.graph = callee.graph}),
          callee.output_is_batched};
}

BatchResults batch_cond(const BatchArgs& args) {
  if (args.batched[0]) return cond_of_lanes(args);
  const Cond c(args.attrs);
  const std::vector<bool> inputs = flags_from(args.batched, 1);
  const bool masked = bool(args.mask);
  std::vector<bool> either = args.subgraph(*c.then, args.batching, inputs, {}, masked).output_is_batched;
  const auto second = args.subgraph(*c.otherwise, args.batching, inputs, {}, masked).output_is_batched;
  for (size_t i = 0; i < either.size(); ++i) either[i] = either[i] || second[i];
  std::vector<Value> operands = with_mask(args, args.operands.subspan(1));
  operands.insert(operands.begin(), args.operands[0]);
  return {apply(args.builder, args.op, operands,
                CondAttrs{.then = args.subgraph(*c.then, args.batching, inputs, either, masked).graph,
                          .otherwise = args.subgraph(*c.otherwise, args.batching, inputs, either, masked).graph}),
          either};
}

namespace {

// The body over lanes, and which of its inputs have them: a carry that a lane changes has them from the start.
SubgraphBatch batched_body(const BatchArgs& args, const Loop& loop, std::vector<bool>& inputs) {
  SubgraphBatch body;
  for (bool changed = true; changed;) {
    std::vector<bool> forced(loop.body->outputs().size());
    for (size_t i = 0; i < loop.carries; ++i) forced[i] = inputs[loop.constants + i];
    body = args.subgraph(*loop.body, args.batching, inputs, forced, bool(args.mask));
    changed = false;
    for (size_t i = 0; i < loop.carries; ++i) {
      if (!body.output_is_batched[i] || inputs[loop.constants + i]) continue;
      inputs[loop.constants + i] = changed = true;
    }
  }
  return body;
}

// The loop's operands, lanes in front of what has them now; the mask is one more constant.
std::vector<Value> loop_operands(const BatchArgs& args, Loop& loop, const std::vector<bool>& inputs) {
  std::vector<Value> operands;
  for (size_t i = 0; i < args.operands.size(); ++i) operands.push_back(inputs[i] ? lifted(args, i) : args.operands[i]);
  if (args.mask) {
    operands.insert(operands.begin(), args.mask);
    ++loop.constants;
  }
  return operands;
}

}  // namespace

BatchResults batch_while(const BatchArgs& args) {
  Loop loop = loop_of(WhileLoop(args.attrs), args.operands.size());
  std::vector<bool> inputs = args.batched;
  const SubgraphBatch body = batched_body(args, loop, inputs);
  const SubgraphBatch test = args.subgraph(*loop.condition, args.batching, inputs, {}, bool(args.mask));
  if (test.output_is_batched[0]) return while_of_lanes(args, loop);
  const std::vector<bool> carries(inputs.begin() + static_cast<std::ptrdiff_t>(loop.constants), inputs.end());
  const auto operands = loop_operands(args, loop, inputs);
  return {apply(args.builder, args.op, operands,
                WhileLoopAttrs{.condition = test.graph,
                               .body = body.graph,
                               .counts = counts_of(loop),
                               .memory = WhileLoop(args.attrs).memory}),
          carries};
}

BatchResults batch_scan(const BatchArgs& args) {
  Loop loop = loop_of(Scan(args.attrs), args.operands.size());
  std::vector<bool> inputs = args.batched;
  const SubgraphBatch body = batched_body(args, loop, inputs);
  const size_t first_row = loop.constants + loop.carries;
  const bool masked = bool(args.mask);
  auto operands = loop_operands(args, loop, inputs);
  for (size_t i = first_row; i < inputs.size(); ++i)
    if (inputs[i]) operands[i + (masked ? 1 : 0)] = move_axis(args.operands[i], 0, 1);  // a scan runs over axis 0
  auto results = apply(args.builder, args.op, operands,
                       ScanAttrs{.body = body.graph,
                                 .length = loop.length,
                                 .counts = counts_of(loop),
                                 .reverse = loop.reverse,
                                 .memory = Scan(args.attrs).memory,
                                 .unroll = Scan(args.attrs).unroll});
  for (size_t i = loop.carries; i < results.size(); ++i)
    if (body.output_is_batched[i]) results[i] = move_axis(results[i], 1, 0);
  return {std::move(results), body.output_is_batched};
}

// What it stands for, over lanes, each with a count and marks of its own.
BatchResults batch_replay(const BatchArgs& args) {
  Sketch s(args.builder.graph(), false);
  std::vector<Value> inputs;
  Flags flags;
  for (size_t i = 0; i < args.operands.size(); ++i) {
    inputs.push_back(s.input({args.operands[i].dtype(), lane_shape(args, i)}));
    flags.push_back(args.batched[i]);
  }
  const auto loops = s.finish(replay_loops(s.builder, args.attrs, inputs));
  const auto over = args.subgraph(*loops, args.batching, flags, {}, bool(args.mask));
  return {apply(args.builder, Op::call, with_mask(args, args.operands), CallAttrs{.graph = over.graph}),
          over.output_is_batched};
}

// The last resort, of a host function that takes one lane: a loop over them.
BatchResults batch_lane_by_lane(const BatchArgs& args) {
  Sketch body(args.builder.graph().symbols, lane_by_lane);
  std::vector<Value> constants, rows, inputs(args.operands.size());
  std::vector<Type> types(args.operands.size());
  for (size_t i = 0; i < args.operands.size(); ++i) {
    types[i] = {args.operands[i].dtype(), lane_shape(args, i)};
    if (args.batched[i]) continue;
    constants.push_back(args.operands[i]);
    inputs[i] = body.input(types[i]);
  }
  for (size_t i = 0; i < args.operands.size(); ++i) {
    if (!args.batched[i]) continue;
    rows.push_back(args.operands[i]);
    inputs[i] = body.input(types[i]);
  }
  std::vector<Value> results;
  if (args.mask) {  // a lane that takes no part is not called
    const Value taken = body.input({DType::boolean, {}});
    Sketch called(args.builder.graph().symbols);
    std::vector<Value> its;
    for (const Type& type : types) its.push_back(called.input(type));
    const auto values = apply(called.builder, args.op, its, args.attrs);
    std::vector<Type> given;
    for (const Value& v : values) given.push_back(v.type());
    const CondAttrs attrs{.then = called.finish(values), .otherwise = giving_zeros(args, types, given)};
    results = apply(body.builder, Op::cond, in_front(taken, inputs), CondAttrs(attrs));
    rows.push_back(args.mask);
  } else {
    results = apply(body.builder, args.op, inputs, args.attrs);
  }
  std::vector<Value> operands = constants;
  operands.insert(operands.end(), rows.begin(), rows.end());
  return {apply(args.builder, Op::scan, operands,
                ScanAttrs{.body = body.finish(results),
                          .length = args.batching.size,
                          .counts = {static_cast<int64_t>(constants.size()), 0}})};
}

}  // namespace tenon::ir::rules
