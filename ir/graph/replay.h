// How the operands of a replay divide, decoded once: count, shared..., own..., states..., carries..., marks... (a level and a
// buffer of total + 1 rows per state, or nothing).
#pragma once

#include <span>

#include "tenon/ir/graph/attributes.h"

namespace tenon::ir {

struct ReplayParts {
  const Graph* advance = nullptr;  // shared..., states... -> the next states
  const Graph* body = nullptr;  // shared..., own..., states..., carries... -> the next carries
  size_t shared = 0, own = 0, states = 0, carries = 0, marks = 0;
  bool reverse = false;
  int64_t memory = 0;

  size_t first_shared() const { return 1; }
  size_t first_own() const { return 1 + shared; }
  size_t first_state() const { return first_own() + own; }
  size_t first_carry() const { return first_state() + states; }
  size_t first_mark() const { return first_carry() + carries; }
};

inline ReplayParts replay_parts(const Replay& a, size_t operand_count) {
  const auto at = [&](size_t i) { return static_cast<size_t>(a.counts[i]); };
  ReplayParts p{.advance = a.advance.get(),
                .body = a.body.get(),
                .shared = at(0),
                .own = at(1),
                .states = at(2),
                .carries = at(3),
                .reverse = a.reverse,
                .memory = a.memory};
  p.marks = operand_count - p.first_mark();
  return p;
}

}  // namespace tenon::ir
