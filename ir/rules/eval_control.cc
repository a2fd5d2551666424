// Reference meaning of control flow and barriers: sub-graphs are run by the interpreter itself, so recursion follows nesting
// and never depth. Refuses custom calls: a host function has no meaning in the IR.
#include <algorithm>

#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir::rules {
namespace {

std::vector<Array> run(const Attr& graph, std::span<const Array> inputs, const EvalArgs& args) {
  return interpret_within(*graph.graph, inputs, args.symbols, args.symbol_values);
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
  const bool taken = args.operands[0]->data.at(0) != 0;
  return run(args.attrs[taken ? 0 : 1], copies(args.operands.subspan(1)), args);
}

std::vector<Array> eval_while(const EvalArgs& args) {
  const auto constants = static_cast<size_t>(args.attrs[2].integers.at(0));
  std::vector<Array> state = copies(args.operands);
  while (run(args.attrs[0], state, args).at(0).data.at(0) != 0) {
    std::vector<Array> next = run(args.attrs[1], state, args);
    std::move(next.begin(), next.end(), state.begin() + static_cast<std::ptrdiff_t>(constants));
  }
  state.erase(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(constants));
  return state;
}

std::vector<Array> eval_scan(const EvalArgs& args) {
  const int64_t length = args.attrs[1].dims.at(0).number();
  const auto constants = static_cast<size_t>(args.attrs[2].integers.at(0));
  const auto carries = static_cast<size_t>(args.attrs[2].integers.at(1));
  const bool reversed = !args.attrs[3].integers.empty() && args.attrs[3].integers[0] != 0;
  std::vector<Array> inputs = copies(args.operands.first(constants + carries));
  const auto stacked = args.operands.subspan(constants + carries);
  std::vector<Array> results;
  for (size_t i = carries; i < args.results.size(); ++i) results.emplace_back(args.results[i]);
  for (int64_t i = 0; i < length; ++i) {
    const int64_t at = reversed ? length - 1 - i : i;
    for (const Array* xs : stacked) inputs.push_back(row_of(*xs, at, row_type(xs->type)));
    std::vector<Array> next = run(args.attrs[0], inputs, args);
    inputs.resize(constants + carries);
    for (size_t c = 0; c < carries; ++c) inputs[constants + c] = std::move(next[c]);
    for (size_t y = 0; y < results.size(); ++y) put_row(results[y], at, next[carries + y]);
  }
  results.insert(results.begin(), std::make_move_iterator(inputs.begin() + static_cast<std::ptrdiff_t>(constants)),
                 std::make_move_iterator(inputs.end()));
  return results;
}

std::vector<Array> eval_call(const EvalArgs& args) { return run(args.attrs[0], copies(args.operands), args); }

std::vector<Array> eval_barrier(const EvalArgs& args) { return copies(args.operands); }

std::vector<Array> eval_custom_call(const EvalArgs& args) {
  throw Error("the reference interpreter cannot run the host function '" + args.attrs[0].text +
              "': its meaning is not in the IR; compile the program instead");
}

}  // namespace tenon::ir::rules
