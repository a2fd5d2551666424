// Few long reductions in two kernels, so that every thread has work: partial results of whole, aligned power-of-two runs
// of the contract's blocks, then their join by the pairwise tree. The bits are those of one kernel, because such a run is
// a whole subtree of the reduction's tree (ir/kernel.h, Tree).
//
//   @partial: parallel %q < runs { reduce(add) lanes 16 block 512 %j < min(32768, n - 32768 * %q) ... store %t[%q] }
//   @join:    reduce(add) lanes 1 block 1 %q < runs { load %t[%q] }   and whatever follows on the result
#include <algorithm>
#include <bit>

#include "tenon/passes/lower_group.h"

namespace tenon::passes {

using namespace ir;

namespace {

struct Reductions {
  std::vector<const Node*> nodes;
  std::vector<Op> combines;
  std::vector<DType> types;
};

// A power of two of the tree's blocks, or the bits would not be those of one kernel.
int64_t run_of(const Tiles& tiles, const Group& group, int64_t length) {
  if (group.kind == GroupKind::row) {
    check(tiles.row_run % row_tree.block == 0 && std::has_single_bit(static_cast<uint64_t>(tiles.row_run)),
          "the target's row_run is no power of two of the row tree's blocks");
    return tiles.row_run;
  }
  int64_t run = column_tree.block;
  while (run * tiles.column_parts < length) run *= 2;
  return run;
}

}  // namespace

LoweredGroup lower_split(const Graph& graph, const Group& group, OpCosts& costs, int64_t cost,
                         const std::string& name) {
  LoweredGroup result;
  const int64_t column_block = costs.tiles.column_block;
  const std::vector<Dim>& dims = group.space.dims();
  Reductions reductions;
  for (NodeId id : group.nodes) {
    const Node& n = graph.node(id);
    if (def(n.op).family != Family::reduction) continue;
    reductions.nodes.push_back(&n);
    reductions.combines.push_back(def(n.op).combine);
    reductions.types.push_back(accumulator(n.op, graph.type(graph.operands(n)[0]).dtype));
  }
  const Tree tree = tree_of(graph, *reductions.nodes[0]);
  const bool columns = group.kind == GroupKind::column;

  // Extents: results before the reduced axes, results behind them, partial results for each.
  KernelBuilder b(name + "_partial", graph.symbols);
  Runs runs(graph, group);
  Elements e(graph, group, b, runs, costs);
  std::vector<Runs::Run> before, reduced, behind;
  for (const Runs::Run& r : runs.of_space()) {
    if (r.end <= group.reduced_begin)
      before.push_back(r);
    else if (r.begin >= group.reduced_end)
      behind.push_back(r);
    else
      reduced.push_back(r);
  }
  const int rank = group.space.rank();
  const Dim outer = e.product(dims, 0, group.reduced_begin), inner = e.product(dims, group.reduced_end, rank);
  const Dim length = e.product(dims, group.reduced_begin, group.reduced_end);
  const int64_t run = run_of(costs.tiles, group, length.is_number() ? length.number() : 0);
  Symbols& symbols = *graph.symbols;
  const Dim parts = length.is_number() ? Dim((length.number() + run - 1) / run)
                                       : symbols.quotient(symbols.sum(length, Dim(run - 1)), Dim(run));
  for (DType t : reductions.types) result.temporaries.push_back({t, Shape{outer, parts, inner}});

  std::vector<BufferId> partial;
  const ScalarId q_count = b.extent(parts);
  ScalarId count = e.binary(Op::mul, b.extent(outer), q_count);
  const bool blocked = columns && !(inner.is_number() && inner.number() <= column_block);
  const ScalarId blocks =
      blocked
          ? b.extent(inner.is_number() ? Dim((inner.number() + column_block - 1) / column_block)
                                       : symbols.quotient(symbols.sum(inner, Dim(column_block - 1)), Dim(column_block)))
          : b.index_literal(1);
  count = e.binary(Op::mul, count, blocks);
  const int64_t width = columns ? column_block : 1;
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {}, grain_of(costs.tiles, cost * run * width))[0];
  e.open_scope();
  ScalarId base = b.index_literal(0);
  if (blocked) {
    base = e.binary(Op::mul, e.binary(Op::rem, flat, blocks), b.index_literal(column_block));
    flat = e.binary(Op::div, flat, blocks);
  }
  const ScalarId q = e.binary(Op::rem, flat, q_count), o = e.binary(Op::div, flat, q_count);
  std::vector<ScalarId> at_before = e.unflatten(o, before, dims), at_behind;
  ScalarId column = b.index_literal(0);
  if (columns) {
    column = e.binary(Op::add, base, b.open_loop(LoopKind::vector, block_extent(e, inner, column_block, base))[0]);
    e.open_scope();
    at_behind = e.unflatten(column, behind, dims);
  }
  const ScalarId start = e.binary(Op::mul, q, b.index_literal(run));
  const ScalarId rest = e.binary(Op::min, b.index_literal(run), e.binary(Op::sub, b.extent(length), start));
  const ScalarId j = b.open_reduce(reductions.combines, tree, rest);
  e.open_scope();
  std::vector<ScalarId> at = at_before;
  for (ScalarId s : e.unflatten(e.binary(Op::add, start, j), reduced, dims)) at.push_back(s);
  at.insert(at.end(), at_behind.begin(), at_behind.end());
  std::vector<ScalarId> yields;
  for (size_t k = 0; k < reductions.nodes.size(); ++k) {
    const ValueId x = graph.operands(*reductions.nodes[k])[0];
    const ScalarId value = e.at(x, e.spread(x, runs.of_space(), at));
    yields.push_back(b.scalar(Op::cast, std::span(&value, 1), reductions.types[k]));
  }
  e.close_scope();
  const std::vector<ScalarId> sums = b.close_reduce(yields);
  const ScalarId place[] = {o, q, column};
  std::vector<Binding> bindings;
  for (size_t k = 0; k < sums.size(); ++k) {
    partial.push_back(
        b.buffer("t" + std::to_string(k), reductions.types[k], Shape{outer, parts, inner}, Space::output));
    b.store(partial[k], place, sums[k]);
  }
  if (columns) {
    e.close_scope();
    b.close_loop();
  }
  e.close_scope();
  b.close_loop();
  bindings = e.bindings();
  for (uint32_t k = 0; k < sums.size(); ++k) bindings.push_back({no_value, k});
  result.kernels.push_back({b.finish(), std::move(bindings)});

  // The join: one element of the outer space at a time.
  KernelBuilder c(name + "_join", graph.symbols);
  Elements f(graph, group, c, runs, costs);
  std::vector<BufferId> loaded;
  std::vector<Binding> joined;
  for (uint32_t k = 0; k < reductions.types.size(); ++k) {
    loaded.push_back(c.buffer("t" + std::to_string(k), reductions.types[k], Shape{outer, parts, inner}, Space::input));
    joined.push_back({no_value, k});
  }
  const bool many = !(outer == 1) || !(inner == 1);
  ScalarId result_number = c.index_literal(0), part_outer = result_number, part_inner = result_number;
  if (many) {
    result_number = c.open_loop(LoopKind::vector, f.binary(Op::mul, c.extent(outer), c.extent(inner)))[0];
    f.open_scope();
    part_inner = f.binary(Op::rem, result_number, c.extent(inner));
    part_outer = f.binary(Op::div, result_number, c.extent(inner));
  }
  const ScalarId part = c.open_reduce(reductions.combines, pair_tree, c.extent(parts));
  const ScalarId from[] = {part_outer, part, part_inner};
  yields.clear();
  for (BufferId t : loaded) yields.push_back(c.load(t, from));
  const std::vector<ScalarId> totals = c.close_reduce(yields);
  const std::vector<Runs::Run> narrow = runs.of_outer();
  const std::vector<ScalarId> narrow_at = f.unflatten(result_number, narrow, group.outer.dims());
  for (size_t k = 0; k < totals.size(); ++k) {
    const ValueId v = graph.result(*reductions.nodes[k]);
    f.set(v, f.spread(v, narrow, narrow_at), c.scalar(Op::cast, std::span(&totals[k], 1), graph.type(v).dtype));
  }
  for (ValueId v : group.outputs) {
    const Index index_ = f.spread(v, narrow, narrow_at);
    f.store(v, index_, f.at(v, index_));
  }
  if (many) {
    f.close_scope();
    c.close_loop();
  }
  for (const Binding& binding : f.bindings()) joined.push_back(binding);
  result.kernels.push_back({c.finish(), std::move(joined)});
  return result;
}

}  // namespace tenon::passes
