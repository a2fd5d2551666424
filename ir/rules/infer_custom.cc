// Type rules of the rules that callers give: how many inputs and outputs each graph has, and of which types.
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

void check_graph(const InferArgs& args, const Graph& g, const char* name, const std::vector<Type>& inputs,
                 const std::vector<Type>& outputs, bool more_outputs = false) {
  TENON_REQUIRE(g.symbols.get() == &args.symbols || g.symbols->size() == 0,
                std::string("the graph '") + name + "' has a symbol table of its own");
  TENON_REQUIRE(g.input_count() == inputs.size(), std::string("the graph '") + name + "' takes " +
                                                      number(g.input_count()) + " inputs, not " +
                                                      number(static_cast<int64_t>(inputs.size())));
  const auto same = [&](const Type& have, const Type& want, const char* what, size_t i) {
    TENON_REQUIRE(have == want, std::string(what) + " " + number(static_cast<int64_t>(i)) + " of the graph '" + name +
                                    "' is " + to_string(have, &args.symbols) + ", not " +
                                    to_string(want, &args.symbols));
  };
  for (size_t i = 0; i < inputs.size(); ++i) same(g.type(ValueId{static_cast<uint32_t>(i)}), inputs[i], "input", i);
  const size_t have = g.outputs().size();
  TENON_REQUIRE(have == outputs.size() || (more_outputs && have > outputs.size()),
                std::string("the graph '") + name + "' gives " + number(static_cast<int64_t>(have)) + " results, not " +
                    number(static_cast<int64_t>(outputs.size())));
  for (size_t i = 0; i < outputs.size(); ++i) same(g.type(g.outputs()[i]), outputs[i], "result", i);
}

size_t counted(const InferArgs& args, const std::vector<int64_t>& counts) {
  TENON_REQUIRE(counts.size() == 1 && counts[0] >= 0 && counts[0] <= static_cast<int64_t>(args.operands.size()),
                "attribute 'counts' does not fit the number of operands");
  return static_cast<size_t>(counts[0]);
}

std::vector<Type> floating(std::span<const Type> types) {
  std::vector<Type> result;
  for (const Type& t : types)
    if (is_continuous(t.dtype)) result.push_back(t);
  return result;
}
void append(std::vector<Type>& to, const std::vector<Type>& types) { to.insert(to.end(), types.begin(), types.end()); }
std::vector<Type> listed(std::span<const Type> types) { return {types.begin(), types.end()}; }

}  // namespace

std::vector<Type> infer_custom_jvp(const InferArgs& args) {
  const std::vector<Type> results = infer_call(args);
  const CustomJvp c(args.attrs);
  const size_t arguments = counted(args, c.counts);
  std::vector<Type> inputs = listed(args.operands), outputs = results;
  append(inputs, floating(args.operands.first(arguments)));
  append(outputs, floating(results));
  check_graph(args, *c.rule, "rule", inputs, outputs);
  return results;
}

std::vector<Type> infer_custom_vjp(const InferArgs& args) {
  const std::vector<Type> results = infer_call(args);
  const CustomVjp c(args.attrs);
  const size_t arguments = counted(args, c.counts);
  check_graph(args, *c.forward, "forward", listed(args.operands), results, true);
  std::vector<Type> inputs = listed(args.operands.subspan(arguments));
  for (size_t r = results.size(); r < c.forward->outputs().size(); ++r)
    inputs.push_back(c.forward->type(c.forward->outputs()[r]));
  append(inputs, floating(results));
  check_graph(args, *c.backward, "backward", inputs, floating(args.operands.first(arguments)));
  return results;
}

std::vector<Type> infer_custom_tangent(const InferArgs& args) {
  const CustomTangent c(args.attrs);
  const size_t constants = counted(args, c.counts);
  const Graph& g = *c.backward;
  TENON_REQUIRE(g.input_count() >= constants, "the graph 'backward' takes fewer inputs than there are constants");
  std::vector<Type> inputs = listed(args.operands.first(constants)), results;
  for (uint32_t i = static_cast<uint32_t>(constants); i < g.input_count(); ++i) results.push_back(g.type(ValueId{i}));
  append(inputs, results);
  check_graph(args, g, "backward", inputs, listed(args.operands.subspan(constants)));
  return results;
}

std::vector<Type> infer_linear_solve(const InferArgs& args) {
  const LinearSolve s(args.attrs);
  const std::vector<Type> b = listed(args.operands.subspan(counted(args, s.counts))), inputs = listed(args.operands);
  check_graph(args, *s.solve, "solve", inputs, b);
  check_graph(args, *s.matvec, "matvec", inputs, b);
  check_graph(args, *s.transposed, "transposed", inputs, b);
  return b;
}

}  // namespace tenon::ir::rules
