// Reference meaning of reductions: the row's combining op, applied in the contract's order (ir/rules/reduction.h) to lanes
// that run over all results at once. Refuses every other order, however equal it looks.
#include <algorithm>
#include <limits>

#include "tenon/ir/reference/lanes.h"
#include "tenon/ir/reference/lanes_visit.h"
#include "tenon/ir/rules/eval.h"
#include "tenon/ir/rules/eval_index.h"
#include "tenon/ir/rules/reduction.h"

namespace tenon::ir::rules {
namespace {

// An array seen as [outer, extent, inner], to be reduced along the middle.
struct Fold {
  int64_t outer = 1, extent = 1, inner = 1;
  int64_t results() const { return outer * inner; }
};

DType accumulator(DType t) { return is_half(t) ? DType::f32 : t; }

Array converted(const Array& x, DType to) {
  Array result({to, x.type.shape});
  cast(Lanes::from(x.type.dtype, x.data.data(), x.numel()), to).copy_to(result.data.data());
  return result;
}

Lanes identity(Op combine, DType t, int64_t count) { return like_bits(Lanes(t, count), identity_bits(combine, t)); }

// Elements [first, first + lanes) of every result, in the layout [lane][result]; absent ones hold the identity.
Lanes gather_lanes(const Array& x, const Fold& fold, int64_t first, int64_t lanes, Op combine) {
  const DType t = x.type.dtype;
  const int64_t size = bytes(t), results = fold.results();
  Lanes chunk(t, lanes * results);
  identity(combine, t, lanes * results).copy_to(chunk.data.get());
  for (int64_t lane = 0; results != 0 && lane < lanes && first + lane < fold.extent; ++lane)
    for (int64_t o = 0; o < fold.outer; ++o)
      std::memcpy(chunk.data.get() + (lane * results + o * fold.inner) * size,
                  x.data.data() + ((o * fold.extent + first + lane) * fold.inner) * size,
                  static_cast<size_t>(fold.inner * size));
  return chunk;
}

Lanes combined(Op combine, const Lanes& x, const Lanes& y) {
  const Lanes operands[] = {x, y};
  return elementwise(combine, operands);
}

Lanes reduce_block(const Array& x, const Fold& fold, int64_t first, Tree tree, Op combine) {
  Lanes sums = identity(combine, x.type.dtype, tree.lanes * fold.results());
  const int64_t last = std::min(first + tree.block, fold.extent);
  for (int64_t i = first; i < last; i += tree.lanes)
    sums = combined(combine, sums, gather_lanes(x, fold, i, tree.lanes, combine));
  for (int64_t half = tree.lanes / 2; half > 0; half /= 2) {
    const int64_t count = half * fold.results();
    const unsigned char* upper = sums.data.get() + count * bytes(x.type.dtype);
    sums = combined(combine, Lanes::from(sums.type, sums.data.get(), count), Lanes::from(sums.type, upper, count));
  }
  return sums;
}

Array reduce_middle(const Array& x, const Fold& fold, Tree tree, Op combine, const Type& type) {
  Array result(type);
  if (result.numel() == 0) return result;
  std::vector<Lanes> blocks;
  for (int64_t first = 0; first < fold.extent; first += tree.block)
    blocks.push_back(reduce_block(x, fold, first, tree, combine));
  while (blocks.size() > 1) {  // neighbours first; an odd last one moves up
    std::vector<Lanes> joined;
    for (size_t i = 0; i + 1 < blocks.size(); i += 2) joined.push_back(combined(combine, blocks[i], blocks[i + 1]));
    if (blocks.size() % 2) joined.push_back(blocks.back());
    blocks = std::move(joined);
  }
  if (!blocks.empty())
    blocks[0].copy_to(result.data.data());
  else
    like_bits(Lanes(type.dtype, fold.results()), nothing_bits(combine, type.dtype)).copy_to(result.data.data());
  return result;
}

Fold fold_of(const Shape& shape, size_t first, size_t last) {
  Fold fold;
  for (size_t i = 0; i < shape.size(); ++i)
    (i < first ? fold.outer : i <= last ? fold.extent : fold.inner) *= shape[i].number();
  return fold;
}

}  // namespace

std::vector<Array> eval_reduce(const EvalArgs& args) {
  const DType type = args.operands[0]->type.dtype;
  Array x = converted(*args.operands[0], accumulator(type));
  Indices axes = Reduce(args.attrs).axes;
  std::sort(axes.begin(), axes.end());
  while (!axes.empty()) {  // the last group of adjacent axes
    const size_t last = static_cast<size_t>(axes.back());
    size_t first = last;
    for (axes.pop_back(); !axes.empty() && static_cast<size_t>(axes.back()) + 1 == first; axes.pop_back()) --first;
    const Fold fold = fold_of(x.type.shape, first, last);
    const bool row = last + 1 == x.type.shape.size();
    Shape shape;
    for (size_t i = 0; i < x.type.shape.size(); ++i)
      if (i < first || i > last) shape.push_back(x.type.shape[i]);
    x = reduce_middle(x, fold, tree_of(row), def(args.op).combine, {x.type.dtype, shape});
  }
  return one_result(converted(x, type));
}

std::vector<Array> eval_arg_reduce(const EvalArgs& args) {
  const Array& x = *args.operands[0];
  const bool greatest = def(args.op).identity == Identity::lowest;
  const auto axis = static_cast<size_t>(Reduce(args.attrs).axes.at(0));
  const Fold fold = fold_of(x.type.shape, axis, axis);
  Array result(args.results[0]);
  visit(x.type.dtype, [&](auto sample) {
    using T = decltype(sample);
    const T* values = x.as<T>();
    for (int64_t r = 0; r < fold.results(); ++r) {
      const int64_t base = r / fold.inner * fold.extent * fold.inner + r % fold.inner;
      int64_t best = 0;
      for (int64_t i = 1; i < fold.extent; ++i) {
        const auto candidate = widen(values[base + i * fold.inner]), held = widen(values[base + best * fold.inner]);
        const bool better = greatest ? candidate > held : candidate < held;
        if (held == held && (better || candidate != candidate)) best = i;  // a NaN that is held stays
      }
      result.as<int64_t>()[r] = best;
    }
  });
  return one_result(std::move(result));
}

std::vector<Array> eval_cumulative(const EvalArgs& args) {
  const DType type = args.operands[0]->type.dtype;
  const Array x = converted(*args.operands[0], accumulator(type));
  const Cumulative c(args.attrs);
  const Op combine = def(args.op).combine;
  const Fold fold = fold_of(x.type.shape, c.axis, c.axis);
  Array sums(x.type);
  if (sums.numel() == 0) return one_result(converted(sums, type));
  const int64_t size = bytes(x.type.dtype);
  Lanes chain, offset;
  for (int64_t i = 0; i < fold.extent; ++i) {
    const int64_t at = c.reverse ? fold.extent - 1 - i : i;
    const Lanes element = gather_lanes(x, fold, at, 1, combine);
    const int64_t block = i / cumulative_block;
    if (i % cumulative_block == 0) {
      if (block > 0) offset = block == 1 ? chain : combined(combine, offset, chain);
      chain = element;
    } else {
      chain = combined(combine, chain, element);
    }
    const Lanes sum = block > 0 ? combined(combine, offset, chain) : chain;
    for (int64_t o = 0; o < fold.outer; ++o)
      std::memcpy(sums.data.data() + (o * fold.extent + at) * fold.inner * size, sum.data.get() + o * fold.inner * size,
                  static_cast<size_t>(fold.inner * size));
  }
  return one_result(converted(sums, type));
}

}  // namespace tenon::ir::rules
