// What a step asks of the other ranks, by the numbers of the interface in C.
#include "tenon/ir/kernel/collectives.h"

#include "tenon/ir/base/error.h"

namespace tenon::ir {

bool has_block_for_each(Op op) { return op == Op::reduce_scatter || op == Op::all_to_all; }

CollectiveNumbers numbers_of(const RanksStep& step) {
  using Kind = CollectiveKind;
  using Combine = CollectiveCombine;
  const auto number = [&](size_t k) { return static_cast<int32_t>(step.numbers.at(k)); };
  switch (step.op) {
    case Op::all_reduce_sum: return {.kind = Kind::all_reduce, .combine = Combine::sum};
    case Op::all_reduce_prod: return {.kind = Kind::all_reduce, .combine = Combine::prod};
    case Op::all_reduce_min: return {.kind = Kind::all_reduce, .combine = Combine::min};
    case Op::all_reduce_max: return {.kind = Kind::all_reduce, .combine = Combine::max};
    case Op::all_gather: return {.kind = Kind::all_gather};
    case Op::reduce_scatter: return {.kind = Kind::reduce_scatter, .combine = Combine::sum};
    case Op::all_to_all: return {.kind = Kind::all_to_all};
    case Op::collective_permute: return {.kind = Kind::permute, .has_pairs = true};
    case Op::collective_broadcast: return {.kind = Kind::broadcast, .root = number(0)};
    case Op::exchange: return {.kind = Kind::exchange, .root = number(2), .to = number(0), .from = number(1)};
    case Op::rank_barrier: return {.kind = Kind::barrier};
    default: throw InternalError("no collective: " + std::string(name(step.op)));
  }
}

}  // namespace tenon::ir
