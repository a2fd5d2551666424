// What collectives mean to the interpreter: what the ranks of its thread say, and in a world of one themselves.
#include <algorithm>

#include "tenon/ir/base/error.h"
#include "tenon/ir/reference/ranks.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"

namespace tenon::ir {
namespace {

thread_local RanksOfThread ranks_of_thread;

}  // namespace

InterpretedRanks::InterpretedRanks(const RanksOfThread& ranks) : before_(ranks_of_thread) { ranks_of_thread = ranks; }
InterpretedRanks::~InterpretedRanks() { ranks_of_thread = before_; }
const RanksOfThread& InterpretedRanks::current() { return ranks_of_thread; }

namespace rules {

std::vector<Array> eval_rank_index(const EvalArgs& args) {
  const RankIndex group(args.attrs);
  const RanksOfThread& ranks = InterpretedRanks::current();
  Array result(args.results[0]);
  if (ranks.rank != nullptr) result.as<int64_t>()[0] = ranks.rank(ranks.context) / group.stride % group.size;
  return one_result(std::move(result));
}

std::vector<Array> eval_rank_vary(const EvalArgs& args) { return one_result(*args.operands[0]); }

std::vector<Array> eval_rank_slice(const EvalArgs& args) {
  const Collective group(args.attrs);
  const RanksOfThread& ranks = InterpretedRanks::current();
  const int64_t rank = ranks.rank != nullptr ? ranks.rank(ranks.context) / group.stride % group.size : 0;
  Array own(args.results[0]);
  const auto first = args.operands[0]->data.begin() + rank * static_cast<int64_t>(own.data.size());
  std::copy(first, first + static_cast<int64_t>(own.data.size()), own.data.begin());
  return one_result(std::move(own));
}

std::vector<Array> eval_collective(const EvalArgs& args) {
  const Collective c(args.attrs);
  const RanksOfThread& ranks = InterpretedRanks::current();
  std::vector<Array> results;
  for (const Type& type : args.results) results.emplace_back(type);
  const Array* operand = args.operands.empty() ? nullptr : args.operands[0];
  Array* result = results.empty() ? nullptr : &results[0];
  if (c.size > 1 && ranks.run == nullptr)
    throw Error(std::string(def(args.op).name) + ": a group of " + std::to_string(c.size) +
                " ranks, and there is one here; run the program under tn::dist::simulate or mpirun");
  if (c.size > 1) {
    ranks.run(ranks.context, args.op, c, operand, result);
    return results;
  }
  const bool arrives = args.op == Op::exchange             ? c.numbers[1] == 0
                       : args.op == Op::collective_permute ? !c.numbers.empty()
                                                           : result != nullptr;
  if (arrives) result->data = operand->data;
  return results;
}

}  // namespace rules
}  // namespace tenon::ir
