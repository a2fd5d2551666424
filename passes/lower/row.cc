// Row groups: one pass over the row per phase of reductions, then one pass for what is as wide as the row. A value that
// is dear and needed in several passes is kept in a row of scratch memory.
//
//   parallel %i < n { scratch %s: f32[m]
//     %max = reduce(max) %j < m { ... }
//     %sum = reduce(add) %j < m { %e = exp(x - max)  store %s[%j], %e  yield %e }
//     vector %j < m { store %y[%i, %j], load %s[%j] / %sum } }
#include <algorithm>
#include <bit>

#include "tenon/passes/fuse/cost.h"
#include "tenon/passes/lower/reduce.h"

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

bool is_wide(const Elements& e, ValueId v) { return e.axes.extents(v) == e.group.space.dims(); }

// The first of the passes in a set.
uint64_t first_of(uint64_t passes) { return passes & (~passes + 1); }

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
               e.costs.of(e.graph, n) >= e.costs.limits.dear) {
      p.kept.push_back(index(result));
      mask = first_of(mask);  // computed in the first of them only
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

// The kernel while it is built: the loop over rows is open, and each pass opens one over the elements of a row.
struct RowKernel {
  Elements& e;
  const std::vector<Dim>& dims;
  Dim length;
  Passes passes;
  std::vector<Runs::Run> all, narrow, row;
  ParallelLoop loop;
  std::unordered_map<uint32_t, BufferId> scratch;

  Index wide_index(ValueId v, ScalarId j) const {
    std::vector<ScalarId> at = loop.at;
    for (ScalarId s : e.unflatten(j, row, dims)) at.push_back(s);
    return e.spread(v, all, at);
  }
  Index narrow_index(ValueId v) const { return e.spread(v, narrow, loop.at); }

  void open_scratch();
  void begin_pass(int pass, ScalarId j);
  void end_pass(int pass, ScalarId j);
  void reduce(int pass, const Tree& tree);
  void compute_narrow(int pass);
  void store_wide(const std::vector<ValueId>& wide);
};

void RowKernel::open_scratch() {
  int64_t room = 2 * e.costs.tiles.row_scratch_bytes;
  for (uint32_t v : passes.kept) {
    const DType dtype = e.graph.type(ValueId{v}).dtype;
    room -= length.number() * bytes(dtype);
    if (room >= 0) scratch[v] = e.builder.scratch("s" + std::to_string(v), dtype, Shape{length});
  }
}

// Kept values of earlier passes stand ready at the start of a pass; those of this pass are stored at its end.
void RowKernel::begin_pass(int pass, ScalarId j) {
  for (uint32_t v : passes.kept) {
    const uint64_t mask = passes.needed.at(v), bit = uint64_t{1} << pass;
    if (!scratch.contains(v) || !(mask & bit) || first_of(mask) == bit) continue;
    e.set(ValueId{v}, wide_index(ValueId{v}, j), e.builder.load(scratch[v], std::span(&j, 1)));
  }
}

void RowKernel::end_pass(int pass, ScalarId j) {
  for (uint32_t v : passes.kept) {
    if (!scratch.contains(v) || first_of(passes.needed.at(v)) != uint64_t{1} << pass) continue;
    e.builder.store(scratch[v], std::span(&j, 1), e.at(ValueId{v}, wide_index(ValueId{v}, j)));
  }
}

void RowKernel::reduce(int pass, const Tree& tree) {
  const Reductions reductions =
      reductions_of(e.graph, e.group, &tree, [&](ValueId v) { return passes.depth.at(index(v)) == pass + 1; });
  if (reductions.nodes.empty()) return;
  const ScalarId j = e.builder.open_reduce(reductions.combines, tree, e.builder.extent(length));
  e.open_scope();
  begin_pass(pass, j);
  const std::vector<ScalarId> yields = reductions.yields(e, [&](ValueId x) { return wide_index(x, j); });
  end_pass(pass, j);
  e.close_scope();
  reductions.set_results(e, e.builder.close_reduce(yields), [&](ValueId v) { return narrow_index(v); });
}

// What is narrow and can be computed now stands outside the passes that follow.
void RowKernel::compute_narrow(int pass) {
  for (NodeId id : e.group.nodes) {
    const Node& n = e.graph.node(id);
    const ValueId v = e.graph.result(n);
    if (def(n.op).family == Family::elementwise && passes.depth.at(index(v)) == pass + 1 && !is_wide(e, v) &&
        e.axes.extents(v) == e.group.outer.dims())
      e.at(v, narrow_index(v));
  }
}

void RowKernel::store_wide(const std::vector<ValueId>& wide) {
  const ScalarId j = e.builder.open_loop(LoopKind::vector, e.builder.extent(length))[0];
  e.open_scope();
  begin_pass(last_pass, j);
  std::vector<ScalarId> values;
  for (ValueId v : wide) values.push_back(e.at(v, wide_index(v, j)));
  for (size_t k = 0; k < wide.size(); ++k) e.store(wide[k], wide_index(wide[k], j), values[k]);
  e.close_scope();
  e.builder.close_loop();
}

}  // namespace

void lower_row(Elements& e, int64_t cost) {
  if (lower_short_row(e, cost)) return;
  const std::vector<Dim>& dims = e.group.space.dims();
  std::vector<Runs::Run> outer, row;
  for (const Runs::Run& r : e.runs.of_space()) (r.end <= e.group.reduced_begin ? outer : row).push_back(r);
  const Dim length = e.product(dims, e.group.reduced_begin, e.group.reduced_end);
  const bool bounded = length.is_number();
  const int64_t scratch_bytes = e.costs.tiles.row_scratch_bytes;
  Passes passes = plan_passes(e, bounded && length.number() * 8 <= 2 * scratch_bytes);
  const int64_t each = bounded ? std::max<int64_t>(1, length.number()) : 512;
  RowKernel kernel{e, dims, length, std::move(passes), e.runs.of_space(), e.runs.of_outer(), row, {}, {}};
  kernel.loop = open_parallel(e, outer, dims, 1, 0, cost * each);
  kernel.open_scratch();
  for (int pass = 0; pass < kernel.passes.count; ++pass) {
    for (const Tree& tree : {row_tree, column_tree}) kernel.reduce(pass, tree);
    kernel.compute_narrow(pass);
  }
  std::vector<ValueId> wide;
  for (ValueId v : e.group.outputs) {
    if (is_wide(e, v) && !(e.group.reduced_begin == e.group.reduced_end))
      wide.push_back(v);
    else
      e.store(v, kernel.narrow_index(v), e.at(v, kernel.narrow_index(v)));
  }
  if (!wide.empty()) kernel.store_wide(wide);
  if (kernel.loop.opened) {
    e.close_scope();
    e.builder.close_loop();
  }
}

}  // namespace tenon::passes
