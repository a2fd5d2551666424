// Row groups: one pass over the row per phase of reductions, then one pass for what is as wide as the row. A value that
// is dear and needed in several passes is kept in a row of scratch memory.
//
//   parallel %i < n { scratch %s: f32[m]
//     %max = reduce(max) %j < m { ... }
//     %sum = reduce(add) %j < m { %e = exp(x - max)  store %s[%j], %e  yield %e }
//     vector %j < m { store %y[%i, %j], load %s[%j] / %sum } }
#include <algorithm>
#include <bit>

#include "tenon/ir/attributes.h"
#include "tenon/passes/fuse_cost.h"
#include "tenon/passes/lower_group.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int last_pass = 63;  // bit of the pass that writes wide outputs

struct Passes {
  std::unordered_map<uint32_t, int> depth;  // reductions that must be done before a value can be computed
  std::unordered_map<uint32_t, uint64_t> needed;  // passes in which a value is needed, as bits
  std::vector<uint32_t> kept;  // values kept in scratch memory
  int count = 0;
};

bool is_wide(const Elements& e, ValueId v) { return without_units(e.graph.type(v).shape) == e.group.space.dims(); }

Passes plan_passes(Elements& e, bool may_keep) {
  Passes p;
  for (NodeId id : e.group.nodes) {
    const Node& n = e.graph.node(id);
    int depth = 0;
    for (ValueId v : e.graph.operands(n))
      if (const auto at = p.depth.find(index(v)); at != p.depth.end()) depth = std::max(depth, at->second);
    if (def(n.op).family == Family::reduction) p.count = std::max(p.count, ++depth);
    p.depth[index(e.graph.result(n))] = depth;
  }
  if (p.count >= last_pass) throw InternalError("a row group with too many passes");
  for (ValueId v : e.group.outputs)
    if (is_wide(e, v)) p.needed[index(v)] |= uint64_t{1} << last_pass;
  for (size_t i = e.group.nodes.size(); i-- > 0;) {
    const Node& n = e.graph.node(e.group.nodes[i]);
    const ValueId result = e.graph.result(n);
    uint64_t mask = p.needed[index(result)];
    const bool reduction = def(n.op).family == Family::reduction;
    if (reduction) {
      mask = uint64_t{1} << (p.depth[index(result)] - 1);
    } else if (may_keep && std::popcount(mask) > 1 && is_wide(e, result) && def(n.op).family == Family::elementwise &&
               e.costs.of(e.graph, n) >= expensive_cost) {
      p.kept.push_back(index(result));
      mask &= ~mask + 1;  // computed in the first of them only
    }
    for (ValueId v : e.graph.operands(n)) {
      if (!e.computes(v)) continue;
      // A narrow value is computed once, outside the passes.
      p.needed[index(v)] |= mask;
    }
  }
  std::reverse(p.kept.begin(), p.kept.end());
  return p;
}

}  // namespace

Tree tree_of(const Graph& graph, const Node& reduction) {
  const int64_t last = graph.type(graph.operands(reduction)[0]).shape.rank() - 1;
  for (int64_t axis : Reduce(graph, reduction).axes)
    if (axis == last) return row_tree;
  return column_tree;
}

// Halves combine in f32: sums round once at the end, comparisons are exact either way. A bool is ordered as a number.
DType accumulator(Op op, DType dtype) {
  if (dtype == DType::boolean && def(op).positional) return DType::u8;
  return is_half(dtype) ? DType::f32 : dtype;
}

void lower_row(Elements& e, int64_t cost) {
  const Graph& graph = e.graph;
  KernelBuilder& b = e.builder;
  const std::vector<Dim>& dims = e.group.space.dims();
  std::vector<Runs::Run> outer, row;
  for (const Runs::Run& r : e.runs.of_space()) (r.end <= e.group.reduced_begin ? outer : row).push_back(r);
  const Dim length = e.product(dims, e.group.reduced_begin, e.group.reduced_end);
  const bool bounded = length.is_number();
  const int64_t scratch_bytes = e.costs.tiles.row_scratch_bytes;
  const Passes passes = plan_passes(e, bounded && length.number() * 8 <= 2 * scratch_bytes);

  const int64_t each = bounded ? std::max<int64_t>(1, length.number()) : 512;
  ParallelLoop loop = open_parallel(e, outer, dims, 1, 0, cost * each);
  std::unordered_map<uint32_t, BufferId> scratch;
  int64_t room = 2 * scratch_bytes;
  for (uint32_t v : passes.kept) {
    const DType dtype = graph.type(ValueId{v}).dtype;
    room -= length.number() * bytes(dtype);
    if (room >= 0) scratch[v] = b.scratch("s" + std::to_string(v), dtype, Shape{length});
  }
  const std::vector<Runs::Run> all = e.runs.of_space(), narrow = e.runs.of_outer();
  const auto wide_index = [&](ValueId v, ScalarId j) {
    std::vector<ScalarId> at = loop.at;
    for (ScalarId s : e.unflatten(j, row, dims)) at.push_back(s);
    return e.spread(v, all, at);
  };
  const auto narrow_index = [&](ValueId v) { return e.spread(v, narrow, loop.at); };
  // Kept values of earlier passes stand ready at the start of a pass; those of this pass are stored at its end.
  const auto begin_pass = [&](int pass, ScalarId j) {
    for (uint32_t v : passes.kept) {
      const uint64_t mask = passes.needed.at(v), bit = uint64_t{1} << pass;
      if (!scratch.contains(v) || !(mask & bit) || (mask & (~mask + 1)) == bit) continue;
      e.set(ValueId{v}, wide_index(ValueId{v}, j), b.load(scratch[v], std::span(&j, 1)));
    }
  };
  const auto end_pass = [&](int pass, ScalarId j) {
    for (uint32_t v : passes.kept) {
      const uint64_t mask = passes.needed.at(v);
      if (!scratch.contains(v) || (mask & (~mask + 1)) != uint64_t{1} << pass) continue;
      b.store(scratch[v], std::span(&j, 1), e.at(ValueId{v}, wide_index(ValueId{v}, j)));
    }
  };

  for (int pass = 0; pass < passes.count; ++pass) {
    for (const Tree& tree : {row_tree, column_tree}) {
      std::vector<const Node*> reductions;
      std::vector<Op> combines;
      for (NodeId id : e.group.nodes) {
        const Node& n = graph.node(id);
        if (def(n.op).family != Family::reduction || passes.depth.at(index(graph.result(n))) != pass + 1) continue;
        if (!(tree_of(graph, n) == tree)) continue;
        reductions.push_back(&n);
        combines.push_back(def(n.op).combine);
      }
      if (reductions.empty()) continue;
      const ScalarId j = b.open_reduce(combines, tree, b.extent(length));
      e.open_scope();
      begin_pass(pass, j);
      std::vector<ScalarId> yields;
      for (const Node* n : reductions) {
        const ValueId x = graph.operands(*n)[0];
        const ScalarId value = e.at(x, wide_index(x, j));
        yields.push_back(b.scalar(Op::cast, std::span(&value, 1), accumulator(n->op, graph.type(x).dtype)));
      }
      end_pass(pass, j);
      e.close_scope();
      const std::vector<ScalarId> results = b.close_reduce(yields);
      for (size_t k = 0; k < results.size(); ++k) {
        const ValueId v = graph.result(*reductions[k]);
        e.set(v, narrow_index(v), b.scalar(Op::cast, std::span(&results[k], 1), graph.type(v).dtype));
      }
    }
    // What is narrow and can be computed now stands outside the passes that follow.
    for (NodeId id : e.group.nodes) {
      const Node& n = graph.node(id);
      const ValueId v = graph.result(n);
      if (def(n.op).family == Family::elementwise && passes.depth.at(index(v)) == pass + 1 && !is_wide(e, v) &&
          without_units(graph.type(v).shape) == e.group.outer.dims())
        e.at(v, narrow_index(v));
    }
  }
  std::vector<ValueId> wide;
  for (ValueId v : e.group.outputs) {
    if (is_wide(e, v) && !(e.group.reduced_begin == e.group.reduced_end))
      wide.push_back(v);
    else
      e.store(v, narrow_index(v), e.at(v, narrow_index(v)));
  }
  if (!wide.empty()) {
    const ScalarId j = b.open_loop(LoopKind::vector, b.extent(length))[0];
    e.open_scope();
    begin_pass(last_pass, j);
    std::vector<ScalarId> values;
    for (ValueId v : wide) values.push_back(e.at(v, wide_index(v, j)));
    for (size_t k = 0; k < wide.size(); ++k) e.store(wide[k], wide_index(wide[k], j), values[k]);
    e.close_scope();
    b.close_loop();
  }
  if (loop.opened) {
    e.close_scope();
    b.close_loop();
  }
}

}  // namespace tenon::passes
