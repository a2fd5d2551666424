// Maps: every output at every index of the space. The innermost run of axes becomes a vector loop, in blocks when it is
// long; everything outside it is one parallel loop.
//
//   parallel %p < blocks { vector %i < min(4096, n - 4096 * %p) { store %y[4096 * %p + %i], ... } }
//
// A map that reads a transposed value goes by tiles, so that what lies side by side in memory is read together, be it on either
// side: 16 rounds along the axis that is innermost there, in a vector loop (codegen/llvm/turned.cc).
//
//   parallel %p < tiles { vector %j < min(256, n - ...) { serial %r < 16 { load %x[%j, %i + %r], store %y[%i + %r, %j] } } }
#include <algorithm>
#include <functional>

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

namespace {

// The run of the space that is innermost in the memory of a value that a group reads transposed; -1 where there is none.
int turned_run(Elements& e, const std::vector<Runs::Run>& runs) {
  const std::vector<Dim>& dims = e.group.space.dims();
  const auto is_short = [&](const Runs::Run& r) {
    const Dim extent = e.product(dims, r.begin, r.end);
    return extent.is_number() && extent.number() < e.costs.lanes;
  };
  if (e.costs.lanes == 1 || is_short(runs.back())) return -1;
  const Axes& axes = e.axes;
  for (NodeId n : e.group.nodes) {
    const Node& node = e.graph.node(n);
    if (node.op != Op::transpose) continue;
    const ValueId from = e.graph.operands(node)[0], to = e.graph.result(node);
    const int rank = axes.rank(to);
    if (rank < 2 || axes.extents(to) != e.group.space.dims()) continue;
    const int innermost = axes.reads(n).result_axis[0][static_cast<size_t>(axes.rank(from)) - 1];
    for (size_t r = 0; r + 1 < runs.size(); ++r)
      if (runs[r].end - 1 == innermost && !is_short(runs[r])) return static_cast<int>(r);
  }
  return -1;
}

constexpr int64_t tile_columns = 256;

// The parts of a tile's rows: 16 together, or what is left of them.
void lower_tiles(Elements& e, const std::vector<Runs::Run>& runs, size_t turned, int64_t cost,
                 const std::function<void(const std::vector<ScalarId>&)>& body) {
  KernelBuilder& b = e.builder;
  const std::vector<Dim>& dims = e.group.space.dims();
  const int64_t rows = e.costs.lanes;
  std::vector<Runs::Run> others = runs;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(turned));
  others.pop_back();
  const auto extent_of = [&](const Runs::Run& r) { return b.extent(e.product(dims, r.begin, r.end)); };
  const ScalarId height = extent_of(runs[turned]), width = extent_of(runs.back());
  const auto covering = [&](ScalarId extent, int64_t size) {
    return e.binary(Op::div, e.binary(Op::add, extent, b.index_literal(size - 1)), b.index_literal(size));
  };
  const ScalarId down = covering(height, rows), across = covering(width, tile_columns);
  ScalarId count = e.binary(Op::mul, down, across);
  for (const Runs::Run& r : others) count = e.binary(Op::mul, count, extent_of(r));
  ScalarId flat = b.open_loop(LoopKind::parallel, count, {}, grain_of(e.costs.tiles, cost * rows * tile_columns))[0];
  e.open_scope();
  const ScalarId column = e.binary(Op::mul, e.binary(Op::rem, flat, across), b.index_literal(tile_columns));
  flat = e.binary(Op::div, flat, across);
  const ScalarId row = e.binary(Op::mul, e.binary(Op::rem, flat, down), b.index_literal(rows));
  std::vector<ScalarId> at = e.unflatten(e.binary(Op::div, flat, down), others, dims);
  at.insert(at.begin() + static_cast<std::ptrdiff_t>(turned), row);
  at.push_back(column);

  const ScalarId columns = e.binary(Op::min, b.index_literal(tile_columns), e.binary(Op::sub, width, column));
  const ScalarId left = e.binary(Op::sub, height, row);  // below 16 where the tile is not whole
  const ScalarId whole = e.binary(Op::le, e.binary(Op::add, row, b.index_literal(rows)), height);
  const auto choose = [&](ScalarId yes, ScalarId no) {
    const ScalarId operands[] = {whole, yes, no};
    return b.scalar(Op::select, operands);
  };
  const auto tile = [&](LoopKind outer, ScalarId outer_count, LoopKind inner, ScalarId inner_count) {
    const ScalarId first = b.open_loop(outer, outer_count)[0];
    e.open_scope();
    const ScalarId second = b.open_loop(inner, inner_count)[0];
    e.open_scope();
    const bool vector_first = outer == LoopKind::vector;
    std::vector<ScalarId> here = at;
    here[turned] = e.binary(Op::add, row, vector_first ? second : first);
    here.back() = e.binary(Op::add, column, vector_first ? first : second);
    body(here);
    for (int k = 0; k < 2; ++k) e.close_scope(), b.close_loop();
  };
  b.open_loop(LoopKind::serial, choose(b.index_literal(1), b.index_literal(0)));
  tile(LoopKind::vector, columns, LoopKind::serial, b.index_literal(rows));
  b.close_loop();
  tile(LoopKind::serial, choose(b.index_literal(0), left), LoopKind::vector, columns);
  e.close_scope();
  b.close_loop();
}

}  // namespace

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
  if (const int turned = turned_run(e, runs); turned >= 0)
    return lower_tiles(e, runs, static_cast<size_t>(turned), cost, body);
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
