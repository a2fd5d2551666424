// A stable sort as loops, for any extent at run time. Many rows of keys alone are sorted side by side; else short rows are placed by
// rank, long ones by digits; which, is a loop of one or no iteration where the extents are not known. Where threads are lanes (a GPU),
// rows are merged: a table of digits for each thread is more memory than there is.
//
//   parallel others { serial (n <= 128) { by rank }  serial (n > 128) { by digits } }
#include "tenon/ir/rules/sort_ways.h"

namespace tenon::ir::rules {

AxisNest rows_of_sort(Lowering& c, const Shape& shape, size_t axis) {
  AxisNest nest(c, shape, axis);
  if (nest.vector) {
    nest.vector = false;
    nest.others.push_back(shape.size() - 1);
  }
  return nest;
}

DType key_type(DType t) {
  switch (bytes(t)) {
    case 1: return DType::i8;
    case 2: return DType::i16;
    case 4: return DType::i32;
    default: return DType::i64;
  }
}

uint64_t largest_key(DType key) { return (uint64_t{1} << (8 * bytes(key) - 1)) - 1; }

namespace {

Scalar literal(Scalar x, DType t, int64_t v) {
  const uint64_t mask = bytes(t) == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes(t))) - 1;
  return {x.builder, x.builder->literal(t, static_cast<uint64_t>(v) & mask)};
}
int64_t largest(DType key) { return static_cast<int64_t>(largest_key(key)); }

// A float's bits, turned so that they are ordered; what they are turned from, too.
Scalar turned(Scalar bits, DType key) {
  return bits ^ ((bits >> literal(bits, key, 8 * bytes(key) - 1)) & literal(bits, key, largest(key)));
}
int64_t infinity_bits(DType t) {
  switch (t) {
    case DType::f16: return 0x7c00;
    case DType::bf16: return 0x7f80;
    case DType::f32: return 0x7f800000;
    default: return 0x7ff0000000000000;
  }
}

}  // namespace

Scalar order_key(Scalar x) {
  const DType t = dtype(x), key = key_type(t);
  if (t == DType::boolean) return cast(x, key);
  const Scalar bits = bitcast(x, key);
  if (is_unsigned(t)) return bits ^ literal(x, key, -largest(key) - 1);
  if (!is_floating(t)) return bits;
  const Scalar size = bits & literal(x, key, largest(key)), zero = literal(x, key, 0);
  const Scalar number = select(size == zero, zero, turned(bits, key));
  return select(size > literal(x, key, infinity_bits(t)), literal(x, key, largest(key)), number);
}

Scalar from_key(Scalar k, DType t) {
  const DType key = dtype(k);
  if (t == DType::boolean) return k != literal(k, key, 0);
  if (is_unsigned(t)) return bitcast(k ^ literal(k, key, -largest(key) - 1), t);
  return bitcast(is_floating(t) ? turned(k, key) : k, t);
}

Scalar lost_in_key(Scalar x) {
  const DType key = key_type(dtype(x));
  const Scalar bits = bitcast(x, key), size = bits & literal(x, key, largest(key));
  return (size > literal(x, key, infinity_bits(dtype(x)))) | (bits == literal(x, key, -largest(key) - 1));
}

// Each element goes to the place that as many come before: those that are less, and its equals to the left.
void sort_by_rank(const SortedRow& row, const Halves& keys) {
  Lowering& c = row.c;
  KernelBuilder& b = c.builder;
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), none = c.literal(DType::i32, 0);
  const Scalar at = open_loop(c, LoopKind::vector, row.n);
  keys.store(zero, at, order_key(row.operand(0, at)));
  b.close_loop();

  const Scalar i = open_loop(c, LoopKind::vector, row.n);
  const Scalar mine = keys.load(zero, i), place = cast(i, DType::i32);
  const std::vector<ScalarId> other = b.open_loop(LoopKind::serial, row.n.id, std::span(&none.id, 1));
  const Scalar j{&b, other[0]}, before{&b, other[1]}, theirs = keys.load(zero, j);
  const Scalar comes = (theirs < mine) | ((theirs == mine) & (cast(j, DType::i32) < place));
  const Scalar more = before + cast(comes, DType::i32);
  const Scalar rank = cast({&b, b.close_loop(std::span(&more.id, 1))[0]}, DType::i64);
  const Scalar to = clamp(rank, zero, row.n - one);  // where it lies, for who checks bounds
  for (uint32_t k = 0; k < row.node.operand_count; ++k) row.give(k, to, row.operand(k, i));
  b.close_loop();
}

namespace {

// One row, by the way that its length asks for.
struct RowWays {
  Lowering& c;
  const Node& node;
  Dim length;
  DType key;
  bool may_be_long;
  BufferId keys, positions;

  RowWays(Lowering& context, const Node& n, const AxisNest& nest)
      : c(context), node(n), length(nest.shape[nest.axis]), key(key_type(c.result_type(n).dtype)) {
    may_be_long = !length.is_number() || length.number() > most_by_rank;
    const Shape halves{product_of(c, nest.extents()), 2, length};
    keys = c.temporary(node, key, halves);
    positions = may_be_long && node.operand_count > 1 ? c.temporary(node, place_type(length), halves) : keys;
  }
  void sort(const AxisNest& nest) const {
    const Scalar zero = c.index_literal(0), one = c.index_literal(1);
    const SortedRow row{
        c, node, nest.at(zero, zero), nest.axis, linear_index(c, nest.extents(), nest.index), c.extent(length)};
    const Halves key_halves{c.builder, row.number, keys};
    const Scalar short_row = row.n <= c.index_literal(most_by_rank);
    const auto when = [&](Scalar times, auto way) {
      open_loop(c, LoopKind::serial, times);
      way();
      c.builder.close_loop();
    };
    if (!length.is_number() || !may_be_long) when(select(short_row, one, zero), [&] { sort_by_rank(row, key_halves); });
    if (may_be_long)
      when(select(short_row, zero, one), [&] { sort_by_digits(row, key_halves, {c.builder, row.number, positions}); });
  }
};

}  // namespace

void nest_sort(Lowering& c, const Node& node) {
  if (c.lanes == 1) return sort_by_merging(c, node);
  const SideBySide side(c, node);
  AxisNest nest = rows_of_sort(c, c.result_type(node).shape, Sort(c.graph, node).axis);
  if (side.never) {
    const RowWays ways(c, node, nest);
    nest.open();
    ways.sort(nest);
    return nest.close();
  }
  if (side.always) {
    side.sort(open_loop(c, LoopKind::parallel, side.groups()));
    c.builder.close_loop();
    return;
  }
  const RowWays ways(c, node, nest);
  const Scalar zero = c.index_literal(0), one = c.index_literal(1), fits = side.fits();
  const Scalar number =
      open_loop(c, LoopKind::parallel, select(fits, side.groups(), c.extent(product_of(c, nest.extents()))));
  open_loop(c, LoopKind::serial, select(fits, one, zero));
  side.sort(number);
  c.builder.close_loop();
  open_loop(c, LoopKind::serial, select(fits, zero, one));
  nest.index = indices_of(c, number, nest.extents());
  ways.sort(nest);
  c.builder.close_loop();
  c.builder.close_loop();
}

}  // namespace tenon::ir::rules
