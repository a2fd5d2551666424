// Sorting by digits, the least significant first (Knuth, The Art of Computer Programming, volume 3, section 5.2.5): each pass deals the
// elements by one byte of their keys, equals in the order in which they come. All digits are counted in one pass over the elements; a
// pass whose digit all keys share only copies.
#include "tenon/ir/rules/sort_ways.h"

namespace tenon::ir::rules {
namespace {

// Bits of a digit: a byte, or where a row is so long that tables cost nothing beside it, what makes fewer passes.
int digit_bits(Dim length, DType key) {
  return bytes(key) >= 4 && length.is_number() && length.number() >= 1 << 15 ? 11 : 8;
}

struct Digits {
  const SortedRow& row;
  const Halves &keys, &positions;
  BufferId counts, places;  // of each pass and digit; of each digit, where its next element goes
  Lowering& c = row.c;
  KernelBuilder& b = c.builder;
  const DType type = c.operand_type(row.node, 0).dtype, key = key_type(type);
  const Dim length = c.result_type(row.node).shape[row.axis];
  const DType place_dtype = place_type(length);
  const int width = digit_bits(length, key), passes = (8 * bytes(key) + width - 1) / width;
  const int64_t digits = int64_t{1} << width;
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), last = row.n - one;

  template <class Body>
  void loop(LoopKind kind, Scalar times, Body body) const {
    body(open_loop(c, kind, times));
    b.close_loop();
  }
  // Of a signed key the highest digit, which the sign fills up, counts from the other side.
  Scalar digit(Scalar k, int pass) const {
    const Scalar shift{&b, b.literal(key, static_cast<uint64_t>(width * pass))};
    const Scalar d = cast(k >> shift, DType::i64) & c.index_literal(digits - 1);
    return pass + 1 == passes ? d ^ c.index_literal(digits / 2) : d;
  }
  Scalar count(int pass, Scalar d) const {
    const ScalarId at[] = {c.index_literal(pass).id, d.id};
    return cast(Scalar{&b, b.load(counts, at)}, DType::i64);
  }
  void set_count(Scalar pass, Scalar d, Scalar v) const {
    const ScalarId at[] = {pass.id, d.id};
    b.store(counts, at, cast(v, place_dtype).id);
  }
  void set_place(Scalar d, Scalar v) const { b.store(places, std::span(&d.id, 1), cast(v, place_dtype).id); }
  Scalar place(Scalar d) const { return cast(Scalar{&b, b.load(places, std::span(&d.id, 1))}, DType::i64); }

  Scalar position(Scalar half, Scalar at) const { return cast(positions.load(half, at), DType::i64); }
  void set_position(Scalar half, Scalar at, Scalar v) const { positions.store(half, at, cast(v, place_dtype)); }

  // Makes the keys and counts all digits; 1 where a key has lost what its element is, else 0.
  Scalar count_all() const {
    loop(LoopKind::serial, c.index_literal(passes), [&](Scalar pass) {
      loop(LoopKind::vector, c.index_literal(digits), [&](Scalar d) { set_count(pass, d, zero); });
    });
    const Scalar no = one == zero;
    const std::vector<ScalarId> each = b.open_loop(LoopKind::serial, row.n.id, std::span(&no.id, 1));
    const Scalar at{&b, each[0]}, x = row.operand(0, at), k = order_key(x);
    keys.store(zero, at, k);
    if (!row.alone()) set_position(zero, at, at);
    for (int pass = 0; pass < passes; ++pass) {
      const Scalar d = digit(k, pass);
      set_count(c.index_literal(pass), d, count(pass, d) + one);
    }
    const Scalar lost = is_floating(type) ? Scalar{&b, each[1]} | lost_in_key(x) : no;
    return select({&b, b.close_loop(std::span(&lost.id, 1))[0]}, one, zero);
  }

  // From one half into the other.
  void deal(int pass) const {
    const Scalar half = c.index_literal(pass % 2), other = c.index_literal(1 - pass % 2);
    const Scalar same = count(pass, digit(keys.load(half, zero), pass)) == row.n;
    const Scalar copied = select(same, row.n, zero), dealt = row.n - copied;
    const auto move = [&](Scalar from, Scalar to, Scalar k) {
      keys.store(other, to, k);
      if (!row.alone()) set_position(other, to, position(half, from));
    };
    loop(LoopKind::vector, copied, [&](Scalar at) { move(at, at, keys.load(half, at)); });
    const Scalar counted = select(same, zero, c.index_literal(digits));
    const std::vector<ScalarId> each = b.open_loop(LoopKind::serial, counted.id, std::span(&zero.id, 1));
    const Scalar d{&b, each[0]}, before{&b, each[1]}, after = before + count(pass, d);
    set_count(c.index_literal(pass), d, before);
    b.close_loop(std::span(&after.id, 1));
    // Where they lie, for who checks bounds: here by vectors.
    loop(LoopKind::vector, counted, [&](Scalar digit) { set_place(digit, clamp(count(pass, digit), zero, last)); });
    loop(LoopKind::serial, dealt, [&](Scalar from) {
      const Scalar k = keys.load(half, from), d = digit(k, pass);
      const Scalar to = min(place(d), last);  // for who checks bounds
      set_place(d, to + one);
      move(from, to, k);
    });
  }

  void give_all(Scalar lost) const {
    const Scalar half = c.index_literal(passes % 2);
    loop(LoopKind::vector, row.alone() ? row.n : select(lost == zero, row.n, zero),
         [&](Scalar at) { row.give(0, at, from_key(keys.load(half, at), type)); });
    if (row.alone()) return;
    const auto by_position = [&](uint32_t k, Scalar at) { row.give(k, at, row.operand(k, position(half, at))); };
    if (is_floating(type))
      loop(LoopKind::vector, select(lost == zero, zero, row.n), [&](Scalar at) { by_position(0, at); });
    loop(LoopKind::vector, row.n, [&](Scalar at) {
      for (uint32_t k = 1; k < row.node.operand_count; ++k) by_position(k, at);
    });
  }

  void run() const {
    const Scalar lost = count_all();
    for (int pass = 0; pass < passes; ++pass) deal(pass);
    give_all(lost);
    const Scalar half = c.index_literal(passes % 2);
    if (row.alone() && is_floating(type))
      give_lost(row, select(lost == zero, zero, row.n), [&](Scalar at) { return keys.load(half, at); });
  }
};

}  // namespace

void sort_by_digits(const SortedRow& row, const Halves& keys, const Halves& positions) {
  KernelBuilder& b = row.c.builder;
  const DType key = key_type(row.c.operand_type(row.node, 0).dtype);
  const Dim length = row.c.result_type(row.node).shape[row.axis];
  const int64_t width = digit_bits(length, key), digits = int64_t{1} << width;
  const BufferId counts = b.scratch("counts", place_type(length), Shape{(8 * bytes(key) + width - 1) / width, digits});
  Digits{row, keys, positions, counts, b.scratch("places", place_type(length), Shape{digits})}.run();
}

}  // namespace tenon::ir::rules
