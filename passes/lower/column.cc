// Column groups: reductions over leading or middle axes. Each lane of a vector over the inner axis owns one result and
// walks the reduced axis; outer indices and blocks of the inner axis are dealt to threads.
//
//   parallel %p < o * blocks { vector %i < min(64, n - 64 * %q) { %s = reduce(add) lanes 1 block 64 %r < m { ... }  store } }
#include <algorithm>

#include "tenon/passes/lower/reduce.h"

namespace tenon::passes {

using namespace ir;

namespace {

// One reduction loop inside the loop over columns, whose index stands at `loop`: before the reduced axes, then behind them.
void reduce_columns(Elements& e, const Tree& tree, const std::vector<Runs::Run>& reduced, size_t before,
                    const std::vector<ScalarId>& loop) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const Reductions reductions = reductions_of(e.graph, e.group, &tree, [](ValueId) { return true; });
  if (reductions.nodes.empty()) return;
  const Dim length = e.product(dims, e.group.reduced_begin, e.group.reduced_end);
  const ScalarId r = e.builder.open_reduce(reductions.combines, tree, e.builder.extent(length));
  e.open_scope();
  const auto middle = loop.begin() + static_cast<std::ptrdiff_t>(before);
  std::vector<ScalarId> at(loop.begin(), middle);
  for (ScalarId s : e.unflatten(r, reduced, dims)) at.push_back(s);
  at.insert(at.end(), middle, loop.end());
  const std::vector<Runs::Run> all = e.runs.of_space(), narrow = e.runs.of_outer();
  const std::vector<ScalarId> yields = reductions.yields(e, [&](ValueId x) { return e.spread(x, all, at); });
  e.close_scope();
  reductions.set_results(e, e.builder.close_reduce(yields), [&](ValueId v) { return e.spread(v, narrow, loop); });
}

}  // namespace

void lower_column(Elements& e, int64_t cost) {
  KernelBuilder& b = e.builder;
  const std::vector<Dim>& dims = e.group.space.dims();
  const int64_t column_block = e.costs.tiles.column_block;
  std::vector<Runs::Run> outer, reduced;
  for (const Runs::Run& r : e.runs.of_space()) {
    if (r.begin >= e.group.reduced_begin && r.end <= e.group.reduced_end)
      reduced.push_back(r);
    else
      outer.push_back(r);
  }
  const Runs::Run inner = outer.back();
  const size_t before = static_cast<size_t>(
      std::count_if(outer.begin(), outer.end(), [&](const Runs::Run& r) { return r.end <= e.group.reduced_begin; }));
  outer.pop_back();
  const Dim extent = e.product(dims, inner.begin, inner.end);
  const Dim length = e.product(dims, e.group.reduced_begin, e.group.reduced_end);
  const int64_t each = length.is_number() ? std::max<int64_t>(1, length.number()) : 64;
  ParallelLoop loop =
      open_parallel(e, outer, dims, extent, column_block, cost * each * std::max<int64_t>(column_block, 1));
  const ScalarId i = b.open_loop(LoopKind::vector, block_extent(e, extent, column_block, loop.base))[0];
  e.open_scope();
  loop.at.push_back(e.binary(Op::add, loop.base, i));
  for (const Tree& tree : {row_tree, column_tree}) reduce_columns(e, tree, reduced, before, loop.at);
  const std::vector<Runs::Run> narrow = e.runs.of_outer();
  for (ValueId v : e.group.outputs) {
    const Index at = e.spread(v, narrow, loop.at);
    e.store(v, at, e.at(v, at));
  }
  e.close_scope();
  b.close_loop();
  if (loop.opened) {
    e.close_scope();
    b.close_loop();
  }
}

}  // namespace tenon::passes
