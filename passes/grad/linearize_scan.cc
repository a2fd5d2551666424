// How a scan is cut at the tangents: into a scan that computes and one that is linear. Residuals that do not change with the
// iterations, or that are scanned inputs already, are passed; only the others stack. Where the carries are fewer bytes, and cheap ops
// make the others of them again, the carries stack in their place; so they do where the scan is to keep little (chunk_scans.cc).
//   (c, dc) = scan body (c, dc), xs   ->   c, stacked = scan forward (c), xs;   dc = scan linear (dc), xs, stacked
#include <algorithm>

#include "tenon/ir/rules/sketch.h"
#include "tenon/passes/grad/linearize_control.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Operand = NodeSplit::Operand;
using Source = NodeSplit::Source;

// A scan like another, over another body.
Attrs scan_attrs(const Loop& like, GraphPtr body, size_t constants, size_t carries) {
  return ScanAttrs{.body = std::move(body),
                   .length = like.length,
                   .counts = counts_of({.constants = constants, .carries = carries}),
                   .reverse = like.reverse,
                   .memory = like.memory,
                   .unroll = like.unroll};
}

// By value: whether it changes between iterations, or must be computed in each of them.
std::vector<bool> varying_values(const Graph& g, size_t fixed_inputs) {
  std::vector<bool> varying(g.value_count());
  for (uint32_t i = 0; i < g.input_count(); ++i) varying[i] = i >= fixed_inputs;
  for (const Node& n : g.nodes()) {
    bool any = has_effect(g, n) || def(n.op).fence;
    for (ValueId v : g.operands(n)) any = any || varying[index(v)];
    for (uint32_t r = 0; r < n.result_count; ++r) varying[index(n.first_result) + r] = any;
  }
  return varying;
}

// The part of a graph that computes `outputs` from its first inputs alone.
GraphPtr over_first_inputs(const Graph& g, size_t count, std::span<const ValueId> outputs,
                           const std::vector<bool>& varying) {
  Wrapper w(g);
  std::vector<ValueId> map(g.value_count(), no_value), operands;
  for (size_t i = 0; i < count; ++i) map[i] = w.input(input_type(g, i));
  for (const Node& n : g.nodes()) {
    if (n.result_count == 0 || varying[index(n.first_result)]) continue;
    operands.clear();
    for (ValueId v : g.operands(n)) operands.push_back(map[index(v)]);
    const ValueId first = w.builder.copy(g, n, operands);
    for (uint32_t r = 0; r < n.result_count; ++r) map[index(n.first_result) + r] = ValueId{index(first) + r};
  }
  std::vector<ValueId> mapped;
  for (ValueId v : outputs) mapped.push_back(map[index(v)]);
  return dce(*w.builder.finish(mapped));
}

// Bytes of one iteration; -1 where they are not known.
int64_t bytes_of(const Type& type) { return type.shape.is_static() ? byte_count(type.shape, bytes(type.dtype)) : -1; }

// Whether an iteration keeps more than the carries that it starts from, though those and cheap ops give it all again.
bool is_made_again(const Split& cut, size_t fixed_constants, size_t fixed_carries) {
  const Graph& forward = *cut.forward;
  for (const Node& n : forward.nodes()) {
    const Family family = def(n.op).family;
    if (family != Family::elementwise && family != Family::movement && family != Family::source) return false;
  }
  int64_t carried = 0, kept = 0;
  for (size_t i = fixed_constants; i < fixed_constants + fixed_carries; ++i) {
    const int64_t size = bytes_of(input_type(forward, i));
    if (size < 0) return false;
    carried += size;
  }
  const auto varying = varying_values(forward, fixed_constants);
  const size_t primal_outputs = forward.outputs().size() - cut.residual_input.size();
  for (size_t r = 0; r < cut.residual_input.size(); ++r) {
    const ValueId v = forward.outputs()[primal_outputs + r];
    if (cut.residual_input[r] < 0 && varying[index(v)]) kept += std::max<int64_t>(0, bytes_of(forward.type(v)));
  }
  return carried < kept;
}

// The same cut with inputs for residuals: the linear part makes the others again.
Split made_again(const Split& cut) {
  const Graph& forward = *cut.forward;
  const size_t primal_outputs = forward.outputs().size() - cut.residual_input.size();
  Flags wanted(forward.outputs().size(), true);
  for (size_t o = 0; o < primal_outputs; ++o) wanted[o] = false;
  const Flags read = rules::made_from(forward, wanted);
  Split again;
  again.output_is_linear = cut.output_is_linear;
  std::vector<ValueId> outputs(forward.outputs().begin(),
                               forward.outputs().begin() + static_cast<std::ptrdiff_t>(primal_outputs));
  rules::Sketch to(*cut.linear);
  to.builder.folding = to.builder.merging = false;
  std::vector<Value> inputs(forward.input_count());
  for (uint32_t i = 0; i < forward.input_count(); ++i) {
    if (!read[i]) continue;
    again.residual_input.push_back(static_cast<int32_t>(i));
    outputs.push_back(ValueId{i});
    inputs[i] = to.input(forward.type(ValueId{i}));
  }
  const size_t residuals = cut.residual_input.size();
  std::vector<Value> linear;
  for (size_t i = residuals; i < cut.linear->input_count(); ++i) linear.push_back(to.input(input_type(*cut.linear, i)));
  for (uint32_t i = 0; i < forward.input_count(); ++i)  // read by primal outputs alone, which nobody wants here
    if (!read[i])
      inputs[i] = splat_integer(to.builder, forward.type(ValueId{i}).dtype, 0, forward.type(ValueId{i}).shape);
  const auto given = to.splice(forward, inputs);
  std::vector<Value> all(given.begin() + static_cast<std::ptrdiff_t>(primal_outputs), given.end());
  all.insert(all.end(), linear.begin(), linear.end());
  again.forward = with_outputs(forward, outputs);
  again.linear = dce(*to.finish(to.splice(*cut.linear, all)));
  return again;
}

// What a value is before the scans that carry it on unchanged.
ValueId before_carried(const Graph& g, ValueId v) {
  while (!g.is_input(v) && g.node(g.producer(v)).op == Op::scan) {
    const Node& n = g.node(g.producer(v));
    const Loop loop = loop_of(g, n);
    const size_t number = index(v) - index(n.first_result);
    if (number >= loop.carries || index(loop.body->outputs()[number]) != loop.constants + number) return v;
    v = g.operands(n)[loop.constants + number];
  }
  return v;
}

// The scan while it is cut.
struct ScanCut {
  const Graph& g;
  const Node& n;
  const Loop loop;
  const Flags linear;  // per input of the body
  const Split cut;  // of the body
  NodeSplit s;

  std::vector<size_t> fixed;  // operands that forward keeps, by its input number
  size_t fixed_constants = 0, fixed_carries = 0;
  std::vector<Operand> from;  // where each residual comes from
  std::vector<bool> is_constant;  // per residual: the same in every iteration

  size_t first_x() const { return loop.constants + loop.carries; }
  void keep_fixed();
  void build_forward();
  void build_linear();
};

void ScanCut::keep_fixed() {
  for (size_t i = 0; i < n.operand_count; ++i) {
    if (linear[i]) continue;
    fixed.push_back(i);
    fixed_constants += i < loop.constants;
    fixed_carries += i >= loop.constants && i < first_x();
    s.forward_operands.push_back(g.operands(n)[i]);
  }
}

// Where each residual comes from: constants and hoisted values become constants of the linear scan, the rest its xs.
void ScanCut::build_forward() {
  const Graph& forward = *cut.forward;
  const size_t primal_outputs = forward.outputs().size() - cut.residual_input.size();
  const auto varying = varying_values(forward, fixed_constants);
  std::vector<ValueId> outputs(forward.outputs().begin(),
                               forward.outputs().begin() + static_cast<std::ptrdiff_t>(primal_outputs));
  std::vector<ValueId> hoisted;
  for (size_t r = 0; r < cut.residual_input.size(); ++r) {
    const ValueId v = forward.outputs()[primal_outputs + r];
    const int32_t input = cut.residual_input[r];
    const auto number = static_cast<size_t>(input);
    const bool carried = input >= 0 && number >= fixed_constants && number < fixed_constants + fixed_carries;
    const bool unchanged = carried && before_carried(forward, forward.outputs()[number - fixed_constants]) == v;
    const bool passed = input >= 0 && (!carried || unchanged);
    is_constant.push_back(!varying[index(v)] || unchanged);
    if (passed) {
      from.push_back({Source::value, index(g.operands(n)[fixed[number]])});
    } else if (!varying[index(v)]) {
      from.push_back({Source::hoisted, static_cast<uint32_t>(hoisted.size())});
      hoisted.push_back(v);
    } else {
      from.push_back({Source::extra, s.extra_count++});
      outputs.push_back(v);
    }
  }
  if (!hoisted.empty()) {
    s.hoisted = over_first_inputs(forward, fixed_constants, hoisted, varying);
    s.hoisted_operands.assign(s.forward_operands.begin(),
                              s.forward_operands.begin() + static_cast<std::ptrdiff_t>(fixed_constants));
  }
  s.forward_attrs = scan_attrs(loop, with_outputs(forward, outputs), fixed_constants, fixed_carries);
}

// The linear scan: residual constants, linear constants; linear carries; residual xs, linear xs.
void ScanCut::build_linear() {
  Wrapper w(*loop.body);
  std::vector<ValueId> inputs(cut.residual_input.size(), no_value);
  const auto take_residuals = [&](bool constant) {
    for (size_t r = 0; r < from.size(); ++r) {
      if (is_constant[r] != constant) continue;
      s.linear_operands.push_back(from[r]);
      inputs[r] = w.input(input_type(*cut.linear, r));
    }
  };
  const auto take_linear = [&](size_t begin, size_t end) {
    size_t taken = 0;
    for (size_t i = begin; i < end; ++i) {
      if (!linear[i]) continue;
      s.linear_operands.push_back({Source::value, index(g.operands(n)[i])});
      inputs.push_back(w.input(input_type(*loop.body, i)));
      ++taken;
    }
    return taken;
  };
  take_residuals(true);
  const size_t residual_constants = s.linear_operands.size();
  const size_t linear_constants = take_linear(0, loop.constants);
  const size_t linear_carries = take_linear(loop.constants, first_x());
  take_residuals(false);
  take_linear(first_x(), n.operand_count);
  const auto spliced = w.builder.splice(*cut.linear, inputs);
  s.linear_attrs = scan_attrs(loop, w.finish(spliced), residual_constants + linear_constants, linear_carries);
}

}  // namespace

NodeSplit split_scan(const Graph& g, const Node& n, const Flags& linear_operands) {
  const Loop loop = loop_of(g, n);
  const Flags linear = linear_body_inputs(loop, linear_operands);
  Split body = split_body(loop, linear);
  size_t fixed_constants = 0, fixed_carries = 0;
  for (size_t i = 0; i < loop.constants + loop.carries; ++i)
    if (!linear[i]) ++(i < loop.constants ? fixed_constants : fixed_carries);
  if (loop.memory > 0 || is_made_again(body, fixed_constants, fixed_carries)) body = made_again(body);
  ScanCut cut{g, n, loop, linear, std::move(body), {}, {}, 0, 0, {}, {}};
  cut.s.result_is_linear = cut.cut.output_is_linear;
  cut.keep_fixed();
  cut.build_forward();
  cut.build_linear();
  return std::move(cut.s);
}

}  // namespace tenon::passes
