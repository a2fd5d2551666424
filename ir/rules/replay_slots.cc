// Where the states of a loop are kept while nobody knows how often it will go round, so that none ever moves.
//
// Marks of level k are the iterations that 2^k divides; mark m of level k is iteration m << k. When mark number `regular` of a
// level is due, the level rises: marks of even number 2n become marks n of the next level, those of odd number are given up. Mark
// m of level k lies in row rotl(m, k), the rotation of the bits of m by k:
//   - a mark stays where it is: n < regular / 2 has no top bit, so rotl(n, 1) = 2n and rotl(n, k + 1) = rotl(2n, k);
//   - what the next level adds, m >= regular / 2, has the top bit, so rotl(m, 1) is odd: it lies where an odd mark of the level
//     below was given up. Rotations are one to one, so no two marks of a level meet.
// The idea of thinning out online is Wang, Moin and Iaccarino's (SIAM J. Sci. Comput. 31(4), 2009) and Stumm and Walther's
// (32(2), 2010). Refuses to choose what the way back keeps (replay_loops.cc).
#include <algorithm>

#include "tenon/ir/rules/replay.h"

namespace tenon::ir::rules {

namespace {

constexpr int64_t fewest_slots = 4, most_slots = int64_t{1} << 24;
constexpr int64_t slots_of_symbolic = 64;  // where the bytes of a state are not known beforehand

}  // namespace

Slots slots_of(int64_t total) {
  Slots s;
  total = std::clamp(total, fewest_slots, most_slots);
  while (int64_t{4} << s.bits <= total) ++s.bits;
  s.regular = int64_t{1} << s.bits;
  s.own = total - s.regular;
  return s;
}

Slots slots_for(int64_t memory, std::span<const Type> states) {
  int64_t bytes_each = 8;  // the number of its iteration
  for (const Type& type : states) {
    if (!type.shape.is_static()) return slots_of(slots_of_symbolic);
    bytes_each += byte_count(type.shape, bytes(type.dtype));
  }
  return slots_of((memory == 0 ? default_loop_memory : memory) / bytes_each - 2);
}

Value slot_of_mark(Value mark, Value level, const Slots& slots) {
  const Value turn = rem(level, literal(level, slots.bits));
  const Value turned = bit_or(shl(mark, turn), shr(mark, literal(level, slots.bits) - turn));
  return bit_and(turned, literal(mark, slots.regular - 1));
}

Value unset_rows(GraphBuilder& b, Type type, int64_t count) {
  type.shape.insert(0, Dim(count + 1));
  return apply(b, Op::unset, {}, UnsetAttrs{.dtype = type.dtype, .shape = type.shape.dims()})[0];
}

Marks first_marks(GraphBuilder& b, std::span<const Type> states, const Slots& slots) {
  const Value zero = splat_integer(b, DType::i64, 0, {});
  Marks marks{zero, zero, {}};
  for (const Type& type : states) marks.buffers.push_back(unset_rows(b, type, slots.regular));
  return marks;
}

Marks next_marks(const Marks& marks, std::span<const Value> states, const Slots& slots) {
  const Value t = marks.iteration, number = shr(t, marks.level);
  const Value full = eq(number, literal(t, slots.regular));
  Marks next{t + 1, marks.level + cast(full, DType::i64), {}};
  const Value mark = select(full, literal(t, slots.regular / 2), number);
  const Value due = eq(shl(mark, next.level), t);
  const Value slot = select(due, slot_of_mark(mark, next.level, slots), literal(t, slots.regular));
  for (size_t i = 0; i < states.size(); ++i) next.buffers.push_back(with_row(marks.buffers[i], states[i], slot));
  return next;
}

namespace {

std::vector<Value> row_starts(Value buffer, Value at) {
  std::vector<Value> starts(static_cast<size_t>(buffer.shape().rank()), literal(at, 0));
  starts[0] = at;
  return starts;
}

std::vector<Dim> one_row(const Shape& buffer) {
  std::vector<Dim> dims = buffer.dims();
  dims[0] = 1;
  return dims;
}

}  // namespace

Value row_of(Value buffer, Value at) {
  const std::vector<Dim> dims = one_row(buffer.shape());
  const Value row = dynamic_slice(buffer, row_starts(buffer, at), dims);
  return reshape(row, Shape({dims.begin() + 1, dims.end()}));
}

Value with_row(Value buffer, Value row, Value at) {
  return dynamic_update_slice(buffer, reshape(row, Shape(one_row(buffer.shape()))), row_starts(buffer, at));
}

}  // namespace tenon::ir::rules
