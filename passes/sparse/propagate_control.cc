// Index sets through control flow. A branch gives what either side does. A scan of a moderate length runs iteration by iteration,
// with counters known; a longer one, and a loop whose length is not known, runs until what it carries grows no more.
#include <algorithm>
#include <cstring>

#include "tenon/passes/sparse/propagate.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t most_unrolled = 4096;  // iterations
constexpr int patience = 32;  // iterations after which whatever still grows depends on everything that the loop does

// Row t of a stack.
Array row_of(const Array& stack, const Type& row, int64_t t) {
  Array result(row);
  std::memcpy(result.data.data(), stack.data.data() + static_cast<size_t>(t) * result.data.size(), result.data.size());
  return result;
}
Type sets_type(const Type& of) { return {DType::u32, of.shape}; }

}  // namespace

void Propagation::join(Dependence& into, const Dependence& from, const Type& type) {
  if (!from.sets) return;
  if (!into.sets) into.sets = no_sets(type.shape);
  for (int64_t i = 0; i < into.sets->numel(); ++i)
    into.sets->as<SetId>()[i] = sets.unite(into.sets->as<SetId>()[i], from.sets->as<SetId>()[i]);
}

std::vector<Dependence> Propagation::control(const At& at) {
  std::vector<Dependence> inputs;
  for (const Dependence* operand : at.operands) inputs.push_back(*operand);
  if (def(at.node.op).inlined) return run(*Call(at.graph, at.node).graph, std::move(inputs));
  if (at.node.op == Op::cond) return branches(at);
  if (at.node.op == Op::while_loop || at.node.op == Op::scan) return loop(at);
  std::vector<Dependence> results(at.node.result_count);
  for (uint32_t r = 0; r < at.node.result_count; ++r)
    if (is_continuous(at.result(r).dtype)) results[r].sets = everything(at, r);
  return results;
}

std::vector<Dependence> Propagation::branches(const At& at) {
  std::vector<Dependence> inputs;
  for (size_t k = 1; k < at.operands.size(); ++k) inputs.push_back(*at.operands[k]);
  const Cond c(at.graph, at.node);
  std::vector<Dependence> results = run(*c.then, inputs);
  const std::vector<Dependence> others = run(*c.otherwise, std::move(inputs));
  for (uint32_t r = 0; r < at.node.result_count; ++r) {
    results[r].known.reset();
    join(results[r], others[r], at.result(r));
  }
  return results;
}

std::vector<Dependence> Propagation::loop(const At& at) {
  const Loop l = loop_of(at.graph, at.node);
  return !l.condition && l.length.number() <= most_unrolled ? unrolled(at, l) : settled(at, l);
}

std::vector<Dependence> Propagation::unrolled(const At& at, const Loop& l) {
  const auto first_row = static_cast<std::ptrdiff_t>(l.constants + l.carries);
  std::vector<Dependence> state;
  for (auto k = static_cast<std::ptrdiff_t>(l.constants); k < first_row; ++k)
    state.push_back(*at.operands[static_cast<size_t>(k)]);
  std::vector<Dependence> stacked(l.stacked);
  const int64_t length = l.length.number();
  for (int64_t step = 0; step < length; ++step) {
    const int64_t t = l.reverse ? length - 1 - step : step;
    std::vector<Dependence> inputs;
    for (size_t k = 0; k < l.constants; ++k) inputs.push_back(*at.operands[k]);
    std::move(state.begin(), state.end(), std::back_inserter(inputs));
    for (size_t k = inputs.size(); k < at.operands.size(); ++k) {
      const Type& type = l.body->type(ValueId{static_cast<uint32_t>(k)});
      const Dependence& stack = *at.operands[k];
      inputs.emplace_back();
      if (stack.sets) inputs.back().sets = row_of(*stack.sets, sets_type(type), t);
      if (stack.known) inputs.back().known = row_of(*stack.known, type, t);
    }
    state = run(*l.body, std::move(inputs));
    for (size_t y = 0; y < l.stacked; ++y) {
      const Dependence& row = state[l.carries + y];
      if (!row.sets) continue;
      if (!stacked[y].sets) stacked[y].sets = no_sets(at.result(static_cast<uint32_t>(l.carries + y)).shape);
      std::memcpy(stacked[y].sets->data.data() + static_cast<size_t>(t) * row.sets->data.size(), row.sets->data.data(),
                  row.sets->data.size());
    }
    state.resize(l.carries);
  }
  std::move(stacked.begin(), stacked.end(), std::back_inserter(state));
  return state;
}

// The rows that are scanned count all in every iteration.
std::vector<Dependence> Propagation::settled(const At& at, const Loop& l) {
  std::vector<Dependence> state, results;
  for (size_t k = 0; k < at.operands.size(); ++k) {
    const Dependence& operand = *at.operands[k];
    state.emplace_back();
    if (k < l.constants)
      state.back() = operand;
    else if (k < l.constants + l.carries)
      state.back().sets = operand.sets;
    else if (operand.sets) {
      const Type& row = l.body->type(ValueId{static_cast<uint32_t>(k)});
      std::vector<int64_t> kept;
      for (int64_t axis = 1; axis <= row.shape.rank(); ++axis) kept.push_back(axis);
      const std::vector<SetId> united = grouped(*operand.sets, kept);
      state.back().sets = no_sets(row.shape);
      std::copy(united.begin(), united.end(), state.back().sets->as<SetId>());
    }
  }
  for (int turn = 0;; ++turn) {
    results = run(*l.body, state);
    bool grew = false;
    for (size_t c = 0; c < l.carries; ++c) {
      Dependence& carry = state[l.constants + c];
      const Type& type = at.type(l.constants + c);
      const std::optional<Array> before = carry.sets;
      join(carry, results[c], type);
      grew = grew || (carry.sets && (!before || before->data != carry.sets->data));
    }
    if (!grew) break;
    if (turn != patience) continue;
    std::vector<SetId> all;  // more than this it cannot become
    for (const Dependence& input : state)
      if (input.sets) all.push_back(grouped(*input.sets, {})[0]);
    const SetId any = sets.unite(all);
    for (size_t c = 0; c < l.carries; ++c) {
      const Type& type = at.type(l.constants + c);
      if (!is_continuous(type.dtype)) continue;
      state[l.constants + c].sets = no_sets(type.shape);
      std::fill_n(state[l.constants + c].sets->as<SetId>(), type.shape.numel(), any);
    }
  }
  std::vector<Dependence> final_state;
  for (size_t c = 0; c < l.carries; ++c) {
    final_state.emplace_back();
    final_state.back().sets = state[l.constants + c].sets;
  }
  for (size_t y = l.carries; y < results.size(); ++y) {  // every row is any row
    final_state.emplace_back();
    if (!results[y].sets) continue;
    final_state.back().sets = no_sets(at.result(static_cast<uint32_t>(y)).shape);
    Array& stack = *final_state.back().sets;
    for (size_t at_byte = 0; at_byte < stack.data.size(); at_byte += results[y].sets->data.size())
      std::copy(results[y].sets->data.begin(), results[y].sets->data.end(),
                stack.data.begin() + static_cast<std::ptrdiff_t>(at_byte));
  }
  return final_state;
}

}  // namespace tenon::passes
