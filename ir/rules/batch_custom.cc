// Rules that callers give, over lanes: each of their graphs is batched, so that a rule sees one lane. What a cotangent or a tangent is
// of decides whether it has lanes: of an argument that all lanes share, the cotangent is the sum over the lanes.
#include <algorithm>

#include "tenon/ir/rules/batch.h"
#include "tenon/ir/rules/sketch.h"

namespace tenon::ir::rules {
namespace {

using Flags = std::vector<bool>;
using GraphPtr = std::shared_ptr<const Graph>;

Flags joined(Flags a, const Flags& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
Flags part(const Flags& flags, size_t first, size_t end) {
  return {flags.begin() + static_cast<std::ptrdiff_t>(first), flags.begin() + static_cast<std::ptrdiff_t>(end)};
}
Flags either(Flags a, const Flags& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] = a[i] || b[i];
  return a;
}
// The flags of those that are floating-point.
Flags of_floating(const Flags& flags, std::span<const Value> values) {
  Flags result;
  for (size_t i = 0; i < flags.size(); ++i)
    if (is_continuous(values[i].dtype())) result.push_back(flags[i]);
  return result;
}
Flags of_floating_outputs(const Flags& flags, const Graph& g) {
  Flags result;
  for (size_t i = 0; i < flags.size(); ++i)
    if (is_continuous(g.type(g.outputs()[i]).dtype)) result.push_back(flags[i]);
  return result;
}
size_t first_count(const std::vector<int64_t>& counts) { return static_cast<size_t>(counts[0]); }

// A graph whose outputs have lanes exactly where they should: a sum over them where they should not and do.
GraphPtr summed(const SubgraphBatch& made, const Flags& wanted) {
  Sketch s(*made.graph, false);
  std::vector<Value> inputs;
  for (uint32_t i = 0; i < made.graph->input_count(); ++i) inputs.push_back(s.input(made.graph->type(ValueId{i})));
  auto outputs = s.splice(*made.graph, inputs);
  for (size_t o = 0; o < outputs.size(); ++o)
    if (made.output_is_batched[o] && !wanted[o]) outputs[o] = reduce(Op::reduce_sum, outputs[o], {0});
  return s.finish(outputs);
}

struct Over {
  const BatchArgs& args;
  SubgraphBatch operator()(const Graph& g, const Flags& inputs, const Flags& forced = {}) const {
    return args.subgraph(g, args.batching, inputs, forced, false);
  }
};

}  // namespace

BatchResults batch_custom_jvp(const BatchArgs& args) {
  const CustomJvp c(args.attrs);
  const Over over{args};
  const size_t count = c.graph->outputs().size();
  const Flags tangents = of_floating(part(args.batched, 0, first_count(c.counts)), args.operands);
  const Flags inputs = joined(args.batched, tangents);
  Flags results = over(*c.graph, args.batched).output_is_batched;
  for (bool changed = true; changed;) {  // a result has lanes where its tangent has them
    const Flags rule = over(*c.rule, inputs, joined(results, of_floating_outputs(results, *c.graph))).output_is_batched;
    Flags next = either(results, part(rule, 0, count));
    size_t tangent = count;
    for (size_t i = 0; i < count; ++i)
      if (is_continuous(c.graph->type(c.graph->outputs()[i]).dtype)) next[i] = next[i] || rule[tangent++];
    changed = next != results;
    results = next;
  }
  return {
      apply(args.builder, args.op, args.operands,
            CustomJvpAttrs{.graph = over(*c.graph, args.batched, results).graph,
                           .rule = over(*c.rule, inputs, joined(results, of_floating_outputs(results, *c.graph))).graph,
                           .counts = c.counts}),
      results};
}

BatchResults batch_custom_vjp(const BatchArgs& args) {
  const CustomVjp c(args.attrs);
  const Over over{args};
  const size_t count = c.graph->outputs().size(), arguments = first_count(c.counts);
  const Flags residuals(c.forward->outputs().size() - count, false);
  Flags results = over(*c.graph, args.batched).output_is_batched;
  results = either(results, part(over(*c.forward, args.batched).output_is_batched, 0, count));
  const SubgraphBatch forward = over(*c.forward, args.batched, joined(results, residuals));
  const Flags cotangents = of_floating(part(args.batched, 0, arguments), args.operands);
  const Flags inputs = joined(joined(part(args.batched, arguments, args.batched.size()),
                                     part(forward.output_is_batched, count, forward.output_is_batched.size())),
                              of_floating_outputs(results, *c.graph));
  return {apply(args.builder, args.op, args.operands,
                CustomVjpAttrs{.graph = over(*c.graph, args.batched, results).graph,
                               .forward = forward.graph,
                               .backward = summed(over(*c.backward, inputs, cotangents), cotangents),
                               .counts = c.counts}),
          results};
}

// The caller's rule, which takes every operand with lanes.
BatchResults batch_custom_batch(const BatchArgs& args) {
  return {splice(args.builder, *CustomBatch(args.attrs).rule, all_lifted(args))};
}

BatchResults batch_custom_tangent(const BatchArgs& args) {
  const CustomTangent c(args.attrs);
  const size_t constants = first_count(c.counts);
  const Flags tangents(args.operands.size() - constants, true);
  const Flags inputs = joined(part(args.batched, 0, constants), Flags(c.backward->input_count() - constants, true));
  std::vector<Value> operands;
  for (size_t i = 0; i < args.operands.size(); ++i)
    operands.push_back(i < constants ? args.operands[i] : lifted(args, i));
  return {apply(args.builder, args.op, operands,
                CustomTangentAttrs{.backward = args.subgraph(*c.backward, args.batching, inputs, tangents, false).graph,
                                   .counts = c.counts})};
}

BatchResults batch_linear_solve(const BatchArgs& args) {
  const LinearSolve s(args.attrs);
  const Over over{args};
  const size_t constants = first_count(s.counts);
  const Flags all(args.operands.size() - constants, true), inputs = joined(part(args.batched, 0, constants), all);
  std::vector<Value> operands;
  for (size_t i = 0; i < args.operands.size(); ++i)
    operands.push_back(i < constants ? args.operands[i] : lifted(args, i));
  return {apply(args.builder, args.op, operands,
                LinearSolveAttrs{.solve = over(*s.solve, inputs, all).graph,
                                 .matvec = over(*s.matvec, inputs, all).graph,
                                 .transposed = over(*s.transposed, inputs, all).graph,
                                 .counts = s.counts})};
}

}  // namespace tenon::ir::rules
