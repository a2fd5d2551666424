// Sorting by merging: a bottom-up merge sort in arena buffers with two halves (source and target swap after every pass), then one
// pass that moves values to their places. Keys travel with their positions, so that every pass reads
// and writes in order; a sort of keys alone has no positions. Each pair of runs is merged from both ends at once, which are two
// chains that do not wait for each other and meet in the middle. NaN comes last; a tie keeps the left run's element first.
//
//   parallel others {
//     key[0, i] = operand[i], position[0, i] = i
//     serial pass < ceil(log2 n) carry width = 1 { serial t < half carry i, j, k, l {
//       key[target, front] = the lesser of the heads i and j, key[target, back] = the greater of the tails k and l } }
//     serial t < n { result[t] = key[last, t], operand[position[last, t]] }
//   }
#include "tenon/ir/rules/sort_ways.h"

namespace tenon::ir::rules {
namespace {

// ceil(log2 n) for n >= 1: the bits of n - 1 are smeared downwards and counted.
Scalar passes_for(Lowering& c, Scalar n) {
  Scalar x = max(n - c.index_literal(1), c.index_literal(0));
  for (int64_t shift = 1; shift < 64; shift *= 2) x = x | (x >> c.index_literal(shift));
  return popcount(x);
}

Scalar comes_before(Scalar x, Scalar y) {
  if (!is_floating(dtype(x))) return x < y;
  return (x < y) | ((x == x) & (y != y));
}

struct Sorting {
  Lowering& c;
  Halves keys;
  const Halves* positions;  // none where keys are sorted alone
  Scalar n;

  void move(Scalar source, Scalar from, Scalar target, Scalar to) const {
    keys.store(target, to, keys.load(source, from));
    if (positions) positions->store(target, to, positions->load(source, from));
  }

  // Merges all pairs of runs of a width; `halves` is the steps that they take together, each from both ends.
  void merge(Scalar pass, Scalar width) const {
    KernelBuilder& b = c.builder;
    const Scalar zero = c.index_literal(0), one = c.index_literal(1), last = n - one;
    const Scalar source = pass & one, target = one - source, run = width + width;
    const Scalar halves = min(((n >> (pass + one)) << pass) + (((n & (run - one)) + one) >> one), n);
    const ScalarId ends[] = {zero.id, zero.id, zero.id, zero.id};
    const std::vector<ScalarId> step = b.open_loop(LoopKind::serial, halves.id, ends);
    const Scalar t{&b, step[0]}, offset = t & (width - one), start = max((t - offset) + (t - offset), zero);
    const Scalar fresh = offset == zero, middle = min(start + width, n), end = min(start + run, n);
    const Scalar i = select(fresh, start, {&b, step[1]}), j = select(fresh, middle, {&b, step[2]});
    const Scalar k = select(fresh, middle - one, {&b, step[3]}), l = select(fresh, end - one, {&b, step[4]});
    // A head or a tail past its run is read at a position that exists, and not used.
    const auto inside = [&](Scalar place) { return min(max(place, zero), last); };
    const Scalar at_i = inside(i), at_j = inside(j), at_k = inside(k), at_l = inside(l);
    const Scalar left = keys.load(source, at_i), right = keys.load(source, at_j);
    const Scalar low = keys.load(source, at_k), high = keys.load(source, at_l);
    const Scalar from_right = cast((j < end) & ((i >= middle) | comes_before(right, left)), DType::i64);
    const Scalar from_left = cast((k >= start) & ((l < middle) | comes_before(high, low)), DType::i64);
    // By arithmetic, since which one comes is as good as random: a branch would be guessed wrong every other time.
    const auto either = [&](Scalar second, Scalar x, Scalar y) { return inside(x + ((y - x) & (zero - second))); };
    move(source, either(from_right, at_i, at_j), target, inside(start + offset));
    move(source, either(from_left, at_l, at_k), target, inside((end - one) - offset));
    const ScalarId next[] = {((i + one) - from_right).id, (j + from_right).id, (k - from_left).id,
                             ((l - one) + from_left).id};
    b.close_loop(next);
  }
};

}  // namespace

void sort_by_merging(Lowering& c, const Node& node) {
  const Shape& shape = c.result_type(node).shape;
  KernelBuilder& b = c.builder;
  const size_t axis = Sort(c.graph, node).axis;
  AxisNest nest = rows_of_sort(c, shape, axis);
  Dim rows = 1;
  for (Dim d : nest.extents()) rows = b.symbols().product(rows, d);
  const bool alone = node.operand_count == 1;
  const BufferId keys = c.temporary(node, c.result_type(node).dtype, Shape{rows, 2, shape[axis]});
  const BufferId positions = alone ? keys : c.temporary(node, DType::i64, Shape{rows, 2, shape[axis]});
  const Scalar n = c.extent(shape[axis]), zero = c.index_literal(0), one = c.index_literal(1);
  const Scalar passes = passes_for(c, n);

  nest.open();
  const Scalar number = linear_index(c, nest.extents(), nest.index);
  const Halves key{b, number, keys}, position{b, number, positions};
  const Sorting sorting{c, key, alone ? nullptr : &position, n};

  const Scalar first = open_loop(c, LoopKind::serial, n);
  key.store(zero, first, c.element(node, 0, nest.at(first, zero)));
  if (!alone) position.store(zero, first, first);
  b.close_loop();

  const std::vector<ScalarId> pass = b.open_loop(LoopKind::serial, passes.id, std::span(&one.id, 1));
  const Scalar width{&b, pass[1]}, doubled = width + width;
  sorting.merge({&b, pass[0]}, width);
  b.close_loop(std::span(&doubled.id, 1));

  const Scalar to = open_loop(c, LoopKind::serial, n), half = passes & one;
  c.store(node, 0, nest.at(to, zero), key.load(half, to), {});
  if (!alone) {
    const Scalar from = position.load(half, to);
    for (uint32_t operand = 1; operand < node.operand_count; ++operand)
      c.store(node, operand, nest.at(to, zero), c.element(node, operand, nest.at(from, zero)), {});
  }
  b.close_loop();
  nest.close();
}

}  // namespace tenon::ir::rules
