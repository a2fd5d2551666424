// Few long reductions in two kernels, so that every thread has work: partial results of whole, aligned power-of-two runs
// of the contract's blocks, then their join by the pairwise tree. The bits are those of one kernel, because such a run is
// a whole subtree of the reduction's tree (ir/kernel/kernel.h, Tree).
//
//   @partial: parallel %q < runs { reduce(add) lanes 16 block 512 %j < min(32768, n - 32768 * %q) ... store %t[%q] }
//   @join:    reduce(add) lanes 1 block 1 %q < runs { load %t[%q] }   and whatever follows on the result
#include <algorithm>
#include <bit>

#include "tenon/passes/lower/reduce.h"

namespace tenon::passes {

using namespace ir;

namespace {

// A power of two of the tree's blocks, or the bits would not be those of one kernel.
int64_t run_of(const Tiles& tiles, const Group& group, int64_t length) {
  if (group.kind == GroupKind::row) {
    ensure(tiles.row_run % row_tree.block == 0 && std::has_single_bit(static_cast<uint64_t>(tiles.row_run)),
           "the target's row_run is no power of two of the row tree's blocks");
    return tiles.row_run;
  }
  int64_t run = column_tree.block;
  while (run * tiles.column_parts < length) run *= 2;
  return run;
}

// What both kernels know.
struct Shares {
  const Group& group;
  Reductions reductions;
  bool columns;
  std::vector<Runs::Run> before, reduced, behind;  // runs of the space
  Dim outer = 1, inner = 1, length = 1;  // results before the reduced axes and behind them; elements of each
  int64_t run = 1;  // elements that a partial result covers
  Dim parts = 1;  // partial results for each result
  int64_t block = 1;  // columns that one iteration owns
  bool blocked = false;  // there are more
  Shape partial() const { return Shape{outer, parts, inner}; }
};

Shares shares_of(Elements& e) {
  const Group& group = e.group;
  Shares s{.group = group,
           .reductions = reductions_of(e.graph, group, nullptr, [](ValueId) { return true; }),
           .columns = group.kind == GroupKind::column,
           .before = {},
           .reduced = {},
           .behind = {}};
  for (const Runs::Run& r : e.runs.of_space()) {
    if (r.end <= group.reduced_begin)
      s.before.push_back(r);
    else if (r.begin >= group.reduced_end)
      s.behind.push_back(r);
    else
      s.reduced.push_back(r);
  }
  const std::vector<Dim>& dims = group.space.dims();
  s.outer = e.product(dims, 0, group.reduced_begin);
  s.inner = e.product(dims, group.reduced_end, group.space.rank());
  s.length = e.product(dims, group.reduced_begin, group.reduced_end);
  s.run = run_of(e.costs.tiles, group, s.length.is_number() ? s.length.number() : 0);
  Symbols& symbols = *e.graph.symbols;
  s.parts = s.length.is_number() ? Dim((s.length.number() + s.run - 1) / s.run)
                                 : symbols.quotient(symbols.sum(s.length, Dim(s.run - 1)), Dim(s.run));
  s.block = s.columns ? e.costs.tiles.column_block : 1;
  s.blocked = s.columns && s.block > 0 && !(s.inner.is_number() && s.inner.number() <= s.block);
  return s;
}

// Blocks of columns, for each partial result.
Dim blocks_of(const Shares& s, Symbols& symbols) {
  if (!s.blocked) return 1;
  return s.inner.is_number() ? Dim((s.inner.number() + s.block - 1) / s.block)
                             : symbols.quotient(symbols.sum(s.inner, Dim(s.block - 1)), Dim(s.block));
}

// Partial results of the reductions over run number q, whose other indices stand before and behind the reduced ones.
std::vector<ScalarId> reduce_run(Elements& e, const Shares& s, ScalarId q, const std::vector<ScalarId>& before,
                                 const std::vector<ScalarId>& behind) {
  KernelBuilder& b = e.builder;
  const ScalarId start = e.binary(Op::mul, q, b.index_literal(s.run));
  const ScalarId rest = e.binary(Op::min, b.index_literal(s.run), e.binary(Op::sub, b.extent(s.length), start));
  std::vector<ScalarId> sums(s.reductions.nodes.size(), no_scalar);
  for (const Tree& tree : {row_tree, column_tree}) {
    const Reductions some = reductions_of(e.graph, s.group, &tree, [](ValueId) { return true; });
    if (some.nodes.empty()) continue;
    const ScalarId j = b.open_reduce(some.combines, tree, rest);
    e.open_scope();
    std::vector<ScalarId> at = before;
    for (ScalarId i : e.unflatten(e.binary(Op::add, start, j), s.reduced, s.group.space.dims())) at.push_back(i);
    at.insert(at.end(), behind.begin(), behind.end());
    const std::vector<ScalarId> yields = some.yields(e, [&](ValueId x) { return e.spread(x, e.runs.of_space(), at); });
    e.close_scope();
    const std::vector<ScalarId> results = b.close_reduce(yields);
    for (size_t k = 0; k < sums.size(); ++k)
      if (const auto found = std::find(some.nodes.begin(), some.nodes.end(), s.reductions.nodes[k]);
          found != some.nodes.end())
        sums[k] = results[static_cast<size_t>(found - some.nodes.begin())];
  }
  return sums;
}

void partial_kernel(Elements& e, const Shares& s, int64_t cost) {
  KernelBuilder& b = e.builder;
  const std::vector<Dim>& dims = s.group.space.dims();
  const ScalarId q_count = b.extent(s.parts);
  ScalarId count = e.binary(Op::mul, b.extent(s.outer), q_count);
  const ScalarId blocks = b.extent(blocks_of(s, *e.graph.symbols));
  count = e.binary(Op::mul, count, blocks);
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {},
                              grain_of(e.costs.tiles, cost * s.run * std::max<int64_t>(s.block, 1)))[0];
  e.open_scope();
  ScalarId base = b.index_literal(0);
  if (s.blocked) {
    base = e.binary(Op::mul, e.binary(Op::rem, flat, blocks), b.index_literal(s.block));
    flat = e.binary(Op::div, flat, blocks);
  }
  const ScalarId q = e.binary(Op::rem, flat, q_count), o = e.binary(Op::div, flat, q_count);
  std::vector<ScalarId> at_before = e.unflatten(o, s.before, dims), at_behind;
  ScalarId column = b.index_literal(0);
  if (s.columns) {
    column = e.binary(Op::add, base, b.open_loop(LoopKind::vector, block_extent(e, s.inner, s.block, base))[0]);
    e.open_scope();
    at_behind = e.unflatten(column, s.behind, dims);
  }
  const std::vector<ScalarId> sums = reduce_run(e, s, q, at_before, at_behind);
  const ScalarId place[] = {o, q, column};
  for (size_t k = 0; k < sums.size(); ++k)
    b.store(b.buffer("t" + std::to_string(k), s.reductions.types[k], s.partial(), Space::output), place, sums[k]);
  if (s.columns) {
    e.close_scope();
    b.close_loop();
  }
  e.close_scope();
  b.close_loop();
}

// One element of the outer space at a time.
void join_kernel(Elements& e, const Shares& s) {
  KernelBuilder& b = e.builder;
  std::vector<BufferId> loaded;
  for (uint32_t k = 0; k < s.reductions.types.size(); ++k)
    loaded.push_back(b.buffer("t" + std::to_string(k), s.reductions.types[k], s.partial(), Space::input));
  const bool many = !(s.outer == 1) || !(s.inner == 1);
  ScalarId number = b.index_literal(0), part_outer = number, part_inner = number;
  if (many) {
    number = b.open_loop(LoopKind::vector, e.binary(Op::mul, b.extent(s.outer), b.extent(s.inner)))[0];
    e.open_scope();
    part_inner = e.binary(Op::rem, number, b.extent(s.inner));
    part_outer = e.binary(Op::div, number, b.extent(s.inner));
  }
  const ScalarId part = b.open_reduce(s.reductions.combines, pair_tree, b.extent(s.parts));
  const ScalarId from[] = {part_outer, part, part_inner};
  std::vector<ScalarId> yields;
  for (BufferId t : loaded) yields.push_back(b.load(t, from));
  const std::vector<ScalarId> totals = b.close_reduce(yields);
  const std::vector<Runs::Run> narrow = e.runs.of_outer();
  const std::vector<ScalarId> at = e.unflatten(number, narrow, s.group.outer.dims());
  s.reductions.set_results(e, totals, [&](ValueId v) { return e.spread(v, narrow, at); });
  for (ValueId v : s.group.outputs) {
    const Index index_ = e.spread(v, narrow, at);
    e.store(v, index_, e.at(v, index_));
  }
  if (many) {
    e.close_scope();
    b.close_loop();
  }
}

}  // namespace

LoweredGroup lower_split(const Graph& graph, const Axes& axes, const Group& group, OpCosts& costs, int64_t cost,
                         const std::string& name) {
  LoweredGroup result;
  Runs runs(graph, axes, group);
  KernelBuilder partial(name + "_partial", graph.symbols);
  Elements e(graph, group, partial, runs, costs);
  const Shares shares = shares_of(e);
  std::vector<Binding> temporaries;
  for (DType t : shares.reductions.types) {
    temporaries.push_back({no_value, static_cast<uint32_t>(result.temporaries.size())});
    result.temporaries.push_back({t, shares.partial()});
  }
  partial_kernel(e, shares, cost);
  std::vector<Binding> bindings = e.bindings();  // inputs as they were met, then the partial results
  bindings.insert(bindings.end(), temporaries.begin(), temporaries.end());
  result.kernels.push_back({partial.finish(), std::move(bindings)});

  KernelBuilder join(name + "_join", graph.symbols);
  Elements f(graph, group, join, runs, costs);
  join_kernel(f, shares);
  bindings = std::move(temporaries);  // the partial results, then what else was met
  for (const Binding& binding : f.bindings()) bindings.push_back(binding);
  result.kernels.push_back({join.finish(), std::move(bindings)});
  return result;
}

}  // namespace tenon::passes
