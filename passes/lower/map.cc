// Maps: every output at every index of the space. The innermost run of axes becomes a vector loop, in blocks when it is
// long; everything outside it is one parallel loop.
//
//   parallel %p < blocks { vector %i < min(4096, n - 4096 * %p) { store %y[4096 * %p + %i], ... } }
#include <algorithm>

#include "tenon/passes/lower/group.h"

namespace tenon::passes {

using namespace ir;

namespace {

int64_t numel_or_zero(const std::vector<Runs::Run>& runs, const std::vector<Dim>& dims) {
  int64_t n = 1;
  for (const Runs::Run& r : runs)
    for (int i = r.begin; i < r.end; ++i) {
      if (dims[i].is_symbol()) return 0;
      n *= dims[i].number();
    }
  return n;
}

}  // namespace

int64_t grain_of(const Tiles& tiles, int64_t cost_per_iteration) {
  return std::max<int64_t>(1, tiles.work_per_chunk / std::max<int64_t>(1, cost_per_iteration));
}

ParallelLoop open_parallel(Elements& e, const std::vector<Runs::Run>& runs, const std::vector<Dim>& dims, Dim extent,
                           int64_t block, int64_t cost_per_iteration) {
  KernelBuilder& b = e.builder;
  ParallelLoop loop;
  const ScalarId zero = b.index_literal(0);
  loop.at.assign(runs.size(), zero);
  loop.base = zero;
  const bool blocked = block > 0 && !(extent.is_number() && extent.number() <= block);
  if (runs.empty() && !blocked) return loop;
  ScalarId count = b.index_literal(1);
  for (const Runs::Run& r : runs) count = e.binary(Op::mul, count, b.extent(e.product(dims, r.begin, r.end)));
  ScalarId blocks = b.index_literal(1);
  if (blocked) {
    const ScalarId up = e.binary(Op::add, b.extent(extent), b.index_literal(block - 1));
    blocks = e.binary(Op::div, up, b.index_literal(block));
    count = e.binary(Op::mul, count, blocks);
  }
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {}, grain_of(e.costs.tiles, cost_per_iteration))[0];
  e.open_scope();
  loop.opened = true;
  if (blocked && runs.empty()) {
    loop.base = e.binary(Op::mul, flat, b.index_literal(block));
    return loop;
  }
  if (blocked) {
    loop.base = e.binary(Op::mul, e.binary(Op::rem, flat, blocks), b.index_literal(block));
    flat = e.binary(Op::div, flat, blocks);
  }
  loop.at = e.unflatten(flat, runs, dims);
  return loop;
}

ScalarId block_extent(Elements& e, Dim extent, int64_t block, ScalarId base) {
  KernelBuilder& b = e.builder;
  if (block == 0 || (extent.is_number() && extent.number() <= block)) return b.extent(extent);
  if (extent.is_number() && extent.number() % block == 0) return b.index_literal(block);
  return e.binary(Op::min, b.index_literal(block), e.binary(Op::sub, b.extent(extent), base));
}

void lower_map(Elements& e, int64_t cost) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const int64_t map_block = e.costs.tiles.map_block;
  std::vector<Runs::Run> runs = e.runs.of_space();
  const auto body = [&](const std::vector<ScalarId>& at) {
    std::vector<ScalarId> values;
    for (ValueId v : e.group.outputs) values.push_back(e.at(v, e.spread(v, e.runs.of_space(), at)));
    for (size_t k = 0; k < values.size(); ++k)
      e.store(e.group.outputs[k], e.spread(e.group.outputs[k], e.runs.of_space(), at), values[k]);
  };
  if (runs.empty()) {
    body({});
    return;
  }
  const Runs::Run inner = runs.back();
  runs.pop_back();
  const Dim extent = e.product(dims, inner.begin, inner.end);
  const bool blocked = map_block > 0 && (runs.empty() || (extent.is_number() && extent.number() >= 2 * map_block) ||
                                         numel_or_zero(runs, dims) == 1);
  // Blocks of one size: no short last one where the extent allows it.
  int64_t block = blocked ? map_block : 0;
  if (blocked && extent.is_number() && extent.number() > map_block) {
    const int64_t blocks = (extent.number() + map_block - 1) / map_block;
    block = ((extent.number() + blocks - 1) / blocks + 15) / 16 * 16;
  }
  const int64_t each = extent.is_number() && extent.number() > 0 ? extent.number() : std::max<int64_t>(map_block, 1);
  ParallelLoop loop = open_parallel(e, runs, dims, extent, block, cost * (blocked ? std::min(each, block) : each));
  const ScalarId count = block ? block_extent(e, extent, block, loop.base) : e.builder.extent(extent);
  const ScalarId i = e.builder.open_loop(LoopKind::vector, count)[0];
  e.open_scope();
  loop.at.push_back(block ? e.binary(Op::add, loop.base, i) : i);
  body(loop.at);
  e.close_scope();
  e.builder.close_loop();
  if (loop.opened) {
    e.close_scope();
    e.builder.close_loop();
  }
}

}  // namespace tenon::passes
