// Reference meaning of control flow and barriers: sub-graphs are run by the interpreter itself, so recursion follows nesting
// and never depth. Refuses custom calls: a host function has no meaning in the IR.
#include <algorithm>

#include "tenon/ir/graph/loops.h"
#include "tenon/ir/graph/replay.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {
namespace {

std::vector<Array> run(const Graph& graph, std::span<const Array> inputs, const EvalArgs& args) {
  return interpret_within(graph, inputs, args.symbols, args.symbol_values);
}

std::vector<Array> copies(std::span<const Array* const> arrays) {
  std::vector<Array> result;
  for (const Array* array : arrays) result.push_back(*array);
  return result;
}

// Row `at` of an array along its first axis, and the same for writing.
Array row_of(const Array& x, int64_t at, const Type& type) {
  Array row(type);
  const auto size = static_cast<std::ptrdiff_t>(row.data.size());
  std::copy_n(x.data.begin() + at * size, size, row.data.begin());
  return row;
}
void put_row(Array& x, int64_t at, const Array& row) {
  std::copy(row.data.begin(), row.data.end(), x.data.begin() + at * static_cast<std::ptrdiff_t>(row.data.size()));
}

Type row_type(const Type& stacked) {
  Type type = stacked;
  type.shape.erase(0);
  return type;
}

}  // namespace

std::vector<Array> eval_cond(const EvalArgs& args) {
  const Cond c(args.attrs);
  const bool taken = args.operands[0]->data.at(0) != 0;
  return run(taken ? *c.then : *c.otherwise, copies(args.operands.subspan(1)), args);
}

std::vector<Array> eval_while(const EvalArgs& args) {
  const Loop loop = loop_of(WhileLoop(args.attrs), args.operands.size());
  std::vector<Array> state = copies(args.operands);
  const auto carries = loop.carries_of(std::span(state));
  while (run(*loop.condition, state, args).at(0).data.at(0) != 0) {
    std::vector<Array> next = run(*loop.body, state, args);
    std::move(next.begin(), next.end(), carries.begin());
  }
  return {std::make_move_iterator(carries.begin()), std::make_move_iterator(carries.end())};
}

std::vector<Array> eval_scan(const EvalArgs& args) {
  const Loop loop = loop_of(Scan(args.attrs), args.operands.size());
  const int64_t length = loop.length.number();
  const auto scanned = loop.scanned_of(args.operands);
  std::vector<Array> inputs = copies(args.operands.first(loop.constants + loop.carries));
  std::vector<Array> results;
  for (const Type& type : args.results.subspan(loop.carries)) results.emplace_back(type);
  for (int64_t i = 0; i < length; ++i) {
    const int64_t at = loop.reverse ? length - 1 - i : i;
    for (const Array* xs : scanned) inputs.push_back(row_of(*xs, at, row_type(xs->type)));
    std::vector<Array> next = run(*loop.body, inputs, args);
    inputs.resize(loop.constants + loop.carries);
    for (size_t c = 0; c < loop.carries; ++c) inputs[loop.constants + c] = std::move(next[c]);
    for (size_t y = 0; y < results.size(); ++y) put_row(results[y], at, next[loop.carries + y]);
  }
  const auto carries = loop.carries_of(std::span(inputs));
  results.insert(results.begin(), std::make_move_iterator(carries.begin()), std::make_move_iterator(carries.end()));
  return results;
}

// Of every row that is inlined.
std::vector<Array> eval_call(const EvalArgs& args) { return run(*Call(args.attrs).graph, copies(args.operands), args); }

std::vector<Array> eval_custom_tangent(const EvalArgs&) {
  throw Error(
      "the reference interpreter does not transpose; custom_tangent is replaced by what it means before it runs");
}
// All states are kept here.
std::vector<Array> eval_replay(const EvalArgs& args) {
  const ReplayParts parts = replay_parts(Replay(args.attrs), args.operands.size());
  const int64_t count = args.operands[0]->as<int64_t>()[0];
  const auto arrays = [&](size_t first, size_t n) { return copies(args.operands.subspan(first, n)); };
  const auto joined = [](std::vector<Array> a, const std::vector<Array>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const std::vector<Array> shared = arrays(parts.first_shared(), parts.shared),
                           known = arrays(parts.first_shared(), parts.shared + parts.own);
  std::vector<std::vector<Array>> states;
  for (int64_t i = 0; i < count; ++i)
    states.push_back(i == 0 ? arrays(parts.first_state(), parts.states)
                            : run(*parts.advance, joined(shared, states.back()), args));
  std::vector<Array> carries = arrays(parts.first_carry(), parts.carries);
  for (int64_t i = 0; i < count; ++i) {
    const auto& state = states[static_cast<size_t>(parts.reverse ? count - 1 - i : i)];
    carries = run(*parts.body, joined(joined(known, state), carries), args);
  }
  return carries;
}

std::vector<Array> eval_barrier(const EvalArgs& args) { return copies(args.operands); }

std::vector<Array> eval_custom_call(const EvalArgs& args) {
  throw Error("the reference interpreter cannot run the host function '" + CustomCall(args.attrs).name +
              "': its meaning is not in the IR; compile the program instead");
}

}  // namespace tenon::ir::rules
