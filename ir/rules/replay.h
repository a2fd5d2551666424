// A replay as loops, and the forward loop that leaves marks for it. A loop of unknown length is differentiated in bounded
// memory: the forward run keeps some states, and whoever needs the others on the way back computes them again from those.
// Refuses to differentiate (derivative_replay.cc) and to choose what is linear (passes/grad).
#pragma once

#include <optional>

#include "tenon/ir/graph/replay.h"
#include "tenon/ir/rules/sketch.h"

namespace tenon::ir::rules {

// Rows for states: `regular` (a power of two, 1 << bits) that a forward run fills, and `own` ones for states that the way back
// computes again. Each buffer has one more row, the last, which takes what is not kept, so that every iteration stores.
struct Slots {
  int64_t regular = 2, own = 2;
  int bits = 1;
};
Slots slots_of(int64_t total);  // 4 at least
Slots slots_for(int64_t memory, std::span<const Type> states);  // 0: default_loop_memory

// Which row holds regular mark m of level k: m rotated left by k bits. See replay_slots.cc.
Value slot_of_mark(Value mark, Value level, const Slots& slots);

// Marks while they are made: the number of the iteration, the level, a buffer per state.
struct Marks {
  Value iteration, level;
  std::vector<Value> buffers;
};
// A buffer for so many states of a type and one more.
Value unset_rows(GraphBuilder& b, Type type, int64_t count);
Marks first_marks(GraphBuilder& b, std::span<const Type> states, const Slots& slots);
// One iteration: the state that it starts from is stored if it is due.
Marks next_marks(const Marks& marks, std::span<const Value> states, const Slots& slots);

// Row `at` of a buffer, and the buffer with another one.
Value row_of(Value buffer, Value at);
Value with_row(Value buffer, Value row, Value at);

// state = body(state) while condition(state). Constants are known to both.
using LoopPart = std::vector<Value> (*)(void*, std::span<const Value>, std::span<const Value>);
std::vector<Value> loop(GraphBuilder& b, std::span<const Value> constants, std::span<const Value> carries,
                        LoopPart condition, LoopPart body, void* context);
template <class Condition, class Body>
std::vector<Value> loop(GraphBuilder& b, std::span<const Value> constants, std::span<const Value> carries,
                        Condition condition, Body body) {
  struct Context {
    Condition& condition;
    Body& body;
  } context{condition, body};
  return loop(
      b, constants, carries,
      [](void* c, std::span<const Value> k, std::span<const Value> s) {
        return std::vector<Value>{static_cast<Context*>(c)->condition(k, s)};
      },
      [](void* c, std::span<const Value> k, std::span<const Value> s) {
        return std::vector<Value>(static_cast<Context*>(c)->body(k, s));
      },
      &context);
}

// The results of a replay by loops alone. slots: how many states are kept, the marks being passed over; without it the marks serve,
// or the attribute `memory` says.
std::vector<Value> replay_loops(GraphBuilder& b, const Attrs& attrs, std::span<const Value> operands,
                                std::optional<Slots> slots = {});

}  // namespace tenon::ir::rules
