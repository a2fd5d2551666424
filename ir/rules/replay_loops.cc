// A replay as loops. Forward it is one loop over a counter. Backward, iteration by iteration, the state is taken from the nearest
// mark before it and the iterations in between are run again; on the way they leave marks of their own, where
// Griewank and Walther's revolve (ACM TOMS 26(1), 2000) would set them:
//
//   the marks of the forward run, which stay as they are, and own ones after the last of them, are one stack
//   i = count; while i > 0:
//     a, state = the mark on top                                    (a <= i - 1)
//     while a < i - 1: state, a = advance(state), a + 1; if a is where a mark should stand, push it
//     carries = body(state, carries); pop the mark if it is that of iteration i - 1; i = i - 1
//
// With s free rows, the first mark's own included, l states from it on can be had by running none of them more than r times, r
// being the least number with C(s + r, r) >= l; the next mark then stands at distance max(1, l - C(s - 1 + r, r)).
// Bits do not depend on any of this: a state is made by the same ops however often. Refuses to say where the marks of the
// forward run lie (replay_slots.cc).
#include "tenon/ir/rules/replay.h"

#include "tenon/ir/base/error.h"

namespace tenon::ir::rules {

std::vector<Value> loop(GraphBuilder& b, std::span<const Value> constants, std::span<const Value> carries,
                        LoopPart condition, LoopPart body, void* context) {
  const auto part = [&](LoopPart make) {
    Sketch s(b.graph());
    s.builder.set_location(b.location());
    std::vector<Value> known, state;
    for (Value v : constants) known.push_back(s.input(v.type()));
    for (Value v : carries) state.push_back(s.input(v.type()));
    return s.finish(make(context, known, state));
  };
  std::vector<Value> operands(constants.begin(), constants.end());
  operands.insert(operands.end(), carries.begin(), carries.end());
  const auto count = static_cast<int64_t>(constants.size());
  return apply(b, Op::while_loop, operands,
               WhileLoopAttrs{.condition = part(condition), .body = part(body), .counts = {count}});
}

namespace {

using Values = std::vector<Value>;
using Span = std::span<const Value>;

constexpr int64_t nowhere = INT64_MAX;  // no mark will be set
constexpr int64_t most_free = int64_t{1} << 20;  // free rows that count, so that no binomial coefficient overflows

Values joined(std::initializer_list<Span> lists) {
  Values all;
  for (Span list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

// A sub-graph on operands, of which there is one at least.
Values part_of(const Graph& g, const Values& operands) { return splice(*operands.at(0).builder, g, operands); }

// The marks on the way back.
struct Stack {
  Value given, own;  // how many there are of the forward run, and after them
  Value iterations;  // of the own ones
  Values buffers;

  Values values() const { return joined({Values{given, own, iterations}, buffers}); }
  static Stack of(Span values) { return {values[0], values[1], values[2], {values.begin() + 3, values.end()}}; }
  static constexpr size_t numbers = 3;
};

struct Machine {
  const ReplayParts& parts;
  const Slots slots;

  size_t stacked() const { return Stack::numbers + parts.states; }
  // Where the next mark should stand when one is at `from` and the state of `goal` is wanted; nowhere unless `asked`.
  Value next_mark(Value from, Value goal, Value own, Value asked) const;
  Values run_again(Span shared, Value from, Value goal, const Stack& stack, Span state) const;
  Values step_back(Span known, Span carried) const;
  Values backward(GraphBuilder& b, Span shared, Span own, Span carries, const Marks& marks) const;
};

Value Machine::next_mark(Value from, Value goal, Value own, Value asked) const {
  GraphBuilder& b = *from.builder;
  const Value one = literal(from, 1), zero = literal(from, 0);
  const Value free = min(literal(from, slots.own + 1) - own, literal(from, most_free));
  const Value states = goal - from + 1;
  const Value able = bit_and(asked, gt(free, one));
  const Value wanted = select(able, states, zero);
  const Values found = loop(  // r, C(s + r, r), C(s - 1 + r, r)
      b, Values{free, wanted}, Values{zero, one, one}, [](Span k, Span s) { return lt(s[1], k[1]); },
      [](Span k, Span s) {
        const Value r = s[0] + 1;
        return Values{r, s[1] * (k[0] + r) / r, s[2] * (k[0] + r - 1) / r};
      });
  return select(able, from + max(one, states - found[2]), literal(from, nowhere));
}

// From the state of iteration `from` to that of `goal`; gives the stack and the state.
Values Machine::run_again(Span shared, Value from, Value goal, const Stack& stack, Span state) const {
  GraphBuilder& b = *from.builder;
  const Value first = next_mark(from, goal, stack.own, lt(from, goal));
  const Values carries = joined({Values{from, first}, stack.values(), state});
  const Values last = loop(
      b, joined({Values{goal}, shared}), carries, [](Span k, Span s) { return lt(s[0], k[0]); },
      [&](Span k, Span s) {
        Stack now = Stack::of(s.subspan(2, stacked()));
        const Values next = part_of(*parts.advance, joined({k.subspan(1), s.subspan(2 + stacked())}));
        const Value at = s[0] + 1, due = bit_and(eq(at, s[1]), lt(at, k[0]));
        const Value row = select(due, now.own, literal(at, slots.own));
        for (size_t i = 0; i < next.size(); ++i) now.buffers[i] = with_row(now.buffers[i], next[i], row);
        now.iterations = with_row(now.iterations, at, row);
        now.own = now.own + cast(due, DType::i64);
        const Value then = select(due, next_mark(at, k[0], now.own, due), s[1]);
        return joined({Values{at, then}, now.values(), next});
      });
  return {last.begin() + 2, last.end()};
}

// known: level, the buffers of the forward run, shared, own. carried: the iterations that are left, the stack, the carries of the
// replay.
Values Machine::step_back(Span known, Span carried) const {
  const Value level = known[0], goal = carried[0] - 1;
  const Span marked = known.subspan(1, parts.states), shared = known.subspan(1 + parts.states, parts.shared),
             own = known.subspan(1 + parts.states + parts.shared);
  const Stack stack = Stack::of(carried.subspan(1, stacked()));
  const Value on_own = gt(stack.own, literal(goal, 0)), top_own = stack.own - 1, top_given = stack.given - 1;
  const Value from = select(on_own, row_of(stack.iterations, top_own), shl(top_given, level));
  const Value slot = slot_of_mark(top_given, level, slots);
  Values state;
  for (size_t i = 0; i < parts.states; ++i) {
    const Value a = row_of(stack.buffers[i], top_own), b = row_of(marked[i], slot);
    state.push_back(select(spread(on_own, a), a, b));
  }
  const Values again = run_again(shared, from, goal, stack, state);
  Stack left = Stack::of(Span(again).first(stacked()));
  const Value used = eq(from, goal);  // the mark is that of the goal; nothing was pushed
  left.own = select(used, max(top_own, literal(goal, 0)), left.own);
  left.given = select(bit_and(used, bit_not(on_own)), top_given, left.given);
  const Values carries =
      part_of(*parts.body, joined({shared, own, Span(again).subspan(stacked()), carried.subspan(1 + stacked())}));
  return joined({Values{goal}, left.values(), carries});
}

Values Machine::backward(GraphBuilder& b, Span shared, Span own, Span carries, const Marks& marks) const {
  const Value count = marks.iteration, none = literal(count, 0);
  const Value given = select(gt(count, none), shr(count - 1, marks.level) + 1, none);
  Stack stack{given, none, unset_rows(b, {DType::i64, {}}, slots.own), {}};
  for (Value buffer : marks.buffers) {
    Type type = buffer.type();
    type.shape.erase(0);
    stack.buffers.push_back(unset_rows(b, type, slots.own));
  }
  const Values last = loop(
      b, joined({Values{marks.level}, marks.buffers, shared, own}), joined({Values{count}, stack.values(), carries}),
      [](Span, Span s) { return gt(s[0], literal(s[0], 0)); },
      [&](Span known, Span carried) { return step_back(known, carried); });
  return {last.end() - static_cast<std::ptrdiff_t>(parts.carries), last.end()};
}

// The forward run again, for its marks.
Marks run_for_marks(GraphBuilder& b, const ReplayParts& parts, const Slots& slots, Value count, Span shared,
                    Span states) {
  std::vector<Type> types;
  for (Value v : states) types.push_back(v.type());
  const Marks first = first_marks(b, types, slots);
  const Values carries = joined({Values{first.iteration, first.level}, states, first.buffers});
  const Values last = loop(
      b, joined({Values{count}, shared}), carries, [](Span k, Span s) { return lt(s[0], k[0]); },
      [&](Span k, Span s) {
        const Span state = s.subspan(2, parts.states), buffers = s.subspan(2 + parts.states);
        const Marks next = next_marks({s[0], s[1], {buffers.begin(), buffers.end()}}, state, slots);
        const Values then = part_of(*parts.advance, joined({k.subspan(1), state}));
        return joined({Values{next.iteration, next.level}, then, next.buffers});
      });
  return {last[0], last[1], {last.begin() + 2 + static_cast<std::ptrdiff_t>(parts.states), last.end()}};
}

Values forward(GraphBuilder& b, const ReplayParts& parts, Value count, Span shared, Span own, Span states,
               Span carries) {
  const Values last = loop(
      b, joined({Values{count}, shared, own}), joined({Values{literal(count, 0)}, states, carries}),
      [](Span k, Span s) { return lt(s[0], k[0]); },
      [&](Span k, Span s) {
        const Span known = k.subspan(1, parts.shared), state = s.subspan(1, parts.states);
        const Values next = part_of(*parts.advance, joined({known, state}));
        const Values given = part_of(*parts.body, joined({k.subspan(1), state, s.subspan(1 + parts.states)}));
        return joined({Values{s[0] + 1}, next, given});
      });
  return {last.end() - static_cast<std::ptrdiff_t>(parts.carries), last.end()};
}

}  // namespace

std::vector<Value> replay_loops(GraphBuilder& b, const Attrs& attrs, std::span<const Value> operands,
                                std::optional<Slots> slots) {
  const ReplayParts parts = replay_parts(Replay(attrs), operands.size());
  const Value count = operands[0];
  const Span shared = operands.subspan(parts.first_shared(), parts.shared),
             own = operands.subspan(parts.first_own(), parts.own),
             states = operands.subspan(parts.first_state(), parts.states),
             carries = operands.subspan(parts.first_carry(), parts.carries),
             given = operands.subspan(parts.first_mark(), parts.marks);
  if (!parts.reverse) return forward(b, parts, count, shared, own, states, carries);
  std::vector<Type> types;
  for (Value v : states) types.push_back(v.type());
  Slots kept = slots ? *slots : slots_for(parts.memory, types);
  if (!slots && given.size() > 1) {
    const int64_t regular = given[1].shape()[0].number() - 1;
    for (kept.bits = 1; int64_t{1} << kept.bits < regular;) ++kept.bits;
    kept.regular = regular;
    const Marks marks{count, given[0], {given.begin() + 1, given.end()}};
    return Machine{parts, kept}.backward(b, shared, own, carries, marks);
  }
  const Marks marks = run_for_marks(b, parts, kept, count, shared, states);
  return Machine{parts, kept}.backward(b, shared, own, carries, {count, marks.level, marks.buffers});
}

}  // namespace tenon::ir::rules
