// Derivatives of control flow. A node and its tangents become one node over a joint sub-graph; passes/linearize splits it
// again where a backward pass needs that. A linear scan is transposed into a scan in the other direction.
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/sketch.h"

namespace tenon::ir::rules {
namespace {

// The tangent graph of a branch, giving a tangent (zero if need be) for each result that has one in any branch.
GraphPtr with_tangents(const SubgraphJvp& jvp, const Flags& wanted) {
  Sketch s(*jvp.graph);
  const auto inputs = inputs_like(s, *jvp.graph);
  const auto spliced = s.splice(*jvp.graph, inputs);
  std::vector<Value> outputs(spliced.begin(), spliced.begin() + static_cast<std::ptrdiff_t>(wanted.size()));
  size_t next = wanted.size();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Value tangent = jvp.output_has_tangent[i] ? spliced[next++] : Value{};
    if (wanted[i]) outputs.push_back(or_zeros(tangent, spliced[i]));
  }
  return s.finish(outputs);
}

// The loop's body with tangents, and which carries have one: a fixed point, since a tangent that reaches a carry stays.
struct LoopJvp {
  SubgraphJvp body;
  Flags active;  // of the body's inputs
};
LoopJvp differentiate_loop(const JvpArgs& args, const Loop& loop) {
  LoopJvp jvp{{}, present(args.tangents)};
  for (bool changed = true; changed;) {
    jvp.body = args.subgraph(*loop.body, jvp.active, args.wanted);
    changed = false;
    for (size_t i = 0; i < loop.carries; ++i) {
      if (!jvp.body.output_has_tangent[i] || jvp.active[loop.constants + i]) continue;
      jvp.active[loop.constants + i] = true;
      changed = true;
    }
  }
  return jvp;
}

// Interleaves primals and tangents section by section: constants, their tangents, carries, their tangents, xs, their tangents.
template <class Take>
void each_section(const std::vector<std::pair<size_t, size_t>>& sections, const Flags& active, Take take) {
  for (const auto& [begin, end] : sections) {
    for (size_t i = begin; i < end; ++i) take(i, false);
    for (size_t i = begin; i < end; ++i)
      if (active[i]) take(i, true);
  }
}

}  // namespace

std::vector<Value> cond_jvp(const JvpArgs& args) {
  const Flags active = present(args.tangents.subspan(1));
  const Cond c(args.attrs);
  const SubgraphJvp a = args.subgraph(*c.then, active, args.wanted),
                    b = args.subgraph(*c.otherwise, active, args.wanted);
  Flags wanted = a.output_has_tangent;
  for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = wanted[i] || b.output_has_tangent[i];
  std::vector<Value> operands(args.primals.begin(), args.primals.end());
  append_present(operands, args.tangents);
  return tangents_first(apply(args.builder, Op::cond, operands,
                              CondAttrs{.then = with_tangents(a, wanted), .otherwise = with_tangents(b, wanted)}),
                        wanted);
}

std::vector<Value> call_jvp(const JvpArgs& args) {
  const SubgraphJvp g = args.subgraph(*Call(args.attrs).graph, present(args.tangents), args.wanted);
  std::vector<Value> operands(args.primals.begin(), args.primals.end());
  append_present(operands, args.tangents);
  return tangents_first(apply(args.builder, args.op, operands, CallAttrs{.graph = g.graph}), g.output_has_tangent);
}

namespace {

// Both loops: sections of operands, the joint body's inputs in that order, and the joint operands.
struct JointLoop {
  Sketch body;
  std::vector<Value> primals, tangents, operands;
};

void fill_joint(JointLoop& joint, const JvpArgs& args, const Loop& loop, const Flags& active) {
  const Graph& body = *loop.body;
  const size_t xs = loop.constants + loop.carries;
  joint.primals = absent(body.input_count());
  joint.tangents = absent(body.input_count());
  each_section(
      {{0, loop.constants}, {loop.constants, xs}, {xs, args.primals.size()}}, active, [&](size_t i, bool tangent) {
        (tangent ? joint.tangents : joint.primals)[i] = joint.body.input(body.type(ValueId{static_cast<uint32_t>(i)}));
        joint.operands.push_back(tangent ? or_zeros(args.tangents[i], args.primals[i]) : args.primals[i]);
      });
}

// Results of the joint body: primal results, then a tangent for each result that must have one.
std::vector<Value> splice_joint(JointLoop& joint, const Loop& loop, const LoopJvp& jvp, Flags& wanted,
                                std::vector<Value>& tangents) {
  std::vector<Value> inputs = joint.primals;
  append_present(inputs, joint.tangents);
  const auto spliced = joint.body.splice(*jvp.body.graph, inputs);
  wanted = jvp.body.output_has_tangent;
  for (size_t i = 0; i < loop.carries; ++i) wanted[i] = jvp.active[loop.constants + i];
  size_t next = wanted.size();
  tangents = absent(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (jvp.body.output_has_tangent[i]) tangents[i] = spliced[next++];
    if (wanted[i]) tangents[i] = or_zeros(tangents[i], spliced[i]);
  }
  return {spliced.begin(), spliced.begin() + static_cast<std::ptrdiff_t>(wanted.size())};
}

// The counts of the joint loop, whose constants and carries stand with their tangents.
std::vector<int64_t> joint_counts(Loop loop, const Flags& active) {
  const size_t constants = loop.constants, xs = constants + loop.carries;
  loop.constants += count(active, 0, constants);
  loop.carries += count(active, constants, xs);
  return counts_of(loop);
}

}  // namespace

std::vector<Value> while_jvp(const JvpArgs& args) {
  const Loop loop = loop_of(WhileLoop(args.attrs), args.primals.size());
  const LoopJvp jvp = differentiate_loop(args, loop);
  JointLoop joint{Sketch(*loop.body), {}, {}, {}}, test{Sketch(*loop.condition), {}, {}, {}};
  fill_joint(joint, args, loop, jvp.active);
  fill_joint(test, args, loop, jvp.active);
  Flags wanted;
  std::vector<Value> tangents;
  auto outputs = splice_joint(joint, loop, jvp, wanted, tangents);
  append_present(outputs, tangents);
  const auto tests = test.body.splice(*loop.condition, test.primals);
  const auto results = apply(args.builder, Op::while_loop, joint.operands,
                             WhileLoopAttrs{.condition = test.body.finish(tests),
                                            .body = joint.body.finish(outputs),
                                            .counts = joint_counts(loop, jvp.active),
                                            .memory = loop.memory});
  return tangents_first(results, wanted);
}

std::vector<Value> scan_jvp(const JvpArgs& args) {
  const Loop loop = loop_of(Scan(args.attrs), args.primals.size());
  const LoopJvp jvp = differentiate_loop(args, loop);
  JointLoop joint{Sketch(*loop.body), {}, {}, {}};
  fill_joint(joint, args, loop, jvp.active);
  Flags wanted;
  std::vector<Value> tangents;
  const auto primals = splice_joint(joint, loop, jvp, wanted, tangents);
  std::vector<Value> outputs;
  std::vector<std::pair<size_t, bool>> meaning;  // of each joint result: which result, tangent or not
  each_section({{0, loop.carries}, {loop.carries, primals.size()}}, wanted, [&](size_t i, bool tangent) {
    outputs.push_back(tangent ? tangents[i] : primals[i]);
    meaning.emplace_back(i, tangent);
  });
  const auto results = apply(args.builder, Op::scan, joint.operands,
                             ScanAttrs{.body = joint.body.finish(outputs),
                                       .length = loop.length,
                                       .counts = joint_counts(loop, jvp.active),
                                       .reverse = loop.reverse,
                                       .memory = loop.memory,
                                       .unroll = loop.unroll});
  std::vector<Value> out = absent(2 * primals.size());
  for (size_t r = 0; r < results.size(); ++r)
    out[meaning[r].first + (meaning[r].second ? 0 : primals.size())] = results[r];
  return out;
}

// ---- transposes

namespace {

Flags flags_of(std::span<const bool> values) { return {values.begin(), values.end()}; }

// Operands that are not linear, then the cotangents that arrived.
std::vector<Value> transposed_operands(const TransposeArgs& args, size_t first) {
  std::vector<Value> operands;
  for (size_t i = first; i < args.operands.size(); ++i)
    if (!args.linear[i]) operands.push_back(args.operands[i]);
  append_present(operands, args.cotangents);
  return operands;
}

std::vector<Value> at_linear(const TransposeArgs& args, std::span<const Value> cotangents) {
  std::vector<Value> result = absent(args.operands.size());
  size_t next = 0;
  for (size_t i = 0; i < result.size(); ++i)
    if (args.linear[i]) result[i] = cotangents[next++];
  return result;
}

}  // namespace

Flags made_from(const Graph& g, const Flags& outputs) {
  std::vector<bool> needed(g.value_count());
  for (size_t o = 0; o < outputs.size(); ++o)
    if (outputs[o]) needed[index(g.outputs()[o])] = true;
  for (uint32_t i = g.node_count(); i-- > 0;) {
    const Node& n = g.nodes()[i];
    bool any = false;
    for (uint32_t r = 0; r < n.result_count; ++r) any = any || needed[index(n.first_result) + r];
    if (!any) continue;
    for (ValueId v : g.operands(n)) needed[index(v)] = true;
  }
  return {needed.begin(), needed.begin() + g.input_count()};
}

std::vector<Value> cond_transpose(const TransposeArgs& args) {
  const Cond c(args.attrs);
  const Flags linear = flags_of(args.linear.subspan(1)), arrived = present(args.cotangents);
  std::vector<Value> operands = transposed_operands(args, 1);
  operands.insert(operands.begin(), args.operands[0]);
  const auto results = apply(args.builder, Op::cond, operands,
                             CondAttrs{.then = args.subgraph(*c.then, linear, arrived),
                                       .otherwise = args.subgraph(*c.otherwise, linear, arrived)});
  std::vector<Value> out = at_linear(args, results);
  const Flags a = made_from(*c.then, arrived), b = made_from(*c.otherwise, arrived);
  for (size_t i = 0; i < a.size(); ++i)
    if (!a[i] && !b[i]) out[i + 1] = Value{};  // none, not zeros
  return out;
}

namespace {

// What a checkpoint computes a second time waits for the cotangents, and stays apart from the first time, with which merging would
// join it.
GraphPtr behind_barrier(const GraphPtr& graph) {
  Sketch s(*graph, false);
  const auto held = apply(s.builder, Op::barrier, inputs_like(s, *graph));
  return s.finish(s.splice(*graph, held));
}

}  // namespace

std::vector<Value> call_transpose(const TransposeArgs& args) {
  const Graph& callee = *Call(args.attrs).graph;
  const Flags arrived = present(args.cotangents), reached = made_from(callee, arrived);
  GraphPtr transposed = args.subgraph(callee, flags_of(args.linear), arrived);
  if (args.op == Op::checkpoint) transposed = behind_barrier(transposed);
  const auto results =
      apply(args.builder, Op::call, transposed_operands(args, 0), CallAttrs{.graph = std::move(transposed)});
  std::vector<Value> out = at_linear(args, results);
  for (size_t i = 0; i < reached.size(); ++i)
    if (!reached[i]) out[i] = Value{};
  return out;
}

Flags reached_through_carries(const Graph& body, const Loop& loop, Flags& arrived) {
  Flags reached;
  for (bool changed = true; changed;) {
    reached = made_from(body, arrived);
    changed = false;
    for (size_t i = 0; i < loop.carries; ++i)
      if (reached[loop.constants + i] && !arrived[i]) arrived[i] = changed = true;
  }
  return reached;
}

// Carries of the transpose: the cotangents of the carries that any can reach, and the sums of those of the linear constants. Its
// xs: the xs that are not linear, and the cotangents of the ys that arrived.
std::vector<Value> scan_transpose(const TransposeArgs& args) {
  const Loop loop = loop_of(Scan(args.attrs), args.operands.size());
  const Graph& body = *loop.body;
  const size_t constants = loop.constants, carries = loop.carries, xs = constants + carries, all = args.operands.size();
  Flags linear = flags_of(args.linear), arrived = present(args.cotangents);
  for (size_t i = constants; i < xs; ++i)
    linear[i] = true;  // a carry may start from a constant zero and be linear all the same
  const Flags reached = reached_through_carries(body, loop, arrived);
  Flags taken = linear;  // what gets a cotangent
  for (size_t i = 0; i < all; ++i)
    taken[i] = linear[i] && (i >= constants && i < xs ? arrived[i - constants] : reached[i]);
  const auto transposed = args.subgraph(body, linear, arrived);

  Sketch s(body);
  const auto type = [&](size_t i) { return body.type(ValueId{static_cast<uint32_t>(i)}); };
  std::vector<Value> operands, inputs, carry_cotangents, sums, y_cotangents;
  for (size_t i = 0; i < constants; ++i) {
    if (linear[i]) continue;
    operands.push_back(args.operands[i]);
    inputs.push_back(s.input(type(i)));
  }
  Loop transposed_loop{.constants = operands.size()};
  for (size_t i = 0; i < carries; ++i) {
    if (!arrived[i]) continue;
    operands.push_back(args.cotangents[i] ? args.cotangents[i]
                                          : zeros(args.builder, args.operand_types[constants + i]));
    carry_cotangents.push_back(s.input(type(constants + i)));
  }
  for (size_t i = 0; i < constants; ++i) {
    if (!taken[i]) continue;
    operands.push_back(zeros(args.builder, args.operand_types[i]));
    sums.push_back(s.input(type(i)));
  }
  transposed_loop.carries = operands.size() - transposed_loop.constants;
  for (size_t i = xs; i < all; ++i) {
    if (linear[i]) continue;
    operands.push_back(args.operands[i]);
    inputs.push_back(s.input(type(i)));
  }
  for (size_t i = carries; i < args.cotangents.size(); ++i) {
    if (!args.cotangents[i]) continue;
    operands.push_back(args.cotangents[i]);
    y_cotangents.push_back(s.input(body.type(body.outputs()[i])));
  }
  inputs.insert(inputs.end(), carry_cotangents.begin(), carry_cotangents.end());
  inputs.insert(inputs.end(), y_cotangents.begin(), y_cotangents.end());

  // The transposed body gives: linear constants, carries, linear xs. The scan wants: carries, sums, then the xs.
  const auto given = s.splice(*transposed, inputs);
  std::vector<Value> outputs, added, rows;
  size_t next = 0;
  for (size_t i = 0; i < all; ++i) {
    if (!linear[i]) continue;
    const Value ct = given[next++];
    if (!taken[i]) continue;
    if (i < constants)
      added.push_back(sums[added.size()] + ct);
    else
      (i < xs ? outputs : rows).push_back(ct);
  }
  const size_t carried = outputs.size(), summed = added.size();
  outputs.insert(outputs.end(), added.begin(), added.end());
  outputs.insert(outputs.end(), rows.begin(), rows.end());
  const auto results = apply(args.builder, Op::scan, operands,
                             ScanAttrs{.body = s.finish(outputs),
                                       .length = loop.length,
                                       .counts = counts_of(transposed_loop),
                                       .reverse = !loop.reverse,
                                       .memory = loop.memory,
                                       .unroll = loop.unroll});
  std::vector<Value> out = absent(all);
  size_t carry = 0, sum = carried, row = carried + summed;
  for (size_t i = 0; i < all; ++i)
    if (taken[i]) out[i] = results[i < constants ? sum++ : i < xs ? carry++ : row++];
  return out;
}

}  // namespace tenon::ir::rules
