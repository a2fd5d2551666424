// Numbers by which compiled programs name what ranks do together, as in runtime/tenon_ranks.h; for every code generator.
#pragma once

#include <cstdint>

#include "tenon/ir/kernel/program.h"

namespace tenon::ir {

enum class CollectiveKind : int32_t {
  all_reduce,
  all_gather,
  reduce_scatter,
  all_to_all,
  permute,
  broadcast,
  exchange,
  barrier
};
enum class CollectiveCombine : int32_t { sum, prod, min, max };

struct CollectiveNumbers {
  CollectiveKind kind{};
  CollectiveCombine combine{};
  int32_t root = 0, to = -1, from = -1;  // root: of an exchange, its channel
  bool has_pairs = false;  // they are `numbers` of the step
};
// Bytes that all ranks of a group have together, up to which a collective is one message each, which nothing beats
// (TENON_SMALL of runtime/c/ranks_engine.h).
inline constexpr int64_t one_message = 64 * 1024;
// Whether its operand has a block for every rank in front.
bool has_block_for_each(Op op);
CollectiveNumbers numbers_of(const RanksStep& step);

}  // namespace tenon::ir
