// Type rules of control flow, barriers, custom calls, checks and prints. Sub-graphs are closed: whatever they use from outside is an operand.
#include "tenon/ir/base/tensor_text.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/graph/replay.h"
#include "tenon/ir/graph/text.h"
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

void check_table(const InferArgs& args, const Graph& g, const char* name) {
  TENON_REQUIRE(g.symbols.get() == &args.symbols || g.symbols->size() == 0,
                std::string("the graph '") + name + "' has a symbol table of its own");
}

// first: the operand that is the graph's first input.
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

// That a loop's counts of constants and carries can be subtracted from the operands, as ir/graph/loops.h does.
void check_counts(const InferArgs& args, const std::vector<int64_t>& counts, size_t entries) {
  TENON_REQUIRE(counts.size() == entries, "attribute 'counts' has " + number(static_cast<int64_t>(counts.size())) +
                                              " entries, not " + number(static_cast<int64_t>(entries)));
  auto rest = static_cast<int64_t>(args.operands.size());
  for (int64_t count : counts) {
    TENON_REQUIRE(count >= 0 && count <= rest, "attribute 'counts' does not fit the number of operands");
    rest -= count;
  }
}

void check_carries(const InferArgs& args, const Loop& loop, const std::vector<Type>& results) {
  const auto carries = loop.carries_of(args.operands);
  for (size_t i = 0; i < carries.size(); ++i)
    TENON_REQUIRE(carries[i] == results[i], "the body turns carry " + number(static_cast<int64_t>(i)) + " from " +
                                                to_string(carries[i], &args.symbols) + " into " +
                                                to_string(results[i], &args.symbols) + "; a carry keeps its type");
}

}  // namespace

std::vector<Type> infer_cond(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "cond takes a predicate");
  check_scalar(args, 0, DType::boolean, "the predicate");
  const Cond c(args.attrs);
  const Graph &a = *c.then, &b = *c.otherwise;
  check_table(args, a, "then");
  check_table(args, b, "otherwise");
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
  const WhileLoop attrs(args.attrs);
  check_counts(args, attrs.counts, 1);
  const Loop loop = loop_of(attrs, args.operands.size());
  check_table(args, *loop.condition, "condition");
  check_table(args, *loop.body, "body");
  check_inputs(args, *loop.condition, "condition", 0);
  check_inputs(args, *loop.body, "body", 0);
  const auto tests = output_types(*loop.condition);
  TENON_REQUIRE(tests.size() == 1 && tests[0] == (Type{DType::boolean, {}}), "the condition must give one bool[]");
  const auto types = output_types(*loop.body);
  TENON_REQUIRE(types.size() == loop.carries, "the body gives " + number(static_cast<int64_t>(types.size())) +
                                                  " carries for " + number(static_cast<int64_t>(loop.carries)));
  check_carries(args, loop, types);
  return types;
}

std::vector<Type> infer_scan(const InferArgs& args) {
  const Scan attrs(args.attrs);
  check_counts(args, attrs.counts, 2);
  const Loop loop = loop_of(attrs, args.operands.size());
  check_table(args, *loop.body, "body");
  const Dim length = loop.length;
  std::vector<Type> slices(args.operands.begin(), args.operands.end());
  for (size_t i = loop.constants + loop.carries; i < slices.size(); ++i) {
    TENON_REQUIRE(slices[i].shape.rank() > 0, operand_name(i) + " is scanned over its first axis, but it is a scalar");
    TENON_REQUIRE(slices[i].shape[0] == length, operand_name(i) + " has " +
                                                    to_string(slices[i].shape[0], &args.symbols) +
                                                    " slices for a scan of length " + to_string(length, &args.symbols));
    slices[i].shape.erase(0);
  }
  check_inputs({slices, args.attrs, args.symbols}, *loop.body, "body", 0);
  auto types = output_types(*loop.body);
  TENON_REQUIRE(types.size() >= loop.carries, "the body gives fewer results than there are carries");
  check_carries(args, loop, types);
  for (size_t i = loop.carries; i < types.size(); ++i) types[i].shape.insert(0, length);
  return types;
}

namespace {

// A level, and a buffer of one row more than there are marks for each state.
void check_marks(const InferArgs& args, const ReplayParts& parts) {
  if (parts.marks == 0) return;
  TENON_REQUIRE(parts.marks == parts.states + 1, "a replay has a level and one buffer for each state, or no marks");
  check_scalar(args, parts.first_mark(), DType::i64, "the level of the marks");
  Dim rows = 0;
  for (size_t i = 0; i < parts.states; ++i) {
    Type type = args.operands[parts.first_mark() + 1 + i];
    TENON_REQUIRE(type.shape.rank() > 0, "a buffer of states has rows");
    if (i == 0) rows = type.shape[0];
    const int64_t regular = rows.is_number() ? rows.number() - 1 : 0;
    TENON_REQUIRE(type.shape[0] == rows && regular >= 2 && (regular & (regular - 1)) == 0,
                  "buffers of states have one number of rows, a power of two (2 at least) and one more");
    type.shape.erase(0);
    TENON_REQUIRE(type == args.operands[parts.first_state() + i],
                  operand_name(parts.first_mark() + 1 + i) + " has rows of another type than its state");
  }
}

}  // namespace

std::vector<Type> infer_replay(const InferArgs& args) {
  const Replay attrs(args.attrs);
  TENON_REQUIRE(!args.operands.empty(), "a replay takes a count");
  InferArgs behind{args.operands.subspan(1), args.attrs, args.symbols};
  check_counts(behind, attrs.counts, 4);
  const ReplayParts parts = replay_parts(attrs, args.operands.size());
  check_scalar(args, 0, DType::i64, "the count");
  check_table(args, *parts.advance, "advance");
  check_table(args, *parts.body, "body");
  const auto inputs = args.operands.subspan(1, parts.shared + parts.own + parts.states + parts.carries);
  std::vector<Type> stepped(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(parts.shared));
  const auto states = args.operands.subspan(parts.first_state(), parts.states),
             carries = args.operands.subspan(parts.first_carry(), parts.carries);
  stepped.insert(stepped.end(), states.begin(), states.end());
  check_inputs({stepped, args.attrs, args.symbols}, *parts.advance, "advance", 0);
  check_inputs({inputs, args.attrs, args.symbols}, *parts.body, "body", 0);
  const auto next = output_types(*parts.advance), given = output_types(*parts.body);
  TENON_REQUIRE(std::equal(next.begin(), next.end(), states.begin(), states.end()),
                "'advance' gives other types than the states");
  TENON_REQUIRE(std::equal(given.begin(), given.end(), carries.begin(), carries.end()),
                "the body gives other types than the carries");
  check_marks(args, parts);
  return given;
}

// Of rows whose meaning is their first graph.
std::vector<Type> infer_call(const InferArgs& args) {
  const Graph& g = *Call(args.attrs).graph;
  check_table(args, g, "graph");
  check_inputs(args, g, "graph", 0);
  return output_types(g);
}

std::vector<Type> infer_barrier(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "a barrier takes at least one operand");
  return {args.operands.begin(), args.operands.end()};
}

std::vector<Type> infer_custom_call(const InferArgs& args) {
  const CustomCall call(args.attrs);
  TENON_REQUIRE(!call.name.empty(), "a custom call needs a name");
  for (size_t i = 0; i < args.operands.size(); ++i)
    TENON_REQUIRE(!is_complex(args.operands[i].dtype),
                  operand_name(i) + " is complex: a host function takes real(z) and imag(z)");
  std::vector<Type> results = parse_types(call.types, args.symbols);
  for (const Type& t : results)
    TENON_REQUIRE(!is_complex(t.dtype), "a host function gives no complex numbers: it gives their parts");
  return results;
}

std::vector<Type> infer_check(const InferArgs& args) {
  const size_t count = Check(args.attrs).masked ? 2 : 1;
  TENON_REQUIRE(args.operands.size() == count, "takes " + number(static_cast<int64_t>(count)) +
                                                   " operands, the condition behind its mask if there is one");
  for (const Type& t : args.operands)
    TENON_REQUIRE(t == args.operands[0] && t.dtype == DType::boolean, "condition and mask are bools of one shape");
  return {};
}

std::vector<Type> infer_print(const InferArgs& args) {
  const Print print(args.attrs);
  const std::string& format = print.format;
  const int64_t fields = tenon_text_fields(format.data(), format.size());
  TENON_REQUIRE(fields >= 0, "the brace at " + number(-1 - fields) +
                                 " of the format stands alone; write {} for a value, and " + "{{ or }} for a brace");
  const auto given = static_cast<int64_t>(args.operands.size()) - print.masked;
  TENON_REQUIRE(fields == given, "the format has " + number(fields) + " places for " + number(given) + " values");
  if (args.operands.empty()) {
    TENON_REQUIRE(print.lanes == 0, "no operand says how many lanes there are");
    return {};
  }
  const Type& first = args.operands[0];
  TENON_REQUIRE(!print.masked || (first.dtype == DType::boolean && first.shape.rank() == print.lanes),
                "the mask is a bool for each lane");
  for (size_t i = 0; i < args.operands.size(); ++i) {
    TENON_REQUIRE(!is_complex(args.operands[i].dtype), operand_name(i) + " is complex: print real(z) and imag(z)");
    const Shape& shape = args.operands[i].shape;
    TENON_REQUIRE(print.lanes >= 0 && shape.rank() >= print.lanes, operand_name(i) + " has no axis for each lane axis");
    for (int64_t d = 0; d < print.lanes; ++d)
      TENON_REQUIRE(shape[d] == first.shape[d], operand_name(i) + " has another number of lanes");
  }
  return {};
}

}  // namespace tenon::ir::rules
