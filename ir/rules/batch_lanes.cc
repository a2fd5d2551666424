// Control flow where lanes part: each takes its own branch, or leaves a loop when it likes. Values are selected; what a lane did not
// enter must not be seen in them, nor in derivatives, where 0 * infinity would be NaN. So what such a lane brings is replaced before:
// by what a lane brings that did enter (then a NaN cannot even arise), or, where a branch is light and its values are all that counts,
// by itself without a derivative. Selecting the operands as well as the results is what makes derivatives safe.
//   cond p, f, g (x)   ->   select p, f(select p, x, x'), g(select p, x'', x)
#include <algorithm>

#include "tenon/ir/rules/batch_control.h"

namespace tenon::ir::rules {
namespace {

Value either_of(Value mask, Value a, Value b) { return select(over(mask, a.shape()), a, b); }

Value and_mask(const BatchArgs& args, Value lanes) { return args.mask ? bit_and(args.mask, lanes) : lanes; }

// Elementwise ops and movement alone: cheaper to compute for every lane than to branch around.
bool is_light(const Graph& g) {
  return std::all_of(g.nodes().begin(), g.nodes().end(), [](const Node& n) {
    const Family f = def(n.op).family;
    return f == Family::elementwise || f == Family::movement || f == Family::source || f == Family::reduction;
  });
}

// What lanes outside the mask bring, x with the lanes in front: what the first lane inside brings. No derivative flows there.
Value as_first(Value x, Value mask) {
  if (x.shape()[0] == 0) return x;
  GraphBuilder& b = *x.builder;
  const Value operands[] = {cast(mask, DType::i32)};
  const Value first = apply(b, Op::argmax, operands, ReduceAttrs{.axes = {0}})[0];
  std::vector<Value> starts(x.shape().size(), i64_scalar(b, 0));
  starts[0] = first;
  Shape one = x.shape();
  one[0] = Dim(1);
  const Value row = dynamic_slice(x, starts, one.dims());
  return either_of(mask, x, broadcast(stop_gradient(row), x.shape(), counting(0, one.size())));
}
// The same by themselves: the select alone is what stops the derivative.
Value as_itself(Value x, Value mask) { return is_continuous(x.dtype()) ? either_of(mask, x, stop_gradient(x)) : x; }

std::vector<bool> all_true(size_t count) { return std::vector<bool>(count, true); }

std::vector<Value> light_branch(const BatchArgs& args, const Graph& branch, Value lanes) {
  std::vector<Value> operands;
  for (size_t i = 1; i < args.operands.size(); ++i) operands.push_back(as_itself(lifted(args, i), lanes));
  const auto body =
      args.subgraph(branch, args.batching, all_true(branch.input_count()), all_true(branch.outputs().size()), false);
  return splice(args.builder, *body.graph, operands);
}

// Skipped when no lane takes it.
std::vector<Value> heavy_branch(const BatchArgs& args, const Graph& branch, Value lanes) {
  std::vector<Value> operands = {lanes};
  for (size_t i = 1; i < args.operands.size(); ++i)
    operands.push_back(args.batched[i] ? as_first(args.operands[i], lanes) : args.operands[i]);
  const auto body =
      args.subgraph(branch, args.batching, flags_from(args.batched, 1), all_true(branch.outputs().size()), true);
  std::vector<Type> inputs, outputs;
  for (const Value& v : operands) inputs.push_back(v.type());
  for (ValueId v : body.graph->outputs()) outputs.push_back(body.graph->type(v));
  const Value any = reduce(Op::reduce_or, lanes, {0});
  return apply(args.builder, Op::cond, in_front(any, operands),
               CondAttrs{.then = body.graph, .otherwise = giving_zeros(args, inputs, outputs)});
}

}  // namespace

BatchResults cond_of_lanes(const BatchArgs& args) {
  const Cond c(args.attrs);
  const Value p = args.operands[0];
  const auto branch = [&](const Graph& g, Value lanes) {
    return !args.batching.exact && is_light(g) ? light_branch(args, g, lanes) : heavy_branch(args, g, lanes);
  };
  const auto a = branch(*c.then, and_mask(args, p)), b = branch(*c.otherwise, and_mask(args, bit_not(p)));
  std::vector<Value> results;
  for (size_t i = 0; i < a.size(); ++i) results.push_back(either_of(p, a[i], b[i]));
  return {std::move(results)};
}

namespace {

bool has_loop_or_effect(const Graph& g) {
  return std::any_of(g.nodes().begin(), g.nodes().end(), [&](const Node& n) {
    if (n.op == Op::while_loop || has_effect(g, n)) return true;
    const Attrs& attrs = g.attrs(n);
    return std::any_of(attrs.begin(), attrs.end(),
                       [](const Attr& a) { return a.graph && has_loop_or_effect(*a.graph); });
  });
}

int64_t bytes_of(std::span<const Value> values) {  // more than any bound where an extent is not known
  int64_t sum = 0;
  for (const Value& v : values) {
    if (!v.shape().is_static()) return INT64_MAX;
    sum += byte_count(v.shape(), bytes(v.dtype()));
  }
  return sum;
}

// A loop over all lanes until none goes on. Its state: the carries, and which lanes go on.
struct LanesLoop {
  const BatchArgs& args;
  const Loop& loop;
  std::vector<bool> inputs;  // of body and condition: all carries have the lanes
  Sketch body;
  std::vector<Value> constants, carries;  // in the body
  Value going;

  LanesLoop(const BatchArgs& a, const Loop& l) : args(a), loop(l), inputs(a.batched), body(*l.body, false) {
    std::fill(inputs.begin() + static_cast<std::ptrdiff_t>(loop.constants), inputs.end(), true);
  }

  SubgraphBatch over_lanes(const Graph& g) const {
    return args.subgraph(g, args.batching, inputs, all_true(g.outputs().size()), true);
  }

  // A body that loops itself, or acts, must not run on what no lane has: what a lane that has left brings is replaced whole. So it is
  // where that costs little; else each lane stays with what it had at its end.
  bool replaces() const {
    std::vector<Value> batched;
    for (size_t i = 0; i < loop.constants; ++i)
      if (inputs[i]) batched.push_back(constants[i]);
    const int64_t state = bytes_of(carries);
    return args.batching.exact || has_loop_or_effect(*loop.body) ||
           (state != INT64_MAX && bytes_of(batched) <= 4 * state + 4096);
  }

  std::vector<Value> step(const SubgraphBatch& step, const SubgraphBatch& test) {
    const bool whole = replaces();
    std::vector<Value> operands = {going};
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Value x = i < loop.constants ? constants[i] : carries[i - loop.constants];
      operands.push_back(!inputs[i] ? x : whole ? as_first(x, going) : as_itself(x, going));
    }
    const auto stepped = body.splice(*step.graph, operands);
    std::vector<Value> outputs;
    for (size_t i = 0; i < loop.carries; ++i) outputs.push_back(either_of(going, stepped[i], carries[i]));
    operands.assign(1, going);
    operands.insert(operands.end(), constants.begin(), constants.end());
    operands.insert(operands.end(), outputs.begin(), outputs.end());
    outputs.push_back(bit_and(going, body.splice(*test.graph, operands)[0]));
    return outputs;
  }
};

}  // namespace

BatchResults while_of_lanes(const BatchArgs& args, const Loop& loop) {
  LanesLoop lanes(args, loop);
  const SubgraphBatch step = lanes.over_lanes(*loop.body), test = lanes.over_lanes(*loop.condition);
  GraphBuilder& b = args.builder;
  std::vector<Value> operands;
  for (size_t i = 0; i < loop.constants; ++i) operands.push_back(args.operands[i]);
  for (size_t i = loop.constants; i < args.operands.size(); ++i) operands.push_back(lifted(args, i));
  const Value all = splat_integer(b, DType::boolean, 1, Shape({args.batching.size}));
  const Value taking_part = args.mask ? args.mask : all;
  const auto first = splice(b, *test.graph, in_front(taking_part, operands));
  operands.push_back(bit_and(taking_part, first[0]));

  Sketch condition(*loop.body, false);
  Value tested;
  for (const Value& v : operands) {  // the last is which lanes go on
    const size_t i = lanes.constants.size() + lanes.carries.size();
    lanes.going = lanes.body.input(v.type());
    tested = condition.input(v.type());
    if (i + 1 < operands.size()) (i < loop.constants ? lanes.constants : lanes.carries).push_back(lanes.going);
  }
  const Value any = reduce(Op::reduce_or, tested, {0});
  const auto outputs = lanes.step(step, test);
  auto results = apply(b, Op::while_loop, operands,
                       WhileLoopAttrs{.condition = condition.finish({&any, 1}),
                                      .body = lanes.body.finish(outputs),
                                      .counts = {static_cast<int64_t>(loop.constants)},
                                      .memory = WhileLoop(args.attrs).memory});
  results.pop_back();
  return {std::move(results)};
}

}  // namespace tenon::ir::rules
