// A stable sort as loops, for any extent at run time: a bottom-up merge sort of positions in an arena buffer with two halves
// (source and target swap after every pass), then one pass that moves keys and values to their places. NaN comes last; a
// tie keeps the left run's element first.
//
//   parallel others {
//     position[0, i] = i
//     serial pass < ceil(log2 n) carry width = 1 { serial t < n carry i, j { position[target, t] = the lesser head } }
//     serial t < n { result[t] = operand[position[last, t]] }
//   }
#include "tenon/ir/rules/nest.h"

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

}  // namespace

void nest_sort(Lowering& c, const Node& node) {
  const Shape& shape = c.result_type(node).shape;
  KernelBuilder& b = c.builder;
  const size_t axis = Sort(c.graph, node).axis;
  AxisNest nest(c, shape, axis);
  if (nest.vector) {  // neighbouring sorts run in different orders: nothing to gain from lanes
    nest.vector = false;
    nest.others.push_back(shape.size() - 1);
  }
  Dim rows = 1;
  for (Dim d : nest.extents()) rows = b.symbols().product(rows, d);
  const BufferId positions = c.temporary(node, DType::i64, Shape{rows, 2, shape[axis]});
  const Scalar n = c.extent(shape[axis]), zero = c.index_literal(0), one = c.index_literal(1);
  const Scalar passes = passes_for(c, n), last = n - one;

  nest.open();
  const Scalar sort = linear_index(c, nest.extents(), nest.index);
  const auto position = [&](Scalar half, Scalar at) {
    const ScalarId index[] = {sort.id, half.id, at.id};
    return Scalar{&b, b.load(positions, index)};
  };
  const auto place = [&](Scalar half, Scalar at, Scalar value) {
    const ScalarId index[] = {sort.id, half.id, at.id};
    b.store(positions, index, value.id);
  };

  const Scalar first = open_loop(c, LoopKind::serial, n);
  place(zero, first, first);
  b.close_loop();

  const std::vector<ScalarId> pass = b.open_loop(LoopKind::serial, passes.id, std::span(&one.id, 1));
  const Scalar source = Scalar{&b, pass[0]} & one, target = one - source, width{&b, pass[1]}, run = width + width;
  const ScalarId heads[] = {zero.id, zero.id};
  const std::vector<ScalarId> step = b.open_loop(LoopKind::serial, n.id, heads);
  const Scalar t{&b, step[0]}, offset = t & (run - one), start = t - offset, fresh = offset == zero;
  const Scalar middle = min(start + width, n), end = min(start + run, n);
  const Scalar i = select(fresh, start, {&b, step[1]}), j = select(fresh, middle, {&b, step[2]});
  // A head past its run is read at the last position, which exists, and not used.
  const Scalar left = position(source, min(i, last)), right = position(source, min(j, last));
  const Scalar left_key = c.element(node, 0, nest.at(left, zero)), right_key = c.element(node, 0, nest.at(right, zero));
  const Scalar from_right = (j < end) & ((i >= middle) | comes_before(right_key, left_key));
  place(target, t, select(from_right, right, left));
  const ScalarId next[] = {select(from_right, i, i + one).id, select(from_right, j + one, j).id};
  b.close_loop(next);
  b.close_loop(std::span(&run.id, 1));

  const Scalar to = open_loop(c, LoopKind::serial, n);
  const Scalar from = position(passes & one, to);
  for (uint32_t operand = 0; operand < node.operand_count; ++operand)
    c.store(node, operand, nest.at(to, zero), c.element(node, operand, nest.at(from, zero)), {});
  b.close_loop();
  nest.close();
}

}  // namespace tenon::ir::rules
