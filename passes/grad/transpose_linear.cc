// The transpose of a function that its writer says is linear, which is checked first, op by op: a product of two linear values is not
// linear, nor is the sum of one and a constant (other than zero), nor what has no transpose at all.
//   f(x) = x * k + x   ->   ct(x) = ct * k + ct;      x * x, x + 1, sin(x): Error, naming the op and its line
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/grad/differentiate.h"

namespace tenon::passes {

using namespace ir;

namespace {

enum class Part : uint8_t { constant, zero, linear };

bool is_zero(const Graph& g, ValueId v) {
  while (!g.is_input(v)) {
    const Node& n = g.node(g.producer(v));
    if (n.op == Op::constant) {
      for (char byte : Constant(g, n).value)
        if (byte != 0) return false;
      return true;
    }
    if (def(n.op).family != Family::movement || !def(n.op).whole) return false;
    v = g.operands(n)[0];
  }
  return false;
}

struct Checker {
  // zeros: inputs that are zero so far, as a carry that nothing has been added to; none where empty.
  std::vector<Part> inputs_like(const Graph& g, const Flags& linear, const Flags& zeros) const {
    std::vector<Part> parts(g.value_count(), Part::constant);
    for (uint32_t i = 0; i < g.input_count(); ++i)
      parts[i] = linear[i] ? Part::linear : !zeros.empty() && zeros[i] ? Part::zero : Part::constant;
    return parts;
  }

  [[noreturn]] static void refuse(const Graph& g, const Node& n, const std::string& why) {
    throw Error("linear_transpose: the function is not linear: " + std::string(name(n.op)) + " " + why, g.location(n));
  }

  // Whether each output is linear, checked on the way; the others do not depend on linear inputs.
  Flags outputs(const Graph& g, const Flags& linear, const Flags& zeros = {}) const {
    std::vector<Part> parts = inputs_like(g, linear, zeros);
    for (const Node& n : g.nodes()) node(g, n, parts);
    Flags result;
    for (ValueId v : g.outputs()) result.push_back(parts[index(v)] == Part::linear);
    return result;
  }

  void node(const Graph& g, const Node& n, std::vector<Part>& parts) const {
    const auto ids = g.operands(n);
    Flags linear;
    size_t count = 0;
    for (ValueId v : ids) {
      linear.push_back(parts[index(v)] == Part::linear);
      count += linear.back() ? 1 : 0;
    }
    const OpDef& row = def(n.op);
    if (count == 0) {
      if (row.whole && parts[index(ids[0])] == Part::zero) parts[index(n.first_result)] = Part::zero;
      return;
    }
    Flags results(n.result_count, true);
    if (row.family == Family::control) {
      results = control(g, n, linear);
    } else if (row.flat || (n.op == Op::cast && !is_floating(g.type(g.result(n)).dtype))) {
      refuse(g, n, "of a value that depends on the arguments has no derivative");
    } else {
      elementary(g, n, linear, count, parts);
    }
    for (uint32_t r = 0; r < n.result_count; ++r)
      if (results[r]) parts[index(n.first_result) + r] = Part::linear;
  }

  void elementary(const Graph& g, const Node& n, const Flags& linear, size_t count,
                  const std::vector<Part>& parts) const {
    const OpDef& row = def(n.op);
    const bool product = row.family == Family::contraction || row.partials[0] != nullptr;
    if (row.linear == 0) refuse(g, n, "has no transpose");
    if (product && count > 1) refuse(g, n, "multiplies two values that both depend on the arguments");
    for (size_t k = 0; k < linear.size(); ++k) {
      const bool may = row.linear == 0xff || (k < 8 && (row.linear >> k & 1));
      if (linear[k] && !may)
        refuse(g, n, "is not linear in operand " + std::to_string(k) + ", which depends on the arguments");
      const ValueId v = g.operands(n)[k];
      if (!linear[k] && may && !product && parts[index(v)] != Part::zero && !is_zero(g, v))
        refuse(g, n, "joins what depends on the arguments with what does not and is not zero");
    }
  }

  Flags control(const Graph& g, const Node& n, const Flags& linear) const {
    if (is_call(n.op)) return outputs(*Call(g, n).graph, linear);
    if (n.op == Op::cond) {
      if (linear[0]) refuse(g, n, "branches on the arguments");
      const Cond c(g, n);
      const Flags inputs(linear.begin() + 1, linear.end());
      Flags a = outputs(*c.then, inputs);
      const Flags b = outputs(*c.otherwise, inputs);
      for (size_t o = 0; o < a.size(); ++o) {
        if (a[o] != b[o] && !is_zero(a[o] ? *c.otherwise : *c.then, (a[o] ? c.otherwise : c.then)->outputs()[o]))
          refuse(g, n, "gives a constant in one branch and a linear value in the other");
        a[o] = a[o] || b[o];
      }
      return a;
    }
    if (n.op == Op::replay) return Flags(n.result_count, true);  // its rule says in what
    if (n.op != Op::scan) refuse(g, n, "has no transpose");
    const Loop loop = loop_of(g, n);
    Flags inputs = linear, results, zeros(n.operand_count, false);
    for (size_t i = 0; i < loop.carries; ++i) zeros[loop.constants + i] = is_zero(g, g.operands(n)[loop.constants + i]);
    for (bool changed = true; changed;) {
      results = outputs(*loop.body, inputs, zeros);
      changed = false;
      for (size_t i = 0; i < loop.carries; ++i) {
        if (!results[i] || inputs[loop.constants + i]) continue;
        inputs[loop.constants + i] = changed = true;
      }
    }
    for (size_t i = 0; i < loop.carries; ++i) {
      const bool starts = linear[loop.constants + i];
      if (inputs[loop.constants + i] && !starts && !is_zero(g, g.operands(n)[loop.constants + i]))
        refuse(g, n, "carries a linear value that starts from a constant other than zero");
      results[i] = inputs[loop.constants + i];
    }
    return results;
  }
};

}  // namespace

GraphPtr transpose_linear(const Graph& graph, const std::vector<bool>& linear) {
  const Flags outputs = Checker{}.outputs(graph, linear);
  for (size_t o = 0; o < outputs.size(); ++o)
    if (!outputs[o] && !is_zero(graph, graph.outputs()[o]))
      throw Error("linear_transpose: result " + std::to_string(o) +
                  " does not depend on the arguments and is not zero; a linear function gives nothing for nothing");
  return transpose_subgraph(graph, linear, Flags(graph.outputs().size(), true));
}

}  // namespace tenon::passes
