// Type rules of control flow, barriers and custom calls. Sub-graphs are closed: whatever they use from outside is an operand.
#include "tenon/ir/rules/infer.h"
#include "tenon/ir/text.h"

namespace tenon::ir::rules {
namespace {

const Graph& subgraph(const InferArgs& args, size_t attribute, const char* name) {
  const auto& g = args.attrs[attribute].graph;
  TENON_REQUIRE(g != nullptr, std::string("attribute '") + name + "' has no graph");
  TENON_REQUIRE(g->symbols.get() == &args.symbols || g->symbols->size() == 0,
                std::string("the graph '") + name + "' has a symbol table of its own");
  return *g;
}

void check_inputs(const InferArgs& args, const Graph& g, const char* name, size_t first) {
  const size_t count = args.operands.size() - first;
  TENON_REQUIRE(g.input_count() == count, std::string("the graph '") + name + "' takes " + number(g.input_count()) +
                                              " inputs, the op has " + number(static_cast<int64_t>(count)) +
                                              " operands for it");
  for (size_t i = 0; i < count; ++i) {
    const Type& want = g.type(ValueId{static_cast<uint32_t>(i)});
    const Type& have = args.operands[first + i];
    TENON_REQUIRE(want == have, "input " + number(static_cast<int64_t>(i)) + " of the graph '" + name + "' is " +
                                    to_string(want, &args.symbols) + ", " + operand_name(first + i) + " is " +
                                    to_string(have, &args.symbols));
  }
}

std::vector<Type> output_types(const Graph& g) {
  std::vector<Type> types;
  for (ValueId v : g.outputs()) types.push_back(g.type(v));
  return types;
}

int64_t count(const InferArgs& args, size_t attribute, size_t entry, size_t entries) {
  const auto& counts = integers(args, attribute);
  TENON_REQUIRE(counts.size() == entries, "attribute 'counts' has " + number(static_cast<int64_t>(counts.size())) +
                                              " entries, not " + number(static_cast<int64_t>(entries)));
  TENON_REQUIRE(counts[entry] >= 0 && counts[entry] <= static_cast<int64_t>(args.operands.size()),
                "attribute 'counts' does not fit the number of operands");
  return counts[entry];
}

void check_carry(const InferArgs& args, size_t carry, const Type& before, const Type& after) {
  TENON_REQUIRE(before == after, "the body turns carry " + number(static_cast<int64_t>(carry)) + " from " +
                                     to_string(before, &args.symbols) + " into " + to_string(after, &args.symbols) +
                                     "; a carry keeps its type");
}

}  // namespace

std::vector<Type> infer_cond(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "cond takes a predicate");
  check_scalar(args, 0, DType::boolean, "the predicate");
  const Graph &a = subgraph(args, 0, "then"), &b = subgraph(args, 1, "otherwise");
  check_inputs(args, a, "then", 1);
  check_inputs(args, b, "otherwise", 1);
  TENON_REQUIRE(a.outputs().size() == b.outputs().size(),
                "the branches give " + number(static_cast<int64_t>(a.outputs().size())) + " and " +
                    number(static_cast<int64_t>(b.outputs().size())) + " results");
  auto types = output_types(a), others = output_types(b);
  for (size_t i = 0; i < types.size(); ++i)
    TENON_REQUIRE(types[i] == others[i], "result " + number(static_cast<int64_t>(i)) + " is " +
                                             to_string(types[i], &args.symbols) + " in one branch and " +
                                             to_string(others[i], &args.symbols) + " in the other");
  return types;
}

std::vector<Type> infer_while(const InferArgs& args) {
  const auto constants = static_cast<size_t>(count(args, 2, 0, 1));
  const Graph &condition = subgraph(args, 0, "condition"), &body = subgraph(args, 1, "body");
  check_inputs(args, condition, "condition", 0);
  check_inputs(args, body, "body", 0);
  const auto tests = output_types(condition);
  TENON_REQUIRE(tests.size() == 1 && tests[0] == (Type{DType::boolean, {}}), "the condition must give one bool[]");
  const auto types = output_types(body);
  TENON_REQUIRE(types.size() == args.operands.size() - constants,
                "the body gives " + number(static_cast<int64_t>(types.size())) + " carries for " +
                    number(static_cast<int64_t>(args.operands.size() - constants)));
  for (size_t i = 0; i < types.size(); ++i) check_carry(args, i, args.operands[constants + i], types[i]);
  return types;
}

std::vector<Type> infer_scan(const InferArgs& args) {
  const auto constants = static_cast<size_t>(count(args, 2, 0, 2)), carries = static_cast<size_t>(count(args, 2, 1, 2));
  TENON_REQUIRE(constants + carries <= args.operands.size(), "attribute 'counts' does not fit the number of operands");
  const Graph& body = subgraph(args, 0, "body");
  TENON_REQUIRE(dims(args, 1).size() == 1, "attribute 'length' takes one extent");
  const Dim length = dims(args, 1)[0];
  const int64_t reverse = single(args, 3, "reverse");
  TENON_REQUIRE(reverse == 0 || reverse == 1, "attribute 'reverse' is 0 or 1");
  std::vector<Type> slices(args.operands.begin(), args.operands.end());
  for (size_t i = constants + carries; i < slices.size(); ++i) {
    TENON_REQUIRE(slices[i].shape.rank() > 0, operand_name(i) + " is scanned over its first axis, but it is a scalar");
    TENON_REQUIRE(slices[i].shape[0] == length, operand_name(i) + " has " +
                                                    to_string(slices[i].shape[0], &args.symbols) +
                                                    " slices for a scan of length " + to_string(length, &args.symbols));
    slices[i].shape.erase(0);
  }
  check_inputs({slices, args.attrs, args.symbols}, body, "body", 0);
  auto types = output_types(body);
  TENON_REQUIRE(types.size() >= carries, "the body gives fewer results than there are carries");
  for (size_t i = 0; i < carries; ++i) check_carry(args, i, args.operands[constants + i], types[i]);
  for (size_t i = carries; i < types.size(); ++i) types[i].shape.insert(0, length);
  return types;
}

std::vector<Type> infer_call(const InferArgs& args) {
  const Graph& g = subgraph(args, 0, "graph");
  check_inputs(args, g, "graph", 0);
  return output_types(g);
}

std::vector<Type> infer_barrier(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "a barrier takes at least one operand");
  return {args.operands.begin(), args.operands.end()};
}

std::vector<Type> infer_custom_call(const InferArgs& args) {
  TENON_REQUIRE(!args.attrs[0].text.empty(), "a custom call needs a name");
  single(args, 1, "version");
  const int64_t effect = single(args, 3, "effect");
  TENON_REQUIRE(effect == 0 || effect == 1, "attribute 'effect' is 0 or 1");
  return parse_types(args.attrs[2].text, args.symbols);
}

}  // namespace tenon::ir::rules
