// Column groups: reductions over leading or middle axes. Each lane of a vector over the inner axis owns one result and
// walks the reduced axis; outer indices and blocks of the inner axis are dealt to threads.
//
//   parallel %p < o * blocks { vector %i < min(64, n - 64 * %q) { %s = reduce(add) lanes 1 block 64 %r < m { ... }  store } }
#include <algorithm>

#include "tenon/passes/lower_group.h"

namespace tenon::passes {

using namespace ir;

void lower_column(Elements& e, int64_t cost) {
  const Graph& graph = e.graph;
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
  ParallelLoop loop = open_parallel(e, outer, dims, extent, column_block, cost * each * column_block);
  const ScalarId i = b.open_loop(LoopKind::vector, block_extent(e, extent, column_block, loop.base))[0];
  e.open_scope();
  loop.at.push_back(e.binary(Op::add, loop.base, i));
  const std::vector<Runs::Run> all = e.runs.of_space(), narrow = e.runs.of_outer();

  for (const Tree& tree : {row_tree, column_tree}) {
    std::vector<const Node*> reductions;
    std::vector<Op> combines;
    for (NodeId id : e.group.nodes) {
      const Node& n = graph.node(id);
      if (def(n.op).family != Family::reduction || !(tree_of(graph, n) == tree)) continue;
      reductions.push_back(&n);
      combines.push_back(def(n.op).combine);
    }
    if (reductions.empty()) continue;
    const ScalarId r = b.open_reduce(combines, tree, b.extent(length));
    e.open_scope();
    std::vector<ScalarId> at(loop.at.begin(), loop.at.begin() + static_cast<std::ptrdiff_t>(before));
    for (ScalarId s : e.unflatten(r, reduced, dims)) at.push_back(s);
    at.insert(at.end(), loop.at.begin() + static_cast<std::ptrdiff_t>(before), loop.at.end());
    std::vector<ScalarId> yields;
    for (const Node* n : reductions) {
      const ValueId x = graph.operands(*n)[0];
      const ScalarId value = e.at(x, e.spread(x, all, at));
      yields.push_back(b.scalar(Op::cast, std::span(&value, 1), accumulator(n->op, graph.type(x).dtype)));
    }
    e.close_scope();
    const std::vector<ScalarId> results = b.close_reduce(yields);
    for (size_t k = 0; k < results.size(); ++k) {
      const ValueId v = graph.result(*reductions[k]);
      e.set(v, e.spread(v, narrow, loop.at), b.scalar(Op::cast, std::span(&results[k], 1), graph.type(v).dtype));
    }
  }
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
